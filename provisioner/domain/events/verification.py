"""Events of the verification and of the sealing."""

from provisioner.domain.deployment import Deployment, Verdict
from provisioner.domain.events.payload import Failure, Payload
from provisioner.domain.stage import Stage


class TaskReport(Payload):
    """One task; `result` is ok, deviation or unreachable, `seconds` how long it took."""

    task: str = "?"
    result: str = "?"
    sentence: str = ""
    seconds: float = 0

    def describe(self) -> str:
        """What came of it."""
        return self.sentence or f"{self.task}: {self.result}"


class VerifyTask(TaskReport):
    """One check."""

    kind = "verify.task"
    moves = {Stage.VERIFYING: Stage.VERIFYING}
    meaning = "one task of the verification"


class VerifyUnreachable(Payload):
    """SSH did not answer; it is tried again until the deadline."""

    kind = "verify.unreachable"
    moves = {Stage.VERIFYING: Stage.VERIFYING}
    meaning = "SSH did not answer yet"

    sentence: str = ""

    def describe(self) -> str:
        """Why."""
        return f"not reachable by SSH yet: {self.sentence}"


class VerifyPassed(Payload):
    """The host is right."""

    kind = "verify.passed"
    moves = {Stage.VERIFYING: Stage.SEALING}
    meaning = "the host is what its profile says"
    closes_stage = True

    verdict: Verdict = Verdict()

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Keeps the verdict."""
        return row.changed(verdict=self.verdict)

    def describe(self) -> str:
        """That it is right."""
        return "the host is what its profile says"


class VerifyRejected(Failure):
    """The host is not right."""

    kind = "verify.rejected"
    moves = {Stage.VERIFYING: Stage.REJECTED}
    meaning = "the host is not what its profile says"

    verdict: Verdict = Verdict()

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Keeps reason and verdict."""
        return super().apply(row, now).changed(verdict=self.verdict)


class VerifyFailed(Failure):
    """Nothing is known of the host."""

    kind = "verify.failed"
    moves = {Stage.VERIFYING: Stage.FAILED}
    meaning = "the verification could not be run"


class SealTask(TaskReport):
    """One step of the sealing."""

    kind = "seal.task"
    moves = {Stage.SEALING: Stage.SEALING}
    meaning = "one task of the sealing"


class SealDone(Payload):
    """Sealed as the profile says: `mode` is full or keep-access."""

    kind = "seal.done"
    moves = {Stage.SEALING: Stage.READY}
    meaning = "no key of ours opens it any more"
    closes_stage = True

    mode: str = ""

    def describe(self) -> str:
        """Whether our key is gone."""
        return "sealed" if self.mode == "full" else "sealed, our key stays as the profile says"


class SealFailed(Failure):
    """Our key may still open it."""

    kind = "seal.failed"
    moves = {Stage.SEALING: Stage.FAILED}
    meaning = "the host could not be sealed"
