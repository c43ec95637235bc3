"""`provision status` and `watch`: what is under way, live on a terminal, line by line elsewhere."""

import time
from functools import partial
from typing import TYPE_CHECKING

import click

from provisioner.cli import runs
from provisioner.cli.live_display import LiveDisplay
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import (
    Column,
    console,
    info,
    line,
    local_time,
    print_lines,
    print_record,
    print_rows,
    timestamp,
)
from provisioner.cli.polling import follow_events
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.timeline import StageRecord, Timeline
from provisioner.errors import Exit
from provisioner.system.units import duration

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

    from provisioner.api.deployments import DeploymentDetails, DeploymentEvents, DeploymentStatus
    from provisioner.client import Client

CODES = {
    Stage.READY: Exit.DONE,
    Stage.REJECTED: Exit.REJECTED,
    Stage.FAILED: Exit.FAILED,
    Stage.CANCELLED: Exit.FAILED,
}
PROGRESS_INTERVAL = 10.0  # seconds between two lines of progress; reports come every two


def _remark(row: "DeploymentStatus") -> str:
    if row.stage == Stage.WRITING and row.progress.phase and not row.paused:
        return row.progress.describe()
    return row.reason


COLUMNS: "tuple[Column[DeploymentStatus], ...]" = (
    Column("HOST", lambda row: row.host),
    Column("STATE", lambda row: row.stage),
    Column("SINCE", lambda row: local_time(row.stage_since)),
    Column("IMAGE", lambda row: row.image),
    Column("TRY", lambda row: str(row.attempt or "")),
    Column("", _remark),
)


@click.command()
@click.argument("host", required=False)
@output_option
@with_client
def status(client: "Client", host: str | None, output: str) -> None:
    """What is under way and what ended last; with HOST (name, serial, MAC or id), its story."""
    if host and runs.is_run(host):
        return runs.show(client, host, output)
    if host is None:
        listed = client.deployment_list()
        for line in listed.unreadable:
            info(f"✗ {line}")
        return print_rows(output, "deployments", listed.deployments, COLUMNS, name=lambda row: row.host)
    answer = client.events(host)
    row = answer.deployment
    return print_record(output, "deployment", row, lambda: _show(answer), name=row.host)


def _show(answer: "DeploymentEvents") -> None:
    row, timeline, out = answer.deployment, Timeline(), console()
    for event in answer.events:
        timeline.add(event)
    print_lines(out, line((f"{row.host}  {row.image}  {row.id}", "bold")))
    print_lines(out, *_lines(row, timeline, answer.now))
    if row.stage in RESTING:
        _conclude(row, timeline, out)
    elif row.paused:
        words = (f"{row.host} is {row.reason}", f"  → {row.hint}")
        print_lines(out, *(line((each, "yellow")) for each in words))


@click.command()
@click.argument("host", metavar="HOST|ID")
@click.option("--timeout", type=click.FloatRange(min=1), help="Stop watching after SECONDS (exit code 7).")
@with_client
def watch(client: "Client", host: str, timeout: float | None) -> int:
    """Follow a host's deployment, or a run of many, until it ends. Ctrl-C stops watching, nothing else."""
    if runs.is_run(host):
        return runs.follow(client, host, timeout=timeout)[1]
    row = client.deployment(host)
    info(f"{row.host}  {row.image}  {row.id}")
    return follow(client, row, timeout=timeout)[1]


def follow(
    client: "Client", row: "DeploymentStatus", *, timeout: float | None
) -> "tuple[DeploymentStatus, int]":
    """Show a deployment until it rests: how it is then, and the exit code. Ctrl-C detaches."""
    out = console(stderr=True)
    view: _LiveStages | _EventLines = _LiveStages(out) if out.file.isatty() else _EventLines()
    until = time.monotonic() + timeout if timeout else None
    last: DeploymentDetails | None = None
    try:
        with view:
            for update in follow_events(partial(client.events, row.id), view.warn, until):
                last = update.deployment
                view.update(update)
                if last.stage in RESTING and not update.events:
                    break
    except KeyboardInterrupt:
        info(f"Detached; the deployment goes on. Back with: provision watch {row.host}")
        return last or row, Exit.DETACHED
    if last is None or last.stage not in RESTING:
        info(f"Still {(last or row).stage} at --timeout; the deployment goes on: provision watch {row.host}")
        return last or row, Exit.RUNNING
    _conclude(last, view.timeline, out)
    return last, Exit.DONE if runs.was_held(last) else CODES[last.stage]


class _EventLines:
    """One time-stamped line for each event."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self._progress_at = 0.0
        self._warning = ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, update: "DeploymentEvents") -> None:
        """Print new events."""
        self._warning = ""
        for event in update.events:
            sentence = self.timeline.add(event)
            if not event.data.is_progress or self._is_due(event.time):
                info(f"{timestamp(event.time)} {event.host} {self.timeline.stage}: {sentence}")

    def _is_due(self, now: float) -> bool:
        if now - self._progress_at < PROGRESS_INTERVAL:
            return False
        self._progress_at = now
        return True

    def warn(self, sentence: str) -> None:
        """Print something about us, not about the deployment; once."""
        if sentence != self._warning:
            info(sentence)
        self._warning = sentence


class _LiveStages(LiveDisplay):
    """A line for each stage, redrawn in place."""

    def __init__(self, out: "Console") -> None:
        super().__init__(out)
        self.timeline = Timeline()
        self._row: DeploymentStatus | None = None

    def update(self, update: "DeploymentEvents") -> None:
        """Take new events."""
        for event in update.events:
            self.timeline.add(event)
        self._row = update.deployment
        self.reached(update.now)

    def draw(self) -> "Group":
        """The stages of the deployment."""
        from rich.console import Group

        lines = _lines(self._row, self.timeline, self.service_time()) if self._row else []
        return Group(*lines, *([line((f"   {self._warning}", "yellow"))] if self._warning else []))


MARKS = {"done": (" ✓ ", "green"), "now": (" ▸ ", "cyan"), "bad": (" ✗ ", "red"), "open": (" · ", "dim")}


def _lines(row: "DeploymentStatus", timeline: Timeline, now: float) -> "list[Text]":
    """The stages as rich texts: mark, name, duration, note."""
    last = max((record.began for record in timeline.stages.values()), default=0)
    return [_line(record, _state(record, row, last), timeline, now) for record in timeline.stages.values()]


def _line(record: StageRecord, state: str, timeline: Timeline, now: float) -> "Text":
    mark, style = MARKS[state]
    note = record.note if record.began else ""
    if state == "now" and record.stage == Stage.WRITING and timeline.progress:
        note = timeline.progress.describe()
    seconds = duration(record.seconds(now)) if record.began else ""
    attempt = f"attempt {timeline.attempt}, " if timeline.attempt > 1 and state == "now" else ""
    return line(
        (mark, style),
        (f"{record.stage:<11} ", "bold" if state == "now" else ""),
        f"{seconds:>8}  ",
        (f"{attempt}{note}", "dim" if state == "done" else ""),
        is_cut=True,
    )


def _state(record: StageRecord, row: "DeploymentStatus", last: float) -> str:
    """The key of MARKS; `last` is when the newest stage began."""
    if not record.began:
        return "open"
    if row.stage in RESTING and row.stage != Stage.READY and record.began == last:
        return "bad"
    return "done" if record.ended else "now"


def _conclude(row: "DeploymentDetails", timeline: Timeline, out: "Console") -> None:
    """Say how it ended, and what its console said last."""
    if row.stage == Stage.READY:
        seconds = duration(timeline.ended - timeline.began) if timeline.ended else ""
        print_lines(out, line((f"{row.host} is ready. ", "bold green"), f"{seconds}, {row.image}"))
        return
    code = f" (PV-{row.code})" if row.code else ""
    lines = [line((f"{row.host} {row.stage}: ", "bold red"), f"{row.reason}{code}")]
    if row.hint:
        lines.append(line(f"  → {row.hint}"))
    if row.console:
        where = f"all of it: provision bmc console {row.host}"
        lines.append(line((f"Its serial console said last ({where}):", "dim")))
    lines += [line(f"  │ {words}") for words in row.console]
    print_lines(out, *lines)
