"""UDP sockets of the services: bound all or none, and replies that leave by the way a request came in."""

import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from provisioner.errors import ServiceError
from provisioner.system.sockets import bind

IP_PKTINFO = 8  # <linux/in.h>; Python names it only from 3.13 on
PKTINFO = struct.Struct("=i4s4s")  # struct in_pktinfo of ip(7): ifindex, local address, destination address
Ancillary = list[tuple[int, int, bytes]]


def pktinfo_control(index: int, source: IPv4Address) -> Ancillary:
    """Ancillary data for sendmsg: leave by the interface `index`, from the address `source` (ip(7))."""
    return [(socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(index, source.packed, bytes(4)))]


def bind_udp(addresses: Sequence[IPv4Address | IPv6Address], port: int, service: str) -> list[socket.socket]:
    """A non-blocking socket for each address; all or none. Raises ServiceError as `sockets.bind` does."""
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
