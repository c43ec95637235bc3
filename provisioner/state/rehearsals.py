"""The folder of rehearsals that people keep: reports, screens and logs, read and never written.

Whoever can write there is not the service: no link is followed, nothing but a plain file is read, and of each
no more than its kind may have.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from provisioner.domain.rehearsal import RehearsalReport
from provisioner.errors import FileError, NotFoundError
from provisioner.state.recording import plain
from provisioner.validation import sentences

REPORT = "report.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PNG = b"\x89PNG\r\n\x1a\n"  # PNG 3, 5.2
LARGEST_REPORT, LARGEST_SCREEN, TAIL = 1 << 20, 8 << 20, 16 << 10  # bytes
MOST, MOST_FILES, LAST_LINES = 200, 24, 40


@dataclass(frozen=True)
class KeptRehearsal:
    """One by its folder's name; `ended` in seconds since 1970; `fault` says why there is no report."""

    name: str
    ended: float
    report: RehearsalReport | None
    fault: str = ""


@dataclass(frozen=True)
class LogTail:
    """The last lines of a log, as text that commands no terminal."""

    name: str
    lines: tuple[str, ...]


def folder_of(state: Path, wanted: Path | None) -> Path:
    """Where rehearsals are kept: where the settings say, else in the state folder."""
    return wanted or state / "rehearsals"


def newest(folder: Path) -> list[KeptRehearsal]:
    """The newest first, at most MOST; empty where there is no such folder. Raises FileError (PV-150)."""
    try:
        names = [entry.name for entry in os.scandir(folder) if NAME.fullmatch(entry.name)]
    except FileNotFoundError:
        return []
    except OSError as fault:
        raise FileError(
            f"{folder} cannot be read: {fault.strerror}",
            hint=f"let the service's user read it: ls -ld {folder}",
        ) from fault
    found = [kept for name in names if (kept := _kept(folder, name))]
    return sorted(found, key=lambda kept: (-kept.ended, kept.name))[:MOST]


def get(folder: Path, name: str) -> KeptRehearsal:
    """One of them. Raises NotFoundError."""
    kept = _kept(folder, name) if NAME.fullmatch(name) else None
    if kept is None:
        raise NotFoundError(f"no rehearsal is kept as {name[:100]!r}", hint="all that are kept: /rehearsals")
    return kept


def _kept(folder: Path, name: str) -> KeptRehearsal | None:
    try:
        with _opened(folder, (name,)) as here:
            about = os.fstat(here)
    except OSError:  # a link, or gone
        return None
    if not stat.S_ISDIR(about.st_mode):
        return None
    ended = about.st_mtime
    try:
        with _opened(folder, (name, REPORT)) as file:
            ended = os.fstat(file).st_mtime
            body = _read(file, LARGEST_REPORT)
        return KeptRehearsal(name, ended, RehearsalReport.model_validate_json(body))
    except FileNotFoundError:
        return KeptRehearsal(name, ended, None, f"it has no {REPORT} yet")
    except OSError as fault:
        return KeptRehearsal(name, ended, None, f"{REPORT} cannot be read: {fault.strerror}")
    except ValidationError as fault:
        return KeptRehearsal(
            name, ended, None, f"{REPORT} is no report of a rehearsal: {sentences(fault)[:300]}"
        )


def screens(folder: Path, name: str) -> list[str]:
    """The PNG files of one, as paths in its folder."""
    return sorted(_files(folder, name, ".png"))[:MOST_FILES]


def logs(folder: Path, name: str) -> list[LogTail]:
    """The last lines of each log of one."""
    return [
        tail
        for path in sorted(_files(folder, name, ".log"))[:MOST_FILES]
        if (tail := _tail(folder, name, path))
    ]


def screen(folder: Path, name: str, path: str) -> bytes:
    """One PNG. Raises NotFoundError for whatever is none."""
    parts = (name, *path.split("/"))
    with suppress(OSError):
        if len(parts) <= 3 and path.endswith(".png") and all(map(NAME.fullmatch, parts)):
            with _opened(folder, parts) as file:
                data = _read(file, LARGEST_SCREEN)
            if data.startswith(PNG):
                return data
    raise NotFoundError("no such screen is kept", hint="all rehearsals: /rehearsals")


def _files(folder: Path, name: str, suffix: str) -> Iterator[str]:
    """Files of one that end so, in its folder and in those below it."""
    with suppress(OSError), _opened(folder, (name,)) as here:
        for entry in _entries(here):
            if entry.is_dir(follow_symlinks=False):
                with suppress(OSError), _opened(folder, (name, entry.name)) as there:
                    yield from (f"{entry.name}/{each.name}" for each in _entries(there) if _is(each, suffix))
            elif _is(entry, suffix):
                yield entry.name


def _entries(folder: int) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return [entry for entry in found if NAME.fullmatch(entry.name)]


def _is(entry: os.DirEntry[str], suffix: str) -> bool:
    return entry.name.endswith(suffix) and entry.is_file(follow_symlinks=False)


def _tail(folder: Path, name: str, path: str) -> LogTail | None:
    try:
        with _opened(folder, (name, *path.split("/"))) as file:
            size = os.fstat(file).st_size
            data = os.pread(file, TAIL, max(0, size - TAIL))
    except OSError:
        return None
    lines = [line.rstrip() for line in plain(data).expandtabs().splitlines()]
    return LogTail(path, tuple(line for line in lines if line)[-LAST_LINES:])


@contextmanager
def _opened(folder: Path, parts: Sequence[str]) -> Iterator[int]:
    """A file or folder below `folder`, step by step; a link on the way is an error. Raises OSError."""
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe keeps nobody waiting
            there = os.open(part, flags, dir_fd=here)
            os.close(here)
            here = there
        yield here
    finally:
        os.close(here)


def _read(file: int, most: int) -> bytes:
    """All of a plain file. Raises OSError where it is none, or is larger."""
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode) or about.st_size > most:
        raise OSError(0, "it is no plain file, or too large")
    with os.fdopen(os.dup(file), "rb") as opened:
        return opened.read(most)
