"""Events of the service's own processes and of its state folder."""

from provisioner.domain.events.payload import Evidence, Failure
from provisioner.domain.purpose import ANY
from provisioner.domain.stage import UNDER_WAY, Stage


class ServiceReplaced(Evidence):
    """A process of `service` (dhcp, tftp, dns, web, worker) was started again. Belongs to no deployment."""

    kind = "service.replaced"
    meaning = "a process of the service hung or ended, and was started again"
    same = ("service",)

    service: str
    sentence: str = ""

    def describe(self) -> str:
        """Which process it was, and what had become of it."""
        return self.sentence or f"{self.service} was started again"


class ServiceRestored(Failure):
    """The state folder came from a backup: nobody knows what became of the deployment since then."""

    kind = "service.restored"
    moves = {stage: Stage.FAILED for stage in UNDER_WAY}
    meaning = "the service was restored from a backup"
    purposes = ANY


class WebhookGivenUp(Evidence):
    """A receiver was not told of `number` events, the last one of which has the id `last`."""

    kind = "webhook.given_up"
    meaning = "a webhook's receiver was not told of events: it refused them, or could not be reached for long"
    same = ("service",)

    service: str
    number: int = 1
    last: int = 0
    sentence: str = ""

    def describe(self) -> str:
        """Which one it was, and why."""
        return f"webhook {self.service}: {self.sentence or 'events were given up'}"
