"""Many hosts at once: the question, the live table, how it ended."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from provisioner.cli import plan as plans
from provisioner.cli.live_display import LiveDisplay
from provisioner.cli.output import (
    Column,
    console,
    info,
    local_time,
    make_table,
    print_rows,
    timestamp,
)
from provisioner.cli.polling import follow_events
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.timeline import Timeline
from provisioner.errors import Exit, RefusedError
from provisioner.system.units import duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from provisioner.api.deployments import DeploymentStatus
    from provisioner.api.runs import RunArmed, RunEvents, RunOrder
    from provisioner.client import Client
    from provisioner.domain.event import Event

PREFIX = "r-"  # of a run's id
COLUMNS: "tuple[Column[DeploymentStatus], ...]" = (
    Column("HOST", lambda row: row.host),
    Column("STATE", lambda row: row.stage),
    Column("SINCE", lambda row: local_time(row.stage_since)),
    Column("IMAGE", lambda row: row.image),
    Column("", lambda row: row.reason),
)


def is_run(text: str) -> bool:
    """Whether it is a run's id."""
    return text.startswith(PREFIX)


def order(client: "Client", wanted: "RunOrder", *, yes: bool, expect_count: int | None) -> "RunArmed":
    """Show what is meant, ask for the count, arm. Raises RefusedError."""
    plan = client.plan_run(wanted)
    plans.show_run(plan, stderr=True)
    count = expect_count
    if not yes:
        count = _ask(len(plan.plans))
    elif count is None:
        raise RefusedError(
            f"{len(plan.plans)} hosts would be erased, and --expect-count is missing",
            hint="in scripts: --yes --expect-count N",
            code=134,
        )
    return client.arm_run(wanted, count or 0)


def _ask(count: int) -> int:
    if not sys.stdin.isatty():
        raise RefusedError(
            f"this erases the disks of {count} hosts, and there is no terminal to ask on",
            hint="in scripts: --yes --expect-count N",
            code=133,
        )
    answer: int = click.prompt("Type the number of hosts to continue", type=int, err=True)
    return answer


def follow(
    client: "Client", ident: str, *, timeout: float | None
) -> "tuple[tuple[DeploymentStatus, ...], int]":
    """Show a run until all its hosts rest: their deployments and the exit code. Ctrl-C detaches."""
    out = console(stderr=True)
    view: _LiveTable | _RunEventLines = _LiveTable(out) if out.file.isatty() else _RunEventLines()
    until = time.monotonic() + timeout if timeout else None
    rows: tuple[DeploymentStatus, ...] = ()
    try:
        with view:
            for update in follow_events(partial(client.run_events, ident), view.warn, until):
                rows = update.deployments
                view.update(update)
                if all(row.stage in RESTING for row in rows) and not update.events:
                    break
    except KeyboardInterrupt:
        info(f"Detached; the run goes on. Back with: provision watch {ident}")
        return rows, Exit.DETACHED
    if any(row.stage not in RESTING for row in rows):
        info(f"Not done at --timeout; the run goes on: provision watch {ident}")
        return rows, Exit.RUNNING
    return rows, _conclude(rows)


def _conclude(rows: "Sequence[DeploymentStatus]") -> int:
    """Say how it ended, the reasons grouped; the exit code."""
    ready = [row for row in rows if row.stage == Stage.READY or was_held(row)]
    info(f"{len(ready)} of {len(rows)} hosts are ready")
    others = [row for row in rows if row not in ready]
    for (stage, code), _ in Counter((row.stage, row.code) for row in others).most_common():
        _report_alike([row for row in others if (row.stage, row.code) == (stage, code)])
    if not others:
        return Exit.DONE
    return Exit.PARTLY if ready else Exit.FAILED


def _report_alike(rows: "Sequence[DeploymentStatus]") -> None:
    """Hosts that ended alike, with every reason once."""
    first = rows[0]
    info(
        f"✗ {first.stage}{f' (PV-{first.code})' if first.code else ''}: {', '.join(row.host for row in rows)}"
    )
    for reason in dict.fromkeys(row.reason for row in rows):
        info(f"    {reason}")
    if first.hint:
        info(f"  → {first.hint}")


def was_held(row: "DeploymentStatus") -> bool:
    """Whether it ended after the stage at which it was ordered to end."""
    return row.stage == Stage.CANCELLED and bool(row.stop_after) and row.reason.startswith("stopped after")


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
    """One line a host, redrawn in place."""

    def __init__(self, out: "Console") -> None:
        LiveDisplay.__init__(self, out)
        _Timelines.__init__(self)
        self._rows: tuple[DeploymentStatus, ...] = ()

    def update(self, update: "RunEvents") -> None:
        """Take new events."""
        for event in update.events:
            self.add(event)
        self._rows = update.deployments
        self.reached(update.now)

    def draw(self) -> "Table":
        """The table of all hosts."""
        now = self.service_time()
        columns: tuple[Column[DeploymentStatus], ...] = (
            Column("", _mark),
            Column("HOST", lambda row: row.host),
            Column("STATE", lambda row: (str(row.stage), _mark(row)[1])),
            Column("TIME", lambda row: duration(self._seconds(row, now))),
            Column("", self._note),
        )
        return make_table(self._rows, columns, caption=self._warning or None)

    def _timeline(self, row: "DeploymentStatus") -> Timeline:
        return self.timelines.get(row.id, Timeline())

    def _seconds(self, row: "DeploymentStatus", now: float) -> float:
        timeline = self._timeline(row)
        return (timeline.ended or now) - timeline.began if timeline.began else 0

    def _note(self, row: "DeploymentStatus") -> str:
        timeline = self._timeline(row)
        record = timeline.stages.get(timeline.stage)
        note = record.note if record else row.reason
        if row.stage == Stage.WRITING and timeline.progress:
            note = timeline.progress.describe()
        return f"attempt {timeline.attempt}, {note}" if timeline.attempt > 1 else note


MARKS = {
    Stage.READY: ("✓", "green"),
    Stage.QUEUED: ("·", "dim"),
    Stage.FAILED: ("✗", "red"),
    Stage.REJECTED: ("✗", "red"),
    Stage.CANCELLED: ("✗", "yellow"),
}


def _mark(row: "DeploymentStatus") -> tuple[str, str]:
    return MARKS.get(row.stage, ("▸", "cyan"))


def show(client: "Client", ident: str, output: str) -> None:
    """A run's hosts, as data or as a table."""
    rows = client.run(ident).deployments
    print_rows(output, "deployments", rows, COLUMNS, name=lambda row: row.host)
