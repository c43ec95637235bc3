"""`provision status` and `watch`: what is under way, live on a terminal, line by line elsewhere."""

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from provisioner.cli import layout, runs
from provisioner.cli.diagnose import cause_lines, waiting_line
from provisioner.cli.event_lines import EventLines
from provisioner.cli.host_boot import boot_words
from provisioner.cli.layout import columns_of
from provisioner.cli.live_display import LiveDisplay, can_redraw
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import (
    MARK,
    Column,
    cell_lines,
    console,
    info,
    line,
    local_time,
    print_lines,
    print_record,
    print_rows,
    wrapped,
)
from provisioner.cli.polling import follow_events
from provisioner.cli.status_options import status_options
from provisioner.cli.verdict_output import verification_words
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.timeline import StageRecord, Timeline
from provisioner.errors import Exit
from provisioner.system.units import and_more, duration

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

    from provisioner.api.deployments import (
        DeploymentDetails,
        DeploymentEvents,
        DeploymentQuery,
        DeploymentStatus,
    )
    from provisioner.client import Client

CODES = {
    Stage.READY: Exit.DONE,
    Stage.REJECTED: Exit.REJECTED,
    Stage.FAILED: Exit.FAILED,
    Stage.CANCELLED: Exit.FAILED,
}


def _remark(row: "DeploymentStatus", now: float) -> str:
    if row.progress.is_of(row.stage) and not row.paused:
        return row.progress.describe(now)
    return row.reason


def _stage_words(row: "DeploymentStatus") -> str:
    lacks = row.stage == Stage.READY and row.lacks_firmware_boot
    return f"{row.stage} (firmware's boot not seen)" if lacks else row.stage


def columns_at(now: float) -> "tuple[Column[DeploymentStatus], ...]":
    """Of a list of deployments, as they are at `now` by the service's clock."""
    return (
        Column("HOST", lambda row: row.host),
        Column("STATE", _stage_words),
        Column("SINCE", lambda row: local_time(row.stage_since)),
        Column("IMAGE", lambda row: row.content),
        Column("TRY", lambda row: str(row.attempt or "")),
        Column("", lambda row: _remark(row, now)),
    )


@click.command()
@click.argument("host", metavar="[HOST|RUN]", required=False)
@status_options
@output_option
@with_client
def status(client: "Client", host: str | None, output: str, query: "DeploymentQuery | None") -> None:
    """What is under way and what ended last; with HOST (name, serial, MAC or id), its story."""
    if host and query:
        raise click.UsageError("--select, --since and --limit are for the list, not for one HOST")
    if host and runs.is_run(host):
        return runs.show(client, host, output)
    if host is None:
        listed = client.deployment_list(query)
        for sentence in listed.unreadable:
            info(f"{MARK} {sentence}")
        for each in listed.verifications:
            info(f"{each.host} is verified {verification_words(each)}")
        columns = columns_at(listed.now)
        if output == "table" and listed.deployments:
            return runs.print_deployments(
                listed.deployments, columns, again="provision status", of=listed.total
            )
        return print_rows(output, "deployments", listed.deployments, columns, name=lambda row: row.host)
    answer = client.events(host)
    row = answer.deployment
    return print_record(output, "deployment", row, lambda: _show(answer), name=row.host)


def _show(answer: "DeploymentEvents") -> None:
    row, timeline, out = answer.deployment, Timeline(), console()
    for event in answer.events:
        timeline.add(event)
    print_lines(out, line((f"{row.host}  {row.content}  {row.id}", "bold")))
    for stage in stage_lines(row, timeline, answer.now, columns_of(out.file)):
        print_lines(out, *stage.lines)
    if row.stage in RESTING:
        _conclude(row, timeline, out)
    elif row.paused:
        words = (f"{row.host} is {row.reason}", f"  → {row.hint}")
        print_lines(out, *(line((each, "yellow")) for each in words))
    print_lines(out, *_waiting(row, answer.now))
    if row.verification:
        print_lines(out, line((f"{row.host} is verified {verification_words(row.verification)}", "cyan")))


def _waiting(row: "DeploymentDetails", now: float) -> "list[Text]":
    """What it waits for, and what hinders it; nothing of one that rests, which says why it ended."""
    return [] if row.stage in RESTING else [waiting_line(row, now), *cause_lines(row, now)]


@click.command()
@click.argument("host", metavar="HOST|ID|RUN")
@click.option("--timeout", type=click.FloatRange(min=1), help="Stop watching after SECONDS (exit code 7).")
@with_client
def watch(client: "Client", host: str, timeout: float | None) -> int:
    """Follow a host's deployment, or a run of many, until it ends. Ctrl-C stops watching, nothing else."""
    if runs.is_run(host):
        return runs.follow(client, host, timeout=timeout)[1]
    row = client.deployment(host)
    info(f"{row.host}  {row.content}  {row.id}")
    return follow(client, row, timeout=timeout)[1]


def follow(
    client: "Client", row: "DeploymentStatus", *, timeout: float | None
) -> "tuple[DeploymentStatus, int]":
    """Show a deployment until it rests: how it is then, and the exit code. Ctrl-C detaches."""
    out = console(stderr=True)
    view: _LiveStages | EventLines = _LiveStages(out) if can_redraw(out) else EventLines()
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
        info(f"Detached; the {row.noun} goes on. Back with: provision watch {row.host}")
        return last or row, Exit.DETACHED
    if last is None or last.stage not in RESTING:
        info(f"Still {(last or row).stage} at --timeout; the {row.noun} goes on: provision watch {row.host}")
        return last or row, Exit.RUNNING
    _conclude(last, view.timeline, out)
    return last, Exit.DONE if last.ended_as_ordered else CODES[last.stage]


class _LiveStages(LiveDisplay):
    """A line for each stage, redrawn in place."""

    def __init__(self, out: "Console") -> None:
        super().__init__(out)
        self.timeline = Timeline()
        self._row: DeploymentDetails | None = None

    def update(self, update: "DeploymentEvents") -> None:
        """Take new events."""
        for event in update.events:
            self.timeline.add(event)
        self._row = update.deployment
        self.reached(update.now)

    def draw(self) -> "Group":
        """The stages of the deployment, and what hinders it."""
        from rich.console import Group

        warning = wrapped(line((f"  {self._warning}", "yellow")), self.width) if self._warning else []
        if self._row is None:
            return Group(*warning)
        now = self.service_time()
        stages = stage_lines(self._row, self.timeline, now, self.width)
        room = self.height - len(warning)
        least = sum(len(stage.lines) for stage in stages if stage.state in ("now", "bad"))
        causes = _hindrance(self._row, now, self.width, room - least)
        return Group(*[*_fitting(stages, room - len(causes)), *causes][:room], *warning)


def _hindrance(row: "DeploymentDetails", now: float, width: int, room: int) -> "list[Text]":
    """What it waits for, where there is room for it, and what hinders it; nothing of one that rests."""
    if row.stage in RESTING:
        return []
    awaited, causes = wrapped(waiting_line(row, now), width), _causes(row, now, width, room)
    return [*awaited, *causes] if len(awaited) + len(causes) <= room else causes


def _causes(row: "DeploymentDetails", now: float, width: int, room: int) -> "list[Text]":
    """What hinders it: as many causes as have room, the most certain at any rate, and how many more."""
    shown: list[Text] = []
    for number, cause in enumerate(row.causes):
        lines = [
            part
            for each in cause_lines(row.model_copy(update={"causes": (cause,)}), now)
            for part in wrapped(each, width)
        ]
        is_last = number == len(row.causes) - 1
        if shown and len(shown) + len(lines) + (not is_last) > room:
            rest = and_more(len(row.causes), number)
            return [*shown, *wrapped(line(f"{rest}: provision diagnose {row.host}"), width)]
        shown += lines
    return shown


MARKS = {"done": ("✓", "green"), "now": ("▸", "cyan"), "bad": ("✗", "red"), "open": ("·", "dim")}


@dataclass(frozen=True)
class StageLines:
    """How a stage is shown; `state` is a key of MARKS."""

    state: str
    lines: "tuple[Text, ...]"


def stage_lines(
    row: "DeploymentStatus", timeline: Timeline, now: float, width: int | None
) -> list[StageLines]:
    """The stages as lines of at most `width` columns: mark, name, duration, note."""
    records = timeline.stages.values()
    last = max((record.began for record in records), default=0)
    states = [_state(record, row, last) for record in records]
    cells = [_cells(record, state, timeline, now) for record, state in zip(records, states, strict=True)]
    shown = layout.Table([""] * 3, cells).row_lines(width)
    return [
        StageLines(state, tuple(line(*parts) for parts in lines))
        for state, lines in zip(states, shown, strict=True)
    ]


def _fitting(stages: list[StageLines], room: int) -> "list[Text]":
    """The lines of all stages; where there is no room for them without what is least needed now.

    The notes of stages that are done go first, then stages that have not begun, then those that are done.
    """
    shown = stages
    for state, kept in (("done", 1), ("open", 0), ("done", 0)):
        for stage in [each for each in shown if each.state == state]:
            if sum(len(each.lines) for each in shown) > room:
                shorter = StageLines(state, stage.lines[:kept])
                shown = [shorter if each is stage else each for each in shown]
    return [text for each in shown for text in each.lines]


def _cells(record: StageRecord, state: str, timeline: Timeline, now: float) -> list[list[tuple[str, str]]]:
    mark, style = MARKS[state]
    seconds = f"{duration(record.seconds(now)):>8}" if record.began else ""
    return [
        cell_lines((f" {mark} {record.stage}", "bold" if state == "now" else style)),
        cell_lines(seconds),
        cell_lines((_note(record, state, timeline, now), "dim" if state == "done" else "")),
    ]


def _note(record: StageRecord, state: str, timeline: Timeline, now: float) -> str:
    note = record.note if record.began else ""
    if state != "now":
        return note
    if timeline.progress and timeline.progress.is_of(record.stage):
        note = timeline.progress.describe(now)
    note = timeline.with_request(note)
    return f"attempt {timeline.attempt}, {note}" if timeline.attempt > 1 else note


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
        words = "is what its profile says" if row.is_verification else "is ready"
        print_lines(out, line((f"{row.host} {words}. ", "bold green"), f"{seconds}, {row.content}"))
        if seen := boot_words(row):
            print_lines(out, line((f"  {seen}", "yellow" if row.lacks_firmware_boot else "")))
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
