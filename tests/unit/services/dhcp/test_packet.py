"""The DHCP codec, with scapy as the second opinion."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from provisioner.services.dhcp.packet import (
    HEADER,
    MAGIC,
    DhcpPacketError,
    Message,
    Option,
    Packet,
    suboptions,
)

MAC = bytes.fromhex("525400123456")
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
texts = st.binary(max_size=60).map(lambda value: value.replace(b"\0", b"x"))
values = st.dictionaries(
    st.integers(1, 254).filter(lambda code: code != 52), st.binary(max_size=600), max_size=8
)
packets = st.builds(
    Packet,
    op=st.sampled_from([1, 2]),
    xid=st.integers(0, 2**32 - 1),
    chaddr=st.binary(max_size=16),
    secs=st.integers(0, 65535),
    flags=st.integers(0, 65535),
    hops=st.integers(0, 255),
    htype=st.integers(0, 255),
    ciaddr=addresses,
    yiaddr=addresses,
    siaddr=addresses,
    giaddr=addresses,
    sname=texts,
    file=texts,
    options=values,
)


def raw(options: bytes, *, sname: bytes = b"", file: bytes = b"", op: int = 1, hlen: int = 6) -> bytes:
    zero = bytes(4)
    return HEADER.pack(op, 1, hlen, 0, 7, 0, 0, zero, zero, zero, zero, MAC, sname, file) + MAGIC + options


@given(st.binary(max_size=700))
def test_arbitrary_bytes_are_an_error_and_nothing_else(data: bytes) -> None:
    with pytest.raises(DhcpPacketError):
        Packet.parse(data)  # random bytes do not hit the magic cookie


@given(st.binary(max_size=400), st.binary(max_size=64), st.binary(max_size=128))
def test_arbitrary_options_are_a_packet_or_an_error(options: bytes, sname: bytes, file: bytes) -> None:
    try:
        packet = Packet.parse(raw(options, sname=sname, file=file))
    except DhcpPacketError:
        return
    assert Packet.parse(packet.build()) == packet


@given(packets)
def test_what_is_built_is_read_back(packet: Packet) -> None:
    assert Packet.parse(packet.build()) == packet


@given(packets.filter(lambda packet: len(packet.options) > 0))
def test_scapy_reads_the_same_header(packet: Packet) -> None:
    seen = BOOTP(packet.build())
    assert (seen.op, seen.xid, seen.secs, int(seen.flags)) == (
        packet.op,
        packet.xid,
        packet.secs,
        packet.flags,
    )
    assert [seen.ciaddr, seen.yiaddr, seen.siaddr, seen.giaddr] == [
        str(address) for address in (packet.ciaddr, packet.yiaddr, packet.siaddr, packet.giaddr)
    ]
    assert seen.file.rstrip(b"\0") == packet.file


def test_scapy_writes_what_we_read() -> None:
    written = BOOTP(op=1, xid=0xDEADBEEF, chaddr=MAC, flags="B") / DHCP(
        options=[
            ("message-type", "discover"),
            ("requested_addr", "10.0.0.9"),
            ("hostname", "cube"),
            ("param_req_list", [1, 3, 66, 67]),
            "end",
        ]
    )
    packet = Packet.parse(bytes(written).replace(b"\x01\x01\x00\x00", b"\x01\x01\x06\x00", 1))
    assert (packet.mac, packet.xid, packet.message) == ("52:54:00:12:34:56", 0xDEADBEEF, Message.DISCOVER)
    assert packet.address(Option.REQUESTED_ADDRESS) == IPv4Address("10.0.0.9")
    assert packet.options[Option.HOST_NAME] == b"cube"
    assert packet.options[55] == bytes([1, 3, 66, 67])


@pytest.mark.parametrize(
    "options",
    [
        b"\x35",
        b"\x35\x05\x01",
        b"\x35\x01\x01\x0c\xff",
        b"\x34\x01\x04\xff",
        b"\x34\x00\xff",
        b"\x34\x02\x01\x01\xff",
    ],
)
def test_a_truncated_or_impossible_option_is_an_error(options: bytes) -> None:
    with pytest.raises(DhcpPacketError):
        Packet.parse(raw(options))


def test_an_option_that_runs_over_a_borrowed_field_is_an_error() -> None:
    with pytest.raises(DhcpPacketError):
        Packet.parse(raw(b"\x34\x01\x01\xff", file=b"\x0c\xfe"))


def test_borrowed_fields_continue_the_options_file_first() -> None:
    packet = Packet.parse(raw(b"\x0c\x01a\x34\x01\x03\xff", file=b"\x0c\x01b\xff", sname=b"\x0c\x01c\xff"))
    assert packet.options == {12: b"abc"}
    assert (packet.file, packet.sname) == (b"", b"")


def test_a_long_option_is_split_and_joined() -> None:
    packet = Packet(op=2, xid=1, chaddr=MAC, options={67: b"x" * 300})
    assert b"\x43\xff" + b"x" * 255 + b"\x43\x2d" + b"x" * 45 in packet.build()
    assert Packet.parse(packet.build()).options[67] == b"x" * 300


def test_a_missing_end_and_trailing_rubbish_are_forgiven() -> None:
    assert Packet.parse(raw(b"\x00\x35\x01\x01")).message == Message.DISCOVER
    assert Packet.parse(raw(b"\x35\x01\x01\xff\x0c\xff")).options == {53: b"\x01"}


@pytest.mark.parametrize(
    "data", [raw(b"", op=3), raw(b"", hlen=17), raw(b"")[:239], raw(b"").replace(MAGIC, b"abcd")]
)
def test_an_impossible_header_is_an_error(data: bytes) -> None:
    with pytest.raises(DhcpPacketError):
        Packet.parse(data)


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x09", b"\x01\x01"])
def test_an_unknown_message_type_is_none(value: bytes) -> None:
    assert Packet(op=1, xid=1, chaddr=MAC, options={53: value}).message is None


@pytest.mark.parametrize("chaddr", [b"", bytes(6), b"\xff" * 6, b"\x01\x00\x5e\x00\x00\x01", MAC + b"\0"])
def test_what_no_network_card_has_is_no_mac(chaddr: bytes) -> None:
    assert Packet(op=1, xid=1, chaddr=chaddr).mac == ""


def test_the_message_type_comes_first_and_the_relay_option_last() -> None:
    built = Packet(
        op=2, xid=1, chaddr=MAC, options={82: b"r", 1: b"mask", 255 - 1: b"z", 53: b"\x02"}
    ).build()
    assert built[240:243] == b"\x35\x01\x02"
    assert built.rstrip(b"\0").endswith(b"\x52\x01r\xff")


@pytest.mark.parametrize(
    "change", [{"file": b"x" * 129}, {"sname": b"x" * 65}, {"chaddr": b"x" * 17}, {"xid": 2**32}]
)
def test_what_does_not_fit_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises(DhcpPacketError):
        Packet(**({"op": 2, "xid": 1, "chaddr": MAC} | change)).build()  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [0, 255, 256, -1])
def test_an_options_number_is_between_pad_and_end(code: int) -> None:
    with pytest.raises(DhcpPacketError):
        Packet(op=2, xid=1, chaddr=MAC, options={code: b""}).build()


def test_unreadable_suboptions_are_left_out() -> None:
    assert suboptions(b"\x06\x01\x08\xff") == {6: b"\x08"}
    assert suboptions(b"\x06\x09\x08") == {}
