"""Whether the bytes that have come are a whole request, before anybody works on it."""

import re
from dataclasses import dataclass
from enum import Enum, auto

LONGEST_HEAD = 16 << 10  # bytes of request line and headers; firmware and agents send less than one KiB
LARGEST_BODY = 5 << 20  # bytes; more than the application takes, so that it says itself what is too large
# as the application says it of all that is not there or not for you: of what nobody can read, too
NOT_FOUND = (
    b"HTTP/1.1 404 NOT FOUND\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 10\r\n\r\nnot found\n"
)
# likewise, of what went wrong with us
NOT_NOW = (
    b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Retry-After: 5\r\nContent-Length: 8\r\n\r\nnot now\n"
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_FRAMING = re.compile(
    rb"^(content-length|transfer-encoding|expect)[ \t]*:[^\n]*\n", re.IGNORECASE | re.MULTILINE
)
_CODING = re.compile(rb"^transfer-encoding[ \t]*:", re.IGNORECASE | re.MULTILINE)
_EXPECT = re.compile(rb"^expect:[ \t]*100-continue[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class Part(Enum):
    """What of a request has come."""

    HEAD = auto()  # less than its headers
    BODY = auto()  # its headers, and less than its body
    WHOLE = auto()


@dataclass(frozen=True)
class Arrival:
    """What the bytes are. `answer`, where it is not empty, ends the connection without anybody's work.

    `expects`: the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1). `request`
    stands in the place of what came, and nothing of the connection is read after it.
    """

    part: Part
    answer: bytes = b""
    expects: bool = False
    request: bytes = b""


def look(received: bytes | bytearray) -> Arrival:
    """What has come of the first request of a connection. Headers are judged where the request is parsed."""
    end = received.find(b"\r\n\r\n", 0, LONGEST_HEAD + 4)
    if end < 0:
        return Arrival(Part.HEAD, NOT_FOUND if len(received) > LONGEST_HEAD else b"")
    head = bytes(received[: end + 2])
    if _CODING.search(head):  # how long it is would be known at its end only
        return _without_body(head)
    lengths = _LENGTH.findall(head)
    # several, or none that is one, are for the parser to refuse
    length = int(lengths[0]) if len(lengths) == 1 else 0
    if length > LARGEST_BODY:
        return _without_body(head)
    if len(received) - end - 4 >= length:
        return Arrival(Part.WHOLE)
    return Arrival(Part.BODY, expects=bool(_EXPECT.search(head)))


def _without_body(head: bytes) -> Arrival:
    """What is too large, or does not say how large it is, is answered as if it had no body."""
    return Arrival(Part.WHOLE, request=_FRAMING.sub(b"", head) + b"\r\n")
