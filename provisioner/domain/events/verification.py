"""Events of the verification and of the sealing."""

from provisioner.domain.acceptance import Status
from provisioner.domain.deployment import Deployment, Verdict
from provisioner.domain.events.payload import Evidence, Failure, Payload, ProgressReport
from provisioner.domain.purpose import ANY
from provisioner.domain.stage import Stage


class TaskReport(Evidence):
    """One task; `result` is ok, deviation or unreachable, `seconds` how long it took."""

    same = ("task", "result", "sentence")

    task: str = "?"
    result: str = "?"
    sentence: str = ""
    seconds: float = 0

    def describe(self) -> str:
        """The sentence of the task, else its name and result."""
        return self.sentence or f"{self.task}: {self.result}"


class VerifyTask(TaskReport):
    """One check of the verification; `action` is what a technician does about it.

    `result` may also be warning, which is advice, and unproved: it should have been checked and was not.
    """

    kind = "verify.task"
    moves = {Stage.VERIFYING: Stage.VERIFYING}
    meaning = "one task of the verification"
    purposes = ANY

    action: str = ""

    def describe(self) -> str:
        """The sentence of the check, and where it is neither good nor bad, that it is so."""
        words = {"warning": "warning: ", "unproved": "not checked: "}
        return words.get(self.result, "") + super().describe()


class VerifyProgress(ProgressReport):
    """The burn-in goes on: `test` on the GPU of that UUID, `done` of `total` parts; `left` in seconds."""

    kind = "verify.progress"
    moves = {Stage.VERIFYING: Stage.VERIFYING}
    meaning = "the burn-in goes on"
    same = ("test",)

    phase: str = "burn-in"
    test: str
    gpu: str = ""
    done: int = 0
    total: int = 0
    left: float = 0


class VerifyUnreachable(Evidence):
    """SSH did not answer; it is tried again until the deadline."""

    kind = "verify.unreachable"
    moves = {Stage.VERIFYING: Stage.VERIFYING}
    meaning = "SSH did not answer yet"
    same = ("sentence",)

    sentence: str = ""

    def describe(self) -> str:
        """Why SSH did not answer."""
        return f"not reachable by SSH yet: {self.sentence}"


class VerifyPassed(Payload):
    """The host is what its profile says."""

    kind = "verify.passed"
    moves = {Stage.VERIFYING: Stage.SEALING}
    meaning = "the host is what its profile says"
    closes_stage = True

    verdict: Verdict = Verdict()

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores the verdict."""
        return row.changed(verdict=self.verdict)

    def describe(self) -> str:
        """That the host is what its profile says, and how often it was warned."""
        warnings = sum(check.status is Status.WARN for check in self.verdict.checks)
        words = {0: "", 1: ", with 1 warning"}.get(warnings, f", with {warnings} warnings")
        return f"the host is what its profile says{words}"


class VerifyRejected(Failure):
    """The host is not what its profile says, or that was not proven; the verdict names every deviation."""

    kind = "verify.rejected"
    moves = {Stage.VERIFYING: Stage.REJECTED}
    meaning = "the host is not what its profile says"
    purposes = ANY

    verdict: Verdict = Verdict()

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores reason and verdict."""
        return super().apply(row, now).changed(verdict=self.verdict)


class VerifyFailed(Failure):
    """The verification could not be run to its end, so it says nothing about the host."""

    kind = "verify.failed"
    moves = {Stage.VERIFYING: Stage.FAILED}
    meaning = "the verification could not be run"
    purposes = ANY


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
        """Whether the deployment's key was removed."""
        return "sealed" if self.mode == "full" else "sealed, our key stays as the profile says"


class SealFailed(Failure):
    """The sealing did not finish: the deployment's key may still open the host."""

    kind = "seal.failed"
    moves = {Stage.SEALING: Stage.FAILED}
    meaning = "the host could not be sealed"
