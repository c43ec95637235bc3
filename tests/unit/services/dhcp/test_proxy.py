"""What boot clients are told beside the site's own DHCP server: a file, never an address."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.services.dhcp import proxy
from provisioner.services.dhcp.packet import UNSPECIFIED, Message, Option, Packet, encapsulate, suboptions
from provisioner.services.dhcp.policy import LIMITED_BROADCAST, ClientRoles
from tests.unit.services.dhcp.test_policy import CONFIG, FIRMWARE, GOLDEN, MAC, RECORDED, SERVER, arch, ask

FROM = (IPv4Address("10.77.0.150"), 68)
LEASES = {Option.LEASE_TIME, Option.RENEWAL_TIME, Option.REBINDING_TIME, Option.SUBNET_MASK, Option.ROUTER}


def offered(request: Packet) -> Packet | None:
    reply = proxy.offer(request, CONFIG, ClientRoles())
    return reply.packet if reply else None


def test_a_pxe_rom_is_offered_its_file_and_no_address() -> None:
    reply = proxy.offer(
        ask(Message.DISCOVER, arch(7) | {Option.MACHINE: b"\0" + bytes(16)}), CONFIG, ClientRoles()
    )
    assert reply and (reply.address, reply.port) == (LIMITED_BROADCAST, 68)
    offer = reply.packet
    assert (offer.yiaddr, offer.siaddr, offer.file) == (UNSPECIFIED, SERVER, b"snponly.efi")
    assert not LEASES & set(offer.options)
    assert offer.options[Option.VENDOR_CLASS] == b"PXEClient"
    assert offer.options[Option.SERVER] == SERVER.packed
    assert suboptions(offer.options[Option.VENDOR]) == {6: b"\x08"}
    assert offer.options[Option.TFTP_SERVER] == b"10.77.0.1"
    assert offer.options[Option.MACHINE] == b"\0" + bytes(16)


def test_a_machine_that_runs_ipxe_is_offered_its_script_and_not_told_that_nobody_else_knows_more() -> None:
    offer = offered(ask(Message.DISCOVER, arch(0) | {Option.USER_CLASS: b"iPXE"}))
    assert offer and offer.yiaddr == UNSPECIFIED
    assert offer.options[Option.BOOT_FILE].startswith(
        b"http://10.77.0.1:8080/boot/52-54-00-12-34-56/boot.ipxe?"
    )
    assert offer.options[Option.VENDOR_CLASS] == b"PXEClient", "iPXE takes a ProxyDHCP by this"
    assert Option.IPXE not in offer.options


def test_an_http_client_is_offered_its_url() -> None:
    offer = offered(ask(Message.DISCOVER, arch(16, b"HTTPClient")))
    assert offer and offer.options[Option.BOOT_FILE] == b"http://10.77.0.1:8080/boot/files/snponly.efi"
    assert offer.options[Option.VENDOR_CLASS] == b"HTTPClient" and offer.yiaddr == UNSPECIFIED


@pytest.mark.parametrize(
    "request_",
    [
        ask(Message.DISCOVER),
        ask(Message.DISCOVER, {Option.VENDOR_CLASS: b"dhcpcd"}),
        ask(Message.DISCOVER, arch(6)),
        ask(Message.DISCOVER, arch(20, b"HTTPClient")),
        *(ask(kind, arch(7)) for kind in Message if kind != Message.DISCOVER),
        ask(Message.DISCOVER, arch(7), op=2),
        ask(Message.DISCOVER, arch(7), chaddr=bytes(6)),
    ],
)
def test_all_else_is_met_with_silence(request_: Packet) -> None:
    assert proxy.offer(request_, CONFIG, ClientRoles()) is None


# PXE 2.1, suboption 71: type of server (two bytes), layer (two). ROMs ask for type 0, iPXE for 0x8000.
@pytest.mark.parametrize("item", [bytes(4), b"\x80\0\0\0", b"\0\x0f\0\1", b"\xff\xff\x7f\xff"])
@pytest.mark.parametrize("kind", [Message.REQUEST, Message.INFORM])
def test_the_boot_server_answers_where_it_was_asked(kind: Message, item: bytes) -> None:
    request = ask(kind, arch(0) | {Option.VENDOR: encapsulate({71: item})}, ciaddr=FROM[0])
    reply = proxy.boot_server(request, CONFIG, ClientRoles(), FROM)
    assert reply and (reply.address, reply.port) == FROM
    ack = reply.packet
    assert (ack.message, ack.ciaddr, ack.yiaddr, ack.file) == (
        Message.ACK,
        FROM[0],
        UNSPECIFIED,
        b"undionly.kpxe",
    )
    assert suboptions(ack.options[Option.VENDOR]) == {6: b"\x08", 71: item}


def test_the_boot_server_is_silent_to_systems_and_to_other_networks() -> None:
    assert proxy.boot_server(ask(Message.REQUEST), CONFIG, ClientRoles(), FROM) is None
    far = (IPv4Address("192.168.1.9"), 68)
    assert proxy.boot_server(ask(Message.REQUEST, arch(7)), CONFIG, ClientRoles(), far) is None


def test_a_bmc_is_told_nothing() -> None:
    roles = ClientRoles(is_bmc=lambda mac: True)
    assert proxy.offer(ask(Message.DISCOVER, arch(7)), CONFIG, roles) is None
    assert proxy.boot_server(ask(Message.REQUEST, arch(7)), CONFIG, roles, FROM) is None


def test_a_relayed_request_is_answered_to_its_relay_with_its_option() -> None:
    relay = IPv4Address("10.79.0.1")
    request = ask(Message.DISCOVER, arch(7) | {Option.RELAY: b"\1\4eth7"}, giaddr=relay)
    reply = proxy.offer(request, CONFIG, ClientRoles())
    assert reply and (reply.address, reply.port) == (relay, 67)
    assert reply.packet.options[Option.RELAY] == b"\1\4eth7" and reply.packet.giaddr == relay


@pytest.mark.parametrize("name", sorted(set(RECORDED) - set(FIRMWARE)))
def test_recorded_systems_are_told_nothing(name: str) -> None:
    lines = dict(line.split(": ", 1) for line in (GOLDEN / f"{name}.txt").read_text().splitlines())
    assert offered(Packet.parse(bytes.fromhex(lines["request"]))) is None


@pytest.mark.parametrize("name", [name for name in FIRMWARE if name.endswith("discover")])
def test_recorded_firmware_is_offered_a_boot_file_and_no_address(name: str) -> None:
    lines = dict(line.split(": ", 1) for line in (GOLDEN / f"{name}.txt").read_text().splitlines())
    offer = offered(Packet.parse(bytes.fromhex(lines["request"])))
    assert offer and offer.yiaddr == UNSPECIFIED and offer.options[Option.BOOT_FILE]
    assert not LEASES & set(offer.options)


@given(
    st.sampled_from(list(Message)),
    st.dictionaries(st.integers(1, 254).filter(lambda code: code not in (52, 53)), st.binary(max_size=40)),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_whatever_is_said_no_address_is_given(
    kind: Message, options: dict[int, bytes], ciaddr: int, pxe: bool
) -> None:
    said = options | arch(7) if pxe else options
    request = ask(kind, said, ciaddr=IPv4Address(ciaddr))
    for reply in (
        proxy.offer(request, CONFIG, ClientRoles()),
        proxy.boot_server(request, CONFIG, ClientRoles(), FROM),
    ):
        if reply:
            assert reply.packet.yiaddr == UNSPECIFIED and not LEASES & set(reply.packet.options)
            assert reply.packet.chaddr == MAC
            assert Packet.parse(reply.packet.build()) == reply.packet
