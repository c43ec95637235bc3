"""`provision report`: how a run ended, for people, for a spreadsheet, for programs."""

import csv
import io
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import failures
from provisioner.cli.options import with_client
from provisioner.cli.output import FORMATS, Column, info, local_time, print_rows, say, timestamp, write
from provisioner.domain.stage import ACTIVE, Stage
from provisioner.errors import InputError
from provisioner.system.units import counted, duration

if TYPE_CHECKING:
    from provisioner.api.runs import RunReport
    from provisioner.client import Client
    from provisioner.domain.run_report import HostResult

SHOWN: tuple[Stage, ...] = tuple(stage for stage in Stage if stage in ACTIVE)


def _seconds_of(stage: Stage) -> "Column[HostResult]":
    return Column(f"{stage}_seconds", lambda row: str(row.stages.get(stage, "")))


FORMULAS = ("=", "+", "-", "@")  # with which a spreadsheet takes a machine's words for a formula
COLUMNS: "tuple[Column[HostResult], ...]" = (
    Column("HOST", lambda row: row.host),
    Column("RESULT", lambda row: row.result),
    Column("STAGE", lambda row: row.stage),
    Column("CODE", lambda row: f"PV-{row.code}" if row.code else ""),
    Column("TIME", lambda row: duration(row.seconds) if row.seconds else ""),
    Column("IMAGE", lambda row: row.image),
    Column("DISK", lambda row: f"{row.disk} {row.disk_serial}".strip()),
    Column("SERIAL", lambda row: row.serial),
)
FIELDS: "tuple[Column[HostResult], ...]" = (
    Column("host", lambda row: row.host),
    Column("result", lambda row: row.result),
    Column("stage", lambda row: row.stage),
    Column("code", lambda row: f"PV-{row.code}" if row.code else ""),
    Column("reason", lambda row: row.reason),
    Column("began", lambda row: timestamp(row.began) if row.began else ""),
    Column("ended", lambda row: timestamp(row.ended) if row.ended else ""),
    Column("seconds", lambda row: str(row.seconds or "")),
    *map(_seconds_of, SHOWN),
    Column("attempt", lambda row: str(row.attempt or "")),
    Column("image", lambda row: row.image),
    Column("disk", lambda row: row.disk),
    Column("disk_serial", lambda row: row.disk_serial),
    Column("serial", lambda row: row.serial),
    Column("rack", lambda row: row.rack),
    Column("verdict", lambda row: row.verdict),
    Column("report", lambda row: row.report),
    Column("deployment", lambda row: row.deployment),
)


@click.command()
@click.argument("run")
@click.option(
    "-o", "--output", type=click.Choice((*FORMATS, "csv")), default="table", help="How it is printed."
)
@click.option("--to", "target", type=click.Path(path_type=Path), help="Write a PDF: a page for each rack.")
@with_client
def report(client: "Client", run: str, output: str, target: Path | None) -> None:
    """How each host of a run ended: result, stage, code, durations, image, disk and serial."""
    answer = client.run_report(run)
    if target is not None:
        return _write(answer, target)
    if output == "csv":
        return write(_csv(answer))
    if output == "table":
        _summarise(answer)
    print_rows(output, "hosts", answer.hosts, COLUMNS, name=lambda row: row.host, also={"run": answer.run})
    if output == "table":
        failures.tell(failures.of_results(answer.hosts))
    return None


def _write(answer: "RunReport", target: Path) -> None:
    """The run on paper. Raises InputError where the name says another form, FileError."""
    from provisioner.certificate import rack_pages
    from provisioner.system import outputs

    if target.suffix.lower() != ".pdf":
        raise InputError(f"{target.name}: a run is written as PDF", hint="give a name that ends in .pdf")
    outputs.write(target, rack_pages.render(answer.run, answer.hosts, time.time()))
    info(f"{target}: {answer.run.id}, {counted(len(answer.hosts), 'host')}")


def _summarise(answer: "RunReport") -> None:
    run, hosts = answer.run, answer.hosts
    results = ", ".join(f"{count} {result}" for result, count in Counter(row.result for row in hosts).items())
    again = f", which retries {run.retries}" if run.retries else ""
    say(f"Run {run.id}{again}, ordered by {run.by} on {local_time(run.created)}")
    say(f"{counted(len(hosts), 'host')}: {results or 'none'}")
    ended = [row.ended for row in hosts if row.ended]
    if ended and len(ended) == len(hosts):
        say(f"ended {local_time(max(ended))}, after {duration(max(ended) - run.created)}")
    else:
        info(f"not ended yet: provision watch {run.id}")


def _csv(answer: "RunReport") -> str:
    """As RFC 4180 has it, but with line feeds alone, as every command's lines end."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.title for column in FIELDS)
    for row in answer.hosts:
        writer.writerow(_harmless(str(column.text(row))) for column in FIELDS)
    return out.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULAS) else cell
