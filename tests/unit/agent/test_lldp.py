"""What a switch says of itself is read as IEEE 802.1AB has it; whatever else comes is no neighbour."""

import random

import pytest

from provisioner.agent import lldp
from provisioner.agent.neighbour import Neighbour

DESTINATION, SOURCE = bytes.fromhex("0180c200000e"), bytes.fromhex("001c73aabbcc")


def tlv(kind: int, value: bytes) -> bytes:
    return (kind << 9 | len(value)).to_bytes(2, "big") + value


def frame(*values: bytes, ethertype: int = 0x88CC) -> bytes:
    return DESTINATION + SOURCE + ethertype.to_bytes(2, "big") + b"".join(values)


CHASSIS = tlv(1, b"\x04\x00\x1c\x73\xaa\xbb\xcc")
PORT = tlv(2, b"\x05Ethernet1/17")
TTL = tlv(3, b"\x00\x78")
END = tlv(0, b"")
WHOLE = frame(
    CHASSIS,
    PORT,
    TTL,
    tlv(4, b"rack B3 U12"),
    tlv(5, b"sw3.lab"),
    tlv(6, b"Arista Networks EOS"),
    tlv(127, bytes.fromhex("0080c2010014")),
    END,
    bytes(20),
)


def test_a_switch_is_told_by_name_port_and_vlan() -> None:
    assert lldp.parse(WHOLE, "eth0") == Neighbour(
        nic="eth0",
        chassis="00:1c:73:aa:bb:cc",
        port="Ethernet1/17",
        port_description="rack B3 U12",
        system="sw3.lab",
        vlan=20,
    )


@pytest.mark.parametrize(
    ("chassis", "port", "found"),
    [
        (b"\x05\x01\x0a\x00\x00\x01", b"\x03\x00\x1c\x73\x00\x00\x11", ("10.0.0.1", "00:1c:73:00:00:11")),
        (b"\x07sw3\0", b"\x0717", ("sw3", "17")),
        (b"\x04short", b"\x04\x02" + bytes(16), ("short", "\x02")),
        (b"\x07\xff\xfe", b"\x05", ("��", "")),
    ],
)
def test_identifiers_are_read_by_their_subtypes(chassis: bytes, port: bytes, found: tuple[str, str]) -> None:
    neighbour = lldp.parse(frame(tlv(1, chassis), tlv(2, port), TTL, END), "eth0")
    assert neighbour and (neighbour.chassis, neighbour.port) == found


@pytest.mark.parametrize(
    "other",
    [
        b"",
        WHOLE[:13],
        frame(CHASSIS, PORT, TTL, END, ethertype=0x0800),
        frame(TTL, END),
        frame(CHASSIS, TTL, END),
        frame(END, CHASSIS, PORT),
        frame(CHASSIS, PORT[:-3]),
    ],
)
def test_what_is_no_lldp_or_names_nobody_is_left_out(other: bytes) -> None:
    assert lldp.parse(other, "eth0") is None


def test_the_first_of_a_kind_counts() -> None:
    twice = frame(CHASSIS, PORT, tlv(5, b"first"), tlv(5, b"second"), END)
    neighbour = lldp.parse(twice, "eth0")
    assert neighbour and neighbour.system == "first"


def test_no_frame_is_an_error() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        damaged = bytearray(WHOLE)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(12, len(damaged))] = chance.randrange(256)
        lldp.parse(bytes(damaged[: chance.randrange(len(damaged) + 1)]), "eth0")


def test_cards_that_cannot_be_heard_hinder_nothing() -> None:
    listener = lldp.LldpListener(["no-such-card"])
    assert listener() == [] and not listener.news.is_set()
