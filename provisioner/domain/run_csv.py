"""The report of a run for a spreadsheet: a line for each host."""

import csv
import io
from collections.abc import Callable, Iterable

from provisioner.domain.run_report import HostResult
from provisioner.domain.stage import ACTIVE, Stage
from provisioner.system.units import timestamp

FORMULAS = ("=", "+", "-", "@")  # with which a spreadsheet takes a machine's words for a formula
SHOWN: tuple[Stage, ...] = tuple(stage for stage in Stage if stage in ACTIVE)
Field = tuple[str, Callable[[HostResult], str]]


def _seconds_of(stage: Stage) -> Field:
    return f"{stage}_seconds", lambda row: str(row.stages.get(stage, ""))


FIELDS: tuple[Field, ...] = (
    ("host", lambda row: row.host),
    ("result", lambda row: row.result),
    ("stage", lambda row: row.stage),
    ("code", lambda row: f"PV-{row.code}" if row.code else ""),
    ("reason", lambda row: row.reason),
    ("began", lambda row: timestamp(row.began) if row.began else ""),
    ("ended", lambda row: timestamp(row.ended) if row.ended else ""),
    ("seconds", lambda row: str(row.seconds or "")),
    *map(_seconds_of, SHOWN),
    ("attempt", lambda row: str(row.attempt or "")),
    ("image", lambda row: row.image),
    ("disk", lambda row: row.disk),
    ("disk_serial", lambda row: row.disk_serial),
    ("serial", lambda row: row.serial),
    ("rack", lambda row: row.rack),
    ("verdict", lambda row: row.verdict),
    ("report", lambda row: row.report),
    ("deployment", lambda row: row.deployment),
)


def render(hosts: Iterable[HostResult]) -> str:
    """As RFC 4180 has it, but with line feeds alone, as every command's lines end."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(title for title, _ in FIELDS)
    for row in hosts:
        writer.writerow(_harmless(str(text(row))) for _, text in FIELDS)
    return out.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULAS) else cell
