"""The first page: what needs somebody, what goes on, what was done today."""

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from provisioner.api.deployments import DeploymentStatus
from provisioner.api.verifications import OpenVerification
from provisioner.domain.events.service import ServiceReplaced
from provisioner.domain.person import Role
from provisioner.domain.stage import UNSUCCESSFUL, Stage
from provisioner.site import checks, lan
from provisioner.state import alive, disk_usage
from provisioner.system.units import duration, size
from provisioner.web.pages import moving, trouble
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_caller, the_site

LATELY = 150  # deployments that have ended, the newest, that are looked through
MOST_MOVING = 60  # that are told one by one; they are all under Hosts
BELIEVED = 30.0  # seconds for which it is believed that nothing in the database is damaged
MOST_TROUBLE = 50  # groups of hosts that are told in full
NOTES = 20  # events of the network among which restarts of services are looked for
DAY = 86400.0
RECENT = 3600.0  # seconds for which a restart of a service is told


class Banner(NamedTuple):
    """What concerns everything; `advice` is what to do."""

    sentence: str
    advice: str


def show() -> Shown:
    """What needs attention first, with its cause and what to do."""
    site = the_site()
    now, database = site.clock(), site.database
    under_way = [DeploymentStatus.model_validate(row) for row in reversed(database.deployments.under_way())]
    resting = [
        DeploymentStatus.model_validate(row) for row in database.deployments.ended(LATELY, now - 7 * DAY)
    ]
    open_ones = moving.of(under_way)
    waiting = [each for each in open_ones if trouble.is_own(each)]
    calm = [each for each in open_ones if not trouble.is_own(each)]
    ended = [row for row in _last_of_hosts([*under_way, *resting]) if row.stage in UNSUCCESSFUL]
    groups = trouble.of(waiting, ended)
    since = _midnight(now)
    values = {
        "banners": list(_banners()),
        "unreadable": _unreadable(site.settings.state, int(now / BELIEVED)),
        "trouble": groups[:MOST_TROUBLE],
        "troubled": len(waiting) + len(ended),
        "more": sum(each.count for each in groups[MOST_TROUBLE:]),
        "may_act": the_caller().role.covers(Role.TECHNICIAN),
        "moving": calm[:MOST_MOVING],
        "more_moving": max(0, len(calm) - MOST_MOVING),
        "verifications": [OpenVerification.model_validate(row) for row in database.verifications.open()],
        "done": [row for row in resting if row.stage == Stage.READY and row.stage_since >= since],
        "hosts": database.hosts.count(),
    }
    return Shown("now.html", values)


@lru_cache(2)
def _unreadable(_: Path, __: int) -> tuple[str, ...]:
    """Why something in the database is in no list; all of it is read for that."""
    return tuple(f"{fault} (PV-{fault.code}): {fault.hint}" for fault in the_site().database.unreadable())


def _last_of_hosts(rows: Sequence[DeploymentStatus]) -> list[DeploymentStatus]:
    """The newest of each host that there still is."""
    first: dict[str, DeploymentStatus] = {}
    for row in rows:
        first.setdefault(row.host, row)
    known = the_site().database.hosts.known(first)
    return [row for name, row in first.items() if name in known]


def _midnight(now: float) -> float:
    """When the day began where the service is."""
    today = time.localtime(now)
    return time.mktime((today.tm_year, today.tm_mon, today.tm_mday, 0, 0, 0, 0, 0, -1))


def _banners() -> Iterator[Banner]:
    site = the_site()
    state, now = site.settings.state, site.clock()
    for server in lan.rogue_servers(site):
        yield Banner(
            f"Another DHCP server answers on the deployment LAN: {lan.describe_server(server)}.",
            "Nothing is deployed until it is silent: unplug it, or switch its DHCP off.",
        )
    free = disk_usage.room(state)
    if free < checks.LITTLE:
        advice = disk_usage.HINT[0].upper() + disk_usage.HINT[1:] + "."
        yield Banner(f"{size(free)} are left on the disk of {state}.", advice)
    seen = alive.last_look(state)
    if ("worker" in site.settings.services or seen) and now - seen >= alive.SILENT:
        told = f"for {duration(now - seen)}" if seen else "since it was installed"
        advice = "Its log says why: systemctl status provisioner-worker"
        yield Banner(f"The worker has not been heard {told}: no deployment moves on.", advice)
    for event in site.database.events.notes(NOTES):
        if event.kind == ServiceReplaced.kind and now - event.time < RECENT:
            yield Banner(f"{event.describe()} {duration(now - event.time)} ago.", "Its log says more.")


PAGES = (Page("GET", "/", show, Role.VIEWER),)
