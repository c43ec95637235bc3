"""Fetches a boot file by TFTP as firmware does, and says in words what is wrong with what comes.

The client is tftpy's, so that our server is judged by somebody else's code. It limits the wait for a packet
only, and lets its parser's errors through: the limits of time and size, and the sentences, are here.
"""

import hashlib
import logging
import socket
import time
from dataclasses import dataclass
from io import BytesIO

from provisioner.domain.bootfiles import TftpFile
from provisioner.system.text import clean

PORT = 69
BLOCK_SIZE = 1468  # what UEFI firmware asks for: 1500 less the headers of IP, UDP and TFTP
PACKET_TIMEOUT = 1.0  # seconds
RETRIES = 4  # packets in a row that may stay away
TIME_LIMIT = 20.0  # seconds for a whole file, of which firmware takes one at most
NOT_FOUND = 1  # error code (RFC 1350, appendix)
STRAY_ACK = b"\0\4\0\0"  # of no transfer: a server answers with an error (RFC 1350, 4), or not at all
REFUSED_HINT = "the log of the service, or of whatever else answers there, says why"
BUILD_HINT = "provision ramdisk build puts it into the state folder"
OTHER_FILE_HINT = "ss -lunp 'sport = :69' on the service's machine: does another TFTP server answer there?"
SILENCE_HINT = "is a firewall between? UDP port 69, and high ports for the answers, must be open both ways"
DOWN_HINT = "does the tftp service run there? systemctl status provisioner-tftp; provision check"


@dataclass(frozen=True)
class TftpProbe:
    """How a fetch went, in bytes and seconds; `fault` and what to do (`hint`) are empty where all is well."""

    file: str
    size: int = 0
    seconds: float = 0.0
    fault: str = ""
    hint: str = ""


class _Fault(Exception):
    """Why the fetch is given up."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.hint = hint


class _Sink(BytesIO):
    """Takes what comes until it is too much or too late."""

    def __init__(self, size: int, deadline: float) -> None:
        super().__init__()
        self._size, self._deadline = size, deadline

    def check(self, packet: object) -> None:
        """Called with each packet of the server, before what it holds is written here. Raises _Fault."""
        code = getattr(packet, "errorcode", None)
        if code is not None:
            raise _refusal(int(code), getattr(packet, "errmsg", None) or b"")
        if time.monotonic() > self._deadline:
            raise _Fault(f"too slow: {self.tell()} of {self._size} bytes in time", SILENCE_HINT)
        if self.tell() > self._size:
            raise _Fault(f"another file: more than the {self._size} bytes of the service's", OTHER_FILE_HINT)


def probe(server: str, file: TftpFile, *, port: int = PORT, time_limit: float = TIME_LIMIT) -> TftpProbe:
    """Fetch `file` from `server` (an address) and compare size and SHA-256 with what `file` says.

    It takes at most `time_limit` seconds and RETRIES times PACKET_TIMEOUT more. Nothing that comes is raised.
    Raises OSError: there is no way from here to the server.
    """
    if not file.sha256:
        return TftpProbe(file.name, fault="the service has no such file", hint=BUILD_HINT)
    began = time.monotonic()
    try:
        size = _fetch(server, file, port, began + time_limit)
    except _Fault as fault:
        return TftpProbe(file.name, 0, time.monotonic() - began, str(fault), fault.hint)
    return TftpProbe(file.name, size, time.monotonic() - began)


def _fetch(server: str, file: TftpFile, port: int, deadline: float) -> int:
    """The file's size. Raises _Fault and OSError."""
    import tftpy  # takes a moment, and nothing else needs it

    logging.getLogger("tftpy").setLevel(logging.CRITICAL + 1)  # it reports each packet; we do
    sink = _Sink(file.size, deadline)
    client = tftpy.TftpClient(server, port, {"blksize": BLOCK_SIZE, "tsize": 0})
    try:
        client.download(file.name, sink, packethook=sink.check, timeout=PACKET_TIMEOUT, retries=RETRIES)
    except (_Fault, OSError):
        raise
    except tftpy.TftpTimeout:
        raise _silence(server, port, sink.tell(), file) from None
    except Exception as fault:  # its parser lets struct.error, UnicodeDecodeError and others through
        raise _Fault(f"what answers there does not speak TFTP: {fault!r:.200}", OTHER_FILE_HINT) from fault
    return _compare(sink.getvalue(), file)


def _refusal(code: int, message: bytes) -> _Fault:
    """An ERROR packet (RFC 1350, 5): the server's own words, without what no terminal should be sent."""
    words = clean(message.decode("ascii", "replace"), 100)
    if code == NOT_FOUND:
        return _Fault(f"the server has no such file (error 1 {words})".replace(" )", ")"), BUILD_HINT)
    return _Fault(f"refused (error {code} {words})".replace(" )", ")"), REFUSED_HINT)


def _silence(server: str, port: int, size: int, file: TftpFile) -> _Fault:
    if size:
        return _Fault(f"the transfer broke after {size} of {file.size} bytes", SILENCE_HINT)
    if _is_closed(server, port):
        return _Fault(f"nothing listens on {server}, port {port}/udp", DOWN_HINT)
    return _Fault(f"no answer from {server}, port {port}/udp", SILENCE_HINT)


def _is_closed(server: str, port: int) -> bool:
    """Whether an ICMP error says so; only a connected socket is told of it (udp(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(PACKET_TIMEOUT)
        try:
            asking.connect((server, port))
            asking.send(STRAY_ACK)
            asking.recv(512)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _compare(content: bytes, file: TftpFile) -> int:
    if len(content) != file.size:
        raise _Fault(f"another file: {len(content)} bytes, the service's has {file.size}", OTHER_FILE_HINT)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise _Fault("another file, or a damaged one: its SHA-256 is wrong", OTHER_FILE_HINT)
    return len(content)
