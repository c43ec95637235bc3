"""Events of the service's own processes."""

from provisioner.domain.events.payload import Evidence


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
