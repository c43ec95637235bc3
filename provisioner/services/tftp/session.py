"""One TFTP transfer's socket: a port of its own that hears its client alone (RFC 1350, 4)."""

import errno
import socket
import struct
from typing import Any

from provisioner.services.tftp.packet import Request
from provisioner.services.tftp.policy import Content, agree, normalise
from provisioner.services.tftp.transfer import Transfer

Peer = tuple[Any, ...]  # address and port; for IPv6 also flow and scope, which link-local addresses need
UDP_SEGMENT = 103  # <linux/udp.h>; the kernel cuts one datagram into many of this size
SEGMENT = struct.Struct("=H")
LARGEST_SEGMENT, MOST_AT_ONCE, LARGEST_BATCH = 1472, 64, 65000
UNSUPPORTED = (errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EMSGSIZE)


class Session:
    """One transfer to one client: its socket is the transfer's port."""

    def __init__(
        self, link: socket.socket, peer: Peer, request: Request, content: Content, now: float
    ) -> None:
        self.link = link
        self.peer = peer
        self.request = request
        self.content = content
        self.transfer = Transfer(content, agree(request, content.size), now)
        self.began = now
        self.queued = 0.0  # the deadline that the timer's heap knows
        self.closed = False
        self._whole_windows = True
        self.ahead: list[tuple[bytes, list[bytes]]] = []  # as `Transfer.look_ahead`, the next one last

    def look_ahead(self) -> None:
        """Make ready what the next acknowledgements will ask for."""
        self.ahead = self.transfer.look_ahead()
        self.ahead.reverse()

    def answer_at_once(self, data: bytes, now: float) -> bool:
        """Send what is ready if this is what was hoped for; whether it was. Raises ConnectionRefusedError."""
        ahead = self.ahead
        if not ahead or data != ahead[-1][0]:
            return False
        self.send(ahead.pop()[1])
        self.transfer.went_on(now, measures=not ahead)
        return True

    @property
    def address(self) -> str:
        """Of the client."""
        return str(self.peer[0])

    @property
    def name(self) -> str:
        """Of the file."""
        return normalise(self.request.name)

    def send(self, packets: list[bytes]) -> None:
        """What the line does not take counts as lost; the timer sends it again.

        Raises:
            ConnectionRefusedError: nobody listens there any more.
        """
        if len(packets) > 1 and self._whole_windows and len(packets[0]) <= LARGEST_SEGMENT:
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
        many = min(MOST_AT_ONCE, LARGEST_BATCH // size)
        cut = [(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT.pack(size))]
        for first in range(0, len(packets), many):
            part = packets[first : first + many]
            try:
                self.link.sendmsg(part, cut if len(part) > 1 else ())
            except ConnectionRefusedError:
                raise
            except OSError as fault:
                if fault.errno in UNSUPPORTED:  # this kernel or this line takes single packets only
                    self._whole_windows = False
                    self.send(packets[first:])
                return


def connected(listener: socket.socket, peer: Peer) -> socket.socket:
    """A socket for one transfer from the address that was asked.

    It is connected, so that the kernel drops strangers and reports ICMP errors.
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
