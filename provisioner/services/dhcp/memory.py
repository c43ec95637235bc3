"""What the DHCP service knows without asking the database for each packet: MACs, orders; and the evidence."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address

from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import TransitionError
from provisioner.services.dhcp import request
from provisioner.services.dhcp.packet import NOWHERE, Op, Packet
from provisioner.services.dhcp.request import is_boot_client, sighting
from provisioner.services.dhcp.rogue_servers import is_probe
from provisioner.services.eventloop.write_behind import pieces
from provisioner.site.site import Site
from provisioner.state.database import Database
from provisioner.state.macs import MacRow
from provisioner.state.sightings import ClientPacket, NewSighting

log = logging.getLogger(__name__)
FRESH = 0.01  # seconds for which the tables are believed without a look whether the database has changed
MOST_SIGHTINGS = 1000  # MACs kept between two writings; a flood of invented ones is counted, not kept
MOST_STRANGERS = 5000  # rows of MACs that nobody knows
PRUNE_EVERY = 500  # rows written
TOLD = frozenset({Stage.POWERING, Stage.WRITING})  # stages for which a boot request means something


class Memory:
    """The known MACs and the deployments under way, read again when somebody has written."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._looked = -1.0
        self._version = -1
        self._rows: list[MacRow] = []
        self._macs: dict[str, tuple[IPv4Address, str]] = {}
        self._addresses: set[int] = set()  # by number: an address is slow to hash
        self._under_way: dict[str, tuple[str, Stage]] = {}  # by MAC: id and stage

    def refresh(self, *, now: bool = False) -> None:
        """Cheap enough for every packet; `now` after a write of our own, which is not seen otherwise."""
        moment = self._clock()
        if not now and moment - self._looked < FRESH:
            return
        self._looked = moment
        version = self._database.data_version()
        if now or version != self._version:
            self._version = version
            rows = self._database.macs.all()
            if rows != self._rows:  # a storm of machines writes all the time, but not who they are
                self._rows = rows
                self._macs = {row.mac: (IPv4Address(row.address), row.role) for row in rows}
                self._addresses = {int(address) for address, _ in self._macs.values()}
            self._under_way = {
                mac: (ident, stage) for mac, ident, stage in self._database.deployments.orders()
            }

    def reservation(self, mac: str) -> IPv4Address | None:
        """The fixed address of a known MAC."""
        found = self._macs.get(mac)
        return found[0] if found else None

    def is_reserved(self, address: IPv4Address) -> bool:
        """Whether the address is fixed for any MAC."""
        return int(address) in self._addresses

    def is_known(self, mac: str) -> bool:
        """Whether the MAC is that of a host or of a BMC."""
        return mac in self._macs

    def is_bmc(self, mac: str) -> bool:
        """Whether the MAC is that of a BMC."""
        found = self._macs.get(mac)
        return found is not None and found[1] == "bmc"

    def is_under_way(self, mac: str) -> bool:
        """Whether a deployment of this MAC is not at rest."""
        return mac in self._under_way

    def order(self, mac: str) -> str:
        """The deployment for which a boot request of this MAC means something; empty for none."""
        ident, stage = self._under_way.get(mac, ("", Stage.QUEUED))
        return ident if stage in TOLD else ""

    def moved(self, row: Deployment) -> None:
        """A stage that this service has just written: its own writing does not show as a change."""
        if row.stage in RESTING:
            self._under_way.pop(row.mac, None)
        else:
            self._under_way[row.mac] = (row.id, row.stage)


@dataclass
class _Kept:
    """What a MAC has said since the last writing: `request` is told of, `last` only adds its name."""

    count: int
    request: Packet
    last: Packet
    when: float
    reply: Packet | None
    note: str

    def row(self) -> NewSighting | None:
        """As the database takes it."""
        seen = sighting(self.request, self.when, note=self.note)
        if seen is None:
            return None
        if hostname := request.hostname(self.last):
            seen = replace(seen, hostname=hostname)
        address = request.said_address(self.last, self.reply)
        return NewSighting(seen.mac, self.when, self.count, address, seen)


class Evidence:
    """Who asked: the first packet of an armed MAC is told at once, everything else is written in batches."""

    def __init__(self, site: Site, memory: Memory) -> None:
        self._site, self._memory = site, memory
        self._waiting: dict[str, _Kept] = {}
        self._dropped = 0
        self._written = 0
        self._learns = site.settings.dhcp.mode != "authoritative"

    def saw(self, request: Packet, now: float, reply: Packet | None = None, note: str = "") -> None:
        """Called after the reply has left."""
        mac = request.mac
        if request.op != Op.REQUEST or not mac or request.message is None or is_probe(mac):
            return
        self._keep(mac, request, now, reply, note)
        if request.giaddr != NOWHERE and self._learns and self._memory.is_under_way(mac):
            # the web service believes in it, and may be asked for a script in a moment
            self._write([self._waiting.pop(mac, _Kept(1, request, request, now, reply, note))])
        if (ident := self._memory.order(mac)) and is_boot_client(request):
            self._tell(ident, sighting(request, now, reply))

    def _keep(self, mac: str, request: Packet, now: float, reply: Packet | None, note: str) -> None:
        kept = self._waiting.get(mac)
        if kept is None:
            if len(self._waiting) < MOST_SIGHTINGS:
                self._waiting[mac] = _Kept(1, request, request, now, reply, note)
            else:
                self._dropped += 1
            return
        kept.count, kept.when, kept.last = kept.count + 1, now, request
        kept.reply = reply or kept.reply
        # what its firmware said is worth more than what its system says
        if is_boot_client(request) or not is_boot_client(kept.request):
            kept.request, kept.note = request, note

    def _tell(self, ident: str, seen: ClientPacket | None) -> None:
        row = self._site.database.deployments.get(ident)
        kind = event_kind(row, seen) if seen else ""
        if seen is None or not kind:
            return
        try:
            row = record(
                self._site,
                row.id,
                kind,
                source="dhcp",
                address=seen.ip,
                arch=seen.arch,
                uuid=seen.uuid,
                vendor_class=seen.vendor_class,
            )
        except TransitionError:
            log.debug("%s: %s came too late", row.id, kind)
            self._memory.refresh(now=True)
        else:
            self._memory.moved(row)

    @property
    def waits(self) -> bool:
        """Whether there is something to write."""
        return bool(self._waiting)

    def take(self) -> list[Callable[[], None]]:
        """The work of writing down what has gathered, in pieces; for another thread."""
        if self._dropped:
            log.warning("%d requests of further MACs were not written down: a flood?", self._dropped)
        kept, self._waiting, self._dropped = list(self._waiting.values()), {}, 0
        return [partial(self._write, some) for some in pieces(kept)]

    def _write(self, kept: Sequence[_Kept]) -> None:
        rows = [row for one in kept if (row := one.row())]
        if rows:
            self._site.database.sightings.put(rows)
        self._written += len(rows)
        if self._written >= PRUNE_EVERY:
            self._written = 0
            self._site.database.sightings.prune(MOST_STRANGERS)


def event_kind(row: Deployment, seen: ClientPacket) -> str:
    """What a boot request of the deployment's MAC means for it; empty when nothing."""
    if row.mac != seen.mac:
        return ""
    if row.stage == Stage.POWERING and row.nonce and seen.when >= row.power_on:
        return "dhcp.seen"
    if row.stage == Stage.WRITING and seen.boots:  # the ROM of a card under BIOS may itself be iPXE
        return "netboot.again"
    return ""
