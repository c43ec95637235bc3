"""Which events are lines of the audit, too, and of which kind. An event that is not here is none."""

from provisioner.domain.audit import Entry, Kind, Result
from provisioner.domain.event import Event
from provisioner.domain.events.request import RequestRefused

PEOPLE = "api"  # the source of what is refused where people come in: the audit has it from there, with names

# the kind of an event → the kind of line, and how it ended
AUDITED: dict[str, tuple[Kind, Result]] = {
    "order.armed": (Kind.ORDER_GIVEN, "done"),
    "order.cancelled": (Kind.ORDER_ENDED, "done"),
    "order.resumed": (Kind.ORDER_CHANGED, "done"),
    "run.paused": (Kind.ORDER_CHANGED, "done"),
    "run.resumed": (Kind.ORDER_CHANGED, "done"),
    "run.stopped": (Kind.ORDER_ENDED, "failed"),
    "order.refused": (Kind.ORDER_REFUSED, "refused"),
    "host.suspect": (Kind.SUSPECT, "refused"),
    "netboot.looped": (Kind.SUSPECT, "refused"),
    "power.began": (Kind.POWER, "done"),
    "power.on": (Kind.POWER, "done"),
    "power.asked": (Kind.POWER, "done"),
    "power.failed": (Kind.POWER, "failed"),
    "disk.chosen": (Kind.POWER, "done"),
    "script.served": (Kind.CONFIG_READ, "done"),
    "seed.served": (Kind.CONFIG_READ, "done"),
    "agent.hello": (Kind.CONFIG_READ, "done"),  # its answer has the order and the seed
    "request.refused": (Kind.REQUEST_REFUSED, "refused"),
    "host.changed": (Kind.INVENTORY, "done"),
    "host.locked": (Kind.INVENTORY, "done"),
    "host.unlocked": (Kind.INVENTORY, "done"),
    "host.moved": (Kind.INVENTORY, "done"),
    "host.removed": (Kind.INVENTORY, "done"),
    "host.renamed": (Kind.INVENTORY, "done"),
    "seal.done": (Kind.ORDER_ENDED, "done"),
    "verify.rejected": (Kind.ORDER_ENDED, "failed"),
    "verify.failed": (Kind.ORDER_ENDED, "failed"),
    "verify.concluded": (Kind.ORDER_ENDED, "done"),
    "agent.failed": (Kind.ORDER_ENDED, "failed"),
    "seal.failed": (Kind.ORDER_ENDED, "failed"),
    "deadline.passed": (Kind.ORDER_ENDED, "failed"),
    "clock.step": (Kind.SERVICE, "done"),
    "service.replaced": (Kind.SERVICE, "failed"),
    "webhook.given_up": (Kind.SERVICE, "failed"),
}


def entry_of(event: Event) -> Entry | None:
    """What the audit says of an event; None where it says nothing of its kind."""
    if event.kind not in AUDITED or (event.kind == RequestRefused.kind and event.source == PEOPLE):
        return None
    kind, result = AUDITED[event.kind]
    return Entry(
        kind=kind,
        time=event.time,
        by=str(getattr(event.data, "by", "") or event.source),
        door=event.source,
        address=str(getattr(event.data, "address", "")),
        host=event.host,
        deployment=event.deployment,
        what=event.kind,
        sentence=event.data.describe(),
        result=result,
    )
