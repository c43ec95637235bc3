"""Many hosts at once: the question, the live table, how it ended."""

import sys
import time
from collections import Counter
from datetime import datetime
from functools import partial
from typing import Any

import click

from provisioner.cli.common import Column, console, emit, local_time, say
from provisioner.cli.new_events import await_news
from provisioner.client import Client
from provisioner.domain.event import Event
from provisioner.domain.stage import RESTING
from provisioner.domain.timeline import Timeline
from provisioner.errors import Exit, RefusedError
from provisioner.system.units import duration, size

Row = dict[str, Any]
PREFIX = "r-"  # of a run's id
COLUMNS: tuple[Column, ...] = (
    ("HOST", lambda r: r["host"]),
    ("STATE", lambda r: r["stage"]),
    ("SINCE", lambda r: local_time(r["stage_since"])),
    ("IMAGE", lambda r: r["image"]),
    ("", lambda r: str(r["reason"])),
)


def is_run(text: str) -> bool:
    """Whether it is a run's id."""
    return text.startswith(PREFIX)


def order(client: Client, wanted: Row, *, yes: bool, expect_count: int | None) -> Row:
    """Show what is meant, ask for the count, arm; the answer with `run`. Raises RefusedError."""
    found = client.plan_run(**wanted)
    _show(found)
    count = expect_count
    if not yes:
        count = _ask(len(found["plans"]))
    elif count is None:
        raise RefusedError(
            f"{len(found['plans'])} hosts would be erased, and --expect-count is missing",
            hint="in scripts: --yes --expect-count N",
            code=134,
        )
    return client.arm_run(count or 0, **wanted)


def show_plan(found: Row) -> None:
    """What would be done, to stdout."""
    _show(found, stderr=False)


def _ask(count: int) -> int:
    if not sys.stdin.isatty():
        raise RefusedError(
            f"this erases the disks of {count} hosts, and there is no terminal to ask on",
            hint="in scripts: --yes --expect-count N",
            code=133,
        )
    answer: int = click.prompt("Type the number of hosts to continue", type=int, err=True)
    return answer


def _show(found: Row, *, stderr: bool = True) -> None:
    from rich.table import Table

    table = Table("HOST", "RACK", "IMAGE", "ERASES", "HOLDS", box=None, pad_edge=False)
    for plan in found["plans"]:
        host, image, disk = plan["host"], plan["image"], plan["erases"]
        name = f"{disk['name']} {disk['model']} {size(disk['size'])} {disk['serial']}" if disk["seen"] else ""
        words = (host["name"], host["rack"], image["id"], name or "not seen yet", plan["holds"])
        table.add_row(*words)
    console(stderr=stderr).print(table)
    for one in found["left_out"]:
        click.echo(f"left out: {one['why']}", err=stderr)


def follow(client: Client, ident: str, *, timeout: float | None) -> tuple[list[Row], int]:
    """Show a run until all its hosts rest: their rows and the exit code. Ctrl-C detaches."""
    out = console(stderr=True)
    view: _Table | _Lines = _Table(out) if out.file.isatty() else _Lines()
    until = time.monotonic() + timeout if timeout else None
    rows: list[Row] = []
    try:
        with view:
            for news in await_news(partial(client.run_events, ident), view.warn, until):
                rows = news["deployments"]
                view.take(news)
                if all(row["stage"] in RESTING for row in rows) and not news["events"]:
                    break
    except KeyboardInterrupt:
        say(f"Detached; the run goes on. Back with: provision watch {ident}")
        return rows, Exit.DETACHED
    if any(row["stage"] not in RESTING for row in rows):
        say(f"Not done at --timeout; the run goes on: provision watch {ident}")
        return rows, Exit.RUNNING
    return rows, _ending(rows)


def _ending(rows: list[Row]) -> int:
    """Say how it ended, the reasons grouped; the exit code."""
    ready = [row for row in rows if row["stage"] == "ready" or _was_held(row)]
    say(f"{len(ready)} of {len(rows)} hosts are ready")
    others = [row for row in rows if row not in ready]
    for (stage, code), _ in Counter((row["stage"], row["code"]) for row in others).most_common():
        alike = [row for row in others if (row["stage"], row["code"]) == (stage, code)]
        say(f"✗ {stage}{f' (PV-{code})' if code else ''}: {', '.join(row['host'] for row in alike)}")
        for reason in dict.fromkeys(row["reason"] for row in alike):
            say(f"    {reason}")
        if alike[0]["hint"]:
            say(f"  → {alike[0]['hint']}")
    if not others:
        return Exit.DONE
    return Exit.PARTLY if ready else Exit.FAILED


def _was_held(row: Row) -> bool:
    return row["stage"] == "cancelled" and str(row["reason"]).startswith("stopped after")


class _Stories:
    """A story for each deployment of a run."""

    def __init__(self) -> None:
        self.stories: dict[str, Timeline] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, event: Row) -> str:
        """Tell one event to its story; the sentence."""
        return self.stories.setdefault(event["deployment"], Timeline()).add(Event.model_validate(event))


class _Lines(_Stories):
    """One time-stamped line for each event; of the progress, only the stages' turns are told."""

    def take(self, news: Row) -> None:
        """New events."""
        for event in news["events"]:
            sentence = self.add(event)
            if event["kind"] != "agent.progress":
                stamp = datetime.fromtimestamp(event["time"]).astimezone().isoformat(timespec="seconds")
                stage = self.stories[event["deployment"]].stage
                say(f"{stamp} {event['host']} {stage}: {sentence}")

    def warn(self, sentence: str) -> None:
        """Something about us, not about the run."""
        say(sentence)


class _Table(_Stories):
    """One line a host, redrawn in place."""

    def __init__(self, out: Any) -> None:
        from rich.live import Live

        super().__init__()
        self._rows: list[Row] = []
        self._skew = 0.0
        self._warning = ""
        self._live = Live(console=out, get_renderable=self._draw, refresh_per_second=4)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take(self, news: Row) -> None:
        """New events."""
        for event in news["events"]:
            self.add(event)
        self._rows, self._warning = news["deployments"], ""
        self._skew = news["now"] - time.time()

    def warn(self, sentence: str) -> None:
        """Something about us, not about the run."""
        self._warning = sentence

    def _draw(self) -> Any:
        from rich.table import Table

        table = Table(
            "", "HOST", "STATE", "TIME", "", box=None, pad_edge=False, caption=self._warning or None
        )
        now = time.time() + self._skew
        for row in self._rows:
            table.add_row(*self._line(row, now))
        return table

    def _line(self, row: Row, now: float) -> tuple[str, ...]:
        story = self.stories.get(row["id"], Timeline())
        mark, style = MARKS.get(row["stage"], ("▸", "cyan"))
        chapter = story.stages.get(story.stage)
        note = chapter.note if chapter else str(row["reason"])
        if row["stage"] == "writing" and story.progress:
            note = story.progress.describe()
        since = (story.ended or now) - story.began if story.began else 0
        again = f"attempt {story.attempt}, " if story.attempt > 1 else ""
        state = f"[{style}]{row['stage']}[/]"
        return (
            f"[{style}]{mark}[/]",
            row["host"],
            state,
            duration(since),
            f"{again}{note}".replace("[", "\\["),
        )


MARKS = {
    "ready": ("✓", "green"),
    "queued": ("·", "dim"),
    "failed": ("✗", "red"),
    "rejected": ("✗", "red"),
    "cancelled": ("✗", "yellow"),
}


def show(client: Client, ident: str, form: str) -> None:
    """A run's hosts, as data or as a table."""
    emit(form, "deployments", client.run(ident)["deployments"], COLUMNS, key="host")
