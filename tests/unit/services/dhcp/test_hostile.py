"""The whole service, without its sockets, against thousands of hostile packets, in every mode."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import settings as settings_module
from provisioner.services.dhcp.listener import DhcpListener, PacketInfo
from provisioner.services.dhcp.packet import UNSPECIFIED, DhcpPacketError, Message, Packet
from provisioner.services.dhcp.policy import LIMITED_BROADCAST, DhcpReply
from provisioner.services.dhcp.rogue_watch import RogueServerWatch
from provisioner.services.dhcp.service import DhcpService
from provisioner.site.site import Site
from tests.unit.services.dhcp import dhcp_corpus

LIMIT = 0.1  # seconds of processor time for one packet
MAIN = DhcpListener("lan0", IPv4Address("10.77.0.1"))
BOOT = DhcpListener("lan0", IPv4Address("10.77.0.1"), 4011)
SOURCE = (IPv4Address("10.77.0.150"), 68)
CORPUS = dhcp_corpus.everything()
Make = Callable[[str], DhcpService]


@pytest.fixture
def service(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A service in a mode, without sockets."""
    monkeypatch.setattr(DhcpService, "_listeners", lambda self: [])
    monkeypatch.setattr(RogueServerWatch, "_open", lambda self, interfaces, reactor: None)
    made: list[DhcpService] = []

    def make(mode: str) -> DhcpService:
        body = {"state": site.settings.state, "interface": "lan0", "address": "10.77.0.1/24"}
        settings = settings_module.check({**body, "dhcp": {"mode": mode, "probe": False}}, source="test")
        made.append(DhcpService(replace(site, settings=settings)))
        return made[-1]

    yield make
    for service in made:
        service.close()


def give(service: DhcpService, data: bytes, listener: DhcpListener = MAIN) -> DhcpReply | None:
    """As the loop does it; what it sends must be a packet."""
    try:
        request = Packet.parse(data)
    except DhcpPacketError:
        return None
    info = PacketInfo(listener, SOURCE, MAIN.address)
    reply = service.answer(request, info, 1000.0)
    if reply:
        Packet.parse(reply.packet.build())
        assert len(reply.packet.build()) <= 1472
    service.observe(request, info, 1000.0, reply)
    return reply


def test_the_corpus_is_large_enough_and_always_the_same() -> None:
    assert len(CORPUS) >= 5000 and dhcp_corpus.everything() == CORPUS
    readable = sum(is_readable(data) for data in CORPUS)
    assert readable > 2000 and len(CORPUS) - readable > 1000, "both what is read and what is refused"


def is_readable(data: bytes) -> bool:
    try:
        Packet.parse(data)
    except DhcpPacketError:
        return False
    return True


def processor_seconds(made: DhcpService, data: bytes, listener: DhcpListener) -> Iterator[float]:
    """Processor seconds for one packet; for a slow one of three tries."""
    for _ in range(3):
        began = time.thread_time()
        give(made, data, listener)
        yield (seconds := time.thread_time() - began)
        if seconds < LIMIT:
            return


@pytest.mark.parametrize(("mode", "listener"), [("authoritative", MAIN), ("proxy", MAIN), ("proxy", BOOT)])
def test_no_packet_breaks_the_service_or_keeps_it_busy(
    service: Make, mode: str, listener: DhcpListener
) -> None:
    made = service(mode)
    good = dhcp_corpus.message(1, dhcp_corpus.option(60, b"PXEClient"), chaddr=bytes.fromhex("525400000001"))
    slowest = 0.0
    for number, data in enumerate(CORPUS):
        # a machine that is shared counts other work now and then: what is slow each time is slow
        slowest = max(slowest, min(processor_seconds(made, data, listener)))
        if number % 100 == 99:
            made._flush()
            reply = give(made, good)
            assert reply and reply.packet.message == Message.OFFER, f"after packet {number}"
            assert (reply.packet.yiaddr == UNSPECIFIED) == (mode == "proxy")
    assert slowest < LIMIT


def test_nobody_is_sent_anything_outside_of_our_networks(service: Make) -> None:
    made = service("authoritative")
    ours = made.networks.main.config.network
    for data in CORPUS:
        reply = give(made, data)
        assert reply is None or reply.address == LIMITED_BROADCAST or reply.address in ours


def test_the_corpus_takes_no_address_of_a_known_host(service: Make, site: Site) -> None:
    made = service("authoritative")
    row = site.database.macs.get("52:54:00:00:00:01")
    assert row
    for data in CORPUS:
        reply = give(made, data)
        given_one = str(reply.packet.yiaddr) if reply else ""
        assert given_one != row.address or (reply and reply.packet.chaddr.hex(":") == row.mac)


@given(st.sampled_from(CORPUS), st.binary(max_size=60), st.integers(0, 700), st.integers(0, 60))
def test_damage_to_what_is_damaged_is_a_packet_or_an_error(
    data: bytes, more: bytes, at: int, cut: int
) -> None:
    """A target for longer runs: HYPOTHESIS_PROFILE=hours."""
    broken = data[:at] + more + data[at + cut :]
    try:
        packet = Packet.parse(broken)
    except DhcpPacketError:
        return
    assert Packet.parse(packet.build()) == packet
