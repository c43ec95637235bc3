"""What a start makes of the time in which no service ran."""

import logging
from dataclasses import dataclass
from pathlib import Path

from provisioner.deployment import guard
from provisioner.deployment.record import refused, standing, write
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.clock import ClockGap
from provisioner.domain.refusal import Refusal
from provisioner.errors import ProvisionError
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state.alive import alive_file, mark_alive
from provisioner.state.database import Database
from provisioner.system.clock import ClockAnchor, SteadyClock
from provisioner.system.units import duration

log = logging.getLogger(__name__)
GAP = 10.0  # seconds without a sign of the worker's life: the machine slept, or the service was down
SAME = 0.5  # seconds by which two clocks may differ and be one


@dataclass(frozen=True)
class _Downtime:
    """For how many `seconds` nobody looked, None where nobody knows; how far times move to the new anchor."""

    seconds: float | None
    shift: float


def steady_clock(settings: Settings, database: Database) -> SteadyClock:
    """The clock of the service that works on this state folder; of a new one where none has, in this boot."""
    anchor = database.clock.anchor()
    return SteadyClock(anchor if anchor and anchor.is_of_this_boot else end(settings, database))


def end(settings: Settings, database: Database, now: ClockAnchor | None = None) -> ClockAnchor:
    """Begin the service's time anew, in one transaction with what the downtime means for each deployment.

    Deadlines of stages move; what nobody has begun expires as it was ordered. Where a machine's clock went
    back while it was off, nobody knows how old an order is: then it ends too. `now` is the new anchor.
    """
    anchor = now or ClockAnchor.of_now()
    site = Site(settings, database, clock=SteadyClock(anchor))
    with database.writing():
        downtime = _measure(settings.state, database.clock.anchor(), anchor)
        if abs(downtime.shift) > SAME:
            log.warning("this machine's clock was set by %.0f s since the last start", downtime.shift)
            database.clock.shift(downtime.shift)
        database.clock.put(anchor)
        for row in database.deployments.under_way():
            _end_for(site, row, downtime.seconds)
    mark_alive(settings.state, anchor.real)
    return anchor


def _end_for(site: Site, row: Deployment, seconds: float | None) -> None:
    """What the downtime means for one deployment; a fault in its rows must not keep the service down."""
    try:
        if refusal := _refusal(site, row, seconds):
            write(site, row.id, refused(refusal), source="clock")
        elif (seconds or 0.0) > GAP:
            write(site, row.id, ClockGap(seconds=seconds or 0.0), source="clock")
    except ProvisionError:
        log.exception("%s could not be looked at", row.id)


def _measure(state: Path, before: ClockAnchor | None, now: ClockAnchor) -> _Downtime:
    """From the last look of a worker to this moment."""
    path = alive_file(state)
    if not path.exists():
        return _Downtime(0.0, 0.0)
    looked = path.stat().st_mtime
    if before and before.boot_id == now.boot_id:  # the boot's own clock knows
        time_of_before = before.real + now.boottime - before.boottime
        return _Downtime(max(0.0, time_of_before - looked), now.real - time_of_before)
    steps = before.steps if before else 0.0
    seconds = now.real - (looked + steps)
    return _Downtime(seconds, steps) if seconds >= 0 else _Downtime(None, now.real - looked)


def _refusal(site: Site, row: Deployment, seconds: float | None) -> Refusal | None:
    """Why an order does not outlive the downtime; None where it does, or was begun."""
    if row.consumed:
        return None
    if seconds is None:
        return Refusal(
            code=140,
            sentence="this machine's clock went back while it was off: nobody knows how old the order is",
            hint="set the clock (date), and order again if it is still wanted",
        )
    refusal = guard.withdrawal(standing(site, row, site.clock()))
    if refusal and refusal.code == guard.EXPIRED and seconds > GAP:
        return refusal.model_copy(
            update={"sentence": f"the order expired while the service was down for {duration(seconds)}"}
        )
    return refusal
