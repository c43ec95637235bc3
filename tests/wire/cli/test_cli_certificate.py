"""`provision certificate …` on a machine that has nothing but a key: what it prints, how it ends."""

import json
import sys
from pathlib import Path

import pytest

from provisioner import run
from provisioner.certificate import canonical, files, signing
from provisioner.site import opened_secrets
from provisioner.state.sealed_secrets import CERTIFICATE_KEY, SITE
from provisioner.state.secrets import signing_public_file
from tests.certificates import healthy, make_key, rejected
from tests.logins import site_with_keys


class Laptop:
    """A folder with the certificates and the public key; there is no state folder and no network."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secret, self.public = make_key(path)
        for name, report in (("good", healthy()), ("bad", rejected())):
            data = canonical.render(report)
            self.sign(data, name)

    def sign(self, data: bytes, name: str) -> None:
        """Write it in all forms."""
        text = signing.sign(data, self.secret)
        for kind in ("json", "pdf", "html"):
            files.write(data, text, self.path / f"{name}.{kind}")

    def scanned(self, name: str) -> str:
        """What the QR code says, as it stands in the signature's trusted comment."""
        lines = (self.path / f"{name}.json.minisig").read_text().splitlines()
        return lines[2].removeprefix("trusted comment: ")

    def provision(self, *words: str, state: Path | None = None) -> tuple[int, str, str]:
        """The command in this folder, in a network namespace of its own; its code, and what it printed."""
        argv = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "provisioner"]
        env = {"PROVISION_STATE": str(state or self.path / "none"), "PYTHONPATH": str(Path.cwd())}
        done = run.run([*argv, "certificate", *words], cwd=self.path, env=env, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    return Laptop(tmp_path_factory.mktemp("laptop"))


@pytest.mark.parametrize("kind", ["json", "pdf", "html"])
def test_a_good_certificate_ends_with_0_and_a_rejected_one_with_8(laptop: Laptop, kind: str) -> None:
    code, out, err = laptop.provision("verify", f"good.{kind}", "--key", "site.pub")
    assert code == 0 and "Verdict   accepted\n" in out and "Serial    S411795X4A12345\n" in out
    assert "is right: signed by site, and nothing was changed" in err
    code, out, err = laptop.provision("verify", f"bad.{kind}", "--key", "site.pub")
    assert code == 8 and "Verdict   rejected\n" in out
    assert "is right" in err and "vc-0042 was not accepted: the verdict is rejected (PV-569)" in err


def test_programs_get_the_same_as_data(laptop: Laptop) -> None:
    code, out, err = laptop.provision("verify", "bad.pdf", "--key", "site.pub", "-o", "json")
    assert code == 8
    found = json.loads(out)["certificate"]
    assert (found["verdict"], found["host"], found["form"]) == ("rejected", "vc-0042", "pdf")
    assert found["finished_at"] == "2026-11-29T11:04:49Z" and len(found["sha256"]) == 64
    fault = json.loads(err.splitlines()[-1])["error"]
    assert (fault["code"], fault["exit"]) == (569, 8)
    code, out, _ = laptop.provision("verify", "good.pdf", "--key", "site.pub", "-o", "name")
    assert (code, out) == (0, "a-20261129-vc-0042-7f3a\n")


def test_what_was_scanned_is_verified_alone_and_with_its_report(laptop: Laptop) -> None:
    good, key = laptop.scanned("good"), ("--key", "site.pub")
    code, out, err = laptop.provision("verify", "--qr", good, *key)
    assert code == 0 and "SHA-256" in out and "sha256sum REPORT.json" in err
    code, _, err = laptop.provision("verify", "good.html", "--qr", good, *key)
    assert code == 0 and "the page and the scanned text are right" in err
    code, _, err = laptop.provision("verify", "bad.pdf", "--qr", good, *key)
    assert code == 6 and "PV-567" in err
    code, _, err = laptop.provision("verify", "--qr", good[:-5], *key)
    assert code == 6 and "PV-566" in err
    code, _, err = laptop.provision("verify", "--qr", laptop.scanned("bad"), *key)
    assert code == 8 and "PV-569" in err
    code, _, err = laptop.provision("verify", *key)
    assert code == 2 and "nothing to verify" in err


@pytest.mark.parametrize(
    ("change", "code", "number"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b" "), 6, "PV-564"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"S411795X", b"S411795Y")), 6, "PV-562"),
        (lambda path: path.write_bytes(b"%PDF-1.4\n"), 6, "PV-560"),
        (lambda path: path.unlink(), 2, "PV-150"),
    ],
    ids=["shown", "data", "none", "gone"],
)
def test_what_is_wrong_is_said_with_its_code(laptop: Laptop, change: object, code: int, number: str) -> None:
    path = laptop.path / "changed.pdf"
    path.write_bytes((laptop.path / "good.pdf").read_bytes())
    assert callable(change)
    change(path)
    ended, out, err = laptop.provision("verify", "changed.pdf", "--key", "site.pub")
    assert (ended, out) == (code, "") and number in err and "  → " in err


def test_whose_key_is_unknown_and_where_there_is_none(laptop: Laptop) -> None:
    make_key(laptop.path, "other")
    code, _, err = laptop.provision("verify", "good.pdf", "--key", "other.pub")
    assert code == 6 and "PV-563" in err
    code, _, err = laptop.provision("verify", "good.pdf")
    assert code == 2 and "PV-568" in err
    code, _, err = laptop.provision("verify", "good.pdf", "--key", "good.pdf")
    assert code == 2 and "PV-568" in err
    code, _, _ = laptop.provision("verify", "good.pdf", "--key", "other.pub", "--key", "site.pub")
    assert code == 0


def test_a_certificate_is_written_in_another_form_and_drawn_anew(laptop: Laptop) -> None:
    forged = (laptop.path / "bad.html").read_bytes().replace(b">REJECTED<", b">ACCEPTED<")
    (laptop.path / "forged.html").write_bytes(forged)
    key = ("--key", "site.pub")
    assert "PV-564" in laptop.provision("verify", "forged.html", *key)[2]
    for target in ("anew.html", "anew.pdf", "anew.json"):
        code, _, err = laptop.provision("export", "forged.html", "--to", target, *key)
        assert code == 0 and f"{target}: report a-20261129-vc-0042-8b1c of vc-0042" in err
        assert (laptop.path / target).read_bytes() == (
            laptop.path / target.replace("anew", "bad")
        ).read_bytes()
        assert laptop.provision("verify", target, *key)[0] == 8
    run.run(["minisign", "-V", "-p", laptop.public, "-m", laptop.path / "anew.json"])


def test_the_site_prints_its_key_and_verifies_without_being_given_one(laptop: Laptop, tmp_path: Path) -> None:
    state = tmp_path / "s"
    site = site_with_keys(state)
    with opened_secrets.certificate_key(site, "vc-1") as key:
        before = key.read_text()
    code, out, _ = laptop.provision("key", state=state)
    assert (code, out) == (0, signing_public_file(state).read_text())
    code, out, _ = laptop.provision("key", "-o", "json", state=state)
    [found] = json.loads(out)["keys"]
    assert found["key_id"] in found["public"] and before.splitlines()[1] not in out
    data = canonical.render(healthy())
    with opened_secrets.certificate_key(site, "vc-1") as key:
        files.write(data, signing.sign(data, key), laptop.path / "of-site.pdf")
    code, out, _ = laptop.provision("verify", "of-site.pdf", state=state)
    assert code == 0 and f"Signed by site (key {found['key_id']})" in out
    site_with_keys(state)
    assert opened_secrets.read(site, CERTIFICATE_KEY, SITE) == before, "it is made once"
    with site.database.writing():
        site.database.secrets.remove(CERTIFICATE_KEY, SITE)
    site_with_keys(state)
    assert not site.database.secrets.has(CERTIFICATE_KEY, SITE), "a lost key is not replaced unasked"
    code, _, err = laptop.provision("key")
    assert code == 2 and "PV-150" in err


def test_nothing_is_exported_that_was_changed(laptop: Laptop) -> None:
    changed = (laptop.path / "good.json").read_bytes().replace(b"S411795X", b"S411795Y")
    (laptop.path / "edited.json").write_bytes(changed)
    (laptop.path / "edited.json.minisig").write_bytes((laptop.path / "good.json.minisig").read_bytes())
    code, _, err = laptop.provision("export", "edited.json", "--to", "edited.pdf", "--key", "site.pub")
    assert code == 6 and "PV-562" in err
    assert not (laptop.path / "edited.pdf").exists()
