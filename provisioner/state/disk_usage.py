"""How large the parts of the state folder are, and the words for a disk that has no more room."""

import errno
import os
import time
from functools import lru_cache
from pathlib import Path

from provisioner.errors import DiskFullError, ServiceError
from provisioner.system.units import size

FULL = (errno.ENOSPC, errno.EDQUOT)
LEAST_ROOM = 1 << 20  # bytes; SQLite calls a disk with less than this an input/output error now and then
SHOWN = 4  # parts that are named
REMEMBERED = 30  # seconds for which the sizes are believed
HINT = (
    "make room there: provision image gc, images that no host needs, logs/ and runs/ of old deployments"
    " ([retention] in the settings); what is under way goes on by itself then"
)


def parts(state: Path) -> list[tuple[str, int]]:
    """Name and bytes on the disk of each file and folder of the state folder, the largest first."""
    found = [(entry.name, _blocks(entry)) for entry in os.scandir(state)]
    return sorted(found, key=lambda part: part[1], reverse=True)


def remembered_parts(state: Path) -> list[tuple[str, int]]:
    """Likewise as it was at most REMEMBERED seconds ago; empty where the folder cannot be read."""
    return _remembered(state, int(time.monotonic() / REMEMBERED))


@lru_cache(4)
def _remembered(state: Path, _: int) -> list[tuple[str, int]]:
    try:
        return parts(state)
    except OSError:
        return []


def _blocks(entry: os.DirEntry[str]) -> int:
    paths = [entry.path]
    if entry.is_dir(follow_symlinks=False):
        paths += [os.path.join(folder, name) for folder, _, names in os.walk(entry.path) for name in names]  # noqa: PTH118  many
    total = 0
    for path in paths:
        try:
            total += os.lstat(path).st_blocks * 512
        except OSError:  # it has gone meanwhile
            continue
    return total


def room(state: Path) -> int:
    """Bytes that may still be written on the disk of the state folder."""
    about = os.statvfs(state)
    return about.f_bavail * about.f_frsize


def disk_full(state: Path) -> DiskFullError:
    """What is said when nothing can be written for want of room: what is how large, and what may go."""
    named = _largest(state, int(time.monotonic() / REMEMBERED))
    return DiskFullError(f"the disk of {state} is full: {named}", hint=HINT)


@lru_cache(4)
def _largest(state: Path, _: int) -> str:
    """Looked up once in REMEMBERED seconds: whoever cannot write tries it again and again."""
    try:
        named = ", ".join(f"{name} {size(number)}" for name, number in parts(state)[:SHOWN])
        return f"{size(room(state))} are free; {named}"
    except OSError as fault:
        return f"its parts cannot be listed: {fault.strerror}"


def is_full(fault: OSError) -> bool:
    """Whether this error means that there is no room, or that a quota is used up."""
    return fault.errno in FULL


def unusable(state: Path, fault: OSError) -> ServiceError:
    """What is said of a state folder that cannot be read or written: PV-609 where it is full."""
    if is_full(fault):
        return disk_full(state)
    place = fault.filename or state
    return ServiceError(
        f"the state folder {state} cannot be used: {place}: {fault.strerror}",
        hint=f"see its owner, its mode and how it is mounted: ls -la {state}; findmnt -T {state}",
        code=613,
    )
