"""Decides what boot clients are told beside the site's own DHCP server: a file, never an address."""

from ipaddress import IPv4Address

from provisioner.services.dhcp.boot import add
from provisioner.services.dhcp.packet import NOWHERE, Message, Op, Option, Packet
from provisioner.services.dhcp.policy import (
    CLIENT_PORT,
    EVERYBODY,
    SERVER_PORT,
    DhcpConfig,
    Facts,
    Reply,
    blank,
    echo,
)

BOOT_PORT = 4011  # PXE 2.1, 2.2.2: where a client asks the boot server that a ProxyDHCP offer named


def offer(request: Packet, config: DhcpConfig, facts: Facts) -> Reply | None:
    """The ProxyDHCP offer to a DISCOVER on port 67; silence for all else that is said there.

    Addresses are the site's server's business: nothing here may look as if we gave any, and no REQUEST is
    answered on this port.
    """
    if request.message != Message.DISCOVER or not _is_client(request, facts):
        return None
    if (
        request.giaddr.is_multicast
        or request.giaddr.is_loopback
        or request.giaddr in (EVERYBODY, config.server)
    ):
        return None  # no relay has such an address
    packet = blank(request)
    if not _fill(packet, request, config, Message.OFFER):
        return None
    if request.giaddr != NOWHERE:
        return Reply(packet, request.giaddr, SERVER_PORT)
    return Reply(packet, EVERYBODY, CLIENT_PORT)


def boot_server(
    request: Packet, config: DhcpConfig, facts: Facts, source: tuple[IPv4Address, int]
) -> Reply | None:
    """The boot server's answer on port 4011, to where the request came from."""
    if request.message not in (Message.REQUEST, Message.INFORM, Message.DISCOVER):
        return None
    if not _is_client(request, facts) or request.giaddr != NOWHERE or source[0] not in config.network:
        return None
    packet = blank(request)
    packet.ciaddr = request.ciaddr
    if not _fill(packet, request, config, Message.ACK):
        return None
    return Reply(packet, *source)


def _is_client(request: Packet, facts: Facts) -> bool:
    return request.op == Op.REQUEST and bool(request.mac) and not facts.is_bmc(request.mac)


def _fill(packet: Packet, request: Packet, config: DhcpConfig, kind: Message) -> bool:
    packet.options = {Option.MESSAGE: bytes([kind]), Option.SERVER: config.server.packed}
    packet.options |= echo(request, Option.CLIENT_ID, Option.RELAY, Option.MACHINE)
    return add(packet, request, config.offers, alone=False)
