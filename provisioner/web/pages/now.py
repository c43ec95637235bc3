"""The first page: what needs somebody, what goes on, what was done today."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from provisioner.api.deployments import DeploymentQuery, DeploymentStatus
from provisioner.domain.events.service import ServiceReplaced
from provisioner.domain.person import Role
from provisioner.domain.stage import RESTING, UNSUCCESSFUL, Stage
from provisioner.site import checks, lan
from provisioner.state import alive, disk_usage
from provisioner.system.units import duration, size
from provisioner.web.operators import deployments
from provisioner.web.pages import moving
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site

MOST = 400  # deployments that are looked through
MOST_TROUBLE = 50  # that are told in full
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
    found = deployments.list_newest(DeploymentQuery(limit=MOST, since=site.clock() - 7 * DAY))
    open_ones = moving.of([row for row in found.deployments if row.stage not in RESTING])
    trouble = [each for each in open_ones if each.needs_somebody]
    ended = [row for row in _last_of_hosts(found.deployments) if row.stage in UNSUCCESSFUL]
    since = _midnight(found.now)
    values = {
        "banners": list(_banners()),
        "unreadable": found.unreadable,
        "trouble": trouble[:MOST_TROUBLE],
        "ended": ended[:MOST_TROUBLE],
        "more": max(0, len(trouble) - MOST_TROUBLE) + max(0, len(ended) - MOST_TROUBLE),
        "moving": [each for each in open_ones if not each.needs_somebody],
        "verifications": found.verifications,
        "done": [row for row in found.deployments if row.stage == Stage.READY and row.stage_since >= since],
        "hosts": site.database.hosts.count(),
    }
    return Shown("now.html", values)


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
    if "worker" in site.settings.services and now - seen > checks.PATIENCE:
        told = f"for {duration(now - seen)}" if seen else "since it was installed"
        yield Banner(
            f"The worker has not been heard {told}: nothing goes on.", "systemctl status provisioner-worker"
        )
    for event in site.database.events.notes(NOTES):
        if event.kind == ServiceReplaced.kind and now - event.time < RECENT:
            yield Banner(f"{event.describe()} {duration(now - event.time)} ago.", "Its log says more.")


PAGES = (Page("GET", "/", show, Role.VIEWER),)
