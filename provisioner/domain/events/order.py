"""Events of the order itself: armed, begun, ended by people or as its terms say."""

from provisioner.domain.deployment import Deployment, TargetDisk, Terms, stop_reason
from provisioner.domain.events.payload import Failure, Payload
from provisioner.domain.profile import Hints
from provisioner.domain.purpose import ANY, Purpose
from provisioner.domain.script_reads import ScriptReads
from provisioner.domain.stage import UNDER_WAY, Stage


class OrderArmed(Payload):
    """Somebody ordered it; `expires` in seconds since 1970. It makes the row, so nothing leads to it."""

    kind = "order.armed"

    by: str
    image: str
    mac: str = ""
    serial: str = ""
    uuid: str = ""
    target: TargetDisk = TargetDisk()  # that was shown; unknown where none had been seen
    hints: Hints = Hints()
    expires: float = 0
    write_mode: str = Terms().write_mode
    erase_foreign: bool = False
    allow_downgrade: bool = False
    purpose: Purpose = Purpose.DEPLOY

    @property
    def terms(self) -> Terms:
        """How it may write, and what its operator gave up."""
        return Terms.model_validate(self.model_dump(include=set(Terms.model_fields)))

    def describe(self) -> str:
        """Who ordered which image, and onto which disk as far as one had been seen; or a verification."""
        if self.purpose is not Purpose.DEPLOY:
            return f"verification ordered by {self.by}: the host is restarted, nothing is written"
        onto = f" onto {self.target.label()}" if self.target.is_known else ""
        return f"armed by {self.by}: {self.image}{onto}"


class SlotGiven(Payload):
    """A slot of the site is free: the deployment may begin."""

    kind = "slot.given"
    moves = {Stage.QUEUED: Stage.POWERING}
    meaning = "its turn has come"
    purposes = ANY
    is_noted = False

    def refusal(self, row: Deployment) -> str:
        """Refused while its run is paused."""
        return "its run is paused" if row.paused else ""

    def describe(self) -> str:
        """A fixed sentence: it begins."""
        return "its turn has come"


class RunStopped(Failure):
    """Too many hosts of its run failed, or a canary did: this one, still queued, is not begun."""

    kind = "run.stopped"
    moves = {Stage.QUEUED: Stage.CANCELLED}
    meaning = "too many of its run failed alike, or a canary did"


class RunPaused(Payload):
    """An operator (`by`) lets no further host of its run begin: this one, still queued, waits."""

    kind = "run.paused"
    moves = {Stage.QUEUED: Stage.QUEUED}
    meaning = "a person lets no further host of the run begin"
    is_sign_of_life = False

    by: str

    def refusal(self, row: Deployment) -> str:
        """Refused once it is paused: who was first is the evidence."""
        return "it is paused already" if row.paused else ""

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Pauses it; its order expires when it would have expired."""
        return row.changed(paused=now, reason=self.describe(), hint=f"provision resume {row.run}")

    def describe(self) -> str:
        """Who paused the run."""
        return f"its run is paused by {self.by}"


class RunResumed(Payload):
    """An operator (`by`) lets a paused run go on: this one may begin when its turn comes."""

    kind = "run.resumed"
    moves = {Stage.QUEUED: Stage.QUEUED}
    meaning = "a person lets the run go on"
    is_sign_of_life = False

    by: str

    def refusal(self, row: Deployment) -> str:
        """Refused where it is not paused."""
        return "" if row.paused else "it is not paused"

    def apply(self, row: Deployment, now: float) -> Deployment:
        """It waits for its turn as before."""
        return row.changed(paused=0, reason="", hint="")

    def describe(self) -> str:
        """Who let the run go on."""
        return f"its run goes on, says {self.by}"


class StageHeld(Payload):
    """The order was to go no further than `stage`."""

    kind = "stage.held"
    moves = {stage: Stage.CANCELLED for stage in UNDER_WAY if stage != Stage.QUEUED}
    meaning = "the order says: stop here"

    stage: str

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores as reason the stage after which it stopped."""
        return row.changed(reason=self.describe())

    def describe(self) -> str:
        """The stage after which it stopped."""
        return stop_reason(self.stage)


class OrderRefused(Failure):
    """The order does not hold any more, or another machine came for it: nothing more is written by it."""

    kind = "order.refused"
    moves = {stage: Stage.FAILED for stage in (Stage.QUEUED, Stage.POWERING, Stage.NETBOOTING, Stage.WRITING)}
    meaning = "expired, locked, or changed since it was ordered; or another machine came for it"
    purposes = ANY


class HostSuspect(Payload):
    """Somebody else has, or is, what only the ordered machine should: `sentence` says what was seen.

    Nothing new is begun until an operator has looked: see `hint`.
    """

    kind = "host.suspect"
    moves = {stage: stage for stage in UNDER_WAY if stage != Stage.QUEUED}
    meaning = "two machines use what belongs to one: paused"
    purposes = ANY
    is_sign_of_life = False

    sentence: str = ""
    address: str = ""
    hint: str = ""

    def refusal(self, row: Deployment) -> str:
        """Refused once it is paused: the first sight is the evidence."""
        return "it is paused already" if row.paused else ""

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Pauses it; the sentence is its reason until it goes on."""
        return row.changed(paused=now, reason=f"paused: {self.sentence}", hint=self.hint)

    def describe(self) -> str:
        """What was seen."""
        return f"paused: {self.sentence}"


class OrderResumed(Payload):
    """An operator (`by`) has looked and lets a paused deployment go on."""

    kind = "order.resumed"
    moves = {stage: stage for stage in UNDER_WAY if stage != Stage.QUEUED}
    meaning = "a person lets it go on"
    purposes = ANY
    is_sign_of_life = False

    by: str

    def refusal(self, row: Deployment) -> str:
        """Refused where it is not paused."""
        return "" if row.paused else "it is not paused"

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Goes on; the time of the pause does not count against a stage, nor who read the script before."""
        delayed = row.delayed(max(0.0, now - row.paused))
        return delayed.changed(paused=0, reason="", hint="", script=ScriptReads())

    def describe(self) -> str:
        """Who let it go on."""
        return f"resumed by {self.by}"


class OrderCancelled(Payload):
    """An operator ended the deployment; `by` is who."""

    kind = "order.cancelled"
    moves = {stage: Stage.CANCELLED for stage in UNDER_WAY}
    meaning = "a person ended it"
    purposes = ANY

    by: str

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores as reason who cancelled it."""
        return row.changed(reason=f"cancelled by {self.by}", hint="")

    def describe(self) -> str:
        """Who cancelled it."""
        return f"cancelled by {self.by}"
