"""The service itself."""

from provisioner.api.answer import ServiceAnswer
from provisioner.domain.check_line import CheckLine


class ServiceStatus(ServiceAnswer):
    """Its version, where it serves, its state folder, and how many hosts and deployments it has."""

    version: str
    interface: str
    url: str
    state: str
    hosts: int
    under_way: int


class ServiceChecks(ServiceAnswer):
    """What the service looked at of itself and its machine, in no order that matters."""

    checks: tuple[CheckLine, ...]
