"""Hosts: the machines that are known, and the inventory that names them."""

from typing import Annotated

from pydantic import (
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
)

from provisioner.api.answer import ServiceAnswer
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.sightings import DhcpSighting
from provisioner.domain.event import Event
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.domain.sparse import JsonObject, OnlySet
from provisioner.domain.values import FrozenModel
from provisioner.errors import InventoryError
from provisioner.settings import sentences


def _named_host(value: object, validate: ValidatorFunctionWrapHandler) -> Host:
    """Faults name the host, as those of an inventory's file do. Raises InventoryError (PV-110)."""
    try:
        host: Host = validate(value)
    except ValidationError as fault:
        if not isinstance(value, dict):
            raise
        hint = "see inventory/hosts.yml"
        raise InventoryError(f"{value.get('name')}: {sentences(fault)}", hint=hint) from fault
    return host


def _named_profile(value: object, validate: ValidatorFunctionWrapHandler) -> Profile:
    try:
        profile: Profile = validate(value)
    except ValidationError as fault:
        if not isinstance(value, dict):
            raise
        raise InventoryError(f"profile {value.get('name')}: {sentences(fault)}") from fault
    return profile


class InventoryUpdate(FrozenModel):
    """Hosts and profiles to add or replace, all or none; with `dry_run` they are only checked."""

    hosts: tuple[Annotated[Host, WrapValidator(_named_host)], ...] = ()
    profiles: tuple[Annotated[Profile, WrapValidator(_named_profile)], ...] = ()
    dry_run: bool = False


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


def _dump_known(facts: HardwareFacts, _: SerializerFunctionWrapHandler) -> JsonObject:
    return facts.model_dump(mode="json") if facts.is_known else {}


class HostDetails(HostAnswer):
    """One host, its hardware as its ramdisk saw it last, and how each of its MACs asked by DHCP.

    `events` are the newest that belong to none of its deployments, newest first.
    """

    facts: Annotated[HardwareFacts, WrapSerializer(_dump_known)]
    seen: tuple[Annotated[DhcpSighting, OnlySet], ...]
    events: tuple[Event, ...] = ()
