"""`provision cancel`, `pause`, `resume`: what was ordered shall end, wait, or go on."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from provisioner.cli import question, runs
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import info, local_time, print_record, print_rows
from provisioner.domain.run import RunProgress
from provisioner.domain.stage import ACTIVE, RESTING, Stage
from provisioner.errors import Exit, InputError, ProvisionError
from provisioner.system.units import counted

if TYPE_CHECKING:
    from provisioner.api.deployments import DeploymentStatus
    from provisioner.api.verifications import VerificationStatus
    from provisioner.client import Client


@click.command()
@click.argument("host", metavar="HOST|ID|RUN")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def cancel(client: "Client", host: str, yes: bool, output: str) -> int:
    """End a deployment, a verification, or all of a run, which is asked. A half-written disk does not boot.

    Nothing is powered off.
    """
    if runs.is_run(host):
        return _cancel_run(client, host, yes=yes, output=output)
    from provisioner.api.verifications import is_verification_id

    if is_verification_id(host):
        return _tell_verification(client.cancel_verification(host), output)
    if not yes and (followers := _followers(client, host)):
        count = counted(len(followers), "host")
        info(f"{host} is a canary: {count} of its run that waits for it will not begin")
        question.require_terminal(f"this ends a canary and {count} more", "give --yes in a script")
        if not question.confirm("End it, and with it the rest of its run?"):
            info(question.NOTHING)
            return Exit.REFUSED
    ended = client.cancel(host)
    if ended.verification:
        return _tell_verification(ended.verification, output)
    row = ended.deployment
    assert row  # noqa: S101  one of them was under way
    again = row.advise(f"provision retry {row.host}")
    sentence = f"{row.id} of {row.host} is cancelled; again with: {again}"
    _print([row], sentence, output)
    return Exit.DONE


def _tell_verification(row: "VerificationStatus", output: str) -> int:
    sentence = f"{row.id} of {row.host} is cancelled; {row.hint}"
    print_record(output, "verification", row, lambda: info(sentence), name=row.id)
    return Exit.DONE


def _followers(client: "Client", host: str) -> list[str]:
    """Who waits in the same run and will not begin once this canary has ended; empty for no canary."""
    try:
        row = client.deployment(host)
        answer = client.run(row.run) if row.run and row.stage not in RESTING else None
    except ProvisionError:  # that it cannot be read hinders no cancelling, which says so itself
        return []
    if answer is None:
        return []
    return [each.host for each in RunProgress(answer.run, answer.deployments).followers_of(row.id)]


def _print(rows: "Sequence[DeploymentStatus]", sentence: str, output: str) -> None:
    """What was done to these deployments: a sentence for people, else the deployments as they are now."""
    if output == "table":
        return info(sentence)
    return print_rows(output, "deployments", rows, (), name=lambda row: row.id)


def _cancel_run(client: "Client", ident: str, *, yes: bool, output: str) -> int:
    """Say whose run it is and what is under way, ask, cancel."""
    answer = client.run(ident)
    run, rows = answer.run, answer.deployments
    moving = _hosts(rows, ACTIVE)
    queued = _hosts(rows, {Stage.QUEUED})
    resting = len(rows) - len(moving) - len(queued)
    info(f"{ident} was ordered by {run.by} on {local_time(run.created)}: {counted(len(rows), 'host')}")
    info(f"  {len(moving)} moving, {len(queued)} waiting, {resting} at rest")
    if moving:
        info(f"  moving: {', '.join(moving)}")
    if not yes:
        question.require_terminal(
            f"this ends {len(moving) + len(queued)} deployments", "give --yes in a script"
        )
        if not question.confirm("End what is moving and what waits? A half-written disk does not boot"):
            info(question.NOTHING)
            return Exit.REFUSED
    ended = client.cancel_run(ident)
    before = {row.id for row in rows if row.stage == Stage.CANCELLED}
    count = sum(row.stage == Stage.CANCELLED and row.id not in before for row in ended)
    are = "is" if count == 1 else "are"
    again = f"; again with: provision retry {ident}" if count else ""
    _print(ended, f"{counted(count, 'deployment')} of {ident} {are} cancelled{again}", output)
    return Exit.DONE


def _hosts(rows: "Iterable[DeploymentStatus]", stages: "frozenset[Stage] | set[Stage]") -> list[str]:
    return [row.host for row in rows if row.stage in stages]


@click.command()
@click.argument("run")
@output_option
@with_client
def pause(client: "Client", run: str, output: str) -> None:
    """Let no further host of a run begin; those that are under way go on. Then: provision resume RUN."""
    if not runs.is_run(run):
        raise InputError(f"{run} is no run: only what waits in a run can be paused", hint="provision status")
    rows = client.pause_run(run)
    waiting, moving = [row for row in rows if row.stage == Stage.QUEUED], _hosts(rows, ACTIVE)
    _print(rows, f"{run} is paused: {len(waiting)} hosts wait, {len(moving)} go on", output)
    if waiting:
        first = local_time(min(row.expires for row in waiting))
        info(f"  their orders expire all the same, the first on {first}; before: provision resume {run}")


@click.command()
@click.argument("host", metavar="HOST|ID|RUN")
@output_option
@with_client
def resume(client: "Client", host: str, output: str) -> None:
    """Let a paused deployment, or a paused run, go on. Look first at why it was paused: provision status."""
    if runs.is_run(host):
        rows = client.resume_run(host)
        waiting = len(_hosts(rows, {Stage.QUEUED}))
        return _print(rows, f"{host} goes on: {waiting} hosts wait for their turn", output)
    row = client.resume(host)
    return _print([row], f"{row.id} of {row.host} goes on at {row.stage}: provision watch {row.host}", output)
