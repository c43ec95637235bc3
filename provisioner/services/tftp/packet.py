"""Reads and writes TFTP packets (RFC 1350, options RFC 2347); knows nothing of files.

tftpy's packet classes are not used: of the 63 hostile datagrams in tests/wire five leave them as
UnicodeDecodeError or struct.error, others pass unchecked (a request without an end, blksize=abc), and a check
in front of them would be as long as this module.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum

MAX_REQUEST = 1024  # RFC 2347 says 512; some firmware sends long paths
OPCODE_SIZE = 2
HEADER = struct.Struct("!HH")


class Opcode(IntEnum):
    """Opcodes of TFTP packets (RFC 1350, 5; OACK: RFC 2347)."""

    READ = 1
    WRITE = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class ErrorCode(IntEnum):
    """Error codes (RFC 1350, appendix; RFC 2347)."""

    OTHER = 0
    NOT_FOUND = 1
    ACCESS = 2
    ILLEGAL = 4
    UNKNOWN_TRANSFER = 5
    OPTIONS = 8


class TftpPacketError(Exception):
    """These bytes are not a TFTP packet that a client sends.

    `code` is what their sender is told, None for nothing: an error is never answered (RFC 1350, 7), and what
    has no opcode was not meant for TFTP.
    """

    def __init__(self, text: str, code: ErrorCode | None = ErrorCode.ILLEGAL) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class TransferRequest:
    """A wish to read, or to `write`. `mode` and option names are in lower case."""

    name: str
    mode: str
    write: bool = False
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ack:
    """Everything up to this block has arrived; 16 bits, so it wraps."""

    block: int


@dataclass(frozen=True)
class ErrorPacket:
    """An ERROR packet: the client gives up."""

    code: int
    text: str


def parse(data: bytes) -> TransferRequest | Ack | ErrorPacket:
    """Read a datagram of a client.

    Raises:
        TftpPacketError: truncated, not terminated, or a packet that only servers send.
    """
    if len(data) < OPCODE_SIZE:
        raise TftpPacketError(f"{len(data)} bytes are too short for a TFTP packet", None)
    code = int.from_bytes(data[:OPCODE_SIZE], "big")
    if code in (Opcode.READ, Opcode.WRITE):
        return _request(data, write=code == Opcode.WRITE)
    if len(data) < HEADER.size:
        answer = None if code == Opcode.ERROR else ErrorCode.ILLEGAL
        raise TftpPacketError(f"{len(data)} bytes are too short for opcode {code}", answer)
    value = int.from_bytes(data[OPCODE_SIZE : HEADER.size], "big")
    if code == Opcode.ACK:
        return Ack(value)
    if code == Opcode.ERROR:
        return ErrorPacket(value, _text(data[HEADER.size :].split(b"\0", 1)[0])[:200])
    is_of_transfer = code in (Opcode.DATA, Opcode.OACK)  # of one that there is not
    raise TftpPacketError(
        f"opcode {code} does not come from a client",
        ErrorCode.UNKNOWN_TRANSFER if is_of_transfer else ErrorCode.ILLEGAL,
    )


def _request(data: bytes, *, write: bool) -> TransferRequest:
    if len(data) > MAX_REQUEST:
        raise TftpPacketError(f"a request of {len(data)} bytes")
    if data[-1]:
        raise TftpPacketError("the request does not end with a zero byte")
    name, *rest = data[OPCODE_SIZE:-1].split(b"\0")
    if not name:
        raise TftpPacketError("the request names no file")
    if not rest:
        raise TftpPacketError("the request lacks a mode")
    mode, *words = (_text(word) for word in rest)
    return TransferRequest(_text(name), mode.lower(), write, _options(words))


def _options(words: list[str]) -> dict[str, str]:
    """Names in lower case, of one that comes twice the first. A value may be empty, and zeros may follow."""
    if len(words) % 2 and words.pop():
        raise TftpPacketError("the last option of the request has no value", ErrorCode.OPTIONS)
    options: dict[str, str] = {}
    for key, value in zip(words[::2], words[1::2], strict=True):
        if key:
            options.setdefault(key.lower(), value)
    return options


def _text(data: bytes) -> str:
    """Never fails: a name that is not ASCII is simply not in the list of files."""
    return data.decode("latin-1")


def build_request(request: TransferRequest) -> bytes:
    """The reverse of `parse`, for clients."""
    words = [request.name, request.mode, *(word for option in request.options.items() for word in option)]
    code = Opcode.WRITE if request.write else Opcode.READ
    return code.to_bytes(2, "big") + b"".join(word.encode("latin-1") + b"\0" for word in words)


def build_data(block: int, payload: bytes) -> bytes:
    """One block; its number is cut to 16 bits."""
    return HEADER.pack(3, block & 0xFFFF) + payload  # Opcode.DATA; looking that up costs a tenth of a block


def build_ack(block: int) -> bytes:
    """As a client says that everything up to this block has arrived."""
    return HEADER.pack(Opcode.ACK, block & 0xFFFF)


def build_oack(options: dict[str, str]) -> bytes:
    """The options that we agree to."""
    words = "".join(f"{name}\0{value}\0" for name, value in options.items())
    return Opcode.OACK.to_bytes(2, "big") + words.encode("latin-1")


def build_error(code: ErrorCode, text: str) -> bytes:
    """A refusal in words."""
    return HEADER.pack(Opcode.ERROR, code) + text.encode("ascii", "replace") + b"\0"
