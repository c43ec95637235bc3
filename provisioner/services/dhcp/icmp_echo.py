"""Asks by ICMP whether an address behind a router is used: ARP does not go there (RFC 792, page 14)."""

import secrets
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address

ECHO_REPLY, ECHO = 0, 8
SOL_RAW, ICMP_FILTER = 255, 1  # <linux/socket.h>, <linux/icmp.h>
HEADER = struct.Struct("!BBHHH")
MIN_REPLY = 20 + HEADER.size  # with the IPv4 header, which a raw socket gives
MAX_FRAME = 2048
READ_BATCH = 64  # packets that are read before others have their turn


class EchoSocket:
    """Sends echo requests and hears the answers to them, and to no others'."""

    def __init__(self) -> None:
        """Raises OSError: not the right to (CAP_NET_RAW)."""
        self._socket = socket.socket(
            socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP
        )
        only_replies = ~(1 << ECHO_REPLY) & 0xFFFFFFFF
        self._socket.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", only_replies))
        self._ident = secrets.randbits(16)

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def probe(self, address: IPv4Address) -> None:
        """One echo request. Raises OSError."""
        # of a message without data the checksum is that of three words (RFC 1071)
        total = (ECHO << 8) + self._ident
        packet = HEADER.pack(ECHO, 0, 0xFFFF - (total & 0xFFFF) - (total >> 16), self._ident, 0)
        self._socket.sendto(packet, (str(address), 0))

    def read(self) -> Iterator[IPv4Address]:
        """Addresses that have answered."""
        for _ in range(READ_BATCH):
            try:
                data, source = self._socket.recvfrom(MAX_FRAME)
            except OSError:  # nothing more; or an error that a router has sent
                return
            start = (data[0] & 15) * 4 if data else 0
            if len(data) >= max(MIN_REPLY, start + HEADER.size):
                kind, _, _, ident, _ = HEADER.unpack_from(data, start)
                if (kind, ident) == (ECHO_REPLY, self._ident):
                    yield IPv4Address(source[0])
