"""Decides what a DHCP packet is answered where we give the addresses: one for everybody, a file for some."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from provisioner.domain.bootfiles import USUAL
from provisioner.services.dhcp.boot import BootServer, add_boot_options
from provisioner.services.dhcp.leases import LeasePool, Transaction
from provisioner.services.dhcp.listener import CLIENT_PORT, SERVER_PORT
from provisioner.services.dhcp.packet import (
    BROADCAST,
    UNSPECIFIED,
    Message,
    Op,
    Option,
    Packet,
    encode_domain,
)
from provisioner.services.dhcp.reply_size import fit
from provisioner.services.dhcp.request import FIRMWARE, link_selection, may_boot, server_override

LIMITED_BROADCAST = IPv4Address("255.255.255.255")  # RFC 919, 7


@dataclass(frozen=True)
class DhcpConfig:
    """What the service gives away on one network. `url` is the web service's, without a path.

    `files` are the boot files that can be had; a file that is not listed is never named to a client.
    """

    server: IPv4Address
    network: IPv4Network
    url: str
    lease_seconds: int = 3600
    router: IPv4Address | None = None
    name_servers: tuple[IPv4Address, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()  # domains in which short names are looked up, besides `domain`
    time_server: IPv4Address | None = None
    files: frozenset[str] = USUAL

    @cached_property
    def boot_server(self) -> BootServer:
        """The server and URL that boot files are fetched from, and the files that exist."""
        return BootServer(self.server, self.url, self.files)

    @cached_property
    def options(self) -> dict[int, bytes]:
        """The options that every client is sent (RFC 2132); empty ones are left out."""
        options = {
            Option.SERVER: self.server.packed,
            Option.SUBNET_MASK: self.network.netmask.packed,
            Option.BROADCAST_ADDRESS: self.network.broadcast_address.packed,
            Option.ROUTER: self.router.packed if self.router else b"",
            Option.NAME_SERVER: b"".join(server.packed for server in self.name_servers),
            Option.DOMAIN: self.domain.encode(),
            Option.DOMAIN_SEARCH: b"".join(map(encode_domain, self._search)),
            Option.TIME_SERVER: self.time_server.packed if self.time_server else b"",
        }
        return {int(code): value for code, value in options.items() if value}

    @property
    def _search(self) -> list[str]:
        return [domain for domain in dict.fromkeys((self.domain, *self.search)) if domain]

    @cached_property
    def times(self) -> dict[int, bytes]:
        """How long an address may be kept, and when it is renewed."""
        seconds = self.lease_seconds
        times = {
            Option.LEASE_TIME: seconds,
            Option.RENEWAL_TIME: seconds // 2,
            Option.REBINDING_TIME: seconds * 7 // 8,
        }
        return {int(code): value.to_bytes(4, "big") for code, value in times.items()}


@dataclass(frozen=True)
class ClientRoles:
    """What the policy asks of a client: whether a MAC is a BMC's, which boots nothing."""

    is_bmc: Callable[[str], bool] = lambda mac: False


@dataclass
class DhcpReply:
    """A packet and where to send it; first to ask whether anybody uses the address `probe`, if it is set."""

    packet: Packet
    address: IPv4Address = LIMITED_BROADCAST
    port: int = CLIENT_PORT
    probe: IPv4Address | None = None


def answer(
    request: Packet, config: DhcpConfig, leases: LeasePool, roles: ClientRoles, now: float
) -> DhcpReply | None:
    """The reply to a client's packet; None where silence is right. `now` in seconds since 1970.

    What firmware said of itself in its DISCOVER, and leaves out of its REQUEST, is put into `request`.
    """
    if request.op != Op.REQUEST or not request.mac:
        return None
    if request.giaddr != UNSPECIFIED and link_address(request) not in config.network:
        return None  # a relay of a network that we have no addresses for
    match request.message:
        case Message.DISCOVER:
            return _offer(request, config, leases, roles, now)
        case Message.REQUEST:
            return _answer_request(request, config, leases, roles, now)
        case Message.INFORM if request.ciaddr == UNSPECIFIED or request.ciaddr in config.network:
            return _build_reply(request, config, roles, Message.ACK, UNSPECIFIED)
        case Message.RELEASE:
            leases.release(request.mac, request.ciaddr, now)
        case Message.DECLINE:
            leases.decline(request.mac, request.address(Option.REQUESTED_ADDRESS) or UNSPECIFIED, now)
    return None


def _offer(
    request: Packet, config: DhcpConfig, leases: LeasePool, roles: ClientRoles, now: float
) -> DhcpReply | None:
    current = leases.current_address(request.mac, now)
    address = leases.offer(request.mac, now, request.address(Option.REQUESTED_ADDRESS))
    if not address:
        return None
    leases.begin(request.mac, Transaction(request.xid, _said(request)))
    is_new = address != current and leases.is_pooled(address)
    return _build_reply(request, config, roles, Message.OFFER, address, probe=address if is_new else None)


def _said(request: Packet) -> dict[int, bytes]:
    """What may be missing in its REQUEST; empty for systems, which need nothing of it."""
    return copied_options(request, *FIRMWARE) if may_boot(request) else {}


def _answer_request(
    request: Packet, config: DhcpConfig, leases: LeasePool, roles: ClientRoles, now: float
) -> DhcpReply | None:
    """RFC 2131, 4.3.2. We are the only server of this network: what does not fit is refused, not ignored."""
    chosen = request.address(Option.SERVER)
    if chosen and chosen not in (config.server, server_override(request)):
        return None  # another server's offer was taken
    request.options = {**leases.said(request.mac, request.xid), **request.options}
    address = request.address(Option.REQUESTED_ADDRESS) or request.ciaddr
    if address not in config.network:
        return _nak(request, config, f"{address} is not in {config.network}")
    if not leases.commit(request.mac, address, now, config.lease_seconds):
        return _nak(request, config, f"{address} is not yours")
    return _build_reply(request, config, roles, Message.ACK, address)


def _nak(request: Packet, config: DhcpConfig, reason: str) -> DhcpReply:
    """A NAK goes to everybody: the client may not use the address it believes to have."""
    packet = reply_to(request)
    packet.options = {
        Option.MESSAGE: bytes([Message.NAK]),
        Option.SERVER: (server_override(request) or config.server).packed,
        Option.TEXT: reason.encode(),
    } | copied_options(request, Option.CLIENT_ID, Option.RELAY)
    if request.giaddr != UNSPECIFIED:
        packet.flags |= BROADCAST
        return DhcpReply(packet, request.giaddr, SERVER_PORT)
    return DhcpReply(packet)


def _build_reply(
    request: Packet,
    config: DhcpConfig,
    roles: ClientRoles,
    kind: Message,
    address: IPv4Address,
    probe: IPv4Address | None = None,
) -> DhcpReply:
    packet = reply_to(request)
    packet.yiaddr = address
    packet.ciaddr = request.ciaddr if kind == Message.ACK else UNSPECIFIED
    packet.options = {Option.MESSAGE: bytes([kind]), **config.options}
    if override := server_override(request):
        packet.options[Option.SERVER] = override.packed
    if address != UNSPECIFIED:
        packet.options |= config.times
    packet.options |= copied_options(request, Option.CLIENT_ID, Option.RELAY)  # RFC 6842, RFC 3046
    if not roles.is_bmc(request.mac):
        add_boot_options(packet, request, config.boot_server, authoritative=True)
    fit(packet, request)
    return DhcpReply(packet, *destination(request, config.network), probe=probe)


def link_address(request: Packet) -> IPv4Address:
    """The network that a relay asks for, by one of its addresses (RFC 3527, else RFC 1542)."""
    chosen = link_selection(request)
    return IPv4Address(chosen) if chosen else request.giaddr


def reply_to(request: Packet) -> Packet:
    """A reply to `request` that says nothing yet."""
    return Packet(
        op=Op.REPLY,
        xid=request.xid,
        chaddr=request.chaddr,
        flags=request.flags,
        giaddr=request.giaddr,
    )


def destination(request: Packet, network: IPv4Network) -> tuple[IPv4Address, int]:
    """RFC 2131, 4.1, except that we broadcast where it would allow a unicast without ARP.

    What a stranger writes into ciaddr does not make us send to other networks.
    """
    if request.giaddr != UNSPECIFIED:
        return request.giaddr, SERVER_PORT
    if request.ciaddr in network and request.ciaddr != network.broadcast_address:
        return request.ciaddr, CLIENT_PORT
    return LIMITED_BROADCAST, CLIENT_PORT


def copied_options(request: Packet, *codes: Option) -> dict[int, bytes]:
    """Those of these options that the request has, with its values."""
    return {int(code): request.options[code] for code in codes if code in request.options}
