"""Decides what a DHCP packet is answered where we give the addresses: one for everybody, a file for some."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from provisioner.domain.bootfiles import USUAL
from provisioner.services.dhcp.boot import Offers, add
from provisioner.services.dhcp.leases import Leases
from provisioner.services.dhcp.packet import BROADCAST, NOWHERE, Message, Op, Option, Packet
from provisioner.services.dhcp.request import link_selection

SERVER_PORT = 67
CLIENT_PORT = 68
EVERYBODY = IPv4Address("255.255.255.255")


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
    time_server: IPv4Address | None = None
    files: frozenset[str] = USUAL

    @cached_property
    def offers(self) -> Offers:
        """From where boot files come."""
        return Offers(self.server, self.url, self.files)

    @cached_property
    def options(self) -> dict[int, bytes]:
        """What everybody is told of the network."""
        options = {
            Option.SERVER: self.server.packed,
            Option.SUBNET_MASK: self.network.netmask.packed,
            Option.BROADCAST_ADDRESS: self.network.broadcast_address.packed,
            Option.ROUTER: self.router.packed if self.router else b"",
            Option.NAME_SERVER: b"".join(server.packed for server in self.name_servers),
            Option.DOMAIN: self.domain.encode(),
            Option.TIME_SERVER: self.time_server.packed if self.time_server else b"",
        }
        return {int(code): value for code, value in options.items() if value}

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
class Facts:
    """What the policy asks about a machine; MACs as `aa:bb:cc:dd:ee:ff`."""

    is_bmc: Callable[[str], bool] = lambda mac: False


@dataclass
class Reply:
    """A packet and where to send it; first to ask whether anybody uses the address `probe`, if it is set."""

    packet: Packet
    address: IPv4Address = EVERYBODY
    port: int = CLIENT_PORT
    probe: IPv4Address | None = None


def answer(request: Packet, config: DhcpConfig, leases: Leases, facts: Facts, now: float) -> Reply | None:
    """The reply to a client's packet; None where silence is right. `now` in seconds since 1970."""
    if request.op != Op.REQUEST or not request.mac:
        return None
    if request.giaddr != NOWHERE and link(request) not in config.network:
        return None  # a relay of a network that we have no addresses for
    match request.message:
        case Message.DISCOVER:
            return _offer(request, config, leases, facts, now)
        case Message.REQUEST:
            return _acknowledge(request, config, leases, facts, now)
        case Message.INFORM if request.ciaddr == NOWHERE or request.ciaddr in config.network:
            return _reply(request, config, facts, Message.ACK, NOWHERE)
        case Message.RELEASE:
            leases.release(request.mac, request.ciaddr, now)
        case Message.DECLINE:
            leases.decline(request.mac, request.address(Option.REQUESTED_ADDRESS) or NOWHERE, now)
    return None


def _offer(request: Packet, config: DhcpConfig, leases: Leases, facts: Facts, now: float) -> Reply | None:
    known = leases.holds(request.mac, now)
    address = leases.offer(request.mac, now, request.address(Option.REQUESTED_ADDRESS))
    if not address:
        return None
    is_new = address != known and leases.is_pooled(address)
    return _reply(request, config, facts, Message.OFFER, address, probe=address if is_new else None)


def _acknowledge(
    request: Packet, config: DhcpConfig, leases: Leases, facts: Facts, now: float
) -> Reply | None:
    """RFC 2131, 4.3.2. We are the only server of this network: what does not fit is refused, not ignored."""
    chosen = request.address(Option.SERVER)
    if chosen and chosen != config.server:
        return None  # another server's offer was taken
    address = request.address(Option.REQUESTED_ADDRESS) or request.ciaddr
    if address not in config.network:
        return _refuse(request, config, f"{address} is not in {config.network}")
    if not leases.commit(request.mac, address, now, config.lease_seconds):
        return _refuse(request, config, f"{address} is not yours")
    return _reply(request, config, facts, Message.ACK, address)


def _refuse(request: Packet, config: DhcpConfig, reason: str) -> Reply:
    """A NAK goes to everybody: the client may not use the address it believes to have."""
    packet = blank(request)
    packet.options = {
        Option.MESSAGE: bytes([Message.NAK]),
        Option.SERVER: config.server.packed,
        Option.TEXT: reason.encode(),
    } | echo(request, Option.CLIENT_ID, Option.RELAY)
    if request.giaddr != NOWHERE:
        packet.flags |= BROADCAST
        return Reply(packet, request.giaddr, SERVER_PORT)
    return Reply(packet)


def _reply(
    request: Packet,
    config: DhcpConfig,
    facts: Facts,
    kind: Message,
    address: IPv4Address,
    probe: IPv4Address | None = None,
) -> Reply:
    packet = blank(request)
    packet.yiaddr = address
    packet.ciaddr = request.ciaddr if kind == Message.ACK else NOWHERE
    packet.options = {Option.MESSAGE: bytes([kind]), **config.options}
    if address != NOWHERE:
        packet.options |= config.times
    packet.options |= echo(request, Option.CLIENT_ID, Option.RELAY)  # RFC 6842, RFC 3046
    if not facts.is_bmc(request.mac):
        add(packet, request, config.offers, alone=True)
    return Reply(packet, *destination(request, config.network), probe=probe)


def link(request: Packet) -> IPv4Address:
    """The network that a relay asks for, by one of its addresses (RFC 3527, else RFC 1542)."""
    chosen = link_selection(request)
    return IPv4Address(chosen) if chosen else request.giaddr


def blank(request: Packet) -> Packet:
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
    if request.giaddr != NOWHERE:
        return request.giaddr, SERVER_PORT
    if request.ciaddr in network and request.ciaddr != network.broadcast_address:
        return request.ciaddr, CLIENT_PORT
    return EVERYBODY, CLIENT_PORT


def echo(request: Packet, *codes: Option) -> dict[int, bytes]:
    """These options as the request has them."""
    return {int(code): request.options[code] for code in codes if code in request.options}
