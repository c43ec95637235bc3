"""Clients behind relays: which server they are told, and whose they are when they speak past the relay."""

import dataclasses
from ipaddress import IPv4Address, IPv4Network

import pytest

from provisioner import settings as settings_module
from provisioner.services.dhcp.host_cache import HostCache
from provisioner.services.dhcp.leases import LeasePool
from provisioner.services.dhcp.listener import DhcpListener, PacketInfo
from provisioner.services.dhcp.networks import ServedNetwork, ServedNetworks
from provisioner.services.dhcp.packet import UNSPECIFIED, Message, Option, Packet
from provisioner.services.dhcp.policy import ClientRoles, DhcpConfig, DhcpReply, answer
from provisioner.site.site import Site

SERVER, RELAY, OTHER = (IPv4Address(text) for text in ("10.77.0.1", "10.79.0.1", "10.79.0.9"))
FAR = IPv4Address("10.79.0.100")
MAC = bytes.fromhex("525400aa0055")
NAME = "52:54:00:aa:00:55"
NOW = 1000.0


def override(address: bytes) -> dict[int, bytes]:
    """Option 82 with link selection (RFC 3527) and a server identifier override (RFC 5107)."""
    return {int(Option.RELAY): b"\5\4" + RELAY.packed + bytes([11, len(address)]) + address}


def ask(kind: Message, options: dict[int, bytes] | None = None, **fields: IPv4Address) -> Packet:
    message = {int(Option.MESSAGE): bytes([kind])}
    return dataclasses.replace(Packet(op=1, xid=7, chaddr=MAC, options=message | (options or {})), **fields)


@pytest.fixture
def far() -> tuple[DhcpConfig, LeasePool]:
    config = DhcpConfig(SERVER, IPv4Network("10.79.0.0/24"), "http://10.77.0.1")
    return config, LeasePool(FAR, IPv4Address("10.79.0.149"))


def respond(far: tuple[DhcpConfig, LeasePool], request: Packet) -> DhcpReply | None:
    return answer(request, far[0], far[1], ClientRoles(), NOW)


def named(reply: DhcpReply | None) -> IPv4Address:
    assert reply
    return IPv4Address(reply.packet.options[Option.SERVER])


def test_the_relays_override_is_the_server_in_every_reply(far: tuple[DhcpConfig, LeasePool]) -> None:
    words = override(RELAY.packed)
    assert named(respond(far, ask(Message.DISCOVER, words, giaddr=RELAY))) == RELAY
    taken = words | {int(Option.REQUESTED_ADDRESS): FAR.packed}
    for chosen in (RELAY, SERVER):
        reply = respond(far, ask(Message.REQUEST, taken | {int(Option.SERVER): chosen.packed}, giaddr=RELAY))
        assert reply and reply.packet.message == Message.ACK and named(reply) == RELAY
    foreign = taken | {int(Option.SERVER): OTHER.packed}
    assert respond(far, ask(Message.REQUEST, foreign, giaddr=RELAY)) is None, "another server's was taken"
    wrong = words | {int(Option.REQUESTED_ADDRESS): SERVER.packed}
    refused = respond(far, ask(Message.REQUEST, wrong, giaddr=RELAY))
    assert refused and refused.packet.message == Message.NAK and named(refused) == RELAY
    renewed = respond(far, ask(Message.REQUEST, words, giaddr=RELAY, ciaddr=FAR))
    assert renewed and renewed.packet.message == Message.ACK and named(renewed) == RELAY


@pytest.mark.parametrize(
    ("kind", "words", "answered"),
    [
        (Message.DISCOVER, {}, Message.OFFER),
        (Message.REQUEST, {int(Option.REQUESTED_ADDRESS): FAR.packed}, Message.ACK),
        (Message.REQUEST, {int(Option.REQUESTED_ADDRESS): SERVER.packed}, Message.NAK),
        (Message.INFORM, {}, Message.ACK),
    ],
)
def test_no_reply_is_shorter_than_a_relay_lets_through(
    far: tuple[DhcpConfig, LeasePool], kind: Message, words: dict[int, bytes], answered: Message
) -> None:
    respond(far, ask(Message.DISCOVER, giaddr=RELAY))
    reply = respond(far, ask(kind, words, giaddr=RELAY))
    assert reply and reply.packet.message == answered
    assert (reply.address, reply.port) == (RELAY, 67)
    assert len(reply.packet.build()) >= 300, "RFC 1542, 2.1"


@pytest.mark.parametrize(
    ("address", "giaddr"),
    [(bytes(4), RELAY), (b"\x0a\x4f\0", RELAY), (b"", RELAY), (RELAY.packed, UNSPECIFIED)],
)
def test_an_override_that_cannot_be_meant_is_ignored(
    far: tuple[DhcpConfig, LeasePool], address: bytes, giaddr: IPv4Address
) -> None:
    assert named(respond(far, ask(Message.DISCOVER, override(address), giaddr=giaddr))) == SERVER


@pytest.fixture
def networks(site: Site) -> ServedNetworks:
    body = {"state": site.settings.state, "interface": "lan0", "address": "10.77.0.1/24"}
    vlan = {
        "name": "vlan20",
        "interface": "lan1",
        "address": "10.78.0.1/24",
        "range": {"first": "10.78.0.100", "last": "10.78.0.149"},
    }
    rack = {
        "name": "rack-b",
        "subnet": "10.79.0.0/24",
        "domain": "rack-b.local",
        "range": {"first": "10.79.0.100", "last": "10.79.0.149"},
    }
    hosts = HostCache(site.database)
    hosts.refresh(now=True)
    settings = settings_module.check(body | {"networks": [vlan, rack]}, source="test")
    return ServedNetworks(dataclasses.replace(site, settings=settings), hosts)


def found(networks: ServedNetworks, request: Packet, *, is_broadcast: bool = False) -> ServedNetwork:
    source = (request.ciaddr, 68)
    info = PacketInfo(DhcpListener("lan0", SERVER), source, SERVER, is_broadcast)
    network = networks.for_request(request, info)
    assert network
    return network


@pytest.mark.parametrize("kind", [Message.REQUEST, Message.INFORM, Message.RELEASE])
@pytest.mark.parametrize(
    ("address", "net"),
    [
        ("10.79.0.100", "10.79.0.0/24"),
        ("10.78.0.100", "10.78.0.0/24"),
        ("10.77.0.100", "10.77.0.0/24"),
        ("10.99.0.100", "10.77.0.0/24"),
    ],
)
def test_who_speaks_past_its_relay_belongs_to_the_network_of_its_address(
    networks: ServedNetworks, kind: Message, address: str, net: str
) -> None:
    request = ask(kind, ciaddr=IPv4Address(address))
    assert str(found(networks, request).config.network) == net
    assert str(found(networks, request, is_broadcast=True).config.network) == "10.77.0.0/24", "it has moved"


def test_a_lease_behind_a_relay_is_renewed_asked_and_released_by_unicast(networks: ServedNetworks) -> None:
    far = networks.containing(FAR)
    assert far and far.leases.offer(NAME, NOW) == FAR

    def say(kind: Message) -> DhcpReply | None:
        request = ask(kind, ciaddr=FAR)
        network = found(networks, request)
        return answer(request, network.config, network.leases, ClientRoles(), NOW)

    renewed = say(Message.REQUEST)
    assert renewed and renewed.packet.message == Message.ACK
    assert (renewed.packet.yiaddr, renewed.address, renewed.port) == (FAR, FAR, 68)
    informed = say(Message.INFORM)
    assert informed and (informed.packet.message, informed.address) == (Message.ACK, FAR)
    search = informed.packet.options[Option.DOMAIN_SEARCH]
    assert search == b"\6rack-b\5local\0\x09vaultcube\5local\0"
    assert say(Message.RELEASE) is None and far.leases.current_address(NAME, NOW) is None


@pytest.mark.parametrize(
    ("address", "giaddr", "is_broadcast", "is_past"),
    [
        ("10.79.0.100", UNSPECIFIED, False, True),
        ("10.78.0.100", UNSPECIFIED, False, True),
        ("10.77.0.100", UNSPECIFIED, False, False),
        ("10.99.0.100", UNSPECIFIED, False, False),
        ("0.0.0.0", UNSPECIFIED, False, False),
        ("10.79.0.100", UNSPECIFIED, True, False),  # it has moved here, and hears a broadcast
        ("10.79.0.100", RELAY, False, False),
    ],
)
def test_who_is_refused_past_its_relay_is_told_at_its_own_address(
    networks: ServedNetworks, address: str, giaddr: IPv4Address, is_broadcast: bool, is_past: bool
) -> None:
    request = ask(Message.REQUEST, ciaddr=IPv4Address(address), giaddr=giaddr)
    info = PacketInfo(DhcpListener("lan0", SERVER), (request.ciaddr, 68), SERVER, is_broadcast)
    assert networks.is_past_relay(request, info) is is_past
