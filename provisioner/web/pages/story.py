"""How a deployment went: its stages against what is usual, its log, how quickly its disk was written."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from provisioner.api.deployments import DeploymentDetails
from provisioner.domain import timeline
from provisioner.domain.event import Event
from provisioner.domain.events.payload import Failure
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.timeline import StageRecord
from provisioner.domain.waiting import UsualTime
from provisioner.state.throughput import Sample
from provisioner.system.units import duration, size
from provisioner.web.pages import look
from provisioner.web.pages.look import Look

MEDIAN_AT = 60.0  # where in a bar of 100 parts the median is, so that marks stand below each other
SHOWN = 400  # lines of a log: the newest
DONE = Look("done", "check", "ok", "✓")
AHEAD = Look("not yet", "dot", "off", "·")
NEVER = Look("not reached", "minus", "off", "–")


@dataclass(frozen=True)
class StageLine:
    """One stage: `seconds` so far, `median` of others (0: not known), the bar's `length` of 100."""

    name: str
    look: Look
    seconds: float
    median: float
    count: int
    length: float
    note: str
    is_now: bool

    @property
    def is_slow(self) -> bool:
        """Whether it takes clearly longer than others did."""
        return bool(self.median) and self.length >= 100

    @property
    def told(self) -> str:
        """In words what the bar shows."""
        if not self.median:
            return ""
        return f"{duration(self.seconds)}; usually {duration(self.median)}, by {self.count} that ended well"


@dataclass(frozen=True)
class LogLine:
    """One event: `clock` as the service's wall shows it, `since` the order, the stage that it belongs to."""

    ident: int
    clock: str
    exact: str
    since: str
    source: str
    attempt: int
    sentence: str
    tone: str


@dataclass(frozen=True)
class Log:
    """The newest lines that have the text that is looked for; `earlier` more have it, of `total` in all."""

    lines: tuple[LogLine, ...]
    earlier: int
    total: int
    zone: str


def stages(
    row: DeploymentDetails, events: Sequence[Event], usual: Mapping[Stage, UsualTime], now: float, seen: Look
) -> list[StageLine]:
    """All stages of its order, those ahead of it too; `seen` is how the deployment stands."""
    records = list(timeline.read(events).stages.values())
    for record in records:
        if record.stage == row.stage and not record.began:  # its events are forgotten, or cannot be read
            record.began = row.stage_since
    last = max((record for record in records if record.began), key=lambda one: one.began, default=None)
    return [
        _stage(row, record, usual.get(record.stage), now, seen, is_last=record is last) for record in records
    ]


def _stage(
    row: DeploymentDetails,
    record: StageRecord,
    usual: UsualTime | None,
    now: float,
    seen: Look,
    *,
    is_last: bool,
) -> StageLine:
    seconds, median = record.seconds(now), usual.median if usual else 0.0
    length = min(100.0, MEDIAN_AT * seconds / median) if median else 0.0
    return StageLine(
        name=record.stage.value,
        look=_look(row, record, seen, is_last=is_last),
        seconds=seconds,
        median=median,
        count=usual.count if usual else 0,
        length=round(length, 1),
        note=record.note,
        is_now=record.stage == row.stage,
    )


def _look(row: DeploymentDetails, record: StageRecord, seen: Look, *, is_last: bool) -> Look:
    if record.stage == row.stage:
        return seen
    if timeline.is_behind(record.stage, row.stage):  # also where nobody remembers when that was
        return DONE
    if not record.began:
        return NEVER if row.stage in RESTING else AHEAD
    if is_last and row.stage in RESTING and not row.ended_as_ordered:
        return look.of_deployment(row)
    return DONE


def log(events: Sequence[Event], text: str, created: float) -> Log:
    """Its events as lines, oldest first, those alone that have `text` in them."""
    wanted = text.casefold()
    lines = [line for event in events if wanted in (line := _line(event, created)).sentence.casefold()]
    zone = time.strftime("%Z", time.localtime(created))
    return Log(tuple(lines[-SHOWN:]), max(0, len(lines) - SHOWN), len(events), zone)


def _line(event: Event, created: float) -> LogLine:
    local = time.localtime(event.time)
    return LogLine(
        ident=event.id,
        clock=time.strftime("%H:%M:%S", local),
        exact=time.strftime("%Y-%m-%d %H:%M:%S %Z", local),
        since=f"+{duration(max(0.0, event.time - created))}",
        source=event.source,
        attempt=event.attempt,
        sentence=event.describe(),
        tone=_tone(event),
    )


def _tone(event: Event) -> str:
    """What is bad or doubtful stands out among what happens always."""
    return "bad" if isinstance(event.data, Failure) else ""


@dataclass(frozen=True)
class Throughput:
    """Samples for a chart, `points` as JSON: seconds since the first one, bytes per second (null: break)."""

    points: str
    sentence: str


def throughput(samples: Sequence[Sample]) -> Throughput | None:
    """None where too few are known to draw a line."""
    if len(samples) < 2:
        return None
    rates = sorted(sample.rate for sample in samples)
    middle = rates[len(rates) // 2]
    sentence = f"Median {size(middle)}/s, between {size(rates[0])}/s and {size(rates[-1])}/s"
    return Throughput(json.dumps(list(_points(samples)), separators=(",", ":")), sentence)


def _points(samples: Sequence[Sample]) -> Iterator[tuple[float, float | None]]:
    first, attempt = samples[0].time, samples[0].attempt
    for sample in samples:
        passed = round(sample.time - first, 1)
        if sample.attempt != attempt:
            yield passed, None
            attempt = sample.attempt
        yield passed, round(sample.rate)
