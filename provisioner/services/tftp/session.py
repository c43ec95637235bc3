"""One TFTP transfer's sockets: a port of its own, where its client is told from strangers (RFC 1350, 4)."""

import errno
import socket
import struct

from provisioner.services.tftp.packet import TransferRequest
from provisioner.services.tftp.policy import Content, negotiate, normalise
from provisioner.services.tftp.transfer import Transfer

Peer = tuple[str, int] | tuple[str, int, int, int]  # as sockets have it; IPv6 with flow label and scope id
UDP_SEGMENT = 103  # <linux/udp.h>; the kernel cuts one datagram into many of this size
SEGMENT = struct.Struct("=H")
MAX_SEGMENT, MAX_SEGMENTS, MAX_SEND = 1472, 64, 65000  # bytes, packets, bytes of one call (udp(7))
UNSUPPORTED = (errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EMSGSIZE)


class Session:
    """One transfer to one client: `link` is its port; what others send there comes to `strangers`."""

    def __init__(
        self, link: socket.socket, peer: Peer, request: TransferRequest, content: Content, now: float
    ) -> None:
        """Raises OSError where there is no second socket for strangers."""
        self.link = link
        self.strangers = _beside(link)
        self.peer = peer
        self.request = request
        self.content = content
        self.transfer = Transfer(content, negotiate(request, content.size), now)
        self.began = now
        self.timer_deadline = 0.0  # of the reactor's timer; 0 for none
        self.closed = False
        self._uses_gso = True
        self.prefetched: list[tuple[bytes, list[bytes]]] = []  # as `Transfer.prefetch`, the next one last

    def prefetch(self) -> None:
        """Build what the next acknowledgements will ask for."""
        self.prefetched = self.transfer.prefetch()
        self.prefetched.reverse()

    def answer_expected_ack(self, data: bytes, now: float) -> bool:
        """Send what is ready if this is the expected ACK; whether it was. Raises ConnectionRefusedError."""
        prefetched = self.prefetched
        if not prefetched or data != prefetched[-1][0]:
            return False
        self.send(prefetched.pop()[1])
        self.transfer.acknowledge_expected(now, timed=not prefetched)
        return True

    @property
    def log_context(self) -> str:
        """What log lines about it begin with: the client's address, its TID (RFC 1350, 4), the file."""
        return f"{self.peer[0]}:{self.peer[1]} {self.name[:60]!r}"

    @property
    def address(self) -> str:
        """The IPv4 address of the client."""
        return str(self.peer[0])

    @property
    def name(self) -> str:
        """The normalised name of the requested file."""
        return normalise(self.request.name)

    def send(self, packets: list[bytes]) -> None:
        """What the line does not take counts as lost; the timer sends it again.

        Raises:
            ConnectionRefusedError: nobody listens there any more.
        """
        if len(packets) > 1 and self._uses_gso and len(packets[0]) <= MAX_SEGMENT:
            self._send_window(packets)
            return
        for packet in packets:
            try:
                self.link.send(packet)
            except ConnectionRefusedError:
                raise
            except OSError:  # a full buffer, a link that is down, a firewall
                return

    def _send_window(self, packets: list[bytes]) -> None:
        """A window by one system call: all packets but the last are of one size (udp(7), UDP_SEGMENT)."""
        size = len(packets[0])
        many = min(MAX_SEGMENTS, MAX_SEND // size)
        cut = [(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT.pack(size))]
        for first in range(0, len(packets), many):
            part = packets[first : first + many]
            try:
                self.link.sendmsg(part, cut if len(part) > 1 else ())
            except ConnectionRefusedError:
                raise
            except OSError as fault:
                if fault.errno in UNSUPPORTED:  # this kernel or this line takes single packets only
                    self._uses_gso = False
                    self.send(packets[first:])
                return


def connected(listener: socket.socket, peer: Peer) -> socket.socket:
    """A socket for one transfer from the address that was asked.

    It is connected, so that the kernel keeps strangers' packets out and reports ICMP errors.
    """
    link = socket.socket(listener.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        own = listener.getsockname()
        link.bind((own[0], 0, *own[2:]))
        link.connect(peer)
    except BaseException:
        link.close()
        raise
    return link


def _beside(link: socket.socket) -> socket.socket:
    """A second socket on the port of `link`: the kernel gives it what comes from anybody but the client.

    The port is shared only now. Had it been shared when it was chosen, two transfers might have got the same.
    """
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other = socket.socket(link.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(link.getsockname())
    except BaseException:
        other.close()
        raise
    return other
