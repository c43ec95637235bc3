"""The service itself."""

from provisioner.api.answer import ServiceAnswer


class ServiceStatus(ServiceAnswer):
    """Its version, where it serves, its state folder, and how many hosts and deployments it has."""

    version: str
    interface: str
    url: str
    state: str
    hosts: int
    under_way: int
