"""`provision report`: how a run ended, for people, for a spreadsheet, for programs."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.failures import tell
from provisioner.cli.options import with_client
from provisioner.cli.output import FORMATS, Column, info, local_time, print_rows, say, write
from provisioner.domain import failures, run_csv
from provisioner.errors import InputError
from provisioner.system.units import counted, duration

if TYPE_CHECKING:
    from provisioner.api.runs import RunReport
    from provisioner.client import Client
    from provisioner.domain.run_report import HostResult

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
        return write(run_csv.render(answer.hosts))
    if output == "table":
        _summarise(answer)
    print_rows(output, "hosts", answer.hosts, COLUMNS, name=lambda row: row.host, also={"run": answer.run})
    if output == "table":
        tell(failures.of_results(answer.hosts))
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
