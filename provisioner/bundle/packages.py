"""The Debian packages of a bundle: ours, and what it needs beyond a minimal system, as a flat repository."""

import lzma
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from provisioner import run
from provisioner.errors import InputError, RefusedError
from provisioner.mirror import archive
from provisioner.mirror.archive import Archive
from provisioner.mirror.locks import DebianPackage
from provisioner.system.checksum import sha256

NAME = "provisioner"
SCAN_LIMIT = 600.0  # seconds


def field(package: Path, name: str) -> str:
    """One field of a .deb's control file, empty where it has none. Raises InputError where it is no .deb."""
    done = run.run(["dpkg-deb", "--field", package, name], check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise InputError(f"{package}: no Debian package: {said}", hint="make deb builds it", code=150)
    return done.stdout.decode().strip()


def architecture(package: Path) -> str:
    """For which machines a .deb is; one for all is for those like this. Raises InputError."""
    named = field(package, "Architecture")
    return run.text(["dpkg", "--print-architecture"]) if named == "all" else named


def collect(
    package: Path, into: Path, suite: str, machine: str, *, sources: Path | None = None
) -> list[DebianPackage]:
    """Fetch what `package` depends on beyond a minimal system of that suite, and copy it beside; its needs.

    `machine` is Debian's word for the architecture. Raises InputError (PV-150 no package of ours, PV-652),
    UnreachableError (PV-652), RefusedError (PV-653) where other bytes came than apt's signed lists say.
    """
    if field(package, "Package") != NAME:
        raise InputError(f"{package} is not the package {NAME}", hint="make deb builds it", code=150)
    into.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package, into / package.name)
    with archive.opened(suite, machine, sources) as opened:
        needs = beyond_minimum(opened, depends(field(package, "Depends")))
        for some in opened.fetch(needs, into):
            _check(some, into)
    index(into)
    return needs


def depends(text: str) -> list[str]:
    """The names in a Depends field; of alternatives the first, without versions (Debian policy, 7.1)."""
    firsts = (alternatives.split("|")[0] for alternatives in text.split(","))
    return [re.sub(r"\(.*?\)|:any", "", first).strip() for first in firsts if first.strip()]


def beyond_minimum(opened: Archive, names: Sequence[str]) -> list[DebianPackage]:
    """What is installed for these names over mmdebstrap's minbase."""
    minimal = {package.name for package in opened.closure([])}
    return [package for package in opened.closure([names]) if package.name not in minimal]


def _check(some: Sequence[DebianPackage], into: Path) -> None:
    sums = {sha256(path) for path in into.glob("*.deb")}
    if wrong := [package.name for package in some if package.sha256 not in sums]:
        raise RefusedError(
            f"other bytes came than apt's lists say, of {', '.join(wrong)}",
            hint="the way here changes files: do not use it",
            code=653,
        )


def index(folder: Path) -> None:
    """Packages and Packages.xz, by which apt reads a flat repository: `deb [trusted=yes] file:FOLDER ./`."""
    program = run.find("apt-ftparchive", "apt-utils")
    env = {"LC_ALL": "C.UTF-8", "APT_CONFIG": os.devnull}
    done = run.run([program, "-q", "packages", "."], cwd=folder, timeout=SCAN_LIMIT, env=env)
    stanzas = sorted(archive.read_stanzas(done.stdout.decode()), key=lambda stanza: stanza["Package"])
    text = "".join(map(archive.write_stanza, stanzas)).encode()
    (folder / "Packages").write_bytes(text)
    (folder / "Packages.xz").write_bytes(lzma.compress(text, preset=6))
