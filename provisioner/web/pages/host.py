"""One host: how it stands, what was found in it, what it did, and what can be done with it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from flask import Response

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import DeploymentDetails
from provisioner.api.hosts import HistoryQuery, HostDetails, HostStatus
from provisioner.domain import timeline
from provisioner.domain.event import Event
from provisioner.domain.hardware import DeviceInfo, HardwareFacts, NicInfo
from provisioner.domain.person import Role
from provisioner.domain.progress import Progress
from provisioner.domain.stage import RESTING
from provisioner.domain.timeline import StageRecord
from provisioner.errors import NotFoundError, UnreadableError
from provisioner.power import registry
from provisioner.web.operators import certificates, deployments, hosts
from provisioner.web.pages import look, moving, notices
from provisioner.web.pages.look import Look
from provisioner.web.pages.moving import Moving
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_caller, the_site

NEWEST_EVENTS = 40  # of a deployment that are shown at once
HISTORY = 20
KINDS = {  # PCI class and subclass (PCI Code and ID Assignment, 1) of what people look for, in words
    "0300": "GPU, VGA",
    "0302": "GPU",
    "0200": "Ethernet",
    "0207": "InfiniBand",
    "0108": "NVMe",
    "0107": "SAS",
    "0104": "RAID",
    "0106": "SATA",
    "1200": "accelerator",
    "0680": "bridge",
}
NOTICES = {
    "edited": "What you have changed is kept; the history below says what it was.",
    "renamed": "It has its new name. The machine calls itself by the old one until it is deployed again.",
    "moved": "It is the other machine now; the host that it was is no more.",
    "locked": "It is locked: nobody can deploy, move or remove it until it is unlocked.",
    "unlocked": "It is unlocked: it can be deployed again.",
}
LOCKS = {"locked": True, "unlocked": False}


class OrderStep(NamedTuple):
    """One stage of an order: its record, and `done`, `current`, `bad` (it ended there) or `waiting`."""

    record: StageRecord
    state: str


@dataclass(frozen=True)
class LastOrder:
    """A host's present or last order, how it stands, its steps, and its newest events, newest first."""

    row: DeploymentDetails
    look: Look
    progress: Progress
    steps: tuple[OrderStep, ...]
    events: tuple[Event, ...]
    total: int


def path_of(name: str, *rest: str) -> str:
    """The path of a host's page, or of one below it."""
    return "/".join(("/hosts", *(quote(each, safe="") for each in (name, *rest))))


def show(name: str) -> Shown | Response:
    """A host by its name; by its serial or a MAC one is led there."""
    details = hosts.show(name)
    if details.host.name != name:
        return go(path_of(details.host.name))
    caller, order = the_caller(), _order(name)
    values: dict[str, object] = {
        "host": details.host,
        "facts": details.facts,
        "seen": details.seen,
        "look_of": _look(details),
        "order": order,
        "under_way": order.row.id if order and order.row.stage not in RESTING else "",
        "certificates": certificates.list_of_host(name).certificates,
        "history": hosts.history(name, HistoryQuery(limit=HISTORY)).history,
        "nics": tuple(_cards(details.facts)),
        "devices": _devices(details.facts),
        "driver": registry.DRIVERS.get(details.host.bmc.driver),
        "notice": _notice(details.host),
        "may_act": caller.role.covers(Role.TECHNICIAN),
        "may_change": caller.role.covers(Role.OPERATOR),
    }
    return Shown("host.html", values)


def _notice(host: HostStatus) -> str:
    """What was just done; of a lock only what is so still."""
    what, _ = notices.told()
    if what in LOCKS and LOCKS[what] != host.locked:
        return ""
    return NOTICES.get(what, "")


def _look(details: HostDetails) -> look.Look:
    row = deployments.standing(the_site(), details.host.name)
    return moving.look_of_host(row, is_verified=details.host.verification is not None)


def _order(name: str) -> LastOrder | None:
    """None for a host that was never ordered, or of which nobody can read the order."""
    try:
        found = deployments.events(name, EventQuery())
    except (NotFoundError, UnreadableError):
        return None
    told = tuple(event for event in reversed(found.events) if not event.data.is_progress)
    steps = tuple(_steps(found.deployment, tuple(timeline.read(found.events).stages.values())))
    row = found.deployment
    seen = Moving(row, row, found.now)
    return LastOrder(row, seen.look, seen.progress, steps, told[:NEWEST_EVENTS], len(told))


def _steps(row: DeploymentDetails, records: Sequence[StageRecord]) -> Iterator[OrderStep]:
    begun = [record.stage for record in records if record.began]
    is_bad = row.stage in RESTING and not row.ended_as_ordered
    for record in records:
        if is_bad and begun and record.stage == begun[-1]:
            yield OrderStep(record, "bad")
        elif record.stage == row.stage:
            yield OrderStep(record, "current")
        else:
            is_done = record.began or timeline.is_behind(record.stage, row.stage)
            yield OrderStep(record, "done" if is_done else "waiting")


def _cards(facts: HardwareFacts) -> Iterator[tuple[NicInfo, str]]:
    """Each network card, and the switch port at the other end of its cable as far as it is known."""
    ports = {each.nic: each.describe().removeprefix(f"{each.nic} at ") for each in facts.neighbours}
    for nic in facts.nics:
        yield nic, ports.get(nic.name, "")


def _devices(facts: HardwareFacts) -> tuple[tuple[str, str, int, tuple[str, ...]], ...]:
    """Kind in words, vendor:device, how many, and in which slots; what people look for first."""
    kinds: dict[tuple[str, str], list[DeviceInfo]] = {}
    for device in facts.devices:
        kinds.setdefault((_kind(device), device.id), []).append(device)
    count = Counter({key: len(found) for key, found in kinds.items()})
    order = sorted(kinds, key=lambda key: (not key[0].startswith("GPU"), key[0] == "", -count[key], key))
    return tuple((*key, count[key], tuple(each.place for each in kinds[key])) for key in order)


def _kind(device: DeviceInfo) -> str:
    return KINDS.get(device.kind[:4], "")


PAGES = (Page("GET", "/hosts/<name>", show, Role.VIEWER),)
