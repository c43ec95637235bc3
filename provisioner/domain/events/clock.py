"""Events of the clock: time that does not count, a clock that was set, and time that is over."""

from provisioner.domain.deployment import Deployment
from provisioner.domain.events.payload import Failure, Payload
from provisioner.domain.purpose import ANY
from provisioner.domain.stage import UNDER_WAY, Stage
from provisioner.system.units import duration


class ClockGap(Payload):
    """For so many `seconds` our own machine slept, or the service was down."""

    kind = "clock.gap"
    moves = {stage: stage for stage in UNDER_WAY}
    meaning = "our own machine slept or was restarted"
    purposes = ANY
    is_sign_of_life = False
    is_noted = False

    seconds: float

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Moves deadline and last sign of life by the length of the gap; the order's expiry stays."""
        return row.delayed(self.seconds)

    def describe(self) -> str:
        """The length of the gap in words."""
        return f"nobody watched for {duration(self.seconds)}: deadlines moved"


class ClockStep(Payload):
    """Somebody set our own machine's clock, by so many `seconds`; forward is positive."""

    kind = "clock.step"
    moves = {stage: stage for stage in UNDER_WAY}
    meaning = "our own machine's clock was set: nothing changes"
    purposes = ANY
    is_sign_of_life = False
    is_noted = False

    seconds: float

    def describe(self) -> str:
        """By how much, and what it means: nothing, until the service is started again."""
        way = "forward" if self.seconds > 0 else "back"
        return (
            f"this machine's clock was set {way} by {duration(abs(self.seconds))}; "
            "the service's own time goes on as it was until it is started again"
        )


class DeadlinePassed(Failure):
    """The stage's sign of life did not come before its deadline."""

    kind = "deadline.passed"
    moves = {stage: Stage.FAILED for stage in UNDER_WAY}
    meaning = "no sign of life in time"
    purposes = ANY
