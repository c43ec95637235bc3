"""Every kind of event by its name, and the payloads read from what is stored."""

from collections.abc import Iterator, Mapping
from types import ModuleType

from pydantic import ValidationError

from provisioner.domain.events import (
    agent,
    boot,
    clock,
    examination,
    installer,
    inventory,
    netboot,
    order,
    power,
    request,
    service,
    system,
    verification,
)
from provisioner.domain.events.payload import Payload, Unknown

# in the order in which a deployment meets them
MODULES = (
    *(order, power, netboot, agent, examination, installer, system, verification, boot),
    *(clock, request, service, inventory),
)


def _kinds(module: ModuleType) -> Iterator[type[Payload]]:
    """The kinds that a module defines, in its order."""
    classes = (value for value in vars(module).values() if isinstance(value, type))
    for event in classes:
        if issubclass(event, Payload) and event.kind and event.__module__ == module.__name__:
            yield event


KINDS: dict[str, type[Payload]] = {event.kind: event for module in MODULES for event in _kinds(module)}


def read(kind: str, data: Mapping[str, object]) -> Payload:
    """The payload of a stored event; `Unknown` for a kind or for data that this release cannot read."""
    try:
        return KINDS.get(kind, Unknown).model_validate(data)
    except ValidationError:
        return Unknown.model_validate(data)


def _is_lasting(event: type[Payload]) -> bool:
    """Whether it is the order itself, or leads from a stage to another: these are never forgotten."""
    return event is order.OrderArmed or any(before != after for before, after in event.moves.items())


LASTING: tuple[str, ...] = tuple(kind for kind, event in KINDS.items() if _is_lasting(event))
