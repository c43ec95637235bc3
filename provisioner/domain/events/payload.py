"""What every kind of event has: its moves in the transition table, its guard, its effect, its sentence."""

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from provisioner.domain.claim import Claim
from provisioner.domain.deployment import Deployment, TargetDisk
from provisioner.domain.progress import Progress
from provisioner.domain.purpose import DEPLOYING, Purpose
from provisioner.domain.stage import Stage


class Payload(BaseModel):
    """What one event carries, and what its kind means; a subclass with a `kind` is a kind.

    Only the fields are stored. Keys that are unknown here are dropped when a row of another release is read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    kind: ClassVar[str] = ""  # as it is stored: "agent.hello"
    version: ClassVar[int] = 1  # of the fields
    moves: ClassVar[Mapping[Stage, Stage]] = {}  # from which stage to which; from any other it is refused
    meaning: ClassVar[str] = ""  # of the moves, in words
    purposes: ClassVar[frozenset[Purpose]] = DEPLOYING  # of orders; to those of any other it never happens
    is_sign_of_life: ClassVar[bool] = True  # whether it becomes the deployment's `last_event`
    is_progress: ClassVar[bool] = False  # comes every few seconds, and only the last one matters
    closes_stage: ClassVar[bool] = False  # its sentence is about the stage that it ends
    is_noted: ClassVar[bool] = True  # whether its sentence stands beside the stage

    def refusal(self, row: Deployment) -> str:
        """Why it is refused although the row's stage expects its kind; empty when it is not."""
        return ""

    def apply(self, row: Deployment, now: float) -> Deployment:
        """The row with all that it changes but the stage; `now` in seconds since 1970."""
        return row

    def describe(self) -> str:
        """The event as a sentence for people; empty where only its kind is known."""
        return ""


class Unknown(Payload):
    """An event whose kind, or whose data, this release cannot read: shown, and nothing more."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    __pydantic_extra__: dict[str, JsonValue]


class Failure(Payload):
    """Why a deployment ended: PV code (0 for none), sentence, what to do next.

    `console` is what the serial console said last, where the deployment has failed.
    """

    code: int = 0
    sentence: str = ""
    hint: str = ""
    console: tuple[str, ...] = ()

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores code, sentence (as reason) and hint."""
        return row.changed(code=self.code, reason=self.sentence, hint=self.hint)

    def describe(self) -> str:
        """The sentence of the failure."""
        return self.sentence or "no reason was given"


class Evidence(Payload):
    """What a machine can repeat for ever without leading anywhere: kept as the first, the last and how many.

    The stored event is the last one, with its time; `first` is when the first came, in seconds since 1970.
    One that leads to another stage is kept for itself.
    """

    same: ClassVar[tuple[str, ...]] = ()  # two in which these fields are equal are one repeated

    first: float = 0
    count: int = 1

    def repeats(self, earlier: Payload) -> bool:
        """Whether it says what the `earlier` one of its kind has said."""
        return all(getattr(self, name) == getattr(earlier, name, None) for name in self.same)

    def after(self, earlier: "Evidence") -> Self:
        """This one, standing for the earlier ones too."""
        return self.model_copy(update={"first": earlier.first, "count": earlier.count + self.count})

    def beginning(self, now: float) -> Self:
        """This one as the first; `now` in seconds since 1970. It may stand for several that were gathered."""
        return self.model_copy(update={"first": self.first or now, "count": self.count})

    @property
    def is_counted(self) -> bool:
        """Whether it stands for all of its kind, and not for one that led to another stage."""
        return "count" in self.model_fields_set


class ProgressReport(Evidence):
    """A report of who writes the disk or burns in: its fields are those of `Progress`."""

    is_progress = True

    def progress(self) -> Progress:
        """The report as the row of the deployment stores it."""
        return Progress.model_validate(self, from_attributes=True)

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Replaces the report before it."""
        return row.changed(progress=self.progress().after(row.progress, now))

    def describe(self) -> str:
        """Amount, rate and remaining time, in words."""
        return self.progress().describe()


class Claimed(Payload):
    """A machine says that it is the one that was ordered; the guard judges its claim, which is not stored."""

    claim: Claim | None = Field(None, exclude=True)

    def apply(self, row: Deployment, now: float) -> Deployment:
        """The nonce is consumed: none of it is kept but its hash."""
        return row.changed(nonce="", consumed=row.consumed or now)


class WriteClaim(Claimed):
    """A machine wants to write; the guard names the disk. No order but one of a deployment knows it."""

    purposes = DEPLOYING

    target: TargetDisk = TargetDisk()

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores the disk that may be written."""
        return super().apply(row, now).changed(target=self.target)
