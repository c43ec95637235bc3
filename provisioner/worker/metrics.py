"""The worker's numbers: deployments by stage and result, webhooks, room on the state folder's disk."""

from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import ProvisionError
from provisioner.site.site import Site
from provisioner.state import disk_usage
from provisioner.state.counters import MetricsRegistry


class WorkerMetrics:
    """`update` reads them anew, from the thread that writes them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.registry = MetricsRegistry("worker")

    def update(self) -> None:
        """What cannot be read now stays as it was; the numbers say by their time that we are up."""
        state = self._site.settings.state
        self.registry.scalar("provision_state_free_bytes").set(disk_usage.room(state))
        try:
            found = self._site.database.deployments.by_stage()
        except ProvisionError:
            return
        for stage in Stage:
            number = found.get(stage, 0)
            if stage in RESTING:
                self.registry.scalar("provision_deployments_ended_total", result=stage.value).set(number)
            else:
                self.registry.scalar("provision_deployments", stage=stage.value).set(number)
