"""Tells what happened to a deployment, stage by stage, from its events."""

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.domain.event import Event
from provisioner.domain.events.order import OrderArmed
from provisioner.domain.events.payload import ProgressReport
from provisioner.domain.events.power import PowerAsked
from provisioner.domain.events.verification import VerifyPassed, VerifyTask
from provisioner.domain.lifecycle import STAGES, following
from provisioner.domain.progress import Progress
from provisioner.domain.purpose import Purpose
from provisioner.domain.stage import RESTING, Stage

SHOWN: tuple[Stage, ...] = tuple(row.stage for row in STAGES if row.stage != Stage.QUEUED)

ONLY_DEPLOYED = (Stage.WRITING, Stage.SEALING)  # which no verification has


def is_behind(stage: Stage, present: Stage) -> bool:
    """Whether who is at the `present` stage must have been through the other."""
    if present == Stage.READY:
        return True
    return present in SHOWN and stage in SHOWN and SHOWN.index(stage) < SHOWN.index(present)


@dataclass
class StageRecord:
    """One stage: when it began and ended (seconds since 1970; 0 while it has not), and what is known."""

    stage: Stage
    began: float = 0
    ended: float = 0
    note: str = ""

    def seconds(self, now: float) -> float:
        """Seconds from its beginning to its end, or to `now` while it has not ended; 0 before it began."""
        return max(0.0, (self.ended or now) - self.began) if self.began else 0.0


class Timeline:
    """The events so far, read once each in their order."""

    def __init__(self) -> None:
        self.stage = Stage.QUEUED
        self.stages: dict[Stage, StageRecord] = {stage: StageRecord(stage) for stage in SHOWN}
        self.attempt = 0
        self.began = 0.0
        self.ended = 0.0
        self.progress: Progress | None = None  # the last report of who writes the disk, or burns in
        self.request = ""  # what a person is to do before it can go on
        self.checks = 0  # of the verification, so far

    def add(self, event: Event) -> str:
        """Take one event, the next in order; returns its sentence for people."""
        self.attempt = max(self.attempt, event.attempt)
        self.began = self.began or event.time
        after = following(self.stage, event.kind) or self.stage
        if isinstance(event.data, ProgressReport):
            self.progress = event.data.progress().model_copy(update={"reported": event.time})
        if isinstance(event.data, PowerAsked):
            self.request = event.describe()
        if isinstance(event.data, VerifyTask):  # the burn-in is over
            self.checks, self.progress = self.checks + 1, None
        if isinstance(event.data, OrderArmed) and event.data.purpose is not Purpose.DEPLOY:
            for stage in ONLY_DEPLOYED:
                self.stages.pop(stage, None)
        # what a stage waited for is said of that stage, what begins another is said of the other
        closes = event.data.closes_stage or after == self.stage or after in RESTING
        subject = self.stage if closes else after
        if after != self.stage:
            self._enter(after, event.time)
        if event.data.is_noted and (record := self.stages.get(subject)):
            record.note = self._note(event)
        self.stage = after
        return event.describe()

    def _note(self, event: Event) -> str:
        is_passed = isinstance(event.data, VerifyPassed)
        return f"{self.checks} checks: {event.describe()}" if is_passed else event.describe()

    def with_request(self, note: str) -> str:
        """What a person is to do, and a note of what has happened; each once."""
        return "; ".join(filter(None, dict.fromkeys((self.request, note))))

    def _enter(self, after: Stage, when: float) -> None:
        self.request = ""
        if old := self.stages.get(self.stage):
            old.ended = when
        if after in RESTING:
            self.ended = when
        elif new := self.stages.get(after):
            if new.began:  # another attempt: it and what follows begins again
                for stage in SHOWN[SHOWN.index(after) :]:
                    self.stages[stage] = StageRecord(stage)
            self.stages[after].began = when

    def seconds(self) -> list[tuple[str, float]]:
        """Each stage's seconds, of the last attempt."""
        return [(r.stage.value, round(r.seconds(r.ended), 1)) for r in self.stages.values() if r.began]


def read(events: Iterable[Event]) -> Timeline:
    """The timeline of these events, oldest first."""
    timeline = Timeline()
    for event in events:
        timeline.add(event)
    return timeline
