"""Writes down who asked by DHCP: the first packet of an armed MAC at once, everything else in batches."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from provisioner.deployment.record import try_record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.agent import NetbootAgain
from provisioner.domain.events.netboot import BootRequest, DhcpSeen
from provisioner.domain.stage import Stage
from provisioner.services.dhcp import request
from provisioner.services.dhcp.host_cache import HostCache
from provisioner.services.dhcp.packet import UNSPECIFIED, Op, Packet
from provisioner.services.dhcp.request import is_boot_client, sighting
from provisioner.services.dhcp.rogue_servers import is_probe
from provisioner.services.eventloop.write_behind import batches
from provisioner.site.site import Site
from provisioner.state.sightings import ClientPacket, NewSighting

log = logging.getLogger(__name__)
MAX_PENDING = 1000  # MACs between two writings; a flood of invented ones is counted, not kept
MAX_UNKNOWN_MACS = 5000  # rows of MACs that nobody knows
PRUNE_EVERY = 500  # rows written


@dataclass
class _PendingSighting:
    """The packets of a MAC since the last batch: `request` is described, `last` only adds its name."""

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
        address = request.client_address(self.last, self.reply)
        return NewSighting(seen.mac, self.when, self.count, address, seen)


class SightingRecorder:
    """Gathers sightings in memory; `take_batches` hands them to the writer's thread."""

    def __init__(self, site: Site, hosts: HostCache) -> None:
        self._site, self._hosts = site, hosts
        self._pending: dict[str, _PendingSighting] = {}
        self._dropped = 0
        self._written = 0
        self._learns = site.settings.dhcp.mode != "authoritative"

    def observe(self, request: Packet, now: float, reply: Packet | None = None, note: str = "") -> None:
        """Called after the reply has left."""
        mac = request.mac
        if request.op != Op.REQUEST or not mac or request.message is None or is_probe(mac):
            return
        self._gather(mac, request, now, reply, note)
        if request.giaddr != UNSPECIFIED and self._learns and self._hosts.is_under_way(mac):
            # the web service believes in it, and may be asked for a script in a moment
            self._write_batch(
                [self._pending.pop(mac, _PendingSighting(1, request, request, now, reply, note))]
            )
        if (ident := self._hosts.order(mac)) and is_boot_client(request):
            self._record_event(ident, sighting(request, now, reply))

    def _gather(self, mac: str, request: Packet, now: float, reply: Packet | None, note: str) -> None:
        pending = self._pending.get(mac)
        if pending is None:
            if len(self._pending) < MAX_PENDING:
                self._pending[mac] = _PendingSighting(1, request, request, now, reply, note)
            else:
                self._dropped += 1
            return
        pending.count, pending.when, pending.last = pending.count + 1, now, request
        pending.reply = reply or pending.reply
        # what its firmware said is worth more than what its system says
        if is_boot_client(request) or not is_boot_client(pending.request):
            pending.request, pending.note = request, note

    def _record_event(self, ident: str, seen: ClientPacket | None) -> None:
        row = self._site.database.deployments.get(ident)
        event = boot_event(row, seen) if seen else None
        if event is None:
            return
        if moved := try_record(self._site, row.id, event, source="dhcp"):
            self._hosts.set_stage(moved)
        else:
            self._hosts.refresh(now=True)

    @property
    def has_pending(self) -> bool:
        """Whether there is something to write."""
        return bool(self._pending)

    def take_batches(self) -> list[Callable[[], None]]:
        """The work of writing down what has gathered, in pieces; for another thread."""
        if self._dropped:
            log.warning("%d requests of further MACs were not written down: a flood?", self._dropped)
        pending, self._pending, self._dropped = list(self._pending.values()), {}, 0
        return [partial(self._write_batch, batch) for batch in batches(pending)]

    def _write_batch(self, pending: Sequence[_PendingSighting]) -> None:
        rows = [row for item in pending if (row := item.row())]
        if rows:
            self._site.database.sightings.put(rows)
        self._written += len(rows)
        if self._written >= PRUNE_EVERY:
            self._written = 0
            self._site.database.sightings.prune(MAX_UNKNOWN_MACS)


def boot_event(row: Deployment, seen: ClientPacket) -> BootRequest | None:
    """What a boot request of the deployment's MAC means for it; None when nothing."""
    if row.mac != seen.mac:
        return None
    if row.stage == Stage.POWERING and row.nonce and seen.when >= row.power_on:
        return _event(DhcpSeen, seen)
    if row.stage == Stage.WRITING and seen.boots:  # the ROM of a card under BIOS may itself be iPXE
        return _event(NetbootAgain, seen)
    return None


def _event(kind: type[BootRequest], seen: ClientPacket) -> BootRequest:
    return kind(address=seen.ip, arch=seen.arch, uuid=seen.uuid, vendor_class=seen.vendor_class)
