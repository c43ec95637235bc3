"""What the UDP loops share: a way to stop them, who a datagram reached, complaints without floods."""

import logging
import os
import socket
import struct
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from provisioner.errors import ServiceError
from provisioner.system.sockets import bind

IP_PKTINFO = 8  # <linux/in.h>; Python names it only from 3.13 on
PKTINFO = struct.Struct("=i4s4s")  # ifindex, local address, destination address
Ancillary = list[tuple[int, int, bytes]]


class Stop:
    """A file descriptor that becomes readable when the loop shall end; any thread may `set` it."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """For selectors."""
        return self._event

    def set(self) -> None:
        """End the loop."""
        if self._event >= 0:
            os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._event >= 0:
            os.close(self._event)
            self._event = -1


class Complaints:
    """Log lines about bad datagrams: at most `burst` in each `period` seconds, then a count of the rest."""

    def __init__(self, log: logging.Logger, *, burst: int = 10, period: float = 10.0) -> None:
        self._log = log
        self._burst = burst
        self._period = period
        self._since = time.monotonic()
        self._count = 0

    def say(self, source: str, fault: object, data: bytes, *, trace: bool = False) -> None:
        """One line with the head of the datagram; `trace` adds the traceback of our own fault."""
        now = time.monotonic()
        if now - self._since > self._period:
            if self._count > self._burst:
                self._log.warning("%d more datagrams were bad", self._count - self._burst)
            self._since, self._count = now, 0
        self._count += 1
        if self._count <= self._burst:
            self._log.warning(
                "%s: %s; %d bytes: %s", source, fault, len(data), data[:48].hex(), exc_info=trace
            )


def leave_by(index: int, source: IPv4Address) -> Ancillary:
    """Send by this interface and from this address."""
    return [(socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(index, source.packed, bytes(4)))]


def listen(addresses: Sequence[IPv4Address | IPv6Address], port: int, service: str) -> list[socket.socket]:
    """A socket for each address; all or none. Raises ServiceError as `sockets.bind` does."""
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            listeners.append(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            listeners[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            bind(listeners[-1], (str(address), port), service)
    except ServiceError:
        for listener in listeners:
            listener.close()
        raise
    return listeners
