"""The archive for whoever helps: whole, readable, and without any of the secrets that were planted."""

import gzip
import json
import tarfile
from pathlib import Path

import pytest

from provisioner import run, settings
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.stage import Stage
from provisioner.errors import ProgramError
from provisioner.site import interface, opened_secrets, ports, support_dump
from provisioner.site.site import Site
from provisioner.state.folder import prepare_folder
from provisioner.state.sealed_secrets import SITE, SSH_KEY
from provisioner.state.secrets import secrets_folder
from provisioner.system import ed25519
from tests.logins import put_login
from tests.unit.state.test_scrubber import HASHES, KEYS, LOOKS, S

PLANTED = ("S3cr3t", "PlantedHash", "MIIEvQ", "kiG9w0", "bmc-pass-word", "nonce-of-the-order", "RWRTY0IyMIIE")


@pytest.fixture
def planted(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """With secrets of each kind wherever the archive takes something from."""
    monkeypatch.setattr(interface, "check_interface", lambda settings: None)
    monkeypatch.setattr(ports, "look", lambda settings: [])
    state = site.settings.state
    prepare_folder(state)
    put_login(site, "lab", "admin", "bmc-pass-word")
    host = site.database.hosts.get("vc-1").model_copy(update={"rack": "B3 password=S3cr3t-in-the-rack"})
    site.database.put_inventory([host], [], site.settings.hosts_range)
    image = site.database.images.all()[0]
    row = arm(site, host, image, by="operator")
    record(site, row.id, OrderCancelled(by=f"someone token={S}"), source="operator")
    with site.database.writing():
        site.database.deployments.put(
            site.database.deployments.get(row.id).changed(nonce="nonce-of-the-order")
        )
    private, public = ed25519.make_ssh("of an earlier release")
    with site.database.writing():
        site.database.secrets.put(SSH_KEY, SITE, private, now=1, public=public)
    logs = state / "logs"
    everything = "\n".join(
        [*LOOKS, *HASHES, *KEYS, "login: bmc-pass-word", "nonce-of-the-order", private.splitlines()[1]]
    )
    (logs / f"{row.id}.1.agent.log").write_text(everything)
    hidden = "pass\x1b[1mword=S3cr3t-behind-colours\r\n" + everything
    (logs / f"{row.id}.console.log").write_text(hidden)
    (logs / "d-OTHER.1.agent.log").write_text("of a deployment that is not among the last")
    monkeypatch.setattr(run, "run", lambda argv, **how: _Done(everything.encode()))
    return site


class _Done:
    def __init__(self, out: bytes) -> None:
        self.stdout, self.stderr = out, b""


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        return {
            member.name.removeprefix("support-dump/"): (archive.extractfile(member) or _none())
            .read()
            .decode()
            for member in archive.getmembers()
        }


def _none() -> gzip.GzipFile:
    raise AssertionError("a member is no file")


def write(site: Site, tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "provisioner.toml"
    config.write_text(f'interface = "lan0"\n# token = "{S}"\n')
    out = tmp_path / "dump.tar.gz"
    support_dump.write(site, config, 10, out)
    assert out.stat().st_mode & 0o777 == 0o600
    return contents(out)


def test_no_planted_secret_is_in_any_file(planted: Site, tmp_path: Path) -> None:
    files = write(planted, tmp_path)
    token = (secrets_folder(planted.settings.state) / "seed.key").read_text().strip()
    key = opened_secrets.read(planted, SSH_KEY, SITE).splitlines()[1]
    found = [
        (name, word)
        for name, text in files.items()
        for word in (*PLANTED, token, key)
        if word in text or word in name
    ]
    assert found == []


def test_what_helps_is_in_it_and_its_readme_names_all(planted: Site, tmp_path: Path) -> None:
    files = write(planted, tmp_path)
    row = planted.database.deployments.newest()[0]
    assert json.loads(files["hosts.json"])[0]["name"] == "vc-1"
    assert json.loads(files["deployments.json"])[0]["id"] == row.id
    assert {"nonce", "token_hash", "phone_hash", "nonce_hash"}.isdisjoint(
        json.loads(files["deployments.json"])[0]
    )
    kinds = [json.loads(line)["kind"] for line in files[f"events/{row.id}.jsonl"].splitlines()]
    assert kinds[0].startswith("order.") and kinds[-1] == "order.cancelled"
    assert "provisioner" in json.loads(files["versions.json"])
    assert {"machine/addresses.txt", "machine/journal.txt", "settings.toml", "checks.json"} <= files.keys()
    assert f"logs/{row.id}.console.log" in files and not any("d-OTHER" in name for name in files)
    for name in files.keys() - {"README.txt"}:
        assert f" {name} " in files["README.txt"], name


def test_what_moves_or_failed_is_in_it_before_what_waits(planted: Site, tmp_path: Path) -> None:
    database, first = planted.database, planted.database.deployments.newest()[0]
    stages = {"d-failed": Stage.FAILED, "d-again": Stage.FAILED, "d-again-ready": Stage.READY}
    stages |= {"d-moving": Stage.WRITING} | {f"d-{number}": Stage.QUEUED for number in range(12)}
    with database.writing():
        for ident, stage in stages.items():
            host = "vc-again" if "again" in ident else f"vc-of-{ident}"
            mac = f"52:54:00:00:01:{len(database.deployments.newest()):02x}"
            database.deployments.put(first.changed(id=ident, host=host, mac=mac, stage=stage))
    support_dump.write(planted, None, 4, tmp_path / "dump.tar.gz")
    files = contents(tmp_path / "dump.tar.gz")
    names = {Path(name).stem for name in files if name.startswith("events/d-")}
    assert names == {"d-failed", "d-moving", "d-11", "d-10"}


def test_the_name_of_a_hosts_login_stays(planted: Site, tmp_path: Path) -> None:
    host = planted.database.hosts.get("vc-1")
    bmc = host.bmc.model_copy(update={"driver": "ipmi", "address": "10.0.0.9", "secret": "rack-b3"})
    planted.database.put_inventory([host.model_copy(update={"bmc": bmc})], [], planted.settings.hosts_range)
    [dumped] = [each for each in json.loads(write(planted, tmp_path)["hosts.json"]) if each["name"] == "vc-1"]
    assert dumped["bmc"]["login"] == "rack-b3" and dumped["bmc"]["address"] == "10.0.0.9"


def test_what_cannot_be_read_is_said_and_hinders_nothing(
    planted: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(argv: list[str], **how: object) -> None:
        raise ProgramError(f"{argv[0]} is not installed")

    monkeypatch.setattr(run, "run", missing)
    planted.database.db.execute("DROP TABLE profiles")
    files = write(planted, tmp_path)
    assert "is not installed" in files["machine/sockets.txt"]
    assert "could not be read" in files["profiles.json"]
    assert json.loads(files["hosts.json"])


def test_no_file_is_written_over_and_none_is_left_half_done(
    planted: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "there.tar.gz"
    out.write_text("mine")
    with pytest.raises(FileExistsError):
        support_dump.write(planted, None, 1, out)
    assert out.read_text() == "mine"

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(support_dump, "_add", fail)
    with pytest.raises(OSError, match="No space"):
        support_dump.write(planted, None, 1, tmp_path / "half.tar.gz")
    assert not (tmp_path / "half.tar.gz").exists()


def test_settings_hold_nothing_that_is_not_shown(site: Site) -> None:
    """A setting that is a secret would need a place of its own; `secrets` says where their key is."""
    words = ("password", "secret", "token", "key")
    named = [name for name in settings.Settings.model_fields if any(word in name for word in words)]
    assert named == ["secrets"]
    assert set(settings.Secrets.model_fields) == {"key_file", "passphrase_file", "ask"}
