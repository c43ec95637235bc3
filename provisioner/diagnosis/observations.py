"""What was seen of a deployment that waits, gathered in one place; the judges name causes by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TypeVar

from provisioner.diagnosis import siblings, usual
from provisioner.diagnosis.serial_console import see_console
from provisioner.diagnosis.siblings import Sibling
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.netboot import DhcpSeen, ScriptServed
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerOn
from provisioner.domain.events.request import RequestRefused
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.lifecycle import ROWS
from provisioner.domain.run import RunProgress
from provisioner.domain.stage import Stage
from provisioner.domain.waiting import UsualTime
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.alive import last_look
from provisioner.state.disk_usage import room
from provisioner.state.sightings import Sighting
from provisioner.state.transfers import Transfer
from provisioner.state.values import RogueServer

_T = TypeVar("_T", bound=Payload)
MOST_EVENTS = 100_000  # of one deployment that are read
ORDER_MADE = 2.0  # seconds: DHCP's packets are written down by the second


@dataclass(frozen=True)
class Observations:
    """All that is known of a deployment at `now` (seconds since 1970).

    `events` are those of its attempt, oldest first. `sighting` and `transfer` are the host's last ones, if
    they came after the power-on, as did `siblings`: what else asks and may be its other port. `peers` are
    deployments of its run or its profile that write now, or have written. `free` is bytes of our own disk,
    `worker_seen` when the worker last looked (0: nobody knows), `addresses` are our own. `is_late`: the
    stage's deadline has passed, so that no function waits any longer. `run_hindrance` says for what of its
    run one waits that is queued.
    """

    now: float
    row: Deployment
    events: tuple[Event, ...] = ()
    sighting: Sighting | None = None
    siblings: tuple[Sibling, ...] = ()
    transfer: Transfer | None = None
    rogues: tuple[RogueServer, ...] = ()
    peers: tuple[Deployment, ...] = ()
    hardware: HardwareFacts | None = None
    hardware_at: float = 0.0
    usual: Mapping[Stage, UsualTime] = field(default_factory=dict)
    free: int = 1 << 40
    worker_seen: float = 0.0
    addresses: frozenset[IPv4Address] = frozenset()
    see_console: str = "see its console"
    boots_network_unset: bool = False
    is_late: bool = False
    run_hindrance: str = ""

    @property
    def place(self) -> str:
        """Where it is reached: its address, or its name while it has none."""
        return str(self.row.address or self.row.host)

    @property
    def waited(self) -> float:
        """Seconds since the stage began."""
        return self.now - self.row.stage_since

    def last(self, kind: type[_T]) -> tuple[_T, float] | None:
        """The newest event of a kind, and when it came; None where there is none that can be read."""
        found = ((event.data, event.time) for event in reversed(self.events) if event.kind == kind.kind)
        data, time = next(found, (None, 0.0))
        return (data, time) if isinstance(data, kind) else None

    def has(self, *kinds: type[Payload]) -> bool:
        """Whether an event of one of these kinds has happened, even if its data cannot be read any more."""
        return any(event.kind == kind.kind for event in self.events for kind in kinds)

    def refused(self, what: str, since: float = 0.0) -> tuple[RequestRefused, float] | None:
        """The newest request for `what` that was refused since then, and when it came."""
        for event in reversed(self.events):
            if isinstance(event.data, RequestRefused) and event.data.what == what and event.time >= since:
                return event.data, event.time
        return None

    def is_over(self, limit: float, since: float) -> bool:
        """Whether a healthy machine would have been heard by now: `limit` seconds after `since`."""
        return self.is_late or self.now - since >= limit

    def patience(self, stage: Stage, estimate: float) -> float:
        """Seconds for which a healthy machine may be silent at a stage: an estimate of ours; or half as long
        again as the slowest deployments of its profile that ended well, where that is longer.
        """
        known = self.usual.get(stage)
        return max(estimate, known.patience) if known else estimate

    def start_patience(self, estimate: float) -> float:
        """Likewise while it starts; and by as much longer as the stage, for this host, may last longer than
        ours usually do: by its profile, its memory, its history.
        """
        row = self.row
        longer = row.deadline - row.stage_since - ROWS[row.stage].deadline if row.deadline else 0.0
        return self.patience(row.stage, estimate + max(0.0, longer))

    @property
    def switch_port(self) -> str:
        """Where its ramdisk last heard the switch of the card that boots (LLDP); empty where it never did."""
        known = self.hardware
        own = [nic.name for nic in known.nics if nic.mac == self.row.mac] if known else []
        return next((each.describe() for each in known.neighbours if each.nic in own), "") if known else ""

    @property
    def powered(self) -> float:
        """When the BMC had done what it was told, or else was told it."""
        told = self.last(PowerOn)
        return max(told[1], self.row.power_on) if told else self.row.power_on

    @property
    def firmware_asked(self) -> float:
        """When its firmware last asked by DHCP since the power-on; 0 for never."""
        asked, first = self.sighting, self.last(DhcpSeen)
        is_now = asked is not None and asked.data.boots and asked.data.when >= self.row.power_on
        return max(asked.data.when if asked and is_now else 0.0, first[1] if first else 0.0)

    def system_asked(self, since: float) -> float:
        """When a system, and no firmware, asked by DHCP from the host's card since then; 0 for never."""
        asked = self.sighting
        if asked is None or asked.last_seen < since:
            return 0.0
        is_firmware = asked.data.boots and asked.last_seen - asked.data.when < ORDER_MADE
        return 0.0 if is_firmware else asked.last_seen

    @property
    def has_script(self) -> bool:
        """Whether iPXE was sent its script since the power-on."""
        return self.last(ScriptServed) is not None

    def has_script_since(self, time: float) -> bool:
        """Whether iPXE was sent its script since then."""
        served = self.last(ScriptServed)
        return served is not None and served[1] >= time


def observe(site: Site, row: Deployment) -> Observations:
    """Read what there is: only the database and our own disk, nothing of the network."""
    database, since = site.database, row.power_on or row.stage_since
    known = database.macs.get(row.mac)
    sighting, transfer = database.sightings.get(row.mac), None
    if known:
        transfer = database.transfers.get(known.address)
    is_booting = row.stage in (Stage.POWERING, Stage.NETBOOTING)
    return Observations(
        now=site.clock(),
        row=row,
        events=_of_attempt(database.events.of(row.id, limit=MOST_EVENTS), row),
        sighting=sighting if sighting and sighting.last_seen >= since else None,
        siblings=siblings.find(database, row, since) if row.stage == Stage.POWERING else (),
        transfer=transfer if transfer and transfer.time >= since else None,
        rogues=_rogues(site) if is_booting or row.stage == Stage.QUEUED else (),
        peers=tuple(database.deployments.peers(row)) if row.stage == Stage.WRITING else (),
        hardware=database.hosts.hardware(row.host),
        hardware_at=database.hosts.hardware_at(row.host),
        usual=usual.times(database, row),
        free=room(site.settings.state),
        worker_seen=_worker_seen(site),
        addresses=_own_servers(site),
        see_console=see_console(site, row),
        run_hindrance=_run_hindrance(site, row),
        boots_network_unset=is_booting and _boots_network_unset(site, row),
    )


def _run_hindrance(site: Site, row: Deployment) -> str:
    if row.stage != Stage.QUEUED or not row.run:
        return ""
    run = site.database.runs.known([row.run]).get(row.run)
    if run is None:
        return f"its run {row.run}, which cannot be read: provision cancel {row.run}"
    return RunProgress(run, tuple(site.database.deployments.of_run(row.run))).hindrance(row)


def _of_attempt(events: list[Event], row: Deployment) -> tuple[Event, ...]:
    return tuple(event for event in events if event.attempt in (0, row.attempt))


def _rogues(site: Site) -> tuple[RogueServer, ...]:
    return () if lan.is_sole_server(site) else tuple(lan.rogue_servers(site))


def _own_servers(site: Site) -> frozenset[IPv4Address]:
    """Our addresses as a DHCP server; none where another server gives the addresses."""
    is_ours = site.settings.dhcp.mode == "authoritative"
    return frozenset(site.settings.addresses) if is_ours else frozenset()


def _worker_seen(site: Site) -> float:
    return last_look(site.settings.state) if "worker" in site.settings.services else 0.0


def _boots_network_unset(site: Site, row: Deployment) -> bool:
    """Whether the host has booted from the network before though its BMC had not set that."""
    for earlier in site.database.deployments.completed(row.host):
        told = site.database.events.last_of(earlier, PowerOn.kind)
        if told and isinstance(told.data, PowerOn) and told.data.boot != "network":
            return True
    return False
