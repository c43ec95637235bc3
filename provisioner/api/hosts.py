"""Hosts: the machines that are known, and the inventory that names them."""

from typing import Annotated

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapSerializer,
    WrapValidator,
)

from provisioner.api.answer import Query, Removal, Resource, ServiceAnswer
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.sightings import DhcpSighting
from provisioner.api.verifications import OpenVerification
from provisioner.domain.event import Event
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.domain.sparse import JsonObject, OnlySet
from provisioner.domain.values import FrozenModel, Name
from provisioner.errors import InventoryError
from provisioner.validation import sentences


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
    """Hosts and profiles to add or replace, and names of those to remove: all or none; `by` says who.

    With `only_new` no host is replaced. With `dry_run` it is only checked. `shown` are all that were known of
    the hosts with these names when it was made out of them: it is refused (PV-146) where one of them is
    otherwise by now, as after somebody else's edit.
    """

    hosts: tuple[Annotated[Host, WrapValidator(_named_host)], ...] = ()
    profiles: tuple[Annotated[Profile, WrapValidator(_named_profile)], ...] = ()
    remove_hosts: tuple[Name, ...] = ()
    remove_profiles: tuple[Name, ...] = ()
    dry_run: StrictBool = False
    only_new: StrictBool = False
    shown: tuple[Host, ...] | None = None


class InventoryApplied(ServiceAnswer):
    """The names of what was added or replaced, and of what was removed.

    `advice` are sentences about what is not wrong, but would be refused when it is deployed as things are.
    """

    hosts: tuple[str, ...]
    profiles: tuple[str, ...]
    removed_hosts: tuple[str, ...] = ()
    removed_profiles: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


class HostRename(FrozenModel):
    """How a host is called from now on."""

    name: Name


class HostMove(Removal):
    """That a machine is another host's now: the name, serial or MAC of that host.

    `shown` are both, the one that moves first, as they were when it was confirmed: it is refused where one
    of them is otherwise by now.
    """

    to: str
    shown: tuple[Host, Host] | None = None


class HistoryQuery(Query):
    """`limit`: so many entries at most, the newest."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class HistoryEntry(Resource):
    """One event of a host's history; `outcome` is how the deployment that it ordered stands, or has ended."""

    event: Event
    outcome: str = ""


class HostHistory(ServiceAnswer):
    """A host's orders and changes, the newest first; of one that is no more, too."""

    host: str
    history: tuple[HistoryEntry, ...]


class HostStatus(Host):
    """A host, its fixed IPv4 address (empty where it has none), and its last deployment.

    `verification` is what goes on with it by an SSH key.
    """

    model_config = ConfigDict(extra="ignore")

    address: str = ""
    deployment: DeploymentStatus | None = None
    verification: OpenVerification | None = None

    def as_host(self) -> Host:
        """As the inventory says it: what is said by default is not said."""
        return Host.model_validate(self.model_dump(include=set(Host.model_fields), exclude_defaults=True))


class HostList(ServiceAnswer):
    """Every host by name."""

    hosts: tuple[HostStatus, ...]


class HostAnswer(ServiceAnswer):
    """One host."""

    host: HostStatus


class RenderedText(Resource):
    """A text as it would be served now and as it was the last time, null for never.

    Nonce, token and the deployment's id have placeholders. `served` in seconds since 1970.
    """

    name: str
    text: str
    last: str | None = None
    served: float = 0


class HostRendering(ServiceAnswer):
    """The boot script and the seed of a host, if it were ordered now with the image of its profile."""

    host: str
    files: tuple[RenderedText, ...]


def _dump_known(facts: HardwareFacts, _: SerializerFunctionWrapHandler) -> JsonObject:
    return facts.model_dump(mode="json") if facts.is_known else {}


class HostDetails(HostAnswer):
    """One host, its hardware as its ramdisk saw it last, and how each of its MACs asked by DHCP.

    Of a disk that was written since, what was written is told in place of what was seen. `events` are the
    newest that belong to none of its deployments, newest first.
    """

    facts: Annotated[HardwareFacts, WrapSerializer(_dump_known)]
    seen: tuple[Annotated[DhcpSighting, OnlySet], ...]
    events: tuple[Event, ...] = ()
