"""A deployment's serial console as it was recorded: bytes in the state folder, and their text for people."""

import codecs
import fcntl
import io
import json
import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from provisioner.errors import ProvisionError
from provisioner.state.reading import FAULTS
from provisioner.system.text import escape_lines

LIMIT = 4 << 20  # bytes; what comes after them is kept in part, so that no console can fill the disk
NEWEST = 64 << 10  # bytes that are kept of what came after the limit
TAIL = 32 << 10  # bytes that are read for the last words; escape sequences may be most of them
WORDS, WIDTH = 15, 160  # lines and characters of the last words
# control sequences of terminals (ECMA-48, 5.4 and 5.6; 8.3.89 for strings), and the head of one
SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
HALF = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]{0,4000}\x1b?|[ -/]*)\Z")
MarkKind = Literal["began", "again", "lost", "full", "ended"]
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed


class MarkLine(TypedDict):
    """A mark as the journal and the API carry it; the last three where it is `lost`."""

    time: float
    offset: int
    mark: MarkKind
    sentence: NotRequired[str]
    hint: NotRequired[str]
    code: NotRequired[int]


@dataclass(frozen=True)
class Mark:
    """What was noted beside the bytes: seconds since the epoch, bytes so far, what happened.

    `sentence`, `hint` and `code` say why it was `lost`.
    """

    time: float
    offset: int
    mark: MarkKind
    sentence: str = ""
    hint: str = ""
    code: int = 0

    def as_line(self) -> MarkLine:
        """The mark as a JSON object; `sentence`, `hint` and `code` only where it is `lost`."""
        line: MarkLine = {"time": self.time, "offset": self.offset, "mark": self.mark}
        if self.mark == "lost":
            line |= {"sentence": self.sentence, "hint": self.hint, "code": self.code}
        return line


def _parse_mark(line: str) -> Mark | None:
    """None for a line that was cut or damaged: the others are read all the same."""
    try:
        fields: MarkLine = json.loads(line)
        return _to_mark(fields)
    except FAULTS:
        return None


def _to_mark(fields: MarkLine) -> Mark:
    return Mark(
        fields["time"],
        fields["offset"],
        fields["mark"],
        fields.get("sentence", ""),
        fields.get("hint", ""),
        fields.get("code", 0),
    )


class TerminalText:
    """A console's bytes as text, piece by piece: without what a terminal would obey, nothing hidden."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def add(self, data: bytes, *, last: bool = False) -> str:
        """The text so far; half a sequence is held back until the next piece, unless this is the last."""
        text = self._held + self._decoder.decode(data, last)
        half = None if last else HALF.search(text)
        text, self._held = (text[: half.start()], text[half.start() :]) if half else (text, "")
        return escape_lines(UNPRINTABLE.sub("", SEQUENCE.sub("", text)))


def plain(output: bytes) -> str:
    """Console output as text: control sequences, carriage returns and the like taken out."""
    return TerminalText().add(output, last=True)


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
        ends = [match.start() for match in re.finditer(rb"\n", data[:-1])]
        return start + (ends[-lines] + 1 if len(ends) >= lines else 0)

    def last_words(self) -> list[str]:
        """The last lines that have any text, each cut to a readable width."""
        data = self.newest() or self.read(max(0, self.size() - TAIL), TAIL)
        lines = [line.rstrip() for line in plain(data).expandtabs().splitlines()]
        return [line if len(line) <= WIDTH else line[:WIDTH] + "…" for line in lines if line][-WORDS:]

    def marks(self) -> list[Mark]:
        """What was noted beside the bytes, oldest first."""
        try:
            lines = self.journal.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [mark for line in lines if (mark := _parse_mark(line)) is not None]

    def parts(self) -> list[int]:
        """The offsets at which a recorder began: once, and again after each break."""
        return [mark.offset for mark in self.marks() if mark.mark in ("began", "again")]

    def mark(self, kind: MarkKind, fault: ProvisionError | None = None) -> None:
        """Note what happened, with the time and the bytes so far; of `lost`, why."""
        made = Mark(time.time(), self.size(), kind)
        if fault:
            made = replace(made, sentence=str(fault), hint=fault.hint, code=fault.code)
        with _appending(self.journal) as journal:
            journal.write(json.dumps(made.as_line()).encode() + b"\n")

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
        self._is_saved = True

    def add(self, data: bytes) -> None:
        """Append what the console said."""
        self._log.write(data[: self._room])
        if rest := data[self._room :]:
            if not self._rest:
                self._recording.mark("full")
            self._rest += rest
            del self._rest[:-NEWEST]
            self._is_saved = False
        self._room = max(0, self._room - len(data))

    def keep(self) -> None:
        """Put the newest bytes of a full recording on the disk; cheap where there are none."""
        if self._is_saved:
            return
        fresh = self._recording.rest.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with _appending(fresh) as out:
            out.write(self._rest)
        fresh.replace(self._recording.rest)
        self._is_saved = True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _appending(path: Path) -> io.FileIO:
    """A file without a buffer that only its owner may read: a console shows the kernel's arguments."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
