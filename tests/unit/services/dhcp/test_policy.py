"""What DHCP answers to whom; recorded packets of real firmware are compared whole."""

import os
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.domain.bootfiles import ARCHITECTURES
from provisioner.services.dhcp.leases import LeasePool
from provisioner.services.dhcp.packet import (
    BROADCAST,
    UNSPECIFIED,
    Message,
    Option,
    Packet,
    encapsulate,
    suboptions,
)
from provisioner.services.dhcp.policy import LIMITED_BROADCAST, ClientRoles, DhcpConfig, DhcpReply, answer
from provisioner.services.dhcp.request import sighting, user_classes

GOLDEN = Path(__file__).parents[3] / "golden" / "dhcp"
SERVER = IPv4Address("10.77.0.1")
FIRST, LAST = IPv4Address("10.77.0.100"), IPv4Address("10.77.0.200")
MAC = bytes.fromhex("525400123456")
CONFIG = DhcpConfig(SERVER, IPv4Network("10.77.0.0/24"), "http://10.77.0.1:8080")
BOOT = {Option.BOOT_FILE, Option.TFTP_SERVER, Option.VENDOR, Option.VENDOR_CLASS, Option.IPXE}
PXE = {Option.VENDOR_CLASS: b"PXEClient:Arch:00007:UNDI:003000"}


def ask(kind: Message, options: Mapping[Any, bytes] | None = None, **fields: object) -> Packet:
    packet = Packet(op=1, xid=7, chaddr=MAC, options={Option.MESSAGE: bytes([kind]), **(options or {})})
    return replace(packet, **fields)  # type: ignore[arg-type]


def arch(number: int, vendor: bytes = b"PXEClient") -> dict[int, bytes]:
    return {Option.ARCHITECTURE: number.to_bytes(2, "big"), Option.VENDOR_CLASS: vendor + b":Arch"}


def book() -> LeasePool:
    return LeasePool(FIRST, LAST)


def respond(
    request: Packet, config: DhcpConfig = CONFIG, leases: LeasePool | None = None
) -> DhcpReply | None:
    return answer(request, config, leases or book(), ClientRoles(), 1000.0)


def told(request: Packet, config: DhcpConfig = CONFIG, leases: LeasePool | None = None) -> Packet:
    reply = respond(request, config, leases)
    assert reply
    return Packet.parse(reply.packet.build())


def test_an_operating_system_gets_an_address_and_no_boot_file() -> None:
    offer = told(ask(Message.DISCOVER, {Option.VENDOR_CLASS: b"dhcpcd", Option.CLIENT_ID: b"\1id"}))
    assert (offer.message, offer.yiaddr, offer.xid, offer.chaddr) == (Message.OFFER, FIRST, 7, MAC)
    assert (offer.siaddr, offer.file, offer.sname) == (UNSPECIFIED, b"", b"")
    assert offer.options == {
        Option.MESSAGE: b"\2",
        Option.SERVER: SERVER.packed,
        Option.SUBNET_MASK: bytes([255, 255, 255, 0]),
        Option.BROADCAST_ADDRESS: IPv4Address("10.77.0.255").packed,
        Option.LEASE_TIME: (3600).to_bytes(4, "big"),
        Option.RENEWAL_TIME: (1800).to_bytes(4, "big"),
        Option.REBINDING_TIME: (3150).to_bytes(4, "big"),
        Option.CLIENT_ID: b"\1id",
    }


def test_router_names_domain_and_time_are_told_only_if_set() -> None:
    config = replace(
        CONFIG, router=SERVER, name_servers=(SERVER, LAST), domain="vaultcube.local", time_server=SERVER
    )
    options = told(ask(Message.DISCOVER), config).options
    assert options[Option.ROUTER] == options[Option.TIME_SERVER] == SERVER.packed
    assert options[Option.NAME_SERVER] == SERVER.packed + LAST.packed
    assert options[Option.DOMAIN] == b"vaultcube.local"


@pytest.mark.parametrize(
    ("number", "file"),
    [(0, "undionly.kpxe"), (7, "snponly.efi"), (9, "snponly.efi"), (6, ""), (10, ""), (11, "")],
)
def test_each_architecture_gets_its_file(number: int, file: str) -> None:
    offer = told(ask(Message.DISCOVER, arch(number) | {Option.MACHINE: b"\0" + bytes(16)}))
    assert offer.file.decode() == file == offer.options.get(Option.BOOT_FILE, b"").decode()
    if file:
        assert offer.siaddr == SERVER
        assert (offer.options[Option.VENDOR_CLASS], offer.options[Option.TFTP_SERVER]) == (
            b"PXEClient",
            b"10.77.0.1",
        )
        assert suboptions(offer.options[Option.VENDOR]) == {6: b"\x08"}
        assert offer.options[Option.MACHINE] == b"\0" + bytes(16)
    else:
        assert not BOOT & set(offer.options)


def test_arm64_boots_only_if_its_file_is_there() -> None:
    config = replace(CONFIG, files=CONFIG.files | {"snponly-arm64.efi"})
    assert told(ask(Message.DISCOVER, arch(11)), config).file == b"snponly-arm64.efi"
    assert told(ask(Message.DISCOVER, arch(10)), config).file == b""


def test_a_file_that_is_not_there_is_never_named() -> None:
    assert told(ask(Message.DISCOVER, arch(7)), replace(CONFIG, files=frozenset())).file == b""


def test_an_old_rom_without_architecture_is_bios() -> None:
    assert told(ask(Message.DISCOVER, {Option.VENDOR_CLASS: b"PXEClient"})).file == b"undionly.kpxe"


def test_an_http_client_gets_a_url_and_its_class_back() -> None:
    offer = told(ask(Message.DISCOVER, arch(16, b"HTTPClient")))
    assert offer.options[Option.BOOT_FILE] == b"http://10.77.0.1:8080/boot/files/snponly.efi"
    assert offer.options[Option.VENDOR_CLASS] == b"HTTPClient"
    assert (offer.file, offer.siaddr) == (b"", UNSPECIFIED)
    assert Option.VENDOR not in offer.options


@pytest.mark.parametrize("number", [7, 0, 15, 6])
def test_an_http_client_of_another_architecture_gets_no_tftp_file(number: int) -> None:
    assert not BOOT & set(told(ask(Message.DISCOVER, arch(number, b"HTTPClient"))).options)


@pytest.mark.parametrize("value", [b"iPXE", b"\4iPXE", b"\3abc\4iPXE"])
def test_ipxe_gets_its_script_whichever_way_it_says_its_name(value: bytes) -> None:
    offer = told(ask(Message.DISCOVER, arch(7) | {Option.USER_CLASS: value}))
    script = offer.options[Option.BOOT_FILE].decode()
    assert script.startswith("http://10.77.0.1:8080/boot/52-54-00-12-34-56/boot.ipxe?uuid=${uuid}&")
    assert script.endswith(
        "&serial=${serial:uristring}&manufacturer=${manufacturer:uristring}&product=${product:uristring}"
    )
    assert len(script) < 256, "one option"
    assert suboptions(offer.options[Option.IPXE]) == {176: b"\1"}
    assert not {Option.VENDOR, Option.VENDOR_CLASS} & set(offer.options)


def test_the_longest_reply_fits_what_every_client_takes() -> None:
    config = replace(
        CONFIG,
        url="http://255.255.255.255:65535",
        router=SERVER,
        name_servers=(SERVER, SERVER),
        domain="d" * 63,
        time_server=SERVER,
    )
    request = ask(Message.DISCOVER, arch(7) | {Option.USER_CLASS: b"iPXE", Option.CLIENT_ID: b"x" * 19})
    assert len(told(request, config).build()) <= 576 + 100  # iPXE and OVMF ask for at most 1472 and more
    request = ask(Message.DISCOVER, arch(7) | {Option.CLIENT_ID: b"x" * 19, Option.MACHINE: bytes(17)})
    assert (
        len(told(request, config).build()) <= 548
    )  # RFC 2131, 2: a client that says nothing takes 576 with headers


@pytest.mark.parametrize(
    ("value", "classes"),
    [(b"iPXE", [b"iPXE"]), (b"\1a\2bc", [b"a", b"bc"]), (b"\0", [b"\0"]), (b"", []), (b"\5ab", [b"\5ab"])],
)
def test_user_classes_are_a_list_or_a_text(value: bytes, classes: list[bytes]) -> None:
    assert user_classes(ask(Message.DISCOVER, {Option.USER_CLASS: value})) == classes


@pytest.mark.parametrize("options", [arch(7), arch(16, b"HTTPClient"), {Option.USER_CLASS: b"iPXE"}])
@pytest.mark.parametrize("kind", [Message.DISCOVER, Message.INFORM])
def test_a_bmc_never_gets_a_boot_file(kind: Message, options: dict[int, bytes]) -> None:
    reply = answer(ask(kind, options), CONFIG, book(), ClientRoles(is_bmc=lambda mac: True), 0.0)
    assert reply
    assert not BOOT & set(reply.packet.options)
    assert (reply.packet.file, reply.packet.siaddr) == (b"", UNSPECIFIED)


def test_request_is_acknowledged_with_the_offered_address() -> None:
    leases = book()
    told(ask(Message.DISCOVER), leases=leases)
    chosen = {Option.SERVER: SERVER.packed, Option.REQUESTED_ADDRESS: FIRST.packed}
    ack = told(ask(Message.REQUEST, chosen), leases=leases)
    assert (ack.message, ack.yiaddr) == (Message.ACK, FIRST)
    held = leases.lease("52:54:00:12:34:56")
    assert held and (held.bound, held.expires) == (True, 4600.0)


def test_a_request_for_another_server_is_left_alone() -> None:
    chosen = {Option.SERVER: LAST.packed, Option.REQUESTED_ADDRESS: FIRST.packed}
    assert respond(ask(Message.REQUEST, chosen)) is None


@pytest.mark.parametrize("address", ["192.168.1.7", "0.0.0.0"])
def test_an_address_of_another_network_is_refused_to_everybody(address: str) -> None:
    reply = respond(ask(Message.REQUEST, {Option.REQUESTED_ADDRESS: IPv4Address(address).packed}))
    assert reply and (reply.packet.message, reply.address, reply.port) == (Message.NAK, LIMITED_BROADCAST, 68)
    assert reply.packet.yiaddr == UNSPECIFIED
    assert b"10.77.0.0/24" in reply.packet.options[Option.TEXT]


def test_an_address_of_another_machine_is_refused() -> None:
    leases = book()
    leases.commit("52:54:00:00:00:99", FIRST, 0, 5000)
    renewing = ask(Message.REQUEST, ciaddr=FIRST)
    assert told(renewing, leases=leases).message == Message.NAK


def test_a_renewal_is_answered_where_the_client_is() -> None:
    leases = book()
    leases.commit("52:54:00:12:34:56", FIRST, 0, 5000)
    reply = respond(ask(Message.REQUEST, ciaddr=FIRST), leases=leases)
    assert reply and (reply.address, reply.port, reply.packet.message) == (FIRST, 68, Message.ACK)


def test_a_relayed_request_goes_back_through_the_relay_with_its_option() -> None:
    relay = IPv4Address("10.77.0.2")
    info = encapsulate({1: b"port 7"})
    reply = respond(ask(Message.DISCOVER, {Option.RELAY: info}, giaddr=relay, hops=1))
    assert reply and (reply.address, reply.port, reply.packet.giaddr) == (relay, 67, relay)
    assert reply.packet.options[Option.RELAY] == info
    refused = respond(ask(Message.REQUEST, {Option.REQUESTED_ADDRESS: bytes(4)}, giaddr=relay))
    assert refused and (refused.address, refused.port) == (relay, 67)
    assert refused.packet.flags & BROADCAST


def test_a_relay_of_another_network_is_not_answered() -> None:
    assert respond(ask(Message.DISCOVER, giaddr=IPv4Address("10.9.0.1"))) is None


def test_inform_gets_options_but_neither_address_nor_lease() -> None:
    leases = book()
    reply = respond(ask(Message.INFORM, ciaddr=IPv4Address("10.77.0.9")), leases=leases)
    assert reply and (reply.packet.message, reply.packet.yiaddr) == (Message.ACK, UNSPECIFIED)
    assert reply.address == IPv4Address("10.77.0.9")
    assert Option.LEASE_TIME not in reply.packet.options
    assert leases.dump() == []


def test_release_and_decline_are_heard_in_silence() -> None:
    leases = book()
    leases.commit("52:54:00:12:34:56", FIRST, 0, 9000)
    assert respond(ask(Message.RELEASE, ciaddr=FIRST), leases=leases) is None
    assert leases.offer("b", 1001, requested=FIRST) == FIRST
    leases.commit("52:54:00:12:34:56", LAST, 0, 9000)
    assert respond(ask(Message.DECLINE, {Option.REQUESTED_ADDRESS: LAST.packed}), leases=leases) is None
    assert leases.offer("c", 1001, requested=LAST) != LAST


def test_an_exhausted_pool_is_silent() -> None:
    assert respond(ask(Message.DISCOVER), leases=LeasePool(LAST, FIRST)) is None


@pytest.mark.parametrize("kind", [Message.OFFER, Message.ACK, Message.NAK])
def test_what_servers_say_is_not_answered(kind: Message) -> None:
    assert respond(ask(kind)) is None
    assert respond(ask(Message.DISCOVER, op=2)) is None


@pytest.mark.parametrize("chaddr", [b"", bytes(6), b"\xff" * 6])
def test_a_machine_without_a_mac_is_not_answered(chaddr: bytes) -> None:
    assert respond(ask(Message.DISCOVER, chaddr=chaddr)) is None
    assert sighting(ask(Message.DISCOVER, chaddr=chaddr), 0) is None


@given(
    st.sampled_from(list(Message)),
    st.dictionaries(
        st.integers(1, 254).filter(lambda code: code not in (52, 53)), st.binary(max_size=40), max_size=10
    ),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_nothing_a_stranger_says_breaks_the_policy(
    kind: Message, options: dict[int, bytes], ciaddr: int, giaddr: int
) -> None:
    request = ask(kind, options, ciaddr=IPv4Address(ciaddr), giaddr=IPv4Address(giaddr))
    reply = respond(request)
    if reply:
        assert Packet.parse(reply.packet.build()) == reply.packet
    seen = sighting(request, 0.0, reply.packet if reply else None)
    assert seen and seen.mac == "52:54:00:12:34:56"
    assert all(text.isprintable() for text in (seen.vendor_class, seen.user_class, seen.hostname))


def test_a_sighting_says_what_the_packet_said() -> None:
    options = {
        **PXE,
        Option.ARCHITECTURE: b"\0\7",
        Option.USER_CLASS: b"\4iPXE",
        Option.HOST_NAME: b"cube\n\x1b[31m",
        Option.MACHINE: b"\0" + bytes.fromhex("33221100554477668899aabbccddeeff"),
        Option.RELAY: b"\1\2ab",
    }
    seen = sighting(ask(Message.DISCOVER, options, giaddr=SERVER), 5.0)
    assert seen
    assert (seen.mac, seen.message, seen.when, seen.boots) == ("52:54:00:12:34:56", "discover", 5.0, True)
    assert (seen.arch, seen.user_class, seen.hostname) == (7, "iPXE", "cube \\x1b[31m")
    assert seen.uuid == "00112233-4455-6677-8899-aabbccddeeff"
    assert (seen.relay, seen.relay_info) == ("10.77.0.1", "01026162")


def test_a_sighting_names_the_address_that_was_given() -> None:
    request = ask(Message.DISCOVER, {Option.REQUESTED_ADDRESS: LAST.packed})
    seen = sighting(request, 0.0)
    given_one = sighting(request, 0.0, told(request, leases=LeasePool(FIRST, FIRST)))
    assert seen and given_one
    assert (seen.ip, given_one.ip) == (str(LAST), str(FIRST))
    assert not seen.boots


def test_every_architecture_names_a_file_of_ours() -> None:
    assert {boot.name for boot in ARCHITECTURES.values()} == {
        "undionly.kpxe",
        "snponly.efi",
        "snponly-arm64.efi",
    }


RECORDED = sorted(path.stem for path in GOLDEN.glob("*.txt"))
FIRMWARE = [name for name in RECORDED if not name.startswith(("udhcpc", "networkd"))]


def test_the_recordings_are_there() -> None:
    assert len(RECORDED) == 12
    assert len(FIRMWARE) == 8, "and the others are of systems"


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_firmware_gets_the_recorded_reply(name: str) -> None:
    """Each file: the request as it was on the wire, the reply to it, and what the evidence says."""
    place = GOLDEN / f"{name}.txt"
    lines = dict(line.split(": ", 1) for line in place.read_text().splitlines())
    request = Packet.parse(bytes.fromhex(lines["request"]))
    reply = answer(request, CONFIG, book(), ClientRoles(), 1000.0)
    assert reply
    found = {
        "request": lines["request"],
        "reply": reply.packet.build().hex(),
        "to": f"{reply.address}:{reply.port}",
        "seen": str(sighting(request, 1000.0, reply.packet)),
    }
    if os.environ.get("UPDATE_GOLDEN"):
        place.write_text("".join(f"{key}: {value}\n" for key, value in found.items()))
    assert found == lines
