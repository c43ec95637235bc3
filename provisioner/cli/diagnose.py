"""`provision diagnose HOST`: why its deployment waits, on what evidence, and what to do."""

from typing import TYPE_CHECKING

import click

from provisioner.cli import runs
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import console, line, print_lines, print_record
from provisioner.domain.stage import RESTING, UNSUCCESSFUL
from provisioner.errors import Exit
from provisioner.system.units import duration

if TYPE_CHECKING:
    from rich.text import Text

    from provisioner.api.deployments import DeploymentAnswer, DeploymentDetails
    from provisioner.client import Client


@click.command()
@click.argument("host", metavar="HOST|ID")
@output_option
@with_client
def diagnose(client: "Client", host: str, output: str) -> int:
    """Why a host's deployment waits: causes, their evidence, what to do. Exit code 3 where one is named."""
    if runs.is_run(host):
        raise click.UsageError(f"{host} is a run; name one of its hosts: provision status {host}")
    answer = client.diagnosis(host)
    row = answer.deployment
    print_record(output, "deployment", row, lambda: _show(answer), name=row.host)
    return Exit.FAILED if row.causes else Exit.DONE


def _show(answer: "DeploymentAnswer") -> None:
    row = answer.deployment
    usual = f" ({row.usual.describe()})" if row.usual else ""
    for_how_long = duration(answer.now - row.stage_since)
    lines = [line((f"{row.host} is {row.stage}, for {for_how_long}{usual}", "bold"))]
    lines += [line(f"It waits for {row.awaits}.")] if row.awaits else []
    if row.progress.test and row.progress.is_of(row.stage):
        lines.append(line(f"  · {row.progress.describe(answer.now)}"))
    lines += cause_lines(row, answer.now)
    if row.stage in RESTING - UNSUCCESSFUL:
        lines.append(line(f"It waits for nothing: provision status {row.host}"))
    elif row.paused:
        lines.append(line((f"It does not go on: {row.reason.removeprefix('paused: ')}", "yellow")))
        lines.append(line(f"  → {row.hint}"))
    elif not row.causes:
        lines.append(line("Nothing that was seen hinders it; slow firmware is no fault."))
    print_lines(console(), *lines)


def waiting_line(row: "DeploymentDetails", now: float) -> "Text":
    """What it waits for, since when, and how long that usually takes."""
    usual = f" ({row.usual.describe()})" if row.usual else ""
    return line(f"   waits for {row.awaits}: {duration(now - row.stage_since)}{usual}")


def cause_lines(row: "DeploymentDetails", now: float) -> "list[Text]":
    """What hinders it, with the age of each line of evidence, and what to do, in order."""
    lines = []
    for cause in row.causes:
        lines.append(line((f"{cause.sentence} (PV-{cause.code})", "yellow")))
        for sight in cause.evidence:
            ago = f"{duration(now - sight.time)} ago"
            is_repeated = sight.sentence == cause.sentence
            lines.append(line(f"  · {ago}" if is_repeated else f"  · {sight.sentence} ({ago})"))
        lines += [line(f"  {number}. {action}") for number, action in enumerate(cause.actions, 1)]
    return lines
