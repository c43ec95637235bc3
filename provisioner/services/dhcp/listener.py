"""Where the DHCP service listens, and by which way a packet came in."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple

from provisioner.services.dhcp.packet import Packet

SERVER_PORT, CLIENT_PORT = 67, 68  # RFC 2131, 4.1


@dataclass(frozen=True)
class DhcpListener:
    """A port of one interface; replies leave by it and, unless another of ours was asked, from `address`."""

    interface: str
    address: IPv4Address
    port: int = SERVER_PORT


class PacketInfo(NamedTuple):
    """How a request came in (IP_PKTINFO of ip(7)): by what, from where, to which address."""

    listener: DhcpListener
    source: tuple[IPv4Address, int]
    local_address: IPv4Address
    is_broadcast: bool = False


def log_context(request: Packet, info: PacketInfo) -> str:
    """What each log line about a packet begins with: transaction id, interface, MAC.

    It is made where a line is written, not for each packet.
    """
    return (
        f"xid {request.xid:08x} {info.listener.interface} {request.mac or request.chaddr.hex() or 'no MAC'}"
    )
