"""What old ROMs leave out of their requests, and how they misread replies."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
