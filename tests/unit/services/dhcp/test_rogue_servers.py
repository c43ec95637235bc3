"""Other DHCP servers: who counts as one, for how long, and how many; and the frames they come in."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from provisioner.services.dhcp import frames
from provisioner.services.dhcp.frames import UdpDatagram
from provisioner.services.dhcp.packet import Message, Option, Packet
from provisioner.services.dhcp.request import is_pxe
from provisioner.services.dhcp.rogue_servers import (
    MAX_SERVERS,
    MISSED_PROBES,
    PERIOD,
    RogueServers,
    discover_message,
    is_probe,
)
from provisioner.state.values import RogueServer

OURS = IPv4Address("10.77.0.1")
GONE = MISSED_PROBES * PERIOD + 1
OWN, OTHER = "52:54:00:77:00:01", "52:54:00:00:00:09"
SERVER = IPv4Address("10.77.0.9")


def offer(**changes: object) -> Packet:
    options = {Option.MESSAGE: bytes([Message.OFFER]), Option.SERVER: SERVER.packed}
    packet = Packet(op=2, xid=1, chaddr=bytes(6), yiaddr=IPv4Address("10.77.0.99"), options=dict(options))
    return replace(packet, **changes)  # type: ignore[arg-type]


def info(packet: Packet, mac: str = OTHER, port: int = 67) -> UdpDatagram:
    return UdpDatagram(mac, SERVER, port, IPv4Address("255.255.255.255"), 68, packet.build())


class Told:
    def __init__(self) -> None:
        self.news: list[tuple[str, str]] = []
        self.table = RogueServers(frozenset({OURS}), self.hear)

    def hear(self, kind: str, server: RogueServer) -> None:
        self.news.append((kind, server.address))


def test_a_server_is_told_once_and_again_when_it_is_gone() -> None:
    told = Told()
    for moment in (0.0, 1.0, 8.0):
        told.table.receive(info(offer()), "lan0", OWN, moment)
        told.table.expire(moment)
    assert told.news == [("dhcp.foreign", "10.77.0.9")]
    [row] = told.table.dump()
    assert (row.mac, row.offer, row.interface) == (OTHER, "10.77.0.99", "lan0")
    told.table.expire(8.0 + GONE)
    assert len(told.news) == 1
    told.table.expire(8.0 + GONE + 0.1)
    assert told.news[1:] == [("dhcp.foreign.gone", "10.77.0.9")] and told.table.dump() == []


@pytest.mark.parametrize(
    ("packet", "mac", "port"),
    [
        (offer(), OWN, 67),  # our own, back by a bridge
        (offer(op=1), OTHER, 67),  # a client
        (offer(), OTHER, 68),
        (offer(options={Option.MESSAGE: bytes([Message.NAK])}), OTHER, 67),
        (offer(giaddr=IPv4Address("10.78.0.1"), options={53: b"\2", 54: OURS.packed}), OTHER, 67),
    ],
)
def test_what_is_no_other_servers_answer_names_nobody(packet: Packet, mac: str, port: int) -> None:
    told = Told()
    told.table.receive(info(packet, mac, port), "lan0", OWN, 0.0)
    assert told.news == []


def test_somebody_who_answers_in_our_name_is_another_server() -> None:
    told = Told()
    told.table.receive(info(offer(options={53: b"\2", 54: OURS.packed})), "lan0", OWN, 0.0)
    assert told.news == [("dhcp.foreign", "10.77.0.1")]


def test_a_server_without_an_identifier_is_known_by_where_its_packet_came_from() -> None:
    told = Told()
    told.table.receive(info(offer(options={53: b"\2"})), "lan0", OWN, 0.0)
    assert told.news == [("dhcp.foreign", "10.77.0.9")]


def test_another_boot_server_gives_no_address_but_is_one() -> None:
    told = Told()
    packet = offer(yiaddr=IPv4Address(0), options={53: b"\2", 54: SERVER.packed, 60: b"PXEClient"})
    told.table.receive(info(packet), "lan0", OWN, 0.0)
    [row] = told.table.dump()
    assert (row.offer, row.boots) == ("", "PXEClient")


def test_forged_answers_of_many_servers_fill_neither_the_table_nor_the_log() -> None:
    told = Told()
    for number in range(500):
        address = IPv4Address(0x0A4D0100 + number)
        told.table.receive(info(offer(options={53: b"\2", 54: address.packed})), "lan0", OWN, 0.0)
    assert len(told.news) == len(told.table.dump()) == MAX_SERVERS
    assert told.table.forged == 500 - MAX_SERVERS


def test_what_was_known_before_a_restart_holds_until_it_had_time_to_answer() -> None:
    before = Told()
    before.table.receive(info(offer()), "lan0", OWN, 0.0)
    after = Told()
    after.table.load(before.table.dump(), 1000.0)
    after.table.expire(1001.0)
    assert len(after.table.dump()) == 1 and after.news == []
    after.table.receive(info(offer()), "lan0", OWN, 1002.0)
    assert after.news == [], "it is the same"


@given(st.binary(max_size=400))
def test_rubbish_on_the_wire_is_nobody(data: bytes) -> None:
    told = Told()
    told.table.receive(replace(info(offer()), data=data), "lan0", OWN, 0.0)
    assert told.news == []
    frames.parse_udp(data)


def test_the_question_is_that_of_firmware_and_known_as_ours_by_its_mac() -> None:
    packet = Packet.parse(discover_message(bytes.fromhex("525400770001")))
    assert packet.message == Message.DISCOVER and is_pxe(packet) and packet.flags == 0x8000
    assert packet.mac == "02:70:76:77:00:01" and is_probe(packet.mac) and not is_probe(OWN)


def test_scapy_reads_our_frame_and_finds_its_checksums_right() -> None:
    for size in (1, 2, 299, 300):
        frame = frames.build_udp(bytes.fromhex("525400770001"), bytes(range(1, 251)) * 2 + bytes(size))
        seen = Ether(frame)
        assert (seen[IP].src, seen[IP].dst, seen[UDP].sport, seen[UDP].dport) == (
            "0.0.0.0",
            "255.255.255.255",
            68,
            67,
        )
        kept = (seen[IP].chksum, seen[UDP].chksum)
        del seen[IP].chksum, seen[UDP].chksum
        again = Ether(bytes(seen))
        assert (again[IP].chksum, again[UDP].chksum) == kept


def test_we_read_scapys_frame_with_ip_options_and_padding() -> None:
    inner = IP(src="10.77.0.9", dst="255.255.255.255", options=[b"\x94\x04\x00\x00"]) / UDP(
        sport=67, dport=68
    )
    frame = bytes(Ether(src=OTHER, dst="ff:ff:ff:ff:ff:ff") / inner / b"hello") + bytes(9)
    found = frames.parse_udp(frame)
    assert found and (found.mac, str(found.source), found.source_port, found.destination_port) == (
        OTHER,
        "10.77.0.9",
        67,
        68,
    )
    assert found.data == b"hello"
    for end in range(len(frame) - 9):
        assert frames.parse_udp(frame[:end]) is None
