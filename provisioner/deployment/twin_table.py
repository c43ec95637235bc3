"""Hosts alike side by side: what the newest report of each measured, and what stands out."""

from collections.abc import Sequence
from dataclasses import dataclass

from provisioner.deployment.acceptance import MOST_SIBLINGS, last_report
from provisioner.domain.acceptance import AcceptanceReport, VerdictStatus
from provisioner.site.site import Site
from provisioner.verify import twins
from provisioner.verify.twins import MEASURES, Twin


@dataclass(frozen=True)
class TwinColumn:
    """What is compared: `extreme` is which of a host's GPUs is shown, `lowest` or `highest`."""

    kind: str
    words: str
    unit: str
    extreme: str


@dataclass(frozen=True)
class TwinRow:
    """One host: a number for each column, None where it was not measured.

    `strange` are the kinds in which it is worse than the others, `sentences` say so.
    """

    host: str
    report: str
    created: float
    verdict: VerdictStatus
    numbers: tuple[float | None, ...]
    strange: frozenset[str]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class TwinTable:
    """The hosts of a profile, by name; `left_out` are how many more there are than are compared."""

    profile: str
    columns: tuple[TwinColumn, ...]
    rows: tuple[TwinRow, ...]
    left_out: int


def profiles(site: Site) -> list[str]:
    """The profiles that some host has."""
    return sorted({host.profile for host in site.database.hosts.all()})


def compare(site: Site, profile: str) -> TwinTable:
    """All hosts of a profile whose newest report can be compared, at most MOST_SIBLINGS."""
    names = [host.name for host in site.database.hosts.all() if host.profile == profile]
    verdicts = site.database.acceptance_reports.newest_verdicts()
    known = sorted((name for name in names if name in verdicts), key=lambda name: -verdicts[name].created)
    reports = [report for name in known[:MOST_SIBLINGS] if (report := last_report(site, name))]
    told = [(report, twins.twin_of(report)) for report in reports]
    columns = _columns([twin for _, twin in told])
    rows = [
        _row(report, twin, [other for _, other in told if other is not twin], columns)
        for report, twin in told
    ]
    return TwinTable(
        profile, columns, tuple(sorted(rows, key=lambda row: row.host)), len(known) - len(reports)
    )


def _columns(told: Sequence[Twin]) -> tuple[TwinColumn, ...]:
    measured = {kind for twin in told for kind, _ in twin.values}
    return tuple(
        TwinColumn(kind, measure.words, measure.unit, "lowest" if measure.bad == "low" else "highest")
        for kind, measure in MEASURES.items()
        if kind in measured
    )


def _row(
    report: AcceptanceReport, twin: Twin, others: Sequence[Twin], columns: Sequence[TwinColumn]
) -> TwinRow:
    strange = twins.outlying(twin, others) if len(others) >= twins.FEWEST else {}
    return TwinRow(
        host=report.subject.name,
        report=report.report_id,
        created=report.finished_at,
        verdict=report.verdict.status,
        numbers=tuple(_extreme(twin, column) for column in columns),
        strange=frozenset(kind for kind, _ in strange),
        sentences=twins.outliers(twin, others),
    )


def _extreme(twin: Twin, column: TwinColumn) -> float | None:
    numbers = [number for (kind, _), number in twin.values.items() if kind == column.kind]
    pick = min if column.extreme == "lowest" else max
    return pick(numbers) if numbers else None
