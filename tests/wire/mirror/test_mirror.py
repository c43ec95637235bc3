"""A mirror of tiny packages: made by the command line, read by the real apt, pip and ansible-galaxy."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner import run
from provisioner.mirror import locks, signing
from provisioner.system.checksum import sha256

if TYPE_CHECKING:
    from tests.wire.conftest import Inside, Namespace

PROVISION = (sys.executable, "-m", "provisioner")
GALAXY = Path(sys.executable).with_name("ansible-galaxy")
NAME = "apt.vaultcube.local"
CONTROL = """Package: {name}
Version: {version}
Architecture: all
Maintainer: Nobody <nobody@vaultcube.local>
Description: a tiny package
"""
TINY = {
    "tiny-base": "Essential: yes\nPriority: required\n",
    "tiny-required": "Priority: required\n",
    "apt": "Priority: important\n",
    "greeter": "Depends: libgreet, tiny-base\nRecommends: unwanted\n",
    "libgreet": "",
    "unwanted": "",
}
GALAXY_YML = "namespace: lab\nname: tiny\nversion: 1.0.10\nreadme: README.md\nauthors: [nobody]\n"


@dataclass
class CommandResult:
    code: int
    out: str
    err: str


@dataclass
class Works:
    """A folder with an upstream archive, wheels and a collection, and the commands on them."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def provision(self, *words: str | Path, **env: str) -> CommandResult:
        done = run.run(
            [*PROVISION, *words], check=False, timeout=100, env={**self.env, **env}, cwd=self.folder
        )
        return CommandResult(done.returncode, done.stdout.decode(), done.stderr.decode())

    def lock(self, out: str = "lock.yml", *more: str) -> CommandResult:
        words = (
            "--packages",
            "packages",
            "--wheels",
            "requirements.txt",
            "--collections",
            "lab-tiny-1.0.10.tar.gz",
        )
        where = ("--suite", "bookworm", "--sources", "up.list", "--created", "2026-11-02T00:00:00Z")
        return self.provision("mirror", "lock", *where, *words, "-o", out, *more)

    def make(self, out: str, *more: str | Path, lock: str = "lock.yml") -> CommandResult:
        words = ("--lock", lock, "--out", out, "--sign", "site.mirror-key", "--sources", "up.list")
        return self.provision("mirror", "make", *words, "--from", self.folder / "galaxy", *more)


def make_package(folder: Path, name: str, version: str = "1.0", more: str = "", note: str = "") -> Path:
    tree = folder / f"{name}-tree"
    (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
    (tree / "DEBIAN" / "control").write_text(CONTROL.format(name=name, version=version) + more)
    (tree / "usr" / "share" / name).mkdir(parents=True, exist_ok=True)
    (tree / "usr" / "share" / name / "note").write_text(note or name)
    out = folder / "pool" / f"{name}_{version}_all.deb"
    out.parent.mkdir(exist_ok=True)
    run.run(["dpkg-deb", "--root-owner-group", "--build", tree, out])
    shutil.rmtree(tree)
    return out


def index_archive(folder: Path, key: Path) -> None:
    """A signed archive as others make them, without a line of ours but the signature's."""
    suite = folder / "dists" / "bookworm"
    (suite / "main" / "binary-amd64").mkdir(parents=True, exist_ok=True)
    packages = run.run(["apt-ftparchive", "packages", "pool"], cwd=folder).stdout
    (suite / "main" / "binary-amd64" / "Packages").write_bytes(packages)
    (suite / "InRelease").unlink(missing_ok=True)
    (suite / "Release").unlink(missing_ok=True)
    said = {"Suite": "bookworm", "Codename": "bookworm", "Components": "main", "Architectures": "amd64"}
    options = [f"-oAPT::FTPArchive::Release::{key}={value}" for key, value in said.items()]
    (suite / "Release").write_bytes(run.run(["apt-ftparchive", *options, "release", "."], cwd=suite).stdout)
    signed = signing.Signer(key, "2026-10-01T00:00:00Z").inline(suite / "Release")
    (suite / "InRelease").write_bytes(signed)


def make_wheel(folder: Path, name: str, needs: str = "") -> None:
    record = f"{name}-1.10.dist-info"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.10\n"
    with zipfile.ZipFile(folder / f"{name}-1.10-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"NAME = {name!r}\n")
        file.writestr(f"{record}/METADATA", meta + (f"Requires-Dist: {needs}\n" if needs else ""))
        file.writestr(
            f"{record}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(
            f"{record}/RECORD", f"{name}.py,,\n{record}/METADATA,,\n{record}/WHEEL,,\n{record}/RECORD,,\n"
        )


def make_collection(folder: Path) -> Path:
    tree = folder / "tiny"
    tree.mkdir()
    (tree / "galaxy.yml").write_text(GALAXY_YML)
    (tree / "README.md").write_text("tiny\n")
    out = folder / "galaxy"
    run.run([GALAXY, "collection", "build", tree, "--output-path", out])
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Works:
    """With lock.yml, the key `site`, and the mirror `m` made from them."""
    folder = tmp_path_factory.mktemp("works")
    up, wheels = folder / "up", folder / "python"
    up.mkdir()
    wheels.mkdir()
    signing.keygen(folder, "upstream")
    for name, more in TINY.items():
        make_package(up, name, more=more)
    index_archive(up, folder / "upstream.mirror-key")
    (folder / "up.list").write_text(f"deb [signed-by={folder}/upstream.gpg] file:{up} bookworm main\n")
    make_wheel(wheels, "tinyone", "tinytwo")
    make_wheel(wheels, "tinytwo")
    (folder / "requirements.txt").write_text("tinyone\n")
    (folder / "packages").write_text("greeter # with what it needs\n")
    shutil.copy(make_collection(folder), folder)
    made = Works(folder, {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull})
    for said in (made.provision("mirror", "keygen", "site"), made.lock(), made.make("m")):
        assert said.code == 0, said.err
    return made


@pytest.fixture
def copy(works: Works, tmp_path: Path) -> Path:
    """A mirror that a test may spoil."""
    shutil.copytree(works.folder / "m", tmp_path / "m")
    return tmp_path / "m"


def contents(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): sha256(p) for p in sorted(root.rglob("*")) if p.is_file()}


def test_the_lock_names_the_minimal_system_what_was_asked_for_and_what_that_needs(works: Works) -> None:
    lock = locks.load(works.folder / "lock.yml")
    assert {item.name for item in lock.packages} == set(TINY) - {"unwanted"}
    assert {item.suite for item in lock.packages} == {"bookworm"}
    assert {item.name: item.priority for item in lock.packages}["tiny-required"] == "required"
    assert [item.name for item in lock.wheels] == ["tinyone", "tinytwo"]
    assert [(item.name, item.version) for item in lock.collections] == [("lab.tiny", "1.0.10")]
    for item in lock.packages:
        deb = works.folder / "up" / item.path
        assert (item.sha256, item.size) == (sha256(deb), deb.stat().st_size)


def test_a_lock_that_has_not_changed_is_left_alone(works: Works) -> None:
    before = (works.folder / "lock.yml").read_bytes()
    said = works.lock("lock.yml", "--created", "2027-01-01T00:00:00Z")
    assert said.code == 0 and "is up to date" in said.err
    assert (works.folder / "lock.yml").read_bytes() == before


def test_collections_are_locked_from_ansibles_own_list_too(works: Works) -> None:
    tarball = works.folder / "lab-tiny-1.0.10.tar.gz"
    (works.folder / "galaxy.yml").write_text(f"collections: [{{name: {tarball}, type: file}}]\n")
    words = ("--suite", "bookworm", "--collections", "galaxy.yml", "-o", "collections.yml")
    said = works.provision("mirror", "lock", *words)
    assert said.code == 0, said.err
    [item] = locks.load(works.folder / "collections.yml").collections
    assert (item.name, item.version, item.sha256) == ("lab.tiny", "1.0.10", sha256(tarball))


def test_apt_must_trust_the_archives_key(works: Works) -> None:
    text = (works.folder / "up.list").read_text()
    (works.folder / "forged.list").write_text(text.replace("upstream.gpg", "site.gpg"))
    said = works.lock("forged.yml", "--sources", "forged.list")
    assert said.code == 5 and "PV-652" in said.err and "NO_PUBKEY" in said.err
    assert not (works.folder / "forged.yml").exists()


@pytest.mark.parametrize(
    ("options", "sentence", "code"),
    [
        (("--packages", "no-such-list"), "no-such-list: No such file or directory", "PV-100"),
        (("--packages", "nonsense"), "Unable to locate package no-such-package", "PV-652"),
        (("--wheels", "nonsense"), "No matching distribution found for no-such-package", "PV-652"),
        (("--collections", "nonsense.tar.gz"), "nonsense.tar.gz is no collection", "PV-100"),
        (("--sources", "lock.yml"), "is no file that ends in .list or .sources", "PV-100"),
        (("--wheels", "requirements.txt", "--python", "3.99"), "this machine has no python3.99", "PV-659"),
    ],
)
def test_what_cannot_be_locked_is_said_with_the_programs_own_words(
    works: Works, options: tuple[str, ...], sentence: str, code: str
) -> None:
    (works.folder / "nonsense").write_text("no-such-package\n")
    (works.folder / "nonsense.tar.gz").write_text("x")
    said = works.lock("wrong.yml", *options)
    assert said.code == 2 and sentence in said.err and code in said.err, said.err


def test_the_same_lock_and_key_make_the_same_bytes_and_nothing_is_fetched_twice(works: Works) -> None:
    first = contents(works.folder / "m")
    again = works.make("m")
    assert "8 files were there, 0 came from other folders, 0 were fetched" in again.err
    other = works.make("m2", "--from", "m")
    assert "0 files were there, 8 came from other folders, 0 were fetched" in other.err
    assert first == contents(works.folder / "m") == contents(works.folder / "m2")


def test_a_stopped_make_goes_on_from_what_it_has(works: Works, copy: Path) -> None:
    whole = contents(copy)
    lost = [
        next(copy.rglob("greeter*.deb")),
        next(copy.rglob("tinytwo*.whl")),
        next(copy.rglob("libgreet*.deb")),
    ]
    (copy / ".incoming").mkdir()
    lost[2].rename(copy / ".incoming" / "any-name.deb")  # as apt leaves it
    lost[0].write_bytes(lost[0].read_bytes()[:-1])
    lost[1].unlink()
    (copy / "apt" / "pool" / "stray.deb").write_text("x")
    said = works.make(str(copy))
    assert "5 files were there, 1 came from other folders, 2 were fetched" in said.err
    assert contents(copy) == whole


def test_a_package_that_has_left_its_archive_is_named_with_a_code_of_its_own(
    works: Works, tmp_path: Path
) -> None:
    up = tmp_path / "up"
    shutil.copytree(works.folder / "up", up)
    (up / "pool" / "libgreet_1.0_all.deb").unlink()
    make_package(up, "libgreet", "1.1")
    index_archive(up, works.folder / "upstream.mirror-key")
    text = (works.folder / "up.list").read_text().replace(f"file:{works.folder}/up", f"file:{up}")
    (tmp_path / "newer.list").write_text(text)
    said = works.make(str(tmp_path / "m"), "--sources", str(tmp_path / "newer.list"))
    assert said.code == 9
    assert "left the archive since they were locked: libgreet 1.0 (bookworm) (PV-651)" in said.err
    assert "provision mirror lock again" in said.err
    kept = works.make(str(tmp_path / "m"), "--sources", str(tmp_path / "newer.list"), "--from", "m")
    assert kept.code == 0, "an older mirror still has it"
    assert works.lock("newer.yml", "--sources", str(tmp_path / "newer.list")).code == 0
    assert (
        works.make(str(tmp_path / "m"), "--sources", str(tmp_path / "newer.list"), lock="newer.yml").code == 0
    )
    assert [path.name for path in (tmp_path / "m").rglob("libgreet*")] == ["libgreet_1.1_all.deb"]


def test_other_bytes_under_a_locked_version_are_refused(works: Works, tmp_path: Path) -> None:
    wheels = tmp_path / "python"
    shutil.copytree(works.folder / "python", wheels)
    with zipfile.ZipFile(wheels / "tinytwo-1.10-py3-none-any.whl", "a") as file:
        file.writestr("evil.py", "")
    said = works.provision(
        *("mirror", "make", "--lock", "lock.yml", "--out", tmp_path / "m", "--sign", "site.mirror-key"),
        *("--sources", "up.list"),
        PIP_FIND_LINKS=str(wheels),
    )
    assert said.code == 5 and "wheels cannot be fetched" in said.err and "hash" in said.err.lower()
    assert not list((tmp_path / "m" / "wheels").rglob("tinytwo*"))


def test_only_a_mirrors_folder_is_written_to(works: Works, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    said = works.make(str(tmp_path))
    assert said.code == 6 and "PV-656" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_key_is_never_written_over_and_must_be_one(works: Works, tmp_path: Path) -> None:
    said = works.provision("mirror", "keygen", "site")
    assert said.code == 6 and "exists already (PV-655)" in said.err
    (tmp_path / "x.mirror-key").write_text("x")
    for key in ("none.mirror-key", tmp_path / "x.mirror-key", "site.gpg"):
        said = works.provision("mirror", "make", "--lock", "lock.yml", "--out", tmp_path / "m", "--sign", key)
        assert said.code == 6 and "PV-655" in said.err
    assert (works.folder / "site.mirror-key").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "m").exists()


def test_a_right_mirror_is_found_right_and_sha256sum_says_the_same(works: Works) -> None:
    said = works.provision("mirror", "verify", "m", "--pubkey", "site.gpg", "--lock", "lock.yml")
    assert said.code == 0 and re.search(r"m: \d+ files are right\n", said.err)
    run.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=works.folder / "m")
    run.run(
        ["gpgv", "--keyring", works.folder / "site.gpg", "SHA256SUMS.asc", "SHA256SUMS"],
        cwd=works.folder / "m",
    )


def test_each_difference_is_named(works: Works, copy: Path) -> None:
    next(copy.rglob("greeter*.deb")).unlink()
    next(copy.rglob("tinyone*.whl")).open("ab").write(b"x")
    (copy / "apt" / "pool" / "evil.deb").write_text("x")
    (copy / "apt" / "pool" / "link.deb").symlink_to("/etc/passwd")
    said = works.provision("mirror", "verify", copy, "--pubkey", "site.gpg", "-o", "json")
    error = json.loads(said.err)["error"]
    assert (said.code, error["code"]) == (6, 654) and "4 findings" in error["message"]
    found = [(row["kind"], Path(row["file"]).name) for row in json.loads(said.out)["findings"]]
    assert found == [
        ("missing", "greeter_1.0_all.deb"),
        ("extra", "evil.deb"),
        ("extra", "link.deb"),
        ("changed", "tinyone-1.10-py3-none-any.whl"),
    ]


def test_who_changes_the_sums_too_is_found_by_the_signature(works: Works, copy: Path) -> None:
    wheel = next(copy.rglob("tinyone*.whl"))
    before = sha256(wheel)
    wheel.write_bytes(b"evil")
    sums = copy / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(before, sha256(wheel)))
    said = works.provision("mirror", "verify", copy, "--pubkey", "site.gpg", "-o", "json")
    rows = {row["kind"]: row["file"] for row in json.loads(said.out)["findings"]}
    assert said.code == 6 and rows["unsigned"].startswith("SHA256SUMS: BAD signature")
    assert rows["changed"].endswith(wheel.name), "and by the lock"


def test_a_mirror_of_another_key_or_lock_is_not_this_one(works: Works, copy: Path, tmp_path: Path) -> None:
    signing.keygen(tmp_path, "forger")
    other = works.make(str(copy), "--sign", str(tmp_path / "forger.mirror-key"))
    assert other.code == 0
    assert works.provision("mirror", "verify", copy).code == 0, "by its own key it is right"
    said = works.provision("mirror", "verify", copy, "--pubkey", "site.gpg", "-o", "json")
    kinds = [row["kind"] for row in json.loads(said.out)["findings"]]
    assert said.code == 6 and kinds == ["changed", "unsigned", "unsigned"]
    text = (works.folder / "lock.yml").read_text()
    (tmp_path / "lock.yml").write_text(text.replace("2026-11-02", "2026-11-03"))
    said = works.provision("mirror", "verify", "m", "--lock", tmp_path / "lock.yml")
    assert said.code == 6 and "lock.yml" in said.out


APT = """set -e
mkdir -p $1/lists/partial $1/cache/archives/partial
: > $1/status
echo "deb [signed-by=$2] $3 bookworm main" > $1/sources.list
apt="-q -oDir::State=$1 -oDir::State::Lists=$1/lists -oDir::State::status=$1/status -oDir::Cache=$1/cache"
apt="$apt -oDir::Etc::SourceList=$1/sources.list -oDir::Etc::SourceParts=/dev/null -oAPT::Sandbox::User=root"
apt-get $apt update --error-on=any
apt-get $apt install --download-only -y --no-install-recommends greeter tiny-required
ls $1/cache/archives
"""


def fetch_all(place: Path, keyring: Path, url: str) -> list[str]:
    """A shell command that reads the mirror by apt, pip and ansible-galaxy, each the real one."""
    pip = f"{sys.executable} -m pip --isolated install -q --no-index --find-links {url}/wheels/"
    pip += (
        f" --trusted-host {url.split('/')[2]} --require-hashes -r {place}/hashed.txt --target {place}/python"
    )
    galaxy = f"{GALAXY} collection install {url}/collections/lab-tiny-1.0.10.tar.gz -p {place}/galaxy"
    script = f"{APT}\n{pip}\n{galaxy}"
    return ["sh", "-c", script, "sh", str(place / "apt"), str(keyring), f"{url}/apt"]


def hashed(works: Works, place: Path) -> None:
    lock = locks.load(works.folder / "lock.yml")
    lines = (f"{item.name}=={item.version} --hash=sha256:{item.sha256}\n" for item in lock.wheels)
    (place / "hashed.txt").write_text("".join(lines))


def check_fetched(place: Path) -> None:
    names = {path.name.split("_")[0] for path in (place / "apt" / "cache" / "archives").glob("*.deb")}
    assert names == {"greeter", "libgreet", "tiny-base", "tiny-required"}
    assert (place / "python" / "tinytwo.py").is_file()
    assert (place / "galaxy" / "ansible_collections" / "lab" / "tiny" / "MANIFEST.json").is_file()


@pytest.fixture(scope="module")
def served(
    works: Works, lan: Namespace, inside: type[Inside], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Namespace]:
    """A running service that serves the mirror."""
    folder = tmp_path_factory.mktemp("serving")
    settings = f"services = ['web']\n[mirror]\npath = '{works.folder}/m'\n"
    with inside(lan, folder, settings):
        yield lan


def test_real_clients_read_the_mirror_from_the_service(
    works: Works, served: Namespace, tmp_path: Path
) -> None:
    hashed(works, tmp_path)
    words = fetch_all(tmp_path, works.folder / "site.gpg", "http://10.77.0.1/mirror")
    said = served.run(*words)
    assert said.code == 0, said.err
    check_fetched(tmp_path)


def test_apt_refuses_a_mirror_of_another_key(works: Works, served: Namespace, tmp_path: Path) -> None:
    said = served.run(*fetch_all(tmp_path, works.folder / "upstream.gpg", "http://10.77.0.1/mirror"))
    assert said.code != 0 and "NO_PUBKEY" in said.err


def test_under_its_own_name_the_mirror_lies_at_the_root_and_nothing_else(
    works: Works, served: Namespace
) -> None:
    kept = (works.folder / "m" / "SHA256SUMS").read_bytes()
    for host in (NAME, f"{NAME}:80", NAME.upper()):
        assert served.http("/SHA256SUMS", "-H", f"Host: {host}").body == kept
    nowhere = served.http("/no/such/path")
    assert nowhere.status == 404
    for path in ("/", "/api/v1/hosts", "/boot/52:54:00:77:01:01/boot.ipxe", "/mirror/SHA256SUMS"):
        assert served.http(path, "-H", f"Host: {NAME}") == nowhere, path
    assert served.http("/SHA256SUMS") == nowhere, "and only under that name"
    assert served.http("/SHA256SUMS", "-H", f"Host: x{NAME}") == nowhere


def test_the_mirror_is_read_only_and_shows_no_folders(works: Works, served: Namespace) -> None:
    index = served.http("/mirror/wheels/")
    assert index.status == 200 and index.headers["content-type"].startswith("text/html")
    assert b"tinyone-1.10-py3-none-any.whl" in index.body
    nowhere = served.http("/no/such/path")
    for path in (
        *(
            "/mirror",
            "/mirror/",
            "/mirror/apt/",
            "/mirror/apt/dists/",
            "/mirror/collections/",
            "/mirror/wheels",
        ),
        *(
            "/mirror/../../lock.yml",
            "/mirror/apt/..%2f..%2fsite.mirror-key",
            "/mirror/%2e%2e/site.mirror-key",
        ),
        *(
            "/mirror//etc/passwd",
            "/mirror/apt/%00",
            "/mirror/.incoming/x",
            "/mirror/apt//dists/bookworm/Release",
        ),
    ):
        assert served.http(path) == nowhere, path
    for method in ("PUT", "POST", "DELETE", "OPTIONS", "PROPFIND"):
        assert served.http("/mirror/SHA256SUMS", method=method) == nowhere, method
        assert served.http("/SHA256SUMS", "-H", f"Host: {NAME}", method=method) == nowhere, method


def test_a_package_comes_whole_and_by_range(works: Works, served: Namespace) -> None:
    path = next((works.folder / "m").rglob("greeter*.deb"))
    kept, place = path.read_bytes(), f"/mirror/{path.relative_to(works.folder / 'm')}"
    whole = served.http(place)
    assert (whole.status, whole.body, whole.headers["accept-ranges"]) == (200, kept, "bytes")
    part = served.http(place, "-H", "Range: bytes=10-29")
    assert (part.status, part.body) == (206, kept[10:30])
    assert served.http(place, "-H", f"Range: bytes={len(kept)}-").status == 416
    head = served.http(place, method="HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(len(kept)))


def test_a_service_without_a_mirror_has_none(world: Any) -> None:
    nowhere = world.lan.http("/no/such/path")
    for options in ((), ("-H", f"Host: {NAME}")):
        for path in ("/mirror/SHA256SUMS", "/SHA256SUMS", "/mirror/wheels/"):
            assert world.lan.http(path, *options) == nowhere
    boot = "/boot/52:54:00:77:01:99/boot.ipxe"
    assert world.lan.http(boot, "-H", f"Host: {NAME}").status == 200, "a boot script is an answer to any name"


Gap = Callable[..., tuple[CommandResult, dict[str, Any]]]


@pytest.fixture
def gap(works: Works, tmp_path: Path) -> Gap:
    """Runs a command in the air gap; what it said, and the account."""

    def inside(*command: str, before: Sequence[str] = ()) -> tuple[CommandResult, dict[str, Any]]:
        report = tmp_path / "gap.json"
        report.unlink(missing_ok=True)
        words = [
            *before,
            *PROVISION,
            "mirror",
            "airgap",
            "--mirror",
            "m",
            "--report",
            str(report),
            "--",
            *command,
        ]
        done = run.run(words, check=False, timeout=100, cwd=works.folder)
        said = CommandResult(done.returncode, done.stdout.decode(), done.stderr.decode())
        return said, json.loads(report.read_text()) if report.exists() else {}

    return inside


def test_a_build_from_the_mirror_alone_has_no_attempt(works: Works, gap: Gap, tmp_path: Path) -> None:
    hashed(works, tmp_path)
    said, account = gap(*fetch_all(tmp_path, works.folder / "site.gpg", f"http://{NAME}"))
    assert said.code == 0, said.err
    assert (account["count"], account["attempts"], account["exit_code"]) == (0, [], 0)
    assert "air gap: 0 attempts" in said.err
    check_fetched(tmp_path)


PROBES = {
    "a name": ("curl -sS http://Example.com./x", {"name": "example.com", "protocol": "dns", "port": 53}),
    "an address": (
        "curl -sS http://10.9.8.7:8080/",
        {"address": "10.9.8.7", "protocol": "tcp", "port": 8080},
    ),
    "an IPv6 address": (
        "curl -sS 'http://[2001:4860::8]/'",
        {"address": "2001:4860::8", "protocol": "tcp", "port": 80},
    ),
    "another resolver": (
        "python3 -c \"import socket; socket.socket(2, 2).sendto(b'x', ('9.9.9.9', 53))\"",
        {"address": "9.9.9.9", "protocol": "udp", "port": 53},
    ),
    "a ping": (
        "python3 -c \"import socket; socket.socket(2, 3, 1).sendto(b'\\x08' + bytes(7), ('9.9.9.9', 0))\"",
        {"address": "9.9.9.9", "protocol": "icmp", "port": 0},
    ),
}


@pytest.mark.parametrize("what", PROBES)
def test_what_is_asked_elsewhere_is_named_and_fails(gap: Gap, what: str) -> None:
    command, wanted = PROBES[what]
    said, account = gap("sh", "-c", f"{command} || true")
    assert said.code == 6 and "PV-657" in said.err
    [attempt] = account["attempts"]
    assert attempt.pop("count") in (1, 2), "a name is asked for as A and as AAAA"
    assert attempt == wanted
    assert (wanted.get("name") or wanted["address"]) in said.err


def test_attempts_are_counted_and_none_is_lost(gap: Gap) -> None:
    loop = (
        "for port in $(seq 1 40); do curl -s http://10.0.0.1:$port/; curl -s http://10.0.0.1:7/; done; true"
    )
    said, account = gap("sh", "-c", loop)
    counts = {attempt["port"]: attempt["count"] for attempt in account["attempts"]}
    assert counts == {port: 41 if port == 7 else 1 for port in range(1, 41)}
    assert account["count"] == 80 and said.code == 6


def test_a_namespace_inside_the_gap_is_no_way_out(gap: Gap) -> None:
    """What is routed through counts like what is sent."""
    script = """set -e
    unshare --net sh -c 'echo; exec sleep 20' > pipe & child=$!
    read _ < pipe
    ip link add out type veth peer name in netns $child
    ip address add 10.5.0.1/24 dev out; ip link set out up
    nsenter --net -t $child ip address add 10.5.0.2/24 dev in
    nsenter --net -t $child ip link set in up
    nsenter --net -t $child ip route add default via 10.5.0.1
    echo 1 > /proc/sys/net/ipv4/ip_forward
    nsenter --net -t $child curl -sS --max-time 5 http://198.51.100.1/ || true
    kill $child
    """
    said, account = gap("sh", "-c", f"cd $(mktemp -d); mkfifo pipe; {script}")
    assert said.code == 6, said.err
    assert [attempt["address"] for attempt in account["attempts"]] == ["198.51.100.1"], said.err


def test_the_command_in_the_gap_has_the_callers_environment(gap: Gap) -> None:
    said, _ = gap("env", before=("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MINE=1"))
    told = dict(line.split("=", 1) for line in said.out.splitlines())
    assert said.code == 0, said.err
    assert told["MINE"] == "1" and set(told) <= {"MINE", "PATH", "LC_CTYPE", "_"}, told


def test_the_commands_own_code_comes_back_where_nothing_was_asked(gap: Gap) -> None:
    said, account = gap("sh", "-c", "echo out; exit 7")
    assert (said.code, said.out, account["exit_code"]) == (7, "out\n", 7)
    said, account = gap("sh", "-c", "kill -9 $$")
    assert said.code == 137
    said, _ = gap("no-such-program")
    assert said.code == 1 and "no-such-program is not installed" in said.err


def test_an_ordinary_user_can_prove_it_too(gap: Gap) -> None:
    ordinary = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    command = f"curl -sSf -o /dev/null http://{NAME}/SHA256SUMS && curl -sS http://10.1.1.1/ || true"
    said, account = gap("sh", "-c", f"id -u; {command}", before=ordinary)
    assert (said.code, said.out) == (6, "0\n"), said.err
    assert [attempt["address"] for attempt in account["attempts"]] == ["10.1.1.1"]


def test_what_was_started_in_the_gap_ends_with_it(works: Works, tmp_path: Path) -> None:
    mark = f"86{os.getpid()}"  # seconds that nobody else sleeps
    shell = f"sleep {mark} & echo started > {tmp_path}/begun; setsid sleep {mark}"
    words = ("airgap", "--mirror", works.folder / "m", "--", "sh", "-c", shell)
    process = run.start([sys.executable, "-m", "provisioner", "mirror", *words])
    wait_until(lambda: (tmp_path / "begun").exists() and len(sleepers(mark)) == 2)
    process.kill()
    process.wait()
    wait_until(lambda: not sleepers(mark))


def sleepers(mark: str) -> list[str]:
    """The processes of this machine that sleep so long."""
    done = run.run(["pgrep", "-fx", f"sleep {mark}"], check=False)
    return done.stdout.decode().split()


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Another program's processes have no event to wait for."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_the_machine_outside_is_as_it_was(gap: Gap) -> None:
    def state() -> list[object]:
        shown = [run.text(["ip", "-br", "address"]), run.text(["ip", "route"])]
        return [*shown, *(Path(place).read_text() for place in ("/etc/resolv.conf", "/etc/hosts"))]

    before = state()
    said, _ = gap("sh", "-c", "cat /etc/resolv.conf")
    assert "192.0.2.1" in said.out
    assert state() == before


def test_no_mirror_no_gap(works: Works, tmp_path: Path) -> None:
    said = works.provision("mirror", "airgap", "--mirror", tmp_path, "--", "true")
    assert said.code == 2 and "PV-656" in said.err
