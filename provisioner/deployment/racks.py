"""Racks as they stand: which hosts are in each, and by which report each host was accepted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.domain.run_report import HostResult, host_result
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.acceptance_reports import ReportVerdict

MOST_EVENTS = 100_000  # of one deployment that are read
NEVER = "never deployed"


@dataclass(frozen=True)
class RackHost:
    """A host in its rack: its deployment and its report that are the newest, None where there is none."""

    host: Host
    deployment: Deployment | None
    report: ReportVerdict | None

    @property
    def place(self) -> str:
        """Where in the rack it is, as `U12` of `B3/U12`; empty where that is not said."""
        return self.host.rack.partition("/")[2]


@dataclass(frozen=True)
class Rack:
    """A rack by its name, which is empty for the hosts that have none; they are in the order of places."""

    name: str
    hosts: tuple[RackHost, ...]


def name_of(host: Host) -> str:
    """The rack of a host: `B3` of `B3/U12`."""
    return host.rack.partition("/")[0].strip()


def names(site: Site) -> list[str]:
    """All racks by name; hosts without one are left out."""
    return sorted({name_of(host) for host in site.database.hosts.all()} - {""})


def hosts_of(site: Site, rack: str) -> tuple[str, ...]:
    """The names of the hosts in a rack."""
    return tuple(host.name for host in site.database.hosts.all() if name_of(host) == rack)


def all_racks(site: Site) -> list[Rack]:
    """Every rack by name; the hosts that are in none come last."""
    found: dict[str, list[Host]] = {}
    for host in site.database.hosts.all():
        found.setdefault(name_of(host), []).append(host)
    reports = site.database.acceptance_reports.newest_verdicts()
    ordered = sorted(found, key=lambda name: (not name, name))
    return [Rack(name, _found(site, found[name], reports)) for name in ordered]


def _found(site: Site, hosts: Sequence[Host], reports: Mapping[str, ReportVerdict]) -> tuple[RackHost, ...]:
    ordered = sorted(hosts, key=lambda host: (len(host.rack), host.rack, host.name))
    return tuple(
        RackHost(host, site.database.deployments.last_readable(host.name), reports.get(host.name))
        for host in ordered
    )


def results(site: Site, racks: Iterable[Rack]) -> list[HostResult]:
    """How the last deployment of each host ended, with its newest report; for the sheets of racks."""
    return [_result(site, rack.name, each) for rack in racks for each in rack.hosts]


def _result(site: Site, rack: str, each: RackHost) -> HostResult:
    row, report = each.deployment, each.report
    accepted = {"report": report.id if report else "", "verdict": report.verdict if report else ""}
    hardware = site.database.hosts.hardware(each.host.name)
    serial = hardware.serial if hardware else each.host.serial
    if row is None:
        return HostResult.model_validate({**_never(each.host), **accepted, "serial": serial, "rack": rack})
    events = site.database.events.of(row.id, limit=MOST_EVENTS)
    return host_result(row, events, serial, rack).model_copy(update=accepted)


def _never(host: Host) -> dict[str, object]:
    words = dict.fromkeys(("deployment", "reason", "hint", "image", "disk", "disk_serial"), "")
    numbers = dict.fromkeys(("code", "attempt", "began", "ended", "seconds"), 0)
    return {**words, **numbers, "host": host.name, "result": NEVER, "stage": Stage.QUEUED, "stages": {}}
