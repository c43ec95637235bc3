"""Which other DHCP servers answer on our networks, by what their OFFERs and ACKs say."""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from provisioner.services.dhcp.frames import UdpDatagram
from provisioner.services.dhcp.listener import SERVER_PORT
from provisioner.services.dhcp.packet import (
    BROADCAST,
    ETHERNET,
    UNSPECIFIED,
    DhcpPacketError,
    Message,
    Op,
    Option,
    Packet,
)
from provisioner.services.dhcp.request import decode_text
from provisioner.state.values import RogueServer

PERIOD = 4.0  # seconds between two questions; dnsmasq thinks for three before it answers
SITE_SERVER_PERIOD = 60.0  # where the server is the site's own: it answers nobody else while it thinks
MISSED_PROBES = 3  # questions without an answer, after which a server is gone
MAX_SERVERS = 16  # servers that are kept; more would be a flood of forged answers
PROBE_PREFIX = b"\x02pv"  # locally administered: nobody's card has a MAC that begins so
log = logging.getLogger(__name__)


class RogueServers:
    """The servers that are heard now. `ours` are the service's own addresses; times in seconds since 1970.

    `on_change(kind, server)` is called for each that appears (`dhcp.foreign`) or is gone
    (`dhcp.foreign.gone`), after the table has changed.
    """

    def __init__(
        self,
        ours: frozenset[IPv4Address],
        on_change: Callable[[str, RogueServer], None],
        period: float = PERIOD,
    ) -> None:
        self._ours = ours
        self.period = period
        self._lifetime = MISSED_PROBES * period + 1
        self._on_change = on_change
        self._servers: dict[tuple[str, str, str], RogueServer] = {}
        self.forged = 0  # answers of servers for which there was no room

    def load(self, servers: Sequence[RogueServer], now: float) -> None:
        """What was known before a restart holds until it had time to answer again."""
        for server in servers[:MAX_SERVERS]:
            key = (server.address, server.mac, server.interface)
            self._servers[key] = replace(server, heard=now)

    def __len__(self) -> int:
        return len(self._servers)

    def dump(self) -> list[RogueServer]:
        """Those that are heard now."""
        return list(self._servers.values())

    def receive(self, datagram: UdpDatagram, interface: str, own_mac: str, now: float) -> Packet | None:
        """Take a datagram of a packet socket; the DHCP packet in it, None if it is none."""
        try:
            packet = Packet.parse(datagram.data)
        except DhcpPacketError:
            return None
        if packet.op == Op.REPLY and datagram.source_port == SERVER_PORT and datagram.mac != own_mac:
            self._on_answer(packet, datagram, interface, now)
        return packet

    def _on_answer(self, packet: Packet, datagram: UdpDatagram, interface: str, now: float) -> None:
        address = packet.address(Option.SERVER) or datagram.source
        if packet.message not in (Message.OFFER, Message.ACK):
            return
        if address in self._ours and packet.giaddr != UNSPECIFIED:
            return  # a relay hands on what we said
        key = (str(address), datagram.mac, interface)
        known = self._servers.get(key)
        if known is None and len(self._servers) >= MAX_SERVERS:
            self.forged += 1
            return
        server = known or RogueServer(*key, since=now)
        offer = str(packet.yiaddr) if packet.yiaddr != UNSPECIFIED else server.offer
        boots = _boot_file(packet) or server.boots
        self._servers[key] = server = replace(server, heard=now, offer=offer, boots=boots)
        if known is None:
            self._on_change("dhcp.foreign", server)

    def expire(self, now: float) -> None:
        """Forget who has not answered MISSED_PROBES probes in a row."""
        for key, server in list(self._servers.items()):
            if now - server.heard > self._lifetime:
                del self._servers[key]
                self._on_change("dhcp.foreign.gone", server)


def _boot_file(packet: Packet) -> str:
    """What it names to boot; a class alone is a ProxyDHCP that wants to be asked on port 4011."""
    named = packet.options.get(Option.BOOT_FILE, b"") or packet.file
    if not named and packet.options.get(Option.VENDOR_CLASS, b"").startswith(b"PXEClient"):
        return "PXEClient"
    return decode_text(named)


def probe_mac(mac: bytes) -> bytes:
    """The hardware address in our question: ours by its last three bytes, no card's by its first."""
    return PROBE_PREFIX + mac[3:]


def is_probe(mac: str) -> bool:
    """Whether a MAC is that of such a question, of this service or of another."""
    return mac.startswith(PROBE_PREFIX.hex(":"))


def discover_message(mac: bytes) -> bytes:
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
