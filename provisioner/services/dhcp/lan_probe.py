"""Asks a LAN's DHCP servers as clients of each kind do, and judges whether those would boot by the offers."""

import secrets
import select
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple

from provisioner.discovery import vendors
from provisioner.services.dhcp.frames import DhcpPacketSocket
from provisioner.services.dhcp.packet import (
    BROADCAST,
    UNSPECIFIED,
    DhcpPacketError,
    Message,
    Op,
    Option,
    Packet,
)
from provisioner.services.dhcp.request import decode_text
from provisioner.services.dhcp.rogue_servers import PROBE_PREFIX

ANSWER_TIMEOUT = 6.0  # seconds without an answer: dnsmasq pings each address for three before it offers it
TOTAL_TIMEOUT = 60.0  # seconds in all: it does so for one machine after the other
GRACE = 1.0  # seconds after the first answers of all, for a second server's
PARAMETER_LIST = bytes([1, 3, 6, 15, 43, 54, 60, 66, 67, 97, 175])  # option 55


@dataclass(frozen=True)
class ClientKind:
    """One kind of machine. `file` is the boot file that it must be given, empty where there is none."""

    number: int  # option 93
    file: str
    http: bool = False
    ipxe: bool = False

    @property
    def name(self) -> str:
        """As people read it."""
        return "iPXE" if self.ipxe else vendors.architecture(self.number)


class BootTarget(NamedTuple):
    """What a server names to boot: the TFTP server (siaddr), and the file or URL."""

    server: str
    file: str


@dataclass
class ProbeResult:
    """What one kind of machine was answered."""

    kind: ClientKind
    addresses: dict[str, str] = field(default_factory=dict)  # server → the address that it offers
    boots: dict[str, BootTarget] = field(default_factory=dict)  # by server
    vendor_classes: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class ExpectedServer:
    """What clients must be told: our address for TFTP, our web service's URL; and the network of both."""

    server: str
    url: str
    network: str


def client_kinds(files: Iterable[dict[str, object]]) -> list[ClientKind]:
    """Every kind that can be booted, and two that cannot: those must be given nothing."""
    bootable = [ClientKind(int(str(row["arch"])), str(row["name"]), bool(row["http"])) for row in files]
    return [*bootable, ClientKind(7, "boot.ipxe", ipxe=True), ClientKind(6, ""), ClientKind(10, "")]


def discover_message(kind: ClientKind, mac: bytes, xid: int) -> Packet:
    """The DISCOVER of such a machine."""
    vendor = f"{'HTTPClient' if kind.http else 'PXEClient'}:Arch:{kind.number:05}:UNDI:003001"
    options = {
        Option.MESSAGE: bytes([Message.DISCOVER]),
        55: PARAMETER_LIST,
        57: (1472).to_bytes(2, "big"),
        Option.VENDOR_CLASS: vendor.encode(),
        Option.ARCHITECTURE: kind.number.to_bytes(2, "big"),
        Option.INTERFACE: b"\1\3\1",
        Option.MACHINE: b"\0" + mac.ljust(16, b"\0"),
    }
    if kind.ipxe:
        options[Option.USER_CLASS] = b"iPXE"
    return Packet(op=Op.REQUEST, xid=xid, chaddr=mac, flags=BROADCAST, options=dict(options))


def probe(
    packet_socket: DhcpPacketSocket, kinds: list[ClientKind], timeout: float = ANSWER_TIMEOUT
) -> list[ProbeResult]:
    """Send a DISCOVER as each kind, at once, and gather the offers; `timeout` in seconds after the last one.

    Raises OSError: the interface is down.
    """
    first = secrets.randbits(31)
    results = {first + at: ProbeResult(kind) for at, kind in enumerate(kinds)}
    for at, kind in enumerate(kinds):
        mac = PROBE_PREFIX + bytes([0xC0 + at]) + packet_socket.mac[4:]
        packet_socket.broadcast(discover_message(kind, mac, first + at).build())
    hard_deadline = time.monotonic() + TOTAL_TIMEOUT
    deadline = time.monotonic() + timeout
    while (left := min(deadline, hard_deadline) - time.monotonic()) > 0:
        if not select.select([packet_socket], [], [], left)[0]:
            break
        answers = [_receive(results, datagram.data, datagram.source) for datagram in packet_socket.read()]
        if all(result.addresses for result in results.values()):
            hard_deadline = min(hard_deadline, time.monotonic() + GRACE)
        elif any(answers):
            deadline = time.monotonic() + timeout
    return list(results.values())


def _receive(results: dict[int, ProbeResult], data: bytes, source: IPv4Address) -> bool:
    """Take a datagram; whether it is an OFFER to one of the kinds that were asked as."""
    try:
        packet = Packet.parse(data)
    except DhcpPacketError:
        return False
    result = results.get(packet.xid)
    if result is None or packet.op != Op.REPLY or packet.message != Message.OFFER:
        return False
    server = str(packet.address(Option.SERVER) or source)
    if packet.yiaddr != UNSPECIFIED:
        result.addresses[server] = str(packet.yiaddr)
    file = packet.options.get(Option.BOOT_FILE, b"").rstrip(b"\0") or packet.file
    if file:
        next_server = packet.siaddr if packet.siaddr != UNSPECIFIED else source
        result.boots[server] = BootTarget(str(next_server), file.decode("utf-8", "replace")[:300])
    result.vendor_classes.add(packet.options.get(Option.VENDOR_CLASS, b"")[:10])
    return True


def boot_fault(result: ProbeResult, expected: ExpectedServer) -> str:
    """Why such a machine would not boot, in words; empty where it would, or rightly boots nothing."""
    kind = result.kind
    if not result.addresses:
        return "no server offers it an address"
    if len(result.addresses) > 1:
        return f"{len(result.addresses)} servers offer it addresses: {', '.join(sorted(result.addresses))}"
    if not kind.file:
        file = ", ".join(sorted(file for _, file in result.boots.values()))
        return f"it is told to boot {decode_text(file.encode())}, which does not run there" if file else ""
    if not result.boots:
        return f"nobody tells it what to boot; it must be {_expected_words(kind, expected)}"
    faults = [fault for target in result.boots.values() if (fault := _target_fault(kind, target, expected))]
    if faults:
        return faults[0]
    if kind.http and b"HTTPClient" not in result.vendor_classes:
        return "option 60 (HTTPClient) does not come back, so its firmware takes no answer"
    return ""


def _expected_words(kind: ClientKind, expected: ExpectedServer) -> str:
    if kind.ipxe:
        return f"{expected.url}/boot/…/boot.ipxe"
    return f"{expected.url}/boot/files/{kind.file}" if kind.http else f"{kind.file} from {expected.server}"


def _target_fault(kind: ClientKind, target: BootTarget, expected: ExpectedServer) -> str:
    server, file = target
    given = f"it is told to boot {decode_text(file.encode())}"
    if kind.ipxe:
        is_ours = file.startswith(f"{expected.url}/boot/") and "/boot.ipxe" in file
    elif kind.http:
        is_ours = file == f"{expected.url}/boot/files/{kind.file}"
    else:
        given += f" from {server}"
        is_ours = file == kind.file and server == expected.server
    return "" if is_ours else f"{given}; it must be {_expected_words(kind, expected)}"
