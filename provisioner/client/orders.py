"""Calls about deployments and runs."""

from collections.abc import Iterator

from provisioner.api.answer import EventQuery
from provisioner.api.console import ConsoleOutput, ConsoleQuery
from provisioner.api.deployments import (
    DeploymentAnswer,
    DeploymentCancelled,
    DeploymentDetails,
    DeploymentEvents,
    DeploymentList,
    DeploymentOrder,
    DeploymentQuery,
    DeploymentResumed,
    DeploymentStatus,
    OrderAnswer,
    PlanAnswer,
)
from provisioner.api.runs import (
    RunAnswer,
    RunArmed,
    RunCancelled,
    RunEvents,
    RunOrder,
    RunPlan,
    RunReport,
    RunStatus,
)
from provisioner.client.request import request
from provisioner.client.transport import LONG, PATIENCE, WAIT, Transport, quoted
from provisioner.domain.deployment import Terms
from provisioner.domain.plan import Plan
from provisioner.domain.stage import RESTING

USUAL_TERMS = Terms()


class OrderCalls(Transport):
    """Of `Client`: deployments and runs."""

    def plan(self, host: str, image: str = "", terms: Terms = USUAL_TERMS) -> Plan:
        """What a deployment would do, and what stands against it; nothing is armed."""
        order = request(DeploymentOrder, host=host, image=image, terms=terms)
        return self.post(PlanAnswer, "/deployments", order).plan

    def arm(
        self,
        host: str,
        *,
        image: str = "",
        yes: bool = False,
        confirmation: str = "",
        stop_after: str = "",
        terms: Terms = USUAL_TERMS,
        shown: str = "",
    ) -> DeploymentStatus:
        """Arm a deployment. `confirmation` is the plan's challenge, `yes` does without.

        `shown` is the digest of the plan that was shown: another one is refused (PV-146).
        """
        order = request(
            DeploymentOrder,
            host=host,
            image=image,
            arm=True,
            yes=yes,
            confirmation=confirmation,
            stop_after=stop_after,
            terms=terms,
            shown=shown,
        )
        return self.post(OrderAnswer, "/deployments", order).deployment

    def deployment_list(self, query: DeploymentQuery | None = None) -> DeploymentList:
        """The newest, and why the rows that cannot be read are not among what lists show."""
        return self.get(DeploymentList, "/deployments", query)

    def deployments(self) -> tuple[DeploymentStatus, ...]:
        """The newest hundred."""
        return self.deployment_list().deployments

    def deployment(self, ident: str) -> DeploymentDetails:
        """One deployment by id, or a host's last one."""
        return self.diagnosis(ident).deployment

    def diagnosis(self, ident: str) -> DeploymentAnswer:
        """Likewise, with the service's time, by which its evidence is so old."""
        return self.get(DeploymentAnswer, f"/deployments/{quoted(ident)}")

    def events(self, ident: str, after: int = 0, wait: float = 0) -> DeploymentEvents:
        """Events above `after`, and the deployment; waits where there are none."""
        path, query = f"/deployments/{quoted(ident)}/events", EventQuery(after=after, wait=wait)
        return self.get(DeploymentEvents, path, query, patience=PATIENCE + wait)

    def follow(self, ident: str, after: int = 0) -> Iterator[DeploymentEvents]:
        """`events` answers one after the other, as they come; ends when the deployment rests."""
        while True:
            update = self.events(ident, after, WAIT)
            yield update
            if update.events:
                after = update.events[-1].id
            elif update.deployment.stage in RESTING:
                return

    def console(self, ident: str, *, offset: int = 0, lines: int = 0, wait: float = 0) -> ConsoleOutput:
        """The recorded console from `offset`, or its last `lines`; waits where there is nothing new."""
        query = ConsoleQuery(offset=offset, lines=lines, wait=wait)
        path = f"/deployments/{quoted(ident)}/console"
        return self.get(ConsoleOutput, path, query, patience=PATIENCE + wait)

    def cancel(self, ident: str) -> DeploymentCancelled:
        """End a deployment; of a host whatever is under way, its verification by an SSH key, too."""
        path = f"/deployments/{quoted(ident)}/cancel"
        return self.post(DeploymentCancelled, path)

    def resume(self, ident: str) -> DeploymentStatus:
        """Let a paused deployment go on."""
        path = f"/deployments/{quoted(ident)}/resume"
        return self.post(DeploymentResumed, path).deployment

    def plan_run(self, order: RunOrder) -> RunPlan:
        """The plans of the hosts that the order means, and who is left out; arms nothing."""
        return self.post(RunPlan, "/runs", order.model_copy(update={"arm": False}))

    def arm_run(self, order: RunOrder, count: int, shown: str = "") -> RunArmed:
        """Arm exactly `count` hosts, as the plans of this digest show them."""
        armed = {"arm": True, "expect_count": count, "shown": shown}
        return self.post(RunArmed, "/runs", order.model_copy(update=armed))

    def run(self, ident: str) -> RunAnswer:
        """A run and its deployments."""
        return self.get(RunAnswer, f"/runs/{quoted(ident)}")

    def run_events(self, ident: str, after: int = 0, wait: float = 0) -> RunEvents:
        """Events of all its deployments above `after`; waits where there are none."""
        path, query = f"/runs/{quoted(ident)}/events", EventQuery(after=after, wait=wait)
        return self.get(RunEvents, path, query, patience=PATIENCE + wait)

    def run_report(self, ident: str) -> RunReport:
        """How each host of a run ended."""
        return self.get(RunReport, f"/runs/{quoted(ident)}/report", patience=LONG)

    def pause_run(self, ident: str) -> tuple[DeploymentStatus, ...]:
        """Let no further host of it begin; its deployments."""
        return self.post(RunStatus, f"/runs/{quoted(ident)}/pause").deployments

    def resume_run(self, ident: str) -> tuple[DeploymentStatus, ...]:
        """Let it go on; its deployments."""
        return self.post(RunStatus, f"/runs/{quoted(ident)}/resume").deployments

    def cancel_run(self, ident: str) -> tuple[DeploymentStatus, ...]:
        """End whatever of it is not at rest; its deployments."""
        return self.post(RunCancelled, f"/runs/{quoted(ident)}/cancel").deployments
