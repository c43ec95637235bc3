"""Debian packages as raw material: fetched without root into a cache, checked, taken apart."""

import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from provisioner.errors import InputError, ProgramError
from provisioner.run import find, run, text
from provisioner.system.checksum import sha256

FETCH_TIMEOUT = 1800  # seconds; a kernel over a slow line
MERGED = ("bin", "sbin", "lib", "lib64")  # folders that are links into usr


@dataclass(frozen=True)
class PackageChoice:
    """A package and which of its files are kept; the last pattern that matches decides."""

    package: str
    patterns: tuple[str, ...]

    def keeps(self, path: str) -> bool:
        """Whether the file is kept; `path` as in a merged /usr, without a leading slash."""
        is_kept = False
        for pattern in self.patterns:
            if fnmatchcase(path, pattern.removeprefix("!")):
                is_kept = not pattern.startswith("!")
        return is_kept


def parse_choices(table: str) -> list[PackageChoice]:
    """The package list: a package at the line's start, its patterns indented below it."""
    choices: list[tuple[str, list[str]]] = []
    for number, line in enumerate(table.splitlines(), start=1):
        words = line.split("#")[0].rstrip()
        if not words:
            continue
        if not words[0].isspace():
            choices.append((words, []))
        elif choices:
            choices[-1][1].append(words.strip())
        else:
            raise InputError(f"package list, line {number}: a path before the first package: {words.strip()}")
    return [PackageChoice(package, tuple(patterns)) for package, patterns in choices]


def fetch(packages: Sequence[str], cache: Path) -> dict[str, Path]:
    """Package → its .deb in `cache`; only what is missing there is downloaded, and all are checked.

    Raises:
        ProgramError: apt knows no such package, cannot download it, or what came is not what it promised.
    """
    cache.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(packages)
    missing = [name for name, (file, digest) in wanted.items() if not _is_there(cache / file, digest)]
    if missing:
        _download(missing, cache)
    for file, digest in (wanted[name] for name in missing):
        if not _is_there(cache / file, digest):
            raise ProgramError(f"{file} is not what apt promised", hint="run apt-get update, then try again")
    return {name: cache / file for name, (file, _) in wanted.items()}


def newest_kernel() -> str:
    """The package that `linux-image-amd64` depends on now. Raises ProgramError where apt knows none."""
    shown = text([find("apt-cache", "apt"), "show", "--no-all-versions", "linux-image-amd64"])
    match = re.search(r"^Depends:.*?(linux-image-[\w.+-]+)", shown, re.MULTILINE)
    if not match:
        raise ProgramError("apt knows no linux-image-amd64", hint="run apt-get update, or give a kernel .deb")
    return match[1]


def _wanted(packages: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Package → (file name, SHA-256) of its candidate version; asks no network."""
    listed = text(["apt-get", "download", "--print-uris", *packages])
    files = {}
    for line in listed.splitlines():
        _, file, _, digest = shlex.split(line)
        files[file.split("_")[0]] = (file, digest.removeprefix("SHA256:"))
    unknown = [name for name in packages if name not in files]
    if unknown:
        raise ProgramError(f"apt does not know {', '.join(unknown)}", hint="run apt-get update")
    return files


def _is_there(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _download(names: Sequence[str], cache: Path) -> None:
    try:
        run(["apt-get", "download", *names], cwd=cache, timeout=FETCH_TIMEOUT)
    except ProgramError as error:
        raise ProgramError(
            f"cannot download {', '.join(names)}: {error}",
            hint="run apt-get update; without a network, bring the cache folder of a machine that has one",
        ) from error


def unpack(package: Path, into: Path) -> Path:
    """The package's files under `into`, folders of the unmerged /usr moved into usr."""
    into.mkdir(parents=True, exist_ok=True)
    run([find("dpkg-deb", "dpkg"), "-x", package, into], timeout=300)
    for name in MERGED:
        if (into / name).is_dir() and not (into / name).is_symlink():
            shutil.copytree(into / name, into / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(into / name)
    return into


def select(choice: PackageChoice, unpacked: Path, root: Path) -> None:
    """Copy what is chosen into `root`.

    Raises:
        InputError: a pattern that keeps nothing; the package has changed its files.
    """
    files = [path for path in sorted(unpacked.rglob("*")) if path.is_symlink() or path.is_file()]
    names = {str(path.relative_to(unpacked)): path for path in files}
    for pattern in choice.patterns:
        if not pattern.startswith("!") and not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(
                f"package {choice.package} holds nothing like {pattern}",
                hint="correct images/ramdisk/packages",
            )
    for name, path in names.items():
        if choice.keeps(name):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, root / name, follow_symlinks=False)
