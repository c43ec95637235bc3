"""A deployment's serial console as it was recorded: bytes in the state folder, and their text for people."""

import codecs
import fcntl
import json
import os
import re
import time
from dataclasses import asdict, dataclass, fields
from io import FileIO
from pathlib import Path

from provisioner.errors import ProvisionError

LIMIT = 4 << 20  # bytes; what comes after them is kept in part, so that no console can fill the disk
NEWEST = 64 << 10  # bytes that are kept of what came after the limit
TAIL = 32 << 10  # bytes that are read for the last words; escape sequences may be most of them
WORDS, WIDTH = 15, 160  # lines and characters of the last words
# control sequences of terminals (ECMA-48, 5.4 and 5.6; 8.3.89 for strings), and the head of one
SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
HALF = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,4000}\x1b?|[ -/]*)\Z")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed


class Text:
    """A console's bytes as text, piece by piece, without what a terminal would obey."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def add(self, data: bytes, *, last: bool = False) -> str:
        """The text so far; half a sequence is held back until the next piece, unless this is the last."""
        text = self._held + self._decoder.decode(data, last)
        half = None if last else HALF.search(text)
        text, self._held = (text[: half.start()], text[half.start() :]) if half else (text, "")
        return UNPRINTABLE.sub("", SEQUENCE.sub("", text))


def plain(output: bytes) -> str:
    """Console output as text: control sequences, carriage returns and the like taken out."""
    return Text().add(output, last=True)


@dataclass(frozen=True)
class Mark:
    """A line of a recording's journal: at `time` (seconds since 1970), after `offset` bytes.

    `mark` is `began`, `again`, `lost`, `full` or `ended`; what was `lost` says why, as an error of ours does.
    """

    time: float
    offset: int
    mark: str
    sentence: str = ""
    hint: str = ""
    code: int = 0


_MARK_KEYS = frozenset(field.name for field in fields(Mark))


class Recording:
    """The files of one deployment's console; they may be missing."""

    def __init__(self, state: Path, ident: str) -> None:
        stem = state / "logs" / f"{ident}.console"
        self.log = stem.with_name(stem.name + ".log")  # the bytes as the machine sent them, at most LIMIT
        self.rest = stem.with_name(stem.name + ".newest")  # the last bytes of what came after
        self.journal = stem.with_name(stem.name + ".jsonl")  # when it began, broke off and was cut

    def size(self) -> int:
        """Bytes that are kept in order; 0 where there are none."""
        return _size(self.log)

    def read(self, offset: int, most: int) -> bytes:
        """Bytes from `offset` on."""
        try:
            with self.log.open("rb") as log:
                log.seek(offset)
                return log.read(most)
        except FileNotFoundError:
            return b""

    def newest(self) -> bytes:
        """The last bytes of what came after the limit."""
        return self.rest.read_bytes() if self.rest.exists() else b""

    def line_start(self, lines: int, most: int = LIMIT) -> int:
        """The offset at which the last `lines` lines begin."""
        size = self.size()
        start = max(0, size - most)
        data = self.read(start, size - start)
        ends = [newline.start() for newline in re.finditer(rb"\n", data[:-1])]
        return start + (ends[-lines] + 1 if len(ends) >= lines else 0)

    def last_words(self) -> list[str]:
        """The last lines that have any text, each cut to a readable width."""
        data = self.newest() or self.read(max(0, self.size() - TAIL), TAIL)
        lines = [line.rstrip() for line in plain(data).splitlines()]
        return [line if len(line) <= WIDTH else line[:WIDTH] + "…" for line in lines if line][-WORDS:]

    def marks(self) -> list[Mark]:
        """What was noted beside the bytes, oldest first; a line that is not whole is left out."""
        try:
            lines = self.journal.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [_mark(line) for line in lines if line.endswith("}")]

    def mark(self, mark: str, fault: ProvisionError | None = None) -> None:
        """Note `began`, `again`, `lost` (by `fault`), `full` or `ended`, with the time and bytes so far."""
        line = asdict(Mark(time.time(), self.size(), mark))
        if fault:
            line |= {"sentence": str(fault), "hint": fault.hint, "code": fault.code}
        with _appending(self.journal) as journal:
            journal.write(json.dumps(line).encode() + b"\n")

    def is_running(self) -> bool:
        """Whether a recorder has it open."""
        try:
            with self.log.open("rb") as log:
                fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False


class RecordingWriter:
    """The one recorder of a recording; another waits until it has ended."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._log = _appending(recording.log)
        fcntl.flock(self._log, fcntl.LOCK_EX)
        self._room = max(0, LIMIT - recording.size())
        self._rest = bytearray(recording.newest())
        self._kept = True

    def add(self, data: bytes) -> None:
        """Append what the console said."""
        self._log.write(data[: self._room])
        if rest := data[self._room :]:
            if not self._rest:
                self._recording.mark("full")
            self._rest += rest
            del self._rest[:-NEWEST]
            self._kept = False
        self._room = max(0, self._room - len(data))

    def keep(self) -> None:
        """Put the newest bytes of a full recording on the disk; cheap where there are none."""
        if self._kept:
            return
        fresh = self._recording.rest.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with _appending(fresh) as out:
            out.write(self._rest)
        fresh.replace(self._recording.rest)
        self._kept = True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _mark(line: str) -> Mark:
    return Mark(**{key: value for key, value in json.loads(line).items() if key in _MARK_KEYS})


def _appending(path: Path) -> FileIO:
    """A file without a buffer that only its owner may read: a console shows the kernel's arguments."""
    return FileIO(path, "a", opener=lambda name, flags: os.open(name, flags, 0o600))
