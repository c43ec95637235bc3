"""Makes a mirror from its lock: takes what is right already, fetches the rest, checks, indexes, signs."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import GoneError, RefusedError
from provisioner.mirror import archive, files, galaxy, layout, locks, repository, wheels
from provisioner.mirror.locks import DebianPackage, Lock
from provisioner.mirror.signing import Signer
from provisioner.system.checksum import sha256
from provisioner.system.units import counted, named

Report = Callable[[str], None]
KINDS = (".deb", ".whl", ".tar.gz")
NAMED = 12  # so many of a longer list are named in an error


@dataclass(frozen=True)
class MakeResult:
    """What a run did: files that were there, came from other folders, were fetched; bytes in all."""

    present: int
    taken: int
    fetched: int
    size: int
    seconds: float


def make(
    lock_file: Path,
    out: Path,
    key: Path,
    *,
    sources: Path | None = None,
    other: Sequence[Path] = (),
    report: Report = lambda _: None,
) -> MakeResult:
    """Make or complete the mirror in `out`; `other` folders are looked through before anything is fetched.

    Raises:
        InputError: the lock cannot be used (PV-650).
        GoneError: a locked file has left its archive (PV-651).
        UnreachableError: something cannot be fetched (PV-652).
        RefusedError: other bytes came than are locked (PV-653), the key does not sign (PV-655), or `out`
            holds something else (PV-656).
    """
    began = time.monotonic()
    lock = locks.load(lock_file)
    signer = Signer(key, lock.created)
    public = signer.public()
    signer.detached(lock_file)  # a key that cannot sign is known before anything is fetched
    _claim(out, lock_file)
    missing = _missing(out, lock)
    present = len(lock.files()) - len(missing)
    for folder in (out / layout.INCOMING, *other):
        missing = _take(folder, out, missing, move=folder.parent == out)
    taken = len(lock.files()) - len(missing) - present
    if missing:
        _fetch(out, lock, missing, sources, report)
    report("writing the index")
    _prune(out, lock)
    _finish(out, lock, signer, public)
    size = sum((out / place).stat().st_size for place in layout.contents(out))
    return MakeResult(present, taken, len(missing), size, time.monotonic() - began)


def _claim(out: Path, lock_file: Path) -> None:
    """A folder that is new, empty or a mirror; what is not locked is removed from it later."""
    known = out / layout.LOCK
    holds = {path.name for path in out.iterdir()} - {layout.INCOMING} if out.is_dir() else set()
    if holds and not known.is_file():
        raise RefusedError(f"{out} holds something that is no mirror", hint="give a new folder", code=656)
    if known.is_file():
        locks.load(known)  # raises InputError where it is something else of that name
    (out / layout.INCOMING).mkdir(parents=True, exist_ok=True)
    if lock_file.resolve() != known.resolve():
        files.write(known, lock_file.read_bytes())


def _missing(out: Path, lock: Lock) -> dict[str, str]:
    return {
        place: digest for place, digest in lock.files().items() if not files.is_right(out / place, digest)
    }


def _take(folder: Path, out: Path, missing: dict[str, str], *, move: bool) -> dict[str, str]:
    """Bring in what a folder has of it, by its bytes alone; what is missing then."""
    if not missing or not folder.is_dir():
        return missing
    places = {digest: place for place, digest in missing.items()}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(KINDS) and path.is_file() and not path.is_symlink():
            place = places.pop(sha256(path), "")
            if place:
                files.place(path, out / place, move=move)
    return {place: digest for digest, place in places.items()}


def _fetch(
    out: Path, lock: Lock, missing: dict[str, str], sources: Path | None, report: Report
) -> dict[str, str]:
    incoming = out / layout.INCOMING
    packages = [item for item in lock.packages if f"apt/{item.path}" in missing]
    if packages:
        missing = _fetch_packages(out, lock, packages, missing, sources, report)
    some_wheels = [item for item in lock.wheels if f"wheels/{item.file}" in missing]
    if some_wheels:
        report(f"fetching {counted(len(some_wheels), 'wheel')}")
        wheels.fetch(lock, some_wheels, incoming)
    collections = [item for item in lock.collections if f"collections/{item.file}" in missing]
    if collections:
        report(f"fetching {counted(len(collections), 'collection')}")
        galaxy.fetch(collections, incoming)
    missing = _take(incoming, out, missing, move=True)
    if missing:
        raise RefusedError(
            f"other bytes came than are locked, of {_list(list(missing))}",
            hint="somebody changed a file under its version, or the way here changes files: do not use it",
            code=653,
        )
    return missing


def _fetch_packages(
    out: Path,
    lock: Lock,
    packages: list[DebianPackage],
    missing: dict[str, str],
    sources: Path | None,
    report: Report,
) -> dict[str, str]:
    with archive.opened(lock.suite, lock.architecture, sources) as opened:
        gone = opened.gone(packages)
        if gone:
            names = [f"{item.name} {item.version} ({item.suite})" for item in gone]
            raise GoneError(
                f"left the archive since they were locked: {_list(names)}",
                hint="provision mirror lock again and commit the diff; or --from an older mirror",
            )
        size = sum(item.size for item in packages) / 1e6
        report(f"fetching {counted(len(packages), 'package')}, {size:.1f} MB")
        done = 0
        for some in opened.fetch(packages, out / layout.INCOMING):
            missing = _take(out / layout.INCOMING, out, missing, move=True)
            done += len(some)
            report(f"  {done} of {len(packages)}")
    return missing


def _prune(out: Path, lock: Lock) -> None:
    """What an older lock named goes away; so does what a stopped run left."""
    wanted = lock.files()
    for folder in (f"{layout.APT}/pool", layout.WHEELS, layout.COLLECTIONS):
        (out / folder).mkdir(parents=True, exist_ok=True)
        for path in [path for path in (out / folder).rglob("*") if not path.is_dir() or path.is_symlink()]:
            if path.relative_to(out).as_posix() not in wanted:
                path.unlink()
        for path in sorted((out / folder).rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    shutil.rmtree(out / layout.INCOMING, ignore_errors=True)


def _finish(out: Path, lock: Lock, signer: Signer, public: bytes) -> None:
    repository.write(out / layout.APT, lock, signer)
    files.write(out / layout.INDEX, wheels.index(lock.wheels))
    files.write(out / layout.KEYRING, public)
    known = lock.files()
    listed = sorted(layout.contents(out) - {layout.SUMS, layout.SIGNATURE})
    sums = "".join(f"{known.get(place) or sha256(out / place)}  {place}\n" for place in listed)
    files.write(out / layout.SUMS, sums)
    files.write(out / layout.SIGNATURE, signer.detached(out / layout.SUMS))


def _list(names: list[str]) -> str:
    return named(sorted(names), NAMED)
