"""Which other DHCP servers answer on our networks: asked at the start and on a timer, heard all the time."""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from provisioner.services.dhcp.frames import SERVER_PORT, Datagram
from provisioner.services.dhcp.packet import (
    BROADCAST,
    ETHERNET,
    NOWHERE,
    Message,
    Op,
    Option,
    Packet,
    PacketError,
)
from provisioner.services.dhcp.request import printable
from provisioner.state.values import RogueServer

PERIOD = 4.0  # seconds between two questions; dnsmasq thinks for three before it answers
SELDOM = 60.0  # where the server is the site's own: it answers nobody else while it thinks
MISSED = 3  # questions without an answer, after which a server is gone
MOST = 16  # servers that are kept; more would be a flood of forged answers
PREFIX = b"\x02pv"  # locally administered: nobody's card has a MAC that begins so
log = logging.getLogger(__name__)


class Foreign:
    """The servers that are heard now. `ours` are the service's own addresses; times in seconds since 1970.

    `told(kind, server)` hears of each that appears (`dhcp.foreign`) and that is gone (`dhcp.foreign.gone`),
    after the table has changed.
    """

    def __init__(
        self, ours: frozenset[IPv4Address], told: Callable[[str, RogueServer], None], period: float = PERIOD
    ) -> None:
        self._ours = ours
        self.period = period
        self._gone = MISSED * period + 1
        self._told = told
        self._found: dict[tuple[str, str, str], RogueServer] = {}
        self.forged = 0  # answers of servers for which there was no room

    def load(self, servers: Sequence[RogueServer], now: float) -> None:
        """What was known before a restart holds until it had time to answer again."""
        for server in servers[:MOST]:
            key = (server.address, server.mac, server.interface)
            self._found[key] = replace(server, heard=now)

    def dump(self) -> list[RogueServer]:
        """Those that are heard now."""
        return list(self._found.values())

    def hear(self, came: Datagram, interface: str, own_mac: str, now: float) -> Packet | None:
        """Take a datagram from a wire; the packet in it, if it is one."""
        try:
            packet = Packet.parse(came.data)
        except PacketError:
            return None
        if packet.op == Op.REPLY and came.port == SERVER_PORT and came.mac != own_mac:
            self._answered(packet, came, interface, now)
        return packet

    def _answered(self, packet: Packet, came: Datagram, interface: str, now: float) -> None:
        address = packet.address(Option.SERVER) or came.source
        if packet.message not in (Message.OFFER, Message.ACK):
            return
        if address in self._ours and packet.giaddr != NOWHERE:
            return  # a relay hands on what we said
        key = (str(address), came.mac, interface)
        known = self._found.get(key)
        if known is None and len(self._found) >= MOST:
            self.forged += 1
            return
        server = known or RogueServer(*key, since=now)
        offer = str(packet.yiaddr) if packet.yiaddr != NOWHERE else server.offer
        boots = _boot_file(packet) or server.boots
        self._found[key] = server = replace(server, heard=now, offer=offer, boots=boots)
        if known is None:
            self._told("dhcp.foreign", server)

    def lapse(self, now: float) -> None:
        """Forget who has not been heard for so long."""
        for key, server in list(self._found.items()):
            if now - server.heard > self._gone:
                del self._found[key]
                self._told("dhcp.foreign.gone", server)


def _boot_file(packet: Packet) -> str:
    """What it names to boot; a class alone is a ProxyDHCP that wants to be asked on port 4011."""
    named = packet.options.get(Option.BOOT_FILE, b"") or packet.file
    if not named and packet.options.get(Option.VENDOR_CLASS, b"").startswith(b"PXEClient"):
        return "PXEClient"
    return printable(named)


def probe_mac(mac: bytes) -> bytes:
    """The hardware address in our question: ours by its last three bytes, no card's by its first."""
    return PREFIX + mac[3:]


def is_probe(mac: str) -> bool:
    """Whether a MAC is that of such a question, of this service or of another."""
    return mac.startswith(PREFIX.hex(":"))


def question(mac: bytes) -> bytes:
    """A DISCOVER as x64 UEFI firmware sends it, so that boot servers answer too, and by broadcast."""
    packet = Packet(
        op=Op.REQUEST,
        xid=secrets.randbits(32),
        chaddr=probe_mac(mac),
        htype=ETHERNET,
        flags=BROADCAST,
        options={
            Option.MESSAGE: bytes([Message.DISCOVER]),
            55: bytes([1, 3, 6, 43, 54, 60, 66, 67]),
            Option.VENDOR_CLASS: b"PXEClient:Arch:00007:UNDI:003001",
            Option.ARCHITECTURE: b"\0\7",
            Option.INTERFACE: b"\1\3\1",
        },
    )
    return packet.build()
