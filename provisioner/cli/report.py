"""`provision report`: how a run ended, for people, for a spreadsheet, for programs."""

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING

import click

from provisioner.cli import failures
from provisioner.cli.options import with_client
from provisioner.cli.output import FORMATS, Column, info, local_time, print_rows, say, timestamp, write
from provisioner.domain.stage import ACTIVE, Stage
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
    Column("deployment", lambda row: row.deployment),
)


@click.command()
@click.argument("run")
@click.option(
    "-o", "--output", type=click.Choice((*FORMATS, "csv")), default="table", help="How it is printed."
)
@with_client
def report(client: "Client", run: str, output: str) -> None:
    """How each host of a run ended: result, stage, code, durations, image, disk and serial."""
    answer = client.run_report(run)
    if output == "csv":
        return write(_csv(answer))
    if output == "table":
        _summarise(answer)
    print_rows(output, "hosts", answer.hosts, COLUMNS, name=lambda row: row.host, also={"run": answer.run})
    if output == "table":
        failures.tell(failures.of_results(answer.hosts))
    return None


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
