"""Events of a verification by the ramdisk: what the agent saw, that the host was let go, the verdict."""

from provisioner.domain import identity
from provisioner.domain.acceptance import Status
from provisioner.domain.deployment import Deployment, Verdict
from provisioner.domain.events.payload import Claimed, Evidence, Payload
from provisioner.domain.purpose import VERIFYING
from provisioner.domain.stage import Stage


class AgentExamined(Claimed, Evidence):
    """The agent has looked at the host and said all; the order is consumed, and allows nothing else.

    `collected` are the names of what it read. No token is issued: there is nothing that one could open.
    """

    kind = "agent.examined"
    moves = {Stage.POWERING: Stage.RESTARTING, Stage.NETBOOTING: Stage.RESTARTING}
    meaning = "the agent has looked at the host: order consumed, nothing was written"
    purposes = VERIFYING
    closes_stage = True
    same = ("boot_id",)

    boot_id: str
    serial: str = ""
    uuid: str = ""
    address: str = ""
    collected: tuple[str, ...] = ()

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Binds the order to this boot."""
        return (
            super()
            .apply(row, now)
            .changed(
                agent_boot_id=self.boot_id,
                agent_address=self.address,
                serial=row.serial or identity.serial(self.serial),
                uuid=row.uuid or identity.uuid(self.uuid),
                attempt=max(row.attempt, 1),
            )
        )

    def describe(self) -> str:
        """What it read."""
        return f"the agent in the ramdisk has looked at the host: {', '.join(self.collected) or 'nothing'}"


class HostReleased(Payload):
    """The host leaves the ramdisk for its disk; `heard` is whether its agent was told so."""

    kind = "host.released"
    moves = {Stage.RESTARTING: Stage.VERIFYING}
    meaning = "the agent was told to restart, or is silent since its report"
    purposes = VERIFYING
    closes_stage = True

    heard: bool = True

    def describe(self) -> str:
        """Whether somebody should look at the host."""
        if self.heard:
            return "the agent restarts the host, which boots its disk"
        return "the agent is silent since its report: look whether the host has booted its disk"


class VerifyConcluded(Payload):
    """The host is what its profile says; nothing is sealed, for nothing was opened."""

    kind = "verify.concluded"
    moves = {Stage.VERIFYING: Stage.READY}
    meaning = "of a verification: the host is what its profile says"
    purposes = VERIFYING
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
