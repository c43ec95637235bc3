"""A strict reader of event streams, by the letter of the HTML Living Standard, 9.2.5 and 9.2.6."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    """One event as a browser dispatches it."""

    data: str
    last_event_id: str
    type: str = "message"


@dataclass
class EventStreamReader:
    """Give it bytes as they come; it gives the messages that are whole, and keeps what the stream has set."""

    last_event_id: str = ""
    retry: int | None = None
    comments: int = 0
    _rest: bytes = b""
    _is_first: bool = True
    _data: list[str] = field(default_factory=list)
    _type: str = ""
    _id: str = ""

    def feed(self, received: bytes) -> Iterator[Message]:
        """Lines end by CRLF, LF or CR; a CR at the end may be half of one, so it waits."""
        self._rest += received
        if self._is_first and len(self._rest) >= 3:
            self._rest, self._is_first = self._rest.removeprefix(b"\xef\xbb\xbf"), False
        while found := re.search(rb"\r\n|\n|\r(?=.)", self._rest, re.DOTALL):
            line, self._rest = self._rest[: found.start()], self._rest[found.end() :]
            yield from self._line(line.decode("utf-8", errors="replace"))

    def _line(self, line: str) -> Iterator[Message]:
        if not line:
            yield from self._dispatch()
        elif line.startswith(":"):
            self.comments += 1
        else:
            name, _, value = line.partition(":")
            self._field(name, value.removeprefix(" "))

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)

    def _dispatch(self) -> Iterator[Message]:
        self.last_event_id = self._id
        data, kind, self._data, self._type = self._data, self._type, [], ""
        if data:
            yield Message("\n".join(data), self.last_event_id, kind or "message")
