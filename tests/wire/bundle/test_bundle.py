"""A bundle of a tiny package: made from an archive of others, read by their programs, put in place."""

from __future__ import annotations

import json
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from provisioner import run
from provisioner.bundle import contents, install, packages
from provisioner.errors import RefusedError
from provisioner.imaging import signature
from provisioner.mirror import signing
from provisioner.state import sealed_file
from provisioner.system.checksum import sha256
from tests.wire.cli import full_disk
from tests.wire.mirror.test_mirror import TINY, index_archive, make_package

DEPENDENCIES = ("greeter_1.0_all.deb", "libgreet_1.0_all.deb")  # tiny-base is essential
NEEDS = "Depends: greeter (>= 1.0), tiny-base | nothing\n"


@dataclass
class Result:
    code: int
    out: str
    err: str


def provision(*words: str | Path) -> Result:
    done = run.run([sys.executable, "-m", "provisioner", *words], check=False, timeout=100)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass
class Shelf:
    """A folder with all that a bundle is made from."""

    folder: Path
    deb: Path

    def make(self, out: Path, *more: str | Path) -> Result:
        where = (
            "--deb",
            self.deb,
            "--sign",
            self.folder / "release.key",
            "--sources",
            self.folder / "up.list",
        )
        return provision("bundle", "make", out, *where, *more)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "up").mkdir()
    signing.keygen(folder, "upstream")
    for name, more in TINY.items():
        make_package(folder / "up", name, more=more)
    index_archive(folder / "up", folder / "upstream.mirror-key")
    (folder / "up.list").write_text(f"deb [signed-by={folder}/upstream.gpg] file:{folder}/up bookworm main\n")
    for name in ("release", "other"):
        signature.keygen(folder, name)
    (folder / "ramdisk").mkdir()
    for name in ("ramdisk.json", "vmlinuz", "initrd.img"):
        (folder / "ramdisk" / name).write_text(f"the {name}\n")
    for name in ("os.pack", "os.pack.json", "os.pack.json.minisig"):
        (folder / name).write_text(f"the {name}\n")
    return Shelf(folder, make_package(folder, "provisioner", "0.1.0", more=NEEDS))


@pytest.fixture(scope="module")
def made(shelf: Shelf) -> Path:
    out = shelf.folder / "site.bundle"
    more = ("--ramdisk", shelf.folder / "ramdisk", "--image", shelf.folder / "os.pack")
    said = shelf.make(out, *more, "--trust", shelf.folder / "release.pub", "--commit", "c0ffee")
    assert said.code == 0, said.err
    return out


def test_it_holds_our_package_and_what_that_needs_beyond_a_minimal_system(made: Path) -> None:
    with tarfile.open(made) as archive:
        names = set(archive.getnames())
    debs = {name for name in names if name.endswith(".deb")}
    assert debs == {f"packages/{name}" for name in ("provisioner_0.1.0_all.deb", *DEPENDENCIES)}
    rest = {
        "ramdisk/vmlinuz",
        "images/os.pack",
        "images/os.pack.json.minisig",
        "keys/release.pub",
        "docs/install.md",
    }
    assert rest | {"sbom.cdx.json", "provenance.json", "SHA256SUMS", "requirements.lock"} <= names
    assert not [name for name in names if name.endswith(".key")], "no private key travels"


def test_apt_installs_from_it_and_from_nothing_else(made: Path, tmp_path: Path) -> None:
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path, filter="data")
    repository = tmp_path / "packages"
    (tmp_path / "only.list").write_text(f"deb [trusted=yes] file:{repository} ./\n")
    for name in ("lists/partial", "cache/archives/partial"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "status").write_text("")
    options = [
        *(
            f"-oDir::State={tmp_path}",
            f"-oDir::State::status={tmp_path}/status",
            f"-oDir::Cache={tmp_path}/cache",
        ),
        *(f"-oDir::Etc::SourceList={tmp_path}/only.list", "-oDir::Etc::SourceParts=/dev/null"),
        *("-oAPT::Sandbox::User=root", "-oDir::Etc::PreferencesParts=/dev/null"),
        *("-oAPT::Update::Post-Invoke-Success=", "-oAPT::Update::Post-Invoke="),
    ]
    run.run(["apt-get", *options, "update"])
    known = run.text(["apt-cache", *options, "pkgnames"]).split()
    assert {"provisioner", "greeter", "libgreet"} <= set(known)
    shown = run.text(["apt-cache", *options, "show", "greeter"])
    assert f"SHA256: {sha256(repository / 'greeter_1.0_all.deb')}" in shown


def test_a_machine_without_our_program_can_verify_it(made: Path, shelf: Shelf, tmp_path: Path) -> None:
    """By tar, minisign and sha256sum, as docs/install.md says."""
    run.run(["tar", "-xf", made, "-C", tmp_path])
    run.run(["minisign", "-Vm", "SHA256SUMS", "-p", shelf.folder / "release.pub"], cwd=tmp_path)
    run.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path)
    listed = {line.split("  ", 1)[1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert there - listed == {"SHA256SUMS", "SHA256SUMS.minisig", "manifest.json", "manifest.json.minisig"}


def test_the_bill_of_materials_is_cyclonedx_and_names_every_package(made: Path, tmp_path: Path) -> None:
    with tarfile.open(made) as archive:
        text = archive.extractfile("sbom.cdx.json").read().decode()  # type: ignore[union-attr]
        lock = archive.extractfile("requirements.lock").read().decode()  # type: ignore[union-attr]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    body = json.loads(text)
    urls = {component["purl"] for component in body["components"]}
    assert {"pkg:deb/debian/greeter@1.0?arch=all", "pkg:deb/debian/libgreet@1.0?arch=all"} <= urls
    assert sum(url.startswith("pkg:pypi/") for url in urls) == lock.count("==") > 40
    assert body["metadata"]["component"]["type"] == "application"


def test_the_provenance_says_from_what_the_package_was_made(made: Path, shelf: Shelf) -> None:
    with tarfile.open(made) as archive:
        body = json.load(archive.extractfile("provenance.json"))  # type: ignore[arg-type]
    assert body["predicateType"] == "https://slsa.dev/provenance/v1"
    assert body["subject"] == [{"name": shelf.deb.name, "digest": {"sha256": sha256(shelf.deb)}}]
    inputs = body["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert inputs[0]["digest"] == {"gitCommit": "c0ffee"}
    assert {"requirements.lock", "os.pack", "os.pack.json", "release.pub"} == {
        each["name"] for each in inputs[1:]
    }


def test_it_is_verified_and_no_changed_byte_of_it_is_believed(
    made: Path, shelf: Shelf, tmp_path: Path
) -> None:
    said = provision("bundle", "verify", made, "--key", shelf.folder / "release.pub", "-o", "json")
    assert said.code == 0 and "is whole, and signed by release" in said.err, said.err
    assert json.loads(said.out)["bundle"]["package"] == shelf.deb.name
    said = provision("bundle", "verify", made, "--key", shelf.folder / "other.pub")
    assert said.code == 6 and "(PV-687)" in said.err
    data = bytearray(made.read_bytes())
    data[data.index(b"the vmlinuz")] ^= 1
    (tmp_path / "changed").write_bytes(data)
    for words in (("verify",), ("install", "--state", tmp_path / "s")):
        said = provision(
            "bundle", words[0], tmp_path / "changed", "--key", shelf.folder / "release.pub", *words[1:]
        )
        assert said.code == 6 and "ramdisk/vmlinuz is not what was put in (PV-686)" in said.err
    assert not (tmp_path / "s").exists()
    (tmp_path / "none").write_text("x")
    said = provision("bundle", "verify", tmp_path / "none", "--key", shelf.folder / "release.pub")
    assert said.code == 6 and "is no bundle" in said.err and "(PV-685)" in said.err


def test_its_parts_come_to_their_places(made: Path, shelf: Shelf, tmp_path: Path) -> None:
    state = tmp_path / "s"
    words = ("--no-packages", "--state", state, "--images", tmp_path / "packs")
    said = provision("bundle", "install", made, "--key", shelf.folder / "release.pub", *words, "-o", "json")
    assert said.code == 0, said.err
    assert "trusted: release" in said.err and f"provision image add {tmp_path}/packs/os.pack" in said.err
    assert json.loads(said.out)["bundle"]["package"] == shelf.deb.name
    assert (state / "ramdisk" / "vmlinuz").read_text() == "the vmlinuz\n"
    assert (state / "keys" / "release.pub").read_bytes() == (shelf.folder / "release.pub").read_bytes()
    assert {path.name for path in (tmp_path / "packs").iterdir()} == {
        *("os.pack", "os.pack.json", "os.pack.json.minisig")
    }
    (state / "keys" / "release.pub").write_bytes((shelf.folder / "other.pub").read_bytes())
    said = provision("bundle", "install", made, "--key", shelf.folder / "release.pub", *words[:3])
    assert said.code == 6 and "another key of the name release is trusted already" in said.err


def test_it_is_for_one_release_of_debian(made: Path, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('NAME="x"\nVERSION_CODENAME=trixie\n')
    with (
        sealed_file.opened(made, contents.BUNDLE) as opened,
        pytest.raises(RefusedError, match=r"is for bookworm \(amd64\), this is trixie") as caught,
    ):
        install.require_system(opened, tmp_path / "os-release")
    assert caught.value.code == 688


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--image", "{shelf}/none.pack"), 2, "none.pack: no such file"),
        (("--ramdisk", "{shelf}"), 2, "ramdisk.json: no such file"),
        (("--deb", "{shelf}/release.pub"), 2, "no Debian package"),
        (("--deb", "{shelf}/up/pool/greeter_1.0_all.deb"), 2, "is not the package provisioner"),
        (("--mirror", "{shelf}"), 2, "is no mirror"),
        (("--sources", "{shelf}/forged.list"), 5, "apt's sources cannot be read"),
        (("--sign", "{shelf}/release.pub"), 6, "could not be signed"),
    ],
)
def test_what_cannot_be_put_in_is_said_and_nothing_is_written(
    shelf: Shelf, tmp_path: Path, words: tuple[str, str], code: int, sentence: str
) -> None:
    text = (shelf.folder / "up.list").read_text()
    if not (shelf.folder / "forged.gpg").exists():
        signing.keygen(shelf.folder, "forged")
    (shelf.folder / "forged.list").write_text(text.replace("upstream.gpg", "forged.gpg"))
    said = shelf.make(tmp_path / "b", words[0], words[1].format(shelf=shelf.folder))
    assert said.code == code and sentence in said.err, said.err
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_written_whole_or_stays_what_it_was(shelf: Shelf, tmp_path: Path) -> None:
    folder, seed = tmp_path / "disk", tmp_path / "seed"
    seed.mkdir()
    (seed / "b").write_text("the one of yesterday")
    where = (
        "--deb",
        shelf.deb,
        "--sign",
        shelf.folder / "release.key",
        "--sources",
        shelf.folder / "up.list",
    )
    found = full_disk.runs(folder, seed, [0, 1, 9, 60], "bundle", "make", folder / "b", *where)
    full_disk.assert_all_or_nothing(found, least=4)
    assert list(found[-1]["after"]) == ["b"] and found[-1]["before"] != found[-1]["after"]


def test_what_is_in_a_bundle_is_put_in_place_whole_or_not_at_all(
    made: Path, shelf: Shelf, tmp_path: Path
) -> None:
    folder, key = tmp_path / "disk", ("--key", shelf.folder / "release.pub")
    words = ("--no-packages", "--state", tmp_path / "s", "--images", folder / "i", "--mirror", folder / "m")
    found = full_disk.runs(folder, tmp_path / "seed", [0, 1, 2], "bundle", "install", made, *key, *words)
    full_disk.assert_all_or_nothing(found, least=2)
    assert set(found[-1]["after"]) == {"i/os.pack", "i/os.pack.json", "i/os.pack.json.minisig"}


def test_of_alternatives_the_first_is_taken() -> None:
    text = "python3 (>= 3.11), a | b (<< 2), libc6:any (>= 2.34)"
    assert packages.depends(text) == ["python3", "a", "libc6"]
