"""What old ROMs leave out of their requests, and how they misread replies."""

import dataclasses
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.services.dhcp.boot import refusal_reason
from provisioner.services.dhcp.leases import LeasePool
from provisioner.services.dhcp.packet import Message, Option, Packet
from provisioner.services.dhcp.policy import ClientRoles, DhcpConfig, answer
from provisioner.services.dhcp.request import architecture, sighting

SERVER = IPv4Address("10.77.0.1")
FILES = frozenset({"undionly.kpxe", "snponly.efi", "snponly-arm64.efi"})
CONFIG = DhcpConfig(
    SERVER, IPv4Network("10.77.0.0/24"), "http://10.77.0.1", domain="vaultcube.local", files=FILES
)


def discover(options: dict[int, bytes]) -> Packet:
    message = {int(Option.MESSAGE): bytes([Message.DISCOVER])}
    return Packet(op=1, xid=7, chaddr=bytes.fromhex("525400123456"), options=message | options)


def reply_to(options: dict[int, bytes]) -> bytes:
    leases = LeasePool(IPv4Address("10.77.0.100"), IPv4Address("10.77.0.149"))
    reply = answer(discover(options), CONFIG, leases, ClientRoles(), 1000.0)
    assert reply
    return reply.packet.build()


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("PXEClient", b"undionly.kpxe"),
        ("PXEClient:Arch:00000:UNDI:002001", b"undionly.kpxe"),
        ("PXEClient:Arch:00007:UNDI:003001", b"snponly.efi"),
        ("PXEClient:Arch:00009:UNDI:003016", b"snponly.efi"),
        ("PXEClient:Arch:00011:UNDI:003000", b"snponly-arm64.efi"),
        ("PXEClient:Arch:7", b"snponly.efi"),
        ("PXEClient:Arch:00006:UNDI:003000", b""),
        ("PXEClient:Arch:99999", b""),
        ("PXEClient:Arch:", b"undionly.kpxe"),
        ("PXEClient:Arch:\0\0\0\0\7", b"undionly.kpxe"),
        ("xPXEClient:Arch:00007", b""),
    ],
)
def test_an_architecture_in_the_class_alone_is_believed(words: str, file: bytes) -> None:
    assert Packet.parse(reply_to({Option.VENDOR_CLASS: words.encode()})).file == file


def test_an_http_client_without_option_93_is_given_its_url() -> None:
    reply = Packet.parse(reply_to({Option.VENDOR_CLASS: b"HTTPClient:Arch:00016:UNDI:003001"}))
    assert reply.options[Option.BOOT_FILE] == b"http://10.77.0.1/boot/files/snponly.efi"


UEFI = {
    int(Option.VENDOR_CLASS): b"PXEClient:Arch:00007:UNDI:003001",
    int(Option.ARCHITECTURE): b"\0\7",
    int(Option.INTERFACE): b"\1\3\1",
    int(Option.MACHINE): b"\0" + bytes(range(16)),
    int(Option.VENDOR): b"\x47\4\x80\0\0\0\xff",
    int(Option.MAX_MESSAGE_SIZE): b"\5\xc0",
}
BIOS = UEFI | {
    int(Option.VENDOR_CLASS): b"PXEClient:Arch:00000:UNDI:002001",
    int(Option.ARCHITECTURE): bytes(2),
}
HTTP = UEFI | {
    int(Option.VENDOR_CLASS): b"HTTPClient:Arch:00016:UNDI:003001",
    int(Option.ARCHITECTURE): b"\0\x10",
}
IPXE = BIOS | {int(Option.USER_CLASS): b"iPXE"}
TOLD = (
    Option.BOOT_FILE,
    Option.VENDOR_CLASS,
    Option.MACHINE,
    Option.VENDOR,
    Option.IPXE,
    Option.DOMAIN_SEARCH,
)


def exchange(said: dict[int, bytes], said_again: dict[int, bytes], *, xid: int = 7) -> tuple[Packet, Packet]:
    """The OFFER to a DISCOVER, and the ACK to its REQUEST."""
    leases = LeasePool(IPv4Address("10.77.0.100"), IPv4Address("10.77.0.149"))
    offer = answer(discover(said), CONFIG, leases, ClientRoles(), 1000.0)
    assert offer
    request = discover(said_again | {int(Option.REQUESTED_ADDRESS): offer.packet.yiaddr.packed})
    request = dataclasses.replace(
        request, xid=xid, options=request.options | {int(Option.MESSAGE): bytes([Message.REQUEST])}
    )
    for _ in range(2):  # the first ACK is lost
        again = dataclasses.replace(request, options=dict(request.options))
        ack = answer(again, CONFIG, leases, ClientRoles(), 1001.0)
    assert ack and ack.packet.message == Message.ACK
    return offer.packet, ack.packet


@pytest.mark.parametrize("said", [UEFI, BIOS, HTTP, IPXE], ids=["UEFI", "BIOS", "HTTP", "iPXE"])
@pytest.mark.parametrize("kept", [*UEFI, 0])
def test_what_a_request_leaves_out_was_said_in_its_discover(said: dict[int, bytes], kept: int) -> None:
    offer, ack = exchange(said, {code: value for code, value in said.items() if code == kept})
    assert (ack.file, ack.siaddr, ack.sname) == (offer.file, offer.siaddr, offer.sname)
    assert {code: ack.options.get(code) for code in TOLD} == {code: offer.options.get(code) for code in TOLD}
    assert ack.options[Option.BOOT_FILE]


def test_what_a_request_says_itself_counts_and_so_does_another_transaction() -> None:
    _, ack = exchange(BIOS, IPXE)
    assert b"boot.ipxe" in ack.options[Option.BOOT_FILE]
    _, ack = exchange(IPXE, {}, xid=8)  # the system that was booted, say
    assert Option.BOOT_FILE not in ack.options and not ack.file
    _, ack = exchange({}, {})
    assert Option.BOOT_FILE not in ack.options


def test_the_evidence_of_a_request_is_not_misread() -> None:
    leases = LeasePool(IPv4Address("10.77.0.100"), IPv4Address("10.77.0.149"))
    offer = answer(discover(HTTP), CONFIG, leases, ClientRoles(), 1000.0)
    assert offer
    words = {
        int(Option.MESSAGE): bytes([Message.REQUEST]),
        int(Option.REQUESTED_ADDRESS): offer.packet.yiaddr.packed,
        int(Option.ARCHITECTURE): b"\0\x10",
    }
    request = discover(words)
    assert "does not go with PXEClient" in refusal_reason(request, FILES)
    answer(request, CONFIG, leases, ClientRoles(), 1001.0)
    assert refusal_reason(request, FILES) == ""
    seen = sighting(request, 1001.0)
    assert seen and seen.vendor_class.startswith("HTTPClient") and seen.uuid


@pytest.mark.parametrize(
    ("words", "numbers", "file"),
    [
        ("PXEClient", (6, 7), b"snponly.efi"),  # 32 bits first, as some firmware does that runs both
        ("PXEClient", (7, 0), b"snponly.efi"),
        ("PXEClient", (0, 7), b"undionly.kpxe"),
        ("PXEClient", (65535, 99, 11), b"snponly-arm64.efi"),
        ("PXEClient", (16, 7), b"snponly.efi"),
        ("PXEClient", (6, 10), b""),
        ("PXEClient", (16,), b""),
        ("HTTPClient", (7, 16), b"http://10.77.0.1/boot/files/snponly.efi"),
        ("HTTPClient", (7, 0), b""),
        ("PXEClient", (99,) * 40 + (7,), b""),
    ],
)
def test_of_several_architectures_the_first_that_there_is_a_file_for_is_taken(
    words: str, numbers: tuple[int, ...], file: bytes
) -> None:
    value = b"".join(number.to_bytes(2, "big") for number in numbers)
    for tail in (b"", b"\7"):  # and half a number more
        request = {Option.VENDOR_CLASS: words.encode(), Option.ARCHITECTURE: value + tail}
        reply = Packet.parse(reply_to(request))
        assert reply.options.get(Option.BOOT_FILE, b"") == file
        assert bool(refusal_reason(discover(request), FILES)) == (not file)
    seen = sighting(discover({Option.ARCHITECTURE: value}), 0.0)
    assert seen and seen.arch == numbers[0], "what it says first is what is shown"


@pytest.mark.parametrize(
    ("value", "is_script"),
    [
        (b"iPXE", True),
        (b"\4iPXE", True),
        (b"iPXE\0", True),
        (b"\4iPXE\0\0", True),
        (b"\3abc\4iPXE", True),
        (b"\3abc\4iPXE\0", True),
        (b"iPXEish", False),
        (b"\4iPX", False),
        (b"\0iPXE", False),
        (b"\0\0", False),
        (b"", False),
    ],
)
def test_who_says_ipxe_in_whatever_form_gets_the_script_and_no_second_ipxe(
    value: bytes, is_script: bool
) -> None:
    reply = Packet.parse(reply_to({Option.ARCHITECTURE: b"\0\7", Option.USER_CLASS: value}))
    assert (b"boot.ipxe" in reply.options[Option.BOOT_FILE]) == is_script
    assert reply.file == (b"" if is_script else b"snponly.efi")


LONG = ".".join(["d" * 60] * 4)  # a domain as long as DNS has them, nearly


@pytest.mark.parametrize(
    ("said", "limit"),
    [(None, 576), (576, 576), (100, 576), (0, 576), (600, 600), (800, 800), (1472, 1472), (65535, 65535)],
)
@pytest.mark.parametrize("options", [{Option.ARCHITECTURE: b"\0\0"}, {Option.VENDOR_CLASS: b"dhcpcd"}])
def test_no_reply_is_longer_than_its_client_takes(
    options: dict[int, bytes], said: int | None, limit: int
) -> None:
    rich = dataclasses.replace(
        CONFIG, domain=LONG, search=("lab",), router=SERVER, name_servers=(SERVER,) * 3, time_server=SERVER
    )
    size = {} if said is None else {Option.MAX_MESSAGE_SIZE: said.to_bytes(2, "big")}
    relay = b"\1\x60" + b"p" * 96  # which the relay takes out again
    request = discover(options | size | {Option.CLIENT_ID: b"x" * 20, Option.RELAY: relay})
    request.giaddr = IPv4Address("10.77.0.2")
    leases = LeasePool(IPv4Address("10.77.0.100"), IPv4Address("10.77.0.149"))
    reply = answer(request, rich, leases, ClientRoles(), 1000.0)
    assert reply and reply.packet.options[Option.RELAY] == relay
    del reply.packet.options[Option.RELAY]
    assert len(reply.packet.build()) + 28 <= limit, "with the headers of IP and UDP (RFC 2131, 2)"
    sent = reply.packet.options
    needed = {Option.MESSAGE, Option.SERVER, Option.SUBNET_MASK, Option.ROUTER, Option.LEASE_TIME}
    assert {*needed, Option.CLIENT_ID, Option.NAME_SERVER} <= set(sent)
    assert (Option.BOOT_FILE in sent) == (Option.ARCHITECTURE in options)
    assert (Option.DOMAIN_SEARCH in sent) == (limit > 1000), "what is needed least goes first"


@pytest.mark.parametrize("said", [b"", b"\5", b"\5\xc0\0"])
def test_a_size_that_is_none_is_the_smallest(said: bytes) -> None:
    rich = dataclasses.replace(CONFIG, domain=LONG)
    request = discover({Option.MAX_MESSAGE_SIZE: said})
    leases = LeasePool(IPv4Address("10.77.0.100"), IPv4Address("10.77.0.149"))
    reply = answer(request, rich, leases, ClientRoles(), 1000.0)
    assert reply and len(reply.packet.build()) <= 548


def test_option_93_is_believed_before_the_class_and_a_broken_one_is_not() -> None:
    both = {int(Option.VENDOR_CLASS): b"PXEClient:Arch:00000:UNDI:002001"}
    assert architecture(discover(both | {Option.ARCHITECTURE: b"\0\7"})) == 7
    assert architecture(discover(both | {Option.ARCHITECTURE: b"\7"})) == 0
    seen = sighting(discover({Option.VENDOR_CLASS: b"PXEClient:Arch:00007"}), 0.0)
    assert seen and seen.arch == 7


@given(machine=st.binary(min_size=17, max_size=17), arch=st.sampled_from([0, 7, 9, 11]))
def test_who_reads_the_boot_file_on_to_the_next_zero_byte_reads_its_name(machine: bytes, arch: int) -> None:
    data = reply_to({Option.ARCHITECTURE: bytes([0, arch]), Option.MACHINE: machine})
    reply = Packet.parse(data)
    for option in (Option.BOOT_FILE, Option.TFTP_SERVER):
        value = reply.options[option]
        place = data.index(bytes([option, len(value)]) + value, 240) + 2
        assert data[place:].split(b"\0", 1)[0] == value
    assert reply.options[Option.BOOT_FILE] == reply.file, "its length is right as well"


@pytest.mark.parametrize(
    ("domain", "search", "encoded"),
    [
        ("vaultcube.local", (), b"\x09vaultcube\x05local\0"),
        ("rack.local", ("rack.local", "vaultcube.local"), b"\4rack\5local\0\x09vaultcube\5local\0"),
        ("lab", ("",), b"\3lab\0"),
        ("lab.", (), b"\3lab\0"),
        ("", (), None),
        ("a" * 64, (), None),
    ],
)
def test_search_domains_are_told_as_rfc_3397_says(
    domain: str, search: tuple[str, ...], encoded: bytes | None
) -> None:
    config = DhcpConfig(SERVER, CONFIG.network, CONFIG.url, domain=domain, search=search)
    assert config.options.get(Option.DOMAIN_SEARCH) == encoded
    assert config.options.get(Option.DOMAIN, b"") == domain.encode()
