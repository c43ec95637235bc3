"""`provision status` and `watch`: what is under way, live on a terminal, line by line elsewhere."""

import time
from datetime import datetime
from functools import partial
from typing import Any

import click

from provisioner.cli import runs
from provisioner.cli.common import Column, asks_service, console, emit, emit_one, local_time, prints_data, say
from provisioner.cli.new_events import await_news
from provisioner.client import Client
from provisioner.domain.event import Event
from provisioner.domain.progress import Progress
from provisioner.domain.stage import RESTING
from provisioner.domain.timeline import StageRecord, Timeline
from provisioner.errors import Exit
from provisioner.system.units import duration

Row = dict[str, Any]
CODES = {"ready": Exit.DONE, "rejected": Exit.REJECTED, "failed": Exit.FAILED, "cancelled": Exit.FAILED}


def _remark(row: Row) -> str:
    if row["stage"] == "writing" and row["progress"]["phase"]:
        return Progress.model_validate(row["progress"]).describe()
    return str(row["reason"])


COLUMNS: tuple[Column, ...] = (
    ("HOST", lambda r: r["host"]),
    ("STATE", lambda r: r["stage"]),
    ("SINCE", lambda r: local_time(r["stage_since"])),
    ("IMAGE", lambda r: r["image"]),
    ("TRY", lambda r: str(r["attempt"] or "")),
    ("", _remark),
)


@click.command()
@click.argument("host", required=False)
@prints_data
@asks_service
def status(client: Client, host: str | None, form: str) -> None:
    """What is under way and what ended last; with HOST (name, serial, MAC or id), its story."""
    if host and runs.is_run(host):
        return runs.show(client, host, form)
    if host is None:
        return emit(form, "deployments", client.deployments(), COLUMNS, key="host")
    news = client.events(host)
    row, story = news["deployment"], Timeline()
    for event in news["events"]:
        story.add(Event.model_validate(event))
    emit_one(form, "deployment", row, lambda: _tell(row, story, news["now"]), key="host")
    return None


def _tell(row: Row, story: Timeline, now: float) -> None:
    out = console()
    out.print(f"{row['host']}  {row['image']}  {row['id']}", style="bold", soft_wrap=True)
    for line in _lines(row, story, now):
        out.print(line, soft_wrap=True)
    if row["stage"] in RESTING:
        for sentence in _ending(row, story):
            out.print(sentence, soft_wrap=True)


@click.command()
@click.argument("host", metavar="HOST|ID")
@click.option("--timeout", type=click.FloatRange(min=1), help="Stop watching after SECONDS (exit code 7).")
@asks_service
def watch(client: Client, host: str, timeout: float | None) -> int:
    """Follow a host's deployment, or a run of many, until it ends. Ctrl-C stops watching, nothing else."""
    if runs.is_run(host):
        return runs.follow(client, host, timeout=timeout)[1]
    row = client.deployment(host)
    say(f"{row['host']}  {row['image']}  {row['id']}")
    return follow(client, row["id"], timeout=timeout)[1]


def follow(client: Client, ident: str, *, timeout: float | None) -> tuple[Row, int]:
    """Show a deployment until it rests: its last row and the exit code. Ctrl-C detaches."""
    out = console(stderr=True)
    view: _Live | _Lines = _Live(out) if out.file.isatty() else _Lines()
    until = time.monotonic() + timeout if timeout else None
    row: Row = {"host": ident, "id": ident}
    try:
        with view:
            for news in await_news(partial(client.events, ident), view.warn, until):
                row = news["deployment"]
                view.take(news)
                if row["stage"] in RESTING and not news["events"]:
                    break
    except KeyboardInterrupt:
        say(f"Detached; the deployment goes on. Back with: provision watch {row['host']}")
        return row, Exit.DETACHED
    if row["stage"] not in RESTING:
        say(f"Still {row['stage']} at --timeout; the deployment goes on: provision watch {row['host']}")
        return row, Exit.RUNNING
    for sentence in _ending(row, view.story):
        out.print(sentence, soft_wrap=True)
    held = row["stage"] == "cancelled" and row["stop_after"] and row["reason"].startswith("stopped after")
    return row, Exit.DONE if held else CODES[row["stage"]]


class _Lines:
    """One time-stamped line for each event."""

    def __init__(self) -> None:
        self.story = Timeline()
        self._progress = 0.0
        self._warned = ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def take(self, news: Row) -> None:
        """New events."""
        self._warned = ""
        for event in map(Event.model_validate, news["events"]):
            sentence = self.story.add(event)
            if event.data.is_progress and not self._is_due(event.time):
                continue
            stamp = datetime.fromtimestamp(event.time).astimezone().isoformat(timespec="seconds")
            say(f"{stamp} {event.host} {self.story.stage}: {sentence}")

    def _is_due(self, now: float) -> bool:
        """Progress comes every two seconds; a log needs it every ten."""
        if now - self._progress < 10:
            return False
        self._progress = now
        return True

    def warn(self, sentence: str) -> None:
        """Something about us, not about the deployment; said once."""
        if sentence != self._warned:
            say(sentence)
        self._warned = sentence


class _Live:
    """A line for each stage, redrawn in place."""

    def __init__(self, out: Any) -> None:
        from rich.live import Live

        self.story = Timeline()
        self._row: Row = {}
        self._skew = 0.0  # the service's clock against ours
        self._warning = ""
        self._live = Live(console=out, get_renderable=self._draw, refresh_per_second=4)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def take(self, news: Row) -> None:
        """New events."""
        for event in news["events"]:
            self.story.add(Event.model_validate(event))
        self._row, self._warning = news["deployment"], ""
        self._skew = news["now"] - time.time()

    def warn(self, sentence: str) -> None:
        """Something about us, not about the deployment."""
        self._warning = sentence

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        lines = _lines(self._row, self.story, time.time() + self._skew) if self._row else []
        return Group(*lines, *([Text(f"   {self._warning}", "yellow")] if self._warning else []))


MARKS = {"done": (" ✓ ", "green"), "now": (" ▸ ", "cyan"), "bad": (" ✗ ", "red"), "open": (" · ", "dim")}


def _lines(row: Row, story: Timeline, now: float) -> list[Any]:
    """The stages as rich texts: mark, name, note, seconds."""
    from rich.text import Text

    lines = []
    last = max((c.began for c in story.stages.values()), default=0)
    for chapter in story.stages.values():
        state = _state(chapter, row, last)
        mark, style = MARKS[state]
        note = chapter.note if chapter.began else ""
        if state == "now" and chapter.stage == "writing" and story.progress:
            note = story.progress.describe()
        took = duration(chapter.seconds(now)) if chapter.began else ""
        again = f"attempt {story.attempt}, " if story.attempt > 1 and state == "now" else ""
        lines.append(
            Text.assemble(
                (mark, style),
                (f"{chapter.stage:<11} ", "bold" if state == "now" else ""),
                f"{took:>8}  ",
                (f"{again}{note}", "dim" if state == "done" else ""),
                overflow="ellipsis",
                no_wrap=True,
            )
        )
    return lines


def _state(chapter: StageRecord, row: Row, last: float) -> str:
    if not chapter.began:
        return "open"
    if row["stage"] in RESTING and row["stage"] != "ready" and chapter.began == last:
        return "bad"
    return "done" if chapter.ended else "now"


def _ending(row: Row, story: Timeline) -> list[Any]:
    """How it ended, for people."""
    from rich.text import Text

    took = duration(story.ended - story.began) if story.ended else ""
    host = row["host"]
    if row["stage"] == "ready":
        return [Text.assemble((f"{host} is ready. ", "bold green"), f"{took}, {row['image']}")]
    code = f" (PV-{row['code']})" if row["code"] else ""
    lines = [Text.assemble((f"{host} {row['stage']}: ", "bold red"), f"{row['reason']}{code}")]
    if row["hint"]:
        lines.append(Text(f"  → {row['hint']}"))
    if said := row.get("console"):
        lines.append(Text(f"Its serial console said last (all of it: provision bmc console {host}):", "dim"))
        lines += [Text(f"  │ {line}") for line in said]
    return lines
