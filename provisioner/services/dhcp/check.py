"""Asks a LAN's DHCP servers as machines of each kind do, and judges by what comes whether they would boot."""

import secrets
import select
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from provisioner.discovery import vendors
from provisioner.services.dhcp.frames import DhcpWire
from provisioner.services.dhcp.packet import BROADCAST, NOWHERE, Message, Op, Option, Packet, PacketError
from provisioner.services.dhcp.request import printable
from provisioner.services.dhcp.rogue_servers import PREFIX

PATIENCE = 6.0  # seconds without an answer: dnsmasq pings each address for three before it offers it
LONGEST = 60.0  # seconds in all: it does so for one machine after the other
GRACE = 1.0  # seconds after the first answers of all, for a second server's
ASKED = bytes([1, 3, 6, 15, 43, 54, 60, 66, 67, 97, 175])


@dataclass(frozen=True)
class Case:
    """One kind of machine. `file` is the boot file that it must be given, empty where there is none."""

    number: int  # option 93
    file: str
    http: bool = False
    ipxe: bool = False

    @property
    def name(self) -> str:
        """As people read it."""
        return "iPXE" if self.ipxe else vendors.architecture(self.number)


@dataclass
class Heard:
    """What one kind of machine was answered."""

    case: Case
    addresses: dict[str, str] = field(default_factory=dict)  # server → the address that it offers
    boots: dict[str, tuple[str, str]] = field(default_factory=dict)  # server → from where, and what
    classes: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Expected:
    """Our own place, and who gives the addresses."""

    server: str
    url: str
    network: str


def cases(files: Iterable[dict[str, object]]) -> list[Case]:
    """Every kind that can be booted, and two that cannot: those must be given nothing."""
    found = [Case(int(str(row["arch"])), str(row["name"]), bool(row["http"])) for row in files]
    return [*found, Case(7, "boot.ipxe", ipxe=True), Case(6, ""), Case(10, "")]


def question(case: Case, mac: bytes, xid: int) -> Packet:
    """The DISCOVER of such a machine."""
    vendor = f"{'HTTPClient' if case.http else 'PXEClient'}:Arch:{case.number:05}:UNDI:003001"
    options = {
        Option.MESSAGE: bytes([Message.DISCOVER]),
        55: ASKED,
        57: (1472).to_bytes(2, "big"),
        Option.VENDOR_CLASS: vendor.encode(),
        Option.ARCHITECTURE: case.number.to_bytes(2, "big"),
        Option.INTERFACE: b"\1\3\1",
        Option.MACHINE: b"\0" + mac.ljust(16, b"\0"),
    }
    if case.ipxe:
        options[Option.USER_CLASS] = b"iPXE"
    return Packet(op=Op.REQUEST, xid=xid, chaddr=mac, flags=BROADCAST, options=dict(options))


def ask(wire: DhcpWire, wanted: list[Case], patience: float = PATIENCE) -> list[Heard]:
    """Ask as all of them at once and gather what is answered. Raises OSError: the interface is down."""
    first = secrets.randbits(31)
    found = {first + at: Heard(case) for at, case in enumerate(wanted)}
    for at, case in enumerate(wanted):
        mac = PREFIX + bytes([0xC0 + at]) + wire.mac[4:]
        wire.broadcast(question(case, mac, first + at).build())
    latest = time.monotonic() + LONGEST
    until = time.monotonic() + patience
    while (left := min(until, latest) - time.monotonic()) > 0:
        if not select.select([wire], [], [], left)[0]:
            break
        news = [_take(found, came.data, came.source) for came in wire.read()]
        if all(heard.addresses for heard in found.values()):
            latest = min(latest, time.monotonic() + GRACE)
        elif any(news):
            until = time.monotonic() + patience
    return list(found.values())


def _take(found: dict[int, Heard], data: bytes, source: IPv4Address) -> bool:
    """Whether it is an answer to one of us."""
    try:
        packet = Packet.parse(data)
    except PacketError:
        return False
    heard = found.get(packet.xid)
    if heard is None or packet.op != Op.REPLY or packet.message != Message.OFFER:
        return False
    server = str(packet.address(Option.SERVER) or source)
    if packet.yiaddr != NOWHERE:
        heard.addresses[server] = str(packet.yiaddr)
    named = packet.options.get(Option.BOOT_FILE, b"").rstrip(b"\0") or packet.file
    if named:
        place = packet.siaddr if packet.siaddr != NOWHERE else source
        heard.boots[server] = (str(place), named.decode("utf-8", "replace")[:300])
    heard.classes.add(packet.options.get(Option.VENDOR_CLASS, b"")[:10])
    return True


def judge(heard: Heard, expected: Expected) -> str:
    """Why such a machine would not boot, in words; empty where it would, or rightly boots nothing."""
    case = heard.case
    if not heard.addresses:
        return "no server offers it an address"
    if len(heard.addresses) > 1:
        return f"{len(heard.addresses)} servers offer it addresses: {', '.join(sorted(heard.addresses))}"
    if not case.file:
        named = ", ".join(sorted(what for _, what in heard.boots.values()))
        return f"it is told to boot {printable(named.encode())}, which does not run there" if named else ""
    if not heard.boots:
        return f"nobody tells it what to boot; it must be {_wanted(case, expected)}"
    faults = [fault for place, what in heard.boots.values() if (fault := _fault(case, place, what, expected))]
    if faults:
        return faults[0]
    if case.http and b"HTTPClient" not in heard.classes:
        return "option 60 (HTTPClient) does not come back, so its firmware takes no answer"
    return ""


def _wanted(case: Case, expected: Expected) -> str:
    if case.ipxe:
        return f"{expected.url}/boot/…/boot.ipxe"
    return f"{expected.url}/boot/files/{case.file}" if case.http else f"{case.file} from {expected.server}"


def _fault(case: Case, place: str, what: str, expected: Expected) -> str:
    told = f"it is told to boot {printable(what.encode())}"
    if case.ipxe:
        is_ours = what.startswith(f"{expected.url}/boot/") and "/boot.ipxe" in what
    elif case.http:
        is_ours = what == f"{expected.url}/boot/files/{case.file}"
    else:
        told += f" from {place}"
        is_ours = what == case.file and place == expected.server
    return "" if is_ours else f"{told}; it must be {_wanted(case, expected)}"
