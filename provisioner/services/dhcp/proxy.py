"""Decides what boot clients are told beside the site's own DHCP server: a file, never an address."""

from ipaddress import IPv4Address

from provisioner.services.dhcp.boot import add_boot_options
from provisioner.services.dhcp.listener import CLIENT_PORT, SERVER_PORT
from provisioner.services.dhcp.packet import UNSPECIFIED, Message, Op, Option, Packet
from provisioner.services.dhcp.policy import (
    LIMITED_BROADCAST,
    ClientRoles,
    DhcpConfig,
    DhcpReply,
    copied_options,
    reply_to,
)

BOOT_PORT = 4011  # PXE 2.1, 2.2.2: where a client asks the boot server that a ProxyDHCP offer named


def offer(request: Packet, config: DhcpConfig, roles: ClientRoles) -> DhcpReply | None:
    """The ProxyDHCP offer to a DISCOVER on port 67; silence for all else that is said there.

    Addresses are the site's server's business: nothing here may look as if we gave any, and no REQUEST is
    answered on this port.
    """
    if request.message != Message.DISCOVER or not _is_client(request, roles):
        return None
    if (
        request.giaddr.is_multicast
        or request.giaddr.is_loopback
        or request.giaddr in (LIMITED_BROADCAST, config.server)
    ):
        return None  # no relay has such an address
    packet = reply_to(request)
    if not _fill(packet, request, config, Message.OFFER):
        return None
    if request.giaddr != UNSPECIFIED:
        return DhcpReply(packet, request.giaddr, SERVER_PORT)
    return DhcpReply(packet, LIMITED_BROADCAST, CLIENT_PORT)


def boot_server(
    request: Packet, config: DhcpConfig, roles: ClientRoles, source: tuple[IPv4Address, int]
) -> DhcpReply | None:
    """The boot server's ACK on port 4011, to `source` (PXE 2.1, 2.2.2); None for who is no boot client."""
    if request.message not in (Message.REQUEST, Message.INFORM, Message.DISCOVER):
        return None
    if not _is_client(request, roles) or request.giaddr != UNSPECIFIED or source[0] not in config.network:
        return None
    packet = reply_to(request)
    packet.ciaddr = request.ciaddr
    if not _fill(packet, request, config, Message.ACK):
        return None
    return DhcpReply(packet, *source)


def _is_client(request: Packet, roles: ClientRoles) -> bool:
    return request.op == Op.REQUEST and bool(request.mac) and not roles.is_bmc(request.mac)


def _fill(packet: Packet, request: Packet, config: DhcpConfig, kind: Message) -> bool:
    packet.options = {Option.MESSAGE: bytes([kind]), Option.SERVER: config.server.packed}
    packet.options |= copied_options(request, Option.CLIENT_ID, Option.RELAY, Option.MACHINE)
    return add_boot_options(packet, request, config.boot_server, authoritative=False)
