"""Many hosts at once: the question, the live table, how it ended."""

import shlex
import time
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from provisioner.cli import plan as plans
from provisioner.cli import question, run_frame
from provisioner.cli.failures import tell
from provisioner.cli.layout import terminal_size
from provisioner.cli.live_display import LiveDisplay, can_redraw
from provisioner.cli.output import (
    Column,
    console,
    info,
    line,
    local_time,
    print_lines,
    print_rows,
    table_lines,
    wrapped,
)
from provisioner.cli.polling import follow_events
from provisioner.domain import failures, run_totals
from provisioner.domain.run import RunProgress, nobody_to_deploy
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.timeline import Timeline
from provisioner.errors import Exit, RefusedError
from provisioner.system.units import counted, duration, timestamp

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

    from provisioner.api.deployments import DeploymentStatus
    from provisioner.api.runs import RunArmed, RunEvents, RunOrder
    from provisioner.cli.order_options import OrderOptions
    from provisioner.cli.preflight import Preflight
    from provisioner.client import Client
    from provisioner.domain.event import Event
    from provisioner.domain.run import Run

PREFIX = "r-"  # of a run's id
MOST_SELECTED = 500  # characters that the service takes as --select
IN_SCRIPTS = "in scripts: --yes --expect-count N"
COLUMNS: "tuple[Column[DeploymentStatus], ...]" = (
    Column("HOST", lambda row: row.host),
    Column("STATE", lambda row: row.stage),
    Column("SINCE", lambda row: local_time(row.stage_since)),
    Column("IMAGE", lambda row: row.image),
    Column("", lambda row: f"{row.reason}{_number(row)}"),
)


def _number(row: "DeploymentStatus") -> str:
    """The PV code by which it has failed, behind its reason."""
    return f" (PV-{row.code})" if row.code and f"PV-{row.code}" not in row.reason else ""


def is_run(text: str) -> bool:
    """Whether it is a run's id."""
    return text.startswith(PREFIX)


def order(client: "Client", wanted: "RunOrder", how: "OrderOptions", expect_count: int | None) -> "RunArmed":
    """Show what is meant and what stands against it, ask for the count, arm. Raises RefusedError."""
    from provisioner.cli import preflight

    plan = client.plan_run(wanted)
    plans.show_run(plan, wanted, stderr=True)
    if not plan.plans:
        raise nobody_to_deploy("mend what is said above")
    found = preflight.look(client, plan.plans, plan.left_out, asks=how.preflight is not False)
    judge(found, len(plan.plans), how, wanted)
    count = expect_count
    if not how.yes:
        count = _ask(len(plan.plans))
    elif count is None:
        raise RefusedError(
            f"{counted(len(plan.plans), 'host')} would be erased, and --expect-count is missing",
            hint=IN_SCRIPTS,
            code=134,
        )
    try:
        return client.arm_run(wanted, count or 0, plan.digest)
    except RefusedError as refused:
        plans.raise_changed(refused, plan.plans, lambda: client.plan_run(wanted).plans)
        raise


def judge(found: "Preflight", of: int, how: "OrderOptions", wanted: "RunOrder | None" = None) -> None:
    """Show what stands against the hosts, so many in all, of an order for many or for one.

    Raises RefusedError (PV-145) where something does, nobody will be asked, and `--preflight` was given.
    """
    from provisioner.cli import preflight

    preflight.show(found)
    if not found.hosts:
        return
    sentence, hint = _stands_against(found, of, wanted)
    if how.preflight and how.yes:
        raise RefusedError(f"{sentence}: nothing was ordered", hint=hint, code=145)
    info(f"{sentence}: {hint}")


def _stands_against(found: "Preflight", of: int, wanted: "RunOrder | None") -> tuple[str, str]:
    """In words, that hosts would fail or could not be asked, and what to do."""
    hosts, unknown = found.hosts, found.unknown
    failing = [host for host in hosts if host not in unknown]
    if of == 1:
        sentence = (
            f"{hosts[0]} would fail as it is" if failing else f"the BMC of {hosts[0]} could not be asked"
        )
        return sentence, "mend that first"
    said = [
        f"{len(failing)} of {of} hosts would fail as they are" if failing else "",
        f"{len(unknown)} of {of} BMCs could not be asked" if unknown else "",
    ]
    return ", ".join(filter(None, said)), f"mend that first; or leave them out: {_leave_out(hosts, wanted)}"


def _leave_out(hosts: "Sequence[str]", wanted: "RunOrder | None") -> str:
    """What to give to order all but these hosts; a retry has no selection, and a selection has its limit."""
    terms = [wanted.select] if wanted and wanted.select else []
    chosen = ",".join([*terms, f"name!={'|'.join(hosts)}"])
    if not wanted or wanted.retry or len(chosen) > MOST_SELECTED:
        return "provision host lock HOST, for each of them"
    return f"--select {shlex.quote(chosen)}{' instead of --all' if wanted.all else ''}"


def _ask(count: int) -> int:
    question.require_terminal(f"this erases the disks of {counted(count, 'host')}", IN_SCRIPTS)
    return question.ask_count("Type the number of hosts to continue")


def follow(
    client: "Client", ident: str, *, timeout: float | None
) -> "tuple[tuple[DeploymentStatus, ...], int]":
    """Show a run until nothing of it goes on: its deployments and the exit code. Ctrl-C detaches."""
    out = console(stderr=True)
    view: _LiveTable | _RunEventLines = _LiveTable(out) if can_redraw(out) else _RunEventLines()
    until = time.monotonic() + timeout if timeout else None
    rows: tuple[DeploymentStatus, ...] = ()
    try:
        with view:
            for update in follow_events(partial(client.run_events, ident), view.warn, until):
                rows = update.deployments
                view.update(update)
                if _is_over(rows) and not update.events:
                    break
    except KeyboardInterrupt:
        info(f"Detached; the run goes on. Back with: provision watch {ident}")
        return rows, Exit.DETACHED
    if not _is_over(rows):
        info(f"Not done at --timeout; the run goes on: provision watch {ident}")
        return rows, Exit.RUNNING
    return rows, _conclude(rows)


def _is_over(rows: "Sequence[DeploymentStatus]") -> bool:
    """Whether there is nothing to wait for: all rest. Of a row that cannot be read nobody will hear how it
    ends, and as long as there is one no further host of the run begins.
    """
    known = [row for row in rows if not row.is_unreadable and row.stage not in RESTING]
    is_stuck = any(row.is_unreadable for row in rows)
    return all(is_stuck and row.stage == Stage.QUEUED for row in known)


def _conclude(rows: "Sequence[DeploymentStatus]") -> int:
    """Say how it ended, the reasons grouped and the count last, where it stays in sight; the exit code."""
    others = failures.of_rows(rows)
    waiting = [row for row in rows if row.stage == Stage.QUEUED and not row.is_unreadable]
    ready = len(rows) - len(others) - len(waiting)
    tell(others)
    if lost := [row for row in rows if waiting and row.is_unreadable]:
        info(
            f"{counted(len(waiting), 'host')} cannot begin before {lost[0].id} of {lost[0].host}"
            f" is set aside: {lost[0].hint}"
        )
    info(f"{ready} of {counted(len(rows), 'host')} {'is' if ready == 1 else 'are'} ready")
    if not others and not waiting:
        return Exit.DONE
    return Exit.PARTLY if ready else Exit.FAILED


class _Timelines:
    """A timeline for each deployment of a run."""

    def __init__(self) -> None:
        self.timelines: dict[str, Timeline] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, event: "Event") -> str:
        """Add one event to the timeline of its deployment; its sentence."""
        return self.timelines.setdefault(event.deployment, Timeline()).add(event)


class _RunEventLines(_Timelines):
    """One time-stamped line for each event, but for the progress."""

    def update(self, update: "RunEvents") -> None:
        """Print new events."""
        for event in update.events:
            sentence = self.add(event)
            if not event.data.is_progress:
                stage = self.timelines[event.deployment].stage
                info(f"{timestamp(event.time)} {event.host} {stage}: {sentence}")

    def warn(self, sentence: str) -> None:
        """Print something about us, not about the run."""
        info(sentence)


class _LiveTable(LiveDisplay, _Timelines):
    """The totals and a line a host, redrawn in place."""

    def __init__(self, out: "Console") -> None:
        LiveDisplay.__init__(self, out)
        _Timelines.__init__(self)
        self._update: RunEvents | None = None

    def update(self, update: "RunEvents") -> None:
        """Take new events."""
        for event in update.events:
            self.add(event)
        self._update = update
        self.reached(update.now)

    def draw(self) -> "Group":
        """The run as it is now."""
        from rich.console import Group

        if self._update is None:
            return Group(line(self._warning or "waiting for the service"))
        run, rows = self._update.run, self._update.deployments
        now = self.service_time()
        stories = [run_frame.HostStory(row, self.timelines.get(row.id, Timeline())) for row in rows]
        screen = run_frame.Screen(self.width, self.height, now)
        title = f"{run.id}  {duration(max(0.0, now - run.created))}{_waits(run, rows)}"
        return Group(*run_frame.frame(title, stories, screen, self._warning))


def show(client: "Client", ident: str, output: str) -> None:
    """A run's hosts, as data or as a table; what needs attention comes first."""
    answer = client.run(ident)
    rows = answer.deployments
    if output != "table":
        return print_rows(output, "deployments", rows, COLUMNS, name=lambda row: row.host)
    print_deployments(rows, COLUMNS, again=f"provision status {ident}")
    if waits := _waits(answer.run, rows):
        info(waits.removeprefix(", "))
    return None


def _waits(run: "Run", rows: "Sequence[DeploymentStatus]") -> str:
    """What those wait for that have not begun, as far as their run says; empty where it says nothing."""
    hindrance = RunProgress(run, tuple(rows)).rest_hindrance
    return f", the rest waits for {hindrance}" if hindrance else ""


def print_deployments(
    rows: "Sequence[DeploymentStatus]",
    columns: "Sequence[Column[DeploymentStatus]]",
    *,
    again: str,
    of: int = 0,
) -> None:
    """Deployments as a table, what needs attention first, and below it how many are how.

    Where that is taller than the terminal, who waits or is ready is only counted, and of the others who has
    no room. `again` is the command that shows them, `of` how many there are where the rows are the newest.
    """
    out = console()
    size = terminal_size(out.file)
    ranked = sorted(rows, key=run_totals.rank)
    newest = f"the newest {len(rows)} of {of}: " if of > len(rows) else ""
    totals = (
        f"{newest}{_deployments(rows)}: {run_totals.describe(run_totals.counts(rows))}"
        if len(rows) > 1 or newest
        else ""
    )
    lines = table_lines(ranked, columns, size and size.columns)
    if size:
        below = len(wrapped(line(totals), size.columns)) + 1 if totals else 1  # and the next prompt
        if len(lines) + below > size.lines:
            lines = _folded(ranked, columns, size.columns, size.lines - below, again)
    print_lines(out, *lines)
    if totals:
        info(totals)


def _folded(
    rows: "Sequence[DeploymentStatus]",
    columns: "Sequence[Column[DeploymentStatus]]",
    width: int,
    room: int,
    again: str,
) -> "list[Text]":
    """As many of those that need attention as have room among `room` lines; the others counted."""
    attention = [row for row in rows if run_totals.needs_attention(row)]
    below = wrapped(line((f"each of them: {again} | less", "dim")), width)

    def drawn(count: int) -> "list[Text]":
        shown = attention[:count]
        table = table_lines(shown, columns, width) if shown else []
        return [*table, *run_frame.folded(rows, shown, width), *below]

    fitting = bisect_right(range(len(attention) + 1), room, key=lambda count: len(drawn(count)))
    return drawn(max(0, fitting - 1))


def _deployments(rows: "Sequence[DeploymentStatus]") -> str:
    """How many hosts they are; and how many they are themselves, where a host stands there twice."""
    hosts = len({row.host for row in rows})
    several = "" if hosts == len(rows) else f"{len(rows)} deployments of "
    return f"{several}{counted(hosts, 'host')}"
