"""Events of the order itself: armed, begun, ended by people or as its terms say."""

from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.events.payload import Failure, Payload
from provisioner.domain.stage import UNDER_WAY, Stage


class OrderArmed(Payload):
    """Somebody ordered it; `expires` in seconds since 1970. It makes the row, so nothing leads to it."""

    kind = "order.armed"

    by: str
    image: str
    mac: str = ""
    serial: str = ""
    expires: float = 0
    write_mode: str = Terms().write_mode
    erase_foreign: bool = False
    allow_downgrade: bool = False

    def describe(self) -> str:
        """Who, and what."""
        return f"armed by {self.by}: {self.image}"


class SlotGiven(Payload):
    """It may begin."""

    kind = "slot.given"
    moves = {Stage.QUEUED: Stage.POWERING}
    meaning = "its turn has come"
    is_noted = False

    def describe(self) -> str:
        """That it begins."""
        return "its turn has come"


class RunStopped(Failure):
    """The rest of its run is not begun."""

    kind = "run.stopped"
    moves = {Stage.QUEUED: Stage.CANCELLED}
    meaning = "too many of its run failed alike"


class StageHeld(Payload):
    """The order was to go no further than `stage`."""

    kind = "stage.held"
    moves = {stage: Stage.CANCELLED for stage in UNDER_WAY if stage != Stage.QUEUED}
    meaning = "the order says: stop here"

    stage: str

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Keeps the reason."""
        return row.changed(reason=f"stopped after {self.stage}, as ordered")

    def describe(self) -> str:
        """After which stage."""
        return f"stopped after {self.stage}, as ordered"


class OrderCancelled(Payload):
    """A person ended it."""

    kind = "order.cancelled"
    moves = {stage: Stage.CANCELLED for stage in UNDER_WAY}
    meaning = "a person ended it"

    by: str

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Keeps who it was."""
        return row.changed(reason=f"cancelled by {self.by}")

    def describe(self) -> str:
        """Who it was."""
        return f"cancelled by {self.by}"
