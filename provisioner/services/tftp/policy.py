"""Decides which file a TFTP request gets and in what pieces; only listed files are lent."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.services.tftp.packet import ErrorCode, TransferRequest

FileOrBytes = Path | bytes
Lookup = Callable[[str], FileOrBytes | None]
AUTOEXEC = "autoexec.ipxe"  # every iPXE asks for it first; an empty script costs less than an error
DEFAULT_BLOCK, MIN_BLOCK, MAX_BLOCK = 512, 8, 65464  # RFC 1350, RFC 2348
BEHIND_A_NAME = re.compile(r"[^ -~]")
LONGEST_WITH_OPTIONS = 512  # characters of a name and what stands behind it that are looked at
END_OF_OPTIONS = 255  # RFC 2132, 3.2
MAX_WINDOW = 64  # RFC 7440 allows 65,535; that many would fill our send buffer, not the line


class TransferRefused(Exception):
    """What the client is told instead of data; `reason` is one of a few words, for counting."""

    def __init__(self, code: ErrorCode, text: str, reason: str = "file") -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class NegotiatedOptions:
    """Bytes a block, blocks a window, and what the OACK says. `timeout` in seconds, 0 if not asked for."""

    block: int = DEFAULT_BLOCK
    window: int = 1
    timeout: int = 0
    accepted: dict[str, str] = field(default_factory=dict)


class Content:
    """An opened source, `size` in bytes; it stays the one that was opened, whatever is renamed over it."""

    def __init__(self, source: FileOrBytes) -> None:
        """Open.

        Raises:
            TransferRefused: it is not a regular file, is missing or may not be read.
        """
        self._bytes = source if isinstance(source, bytes) else b""
        self._fd = -1 if isinstance(source, bytes) else _open_regular(source)
        self.size = len(self._bytes) if self._fd < 0 else os.fstat(self._fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes, fewer at the end."""
        if self._fd < 0:
            return self._bytes[offset : offset + length]
        return os.pread(self._fd, length, offset)

    def close(self) -> None:
        """Give the descriptor back; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open_regular(path: Path) -> int:
    try:
        # a FIFO or a device of that name must not stop the loop, a link must not lead out of the folder
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError as fault:
        raise TransferRefused(ErrorCode.NOT_FOUND, "file not found") from fault
    except OSError as fault:
        raise TransferRefused(ErrorCode.ACCESS, fault.strerror or "cannot be read") from fault
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise TransferRefused(ErrorCode.ACCESS, "not a regular file")
    return fd


def normalise(name: str) -> str:
    """As the list of files has it: no leading slashes, no backslashes, lower case.

    Old ROMs read a boot file name on to the next zero byte, so what stood behind it in the DHCP options comes
    with it: the 0xFF that ends them, a length, another option. All of it from the first byte on that no name
    of ours has is dropped.
    """
    words = BEHIND_A_NAME.split(name.lstrip(), maxsplit=1)[0]
    return words.rstrip().replace("\\", "/").lstrip("/").lower()


def _without_options(name: str) -> Iterator[str]:
    """What may be its name, longest first, where whole DHCP options stand behind it, though they are text."""
    text = name.lstrip()[:LONGEST_WITH_OPTIONS]
    return (normalise(text[:begins]) for begins in _option_places(text) if begins)


def _option_places(text: str) -> Iterator[int]:
    """Where it is options to its end, the last place first: code, length and value (RFC 2132, 2) each.

    The ROM stopped at a zero byte: the value of an option behind the first may be missing. Each place is
    looked at once, whatever a stranger sends.
    """
    size = len(text)
    may_follow = [True] * (size + 1)  # whether what begins there may stand behind an option
    for begins in reversed(range(size)):
        left, is_end = size - begins, ord(text[begins]) == END_OF_OPTIONS
        behind = begins + 2 + ord(text[begins + 1]) if left > 2 and not is_end else size + 1
        may_follow[begins] = may_follow[behind] if behind <= size else is_end or left == 2
        if behind <= size and may_follow[begins]:
            yield begins


def open_requested(request: TransferRequest, lookup: Lookup) -> Content:
    """The content for a request.

    Raises:
        TransferRefused: a write, a text mode, a name that is not listed, a file that cannot be read.
    """
    if request.write:
        raise TransferRefused(ErrorCode.ACCESS, "this server only lends files, it takes none", "write")
    if request.mode != "octet":
        raise TransferRefused(ErrorCode.ILLEGAL, "only octet (binary) mode is served", "mode")
    name = normalise(request.name)
    source: FileOrBytes | None = b"" if name.rsplit("/", 1)[-1] == AUTOEXEC else lookup(name)
    if source is None and BEHIND_A_NAME.search(request.name):
        source = lookup(name[:-1])  # the number of the option that followed, before its length
    if source is None:
        found = map(lookup, _without_options(request.name))
        source = next((one for one in found if one is not None), None)
    if source is None:
        raise TransferRefused(ErrorCode.NOT_FOUND, "file not found", "name")
    return Content(source)


def negotiate(request: TransferRequest, size: int) -> NegotiatedOptions:
    """The terms for a file of `size` bytes; options that are unknown or unusable are left out (RFC 2347)."""
    requested = {
        name: _number(request.options.get(name, "")) for name in ("blksize", "windowsize", "timeout")
    }
    accepted: dict[str, str] = {}
    if requested["blksize"] >= MIN_BLOCK:
        accepted["blksize"] = str(min(requested["blksize"], MAX_BLOCK))
    if requested["windowsize"] >= 1:
        accepted["windowsize"] = str(min(requested["windowsize"], MAX_WINDOW))
    if 1 <= requested["timeout"] <= 255:  # RFC 2349: the value may not be changed, only left out
        accepted["timeout"] = str(requested["timeout"])
    if _is_number(request.options.get("tsize", "")):  # RFC 2349: of a read it says 0, and we say the size
        accepted["tsize"] = str(size)
    return NegotiatedOptions(
        block=int(accepted.get("blksize", DEFAULT_BLOCK)),
        window=int(accepted.get("windowsize", 1)),
        timeout=int(accepted.get("timeout", 0)),
        accepted=accepted,
    )


def _number(text: str) -> int:
    """A small decimal number, else -1."""
    return int(text) if _is_number(text) and len(text) <= 6 else -1


def _is_number(text: str) -> bool:
    """Decimal digits; `int` would take signs, blanks and digits of other scripts too."""
    return text.isascii() and text.isdigit()
