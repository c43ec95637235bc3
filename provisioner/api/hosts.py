"""Hosts: the machines that are known, and the inventory that names them."""

from typing import Annotated

from pydantic import ConfigDict

from provisioner.api.answer import ServiceAnswer
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.hardware import HardwareFacts
from provisioner.api.sightings import DhcpSighting
from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.domain.sparse import OnlySet
from provisioner.domain.values import FrozenModel


class InventoryUpdate(FrozenModel):
    """Hosts and profiles to add or replace, all or none."""

    hosts: tuple[Host, ...] = ()
    profiles: tuple[Profile, ...] = ()


class InventoryApplied(ServiceAnswer):
    """The names of what was added or replaced."""

    hosts: tuple[str, ...]
    profiles: tuple[str, ...]


class HostStatus(Host):
    """A host, its fixed IPv4 address (empty where it has none), and its last deployment."""

    model_config = ConfigDict(extra="ignore")

    address: str = ""
    deployment: DeploymentStatus | None = None


class HostList(ServiceAnswer):
    """Every host by name."""

    hosts: tuple[HostStatus, ...]


class HostAnswer(ServiceAnswer):
    """One host."""

    host: HostStatus


class HostDetails(HostAnswer):
    """One host, its hardware as its ramdisk saw it last, and how each of its MACs asked by DHCP."""

    facts: Annotated[HardwareFacts, OnlySet]
    seen: tuple[Annotated[DhcpSighting, OnlySet], ...]
