"""Python wheels by pip: which ones an interpreter on a system needs, fetched by their hashes, indexed."""

import html
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict
from urllib.parse import quote, unquote, urlsplit

from provisioner import run
from provisioner.errors import InputError, ProgramError, UnreachableError
from provisioner.mirror.locks import Lock, Wheel
from provisioner.system.checksum import sha256

RESOLVE_LIMIT, FETCH_LIMIT = 1800.0, 6 * 3600.0  # seconds
OLDEST = 5  # glibc 2.5 is what manylinux1 meant (PEP 600)
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Debian's name → the wheels'
INDEX = """<!DOCTYPE html>
<html><head><meta name="pypi:repository-version" content="1.0"><title>wheels</title></head><body>
{links}</body></html>
"""


class ArchiveInfo(TypedDict, total=False):
    """`archive_info` of a direct URL (PEP 610): hash name → hexadecimal digest."""

    hashes: dict[str, str]


class DownloadInfo(TypedDict):
    """Where pip would get a file from (PEP 610): `url`, and the file's hashes where it knows them."""

    url: str
    archive_info: NotRequired[ArchiveInfo]


class PackageMetadata(TypedDict):
    """Of a distribution's core metadata (PEP 566) what is needed here."""

    name: str
    version: str


class ReportItem(TypedDict):
    """One entry of `install` in pip's installation report, version 1."""

    download_info: DownloadInfo
    metadata: PackageMetadata


def resolve(given: Sequence[Path], python: str, glibc: str, architecture: str) -> list[Wheel]:
    """What pip would install for each file, dependencies included, as wheels only.

    Each file is an environment of its own: two may want different versions. The interpreter itself is asked
    (PEP 508 markers are about the one that runs), nothing is installed. Raises InputError (PV-652, PV-659).
    """
    missing = [str(path) for path in given if not path.is_file()]
    if missing:
        raise InputError(f"{', '.join(missing)}: no such file", hint="--wheels REQUIREMENTS")
    target = _target(python, glibc, architecture)
    resolved = {wheel.file: wheel for path in given for wheel in _resolve(path, python, target)}
    return sorted(resolved.values(), key=lambda wheel: wheel.file.lower())


def _resolve(path: Path, python: str, target: Sequence[str]) -> list[Wheel]:
    with tempfile.TemporaryDirectory(prefix="wheels-") as folder:
        report = Path(folder) / "report.json"
        argv = [*_pip(python), "install", "--dry-run", "--ignore-installed", "--report", str(report)]
        try:
            run.run([*argv, *target, "--target", folder, "-r", path], timeout=RESOLVE_LIMIT)
        except ProgramError as fault:
            raise InputError(
                f"pip cannot resolve {path}: {fault}",
                hint="correct the requirements; each must have a wheel for this Python and system",
                code=652,
            ) from fault
        return [_wheel(row) for row in json.loads(report.read_text())["install"]]


def fetch(lock: Lock, wheels: Sequence[Wheel], into: Path) -> None:
    """Download just these files; pip refuses other bytes. Raises UnreachableError (PV-652)."""
    target = _target(lock.python, lock.glibc, lock.architecture)
    with tempfile.TemporaryDirectory(prefix="wheels-") as folder:
        listed = Path(folder) / "requirements.txt"
        for some in _rounds(wheels):
            listed.write_text(requirements(some))
            argv = [*_pip(lock.python), "download", "--no-deps", "--require-hashes", "-r", str(listed)]
            try:
                run.run([*argv, *target, "--dest", into], timeout=FETCH_LIMIT)
            except ProgramError as fault:
                raise UnreachableError(
                    f"wheels cannot be fetched: {fault}",
                    hint="try again; if a version was withdrawn, provision mirror lock",
                    code=652,
                ) from fault


def _rounds(wheels: Sequence[Wheel]) -> Iterator[list[Wheel]]:
    """In none of them a name comes twice: pip would refuse that."""
    left = list(wheels)
    while left:
        some = {wheel.name: wheel for wheel in reversed(left)}
        yield list(some.values())
        left = [wheel for wheel in left if wheel not in some.values()]


def requirements(wheels: Sequence[Wheel]) -> str:
    """The wheels as a requirements file for pip, each with its hash."""
    return "".join(f"{item.name}=={item.version} --hash=sha256:{item.sha256}\n" for item in wheels)


def index(wheels: Sequence[Wheel]) -> str:
    """One page of links with hashes, for `pip --no-index --find-links URL/wheels/`."""
    links = "".join(
        f'<a href="{quote(item.file)}#sha256={item.sha256}">{html.escape(item.file)}</a><br>\n'
        for item in sorted(wheels, key=lambda wheel: wheel.file)
    )
    return INDEX.format(links=links)


def _pip(python: str) -> list[str]:
    """Our pip, run by an interpreter of the wanted version."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python == ours:
        return [sys.executable, "-m", "pip", "--quiet"]
    try:
        other = run.find(f"python{python}")
    except ProgramError as fault:
        raise InputError(
            f"the wheels are for Python {python}, and this machine has no python{python}",
            hint=f"install one: only it can say what it needs; or --python {ours}",
            code=659,
        ) from fault
    return [sys.executable, "-m", "pip", "--quiet", "--python", other]


def _target(python: str, glibc: str, architecture: str) -> list[str]:
    """Options for wheels alone, that run there: every manylinux up to the system's glibc."""
    machine = MACHINES.get(architecture, architecture)
    names = [f"manylinux_2_{minor}" for minor in range(int(glibc.split(".")[1]), OLDEST - 1, -1)]
    names += ["manylinux2014", "manylinux2010", "manylinux1", "linux"]
    platforms = [f"--platform={name}_{machine}" for name in names]
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *platforms]


def _wheel(item: ReportItem) -> Wheel:
    download = item["download_info"]
    name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
    place = urlsplit(download["url"])
    path = Path(unquote(place.path))
    digest = download.get("archive_info", {}).get("hashes", {}).get("sha256", "")
    if not digest and place.scheme == "file":  # pip does not hash what lies on this machine
        digest = sha256(path)
    if not (digest and path.suffix == ".whl"):
        raise InputError(
            f"{name} comes as {path.name}, without a hash", hint="name a released wheel", code=652
        )
    return Wheel(name=name, version=item["metadata"]["version"], file=path.name, sha256=digest)
