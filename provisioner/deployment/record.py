"""TELL: the only writer of deployment state: check the table, append the event, update the row, at once."""

import logging
from collections.abc import Collection

from provisioner.deployment import guard, ssh_keys, target_disk
from provisioner.deployment.guard import Admitted, Denied, Standing
from provisioner.diagnosis import usual
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.order import HostSuspect, OrderCancelled, OrderRefused, StageHeld
from provisioner.domain.events.payload import Claimed, Failure, Payload, WriteClaim
from provisioner.domain.lifecycle import deadline, following, is_fixed
from provisioner.domain.refusal import Refusal
from provisioner.domain.stage import RESTING, UNSUCCESSFUL, Stage
from provisioner.errors import TransitionError, UnreadableError
from provisioner.site.site import Site
from provisioner.state.recording import Recording
from provisioner.state.redaction import redact_text
from provisioner.system.json_lines import about

log = logging.getLogger(__name__)


class DeniedError(TransitionError):
    """Who wants to write is not the ordered machine; `sentence` and `is_suspect` as the guard says them."""

    def __init__(self, refusal: str, denied: Denied) -> None:
        super().__init__(refusal)
        self.sentence, self.is_suspect = denied.sentence, denied.is_suspect


def record(site: Site, ident: str, event: Payload, *, source: str) -> Deployment:
    """Let `event` happen to a deployment; the new row. `source` is who tells it: agent, bmc, worker, …

    Where a machine wants to write and its order does not hold any more, that ends the deployment instead.

    Raises:
        TransitionError: the stage does not expect it, or its guard refuses it; nothing was changed.
        NotFoundError: no such deployment.
    """
    with site.database.writing():
        return write(site, ident, event, source=source)


def write(site: Site, ident: str, event: Payload, *, source: str) -> Deployment:
    """As `record`, inside the caller's transaction; another event of it may follow. Raises as `record`."""
    site.database.require_transaction()
    now = site.clock()
    row = site.database.deployments.get(ident)
    with about(row.host, row.id):
        after = _admitted(row, event)
        if isinstance(event, Claimed):
            event = _guarded(site, row, event, now)
            after = _admitted(row, event)
    if after in UNSUCCESSFUL and isinstance(event, Failure):
        update = {"console": _last_words(site, row), "hint": row.advise(event.hint)}
        event = event.model_copy(update=update)
    row = _write(site, row, after, event, source, now)
    if _is_held(row):
        held = StageHeld(stage=row.stop_after)
        row = _write(site, row, Stage.CANCELLED, held, "order", now)
    return row


def try_record(site: Site, ident: str, event: Payload, *, source: str) -> Deployment | None:
    """As `record`; None where the event is refused, as what comes late or twice is."""
    try:
        return record(site, ident, event, source=source)
    except TransitionError as refused:
        log.debug("%s", refused)
        return None


def pause(site: Site, ident: str, sentence: str, address: str) -> None:
    """Two use what belongs to one: nothing new is begun until an operator has looked."""
    row = site.database.deployments.get(ident)
    try_record(site, ident, suspect(row.host, sentence, address), source="guard")


def suspect(host: str, sentence: str, address: str) -> HostSuspect:
    """That somebody at an address uses what belongs to this host, as the event that pauses its deployment."""
    hint = f"look at {address}: whose is it? Then provision resume {host}, or provision cancel {host}"
    return HostSuspect(sentence=sentence, address=address, hint=hint)


def standing(site: Site, row: Deployment, now: float) -> Standing:
    """The order as the guard looks at it, by the inventory of this moment."""
    host = site.database.hosts.get(row.host)
    return Standing(row, host, target_disk.hints(site, host), now)


def standings(site: Site, rows: Collection[Deployment], now: float) -> dict[str, Standing]:
    """Likewise of many orders, by their ids: one look at each table. What cannot be read is left out."""
    if not rows:
        return {}
    hosts = site.database.hosts.known({row.host for row in rows})
    disks = {profile.name: profile.disk for profile in site.database.profiles.all()}
    found = {}
    for row in rows:
        host = hosts.get(row.host)
        hints = host and (host.disk or disks.get(host.profile))
        if host and hints:
            found[row.id] = Standing(row, host, hints, now)
    return found


def refused(refusal: Refusal) -> OrderRefused:
    """The refusal as the event that ends the deployment."""
    return OrderRefused(code=refusal.code, sentence=refusal.sentence, hint=refusal.hint)


def _guarded(site: Site, row: Deployment, event: Claimed, now: float) -> Payload:
    """The event, with the disk where one may be written, or the end of its order. Raises TransitionError."""
    decide = guard.decide if isinstance(event, WriteClaim) else guard.decide_look
    match decide(standing(site, row, now), event.claim):
        case Denied() as denied:
            log.info("%s: %s refused at %s: %s", row.id, event.kind, row.stage, denied.sentence)
            raise DeniedError(f"{row.id} is {row.stage}: {denied.sentence}", denied)
        case guard.MayLook():
            return event
        case Admitted(target):
            return event.model_copy(update={"target": target})
        case refusal:
            return refused(refusal)


def _admitted(row: Deployment, event: Payload) -> Stage:
    """The stage that the event leads to. Raises TransitionError."""
    after = following(row.stage, event.kind) if row.purpose in event.purposes else None
    refusal = f"{event.kind} is not expected now" if after is None else event.refusal(row)
    if after is None or refusal:
        log.info("%s: %s refused at %s: %s", row.id, event.kind, row.stage, refusal)
        raise TransitionError(f"{row.id} is {row.stage}: {refusal}")
    return after


def _write(site: Site, row: Deployment, after: Stage, event: Payload, source: str, now: float) -> Deployment:
    """The row after the event, and the event, into the open transaction."""
    moved = _moved(site, row, after, event, now)
    site.database.deployments.put(moved)
    if after in RESTING:
        ssh_keys.end(site, moved)
    happened = Event.of(moved, event, source=source, now=now)
    site.database.events.add(happened, repeatable=after == row.stage)
    return moved


def _moved(site: Site, row: Deployment, after: Stage, event: Payload, now: float) -> Deployment:
    """The row after the event: its effect, the new stage and its deadline."""
    if event.is_sign_of_life:
        row = row.changed(last_event=event.kind, last_event_at=now)
    row = event.apply(row, now)
    if after == row.stage:
        return row
    limit = 0.0 if after in RESTING else _deadline(site, row, after, now)
    row = row.changed(stage=after, stage_since=now, deadline=limit)
    return _without_secrets(row).changed(paused=0) if after in RESTING else row


def _deadline(site: Site, row: Deployment, after: Stage, now: float) -> float:
    """As the host's profile says, its memory and what was learned. To end one none of it needs be read."""
    profile = site.database.profiles.get(site.database.hosts.get(row.host).profile)
    expires = None if row.consumed else row.expires
    if is_fixed(after, profile):
        return deadline(after, profile, now, expires)
    hardware = site.database.hosts.hardware(row.host)
    memory = max(profile.memory_min, hardware.memory if hardware else 0)
    learned = usual.learned(site.database, row)
    return deadline(after, profile, now, expires, memory, learned)


def _without_secrets(row: Deployment) -> Deployment:
    """At rest nothing opens anything; but an agent that has failed may still say why."""
    token_hash = "" if row.stage == Stage.READY else row.token_hash
    return row.changed(nonce="", nonce_hash="", phone_hash="", token_hash=token_hash)


def _is_held(row: Deployment) -> bool:
    """Whether it has left the stage after which its order stops."""
    if not row.stop_after or row.stage in (*RESTING, Stage(row.stop_after)):
        return False
    order = list(Stage)
    return order.index(row.stage) > order.index(Stage(row.stop_after))


def _last_words(site: Site, row: Deployment) -> tuple[str, ...]:
    """What the serial console said last: evidence of every failure. It shows the kernel's arguments too."""
    try:
        lines = Recording(site.settings.state, row.id).last_words()
    except OSError as fault:  # evidence, never a condition: the failure itself must be recorded
        return (f"the recorded console cannot be read: {fault.strerror}",)
    return tuple(redact_text(line, row.nonce_hash, row.token_hash, row.phone_hash) for line in lines)


def set_aside(site: Site, ident: str, why: UnreadableError, *, by: str) -> Deployment:
    """End a deployment whose row cannot be read: what can be read of it is kept, and its host is free."""
    with site.database.writing():
        return _set_aside(site, ident, str(why), by)


def _set_aside(site: Site, ident: str, why: str, by: str) -> Deployment:
    now = site.clock()
    row = site.database.deployments.salvage(ident)
    row = row.changed(stage=Stage.CANCELLED, stage_since=now, deadline=0, paused=0, reason=why)
    row = _without_secrets(row).changed(token_hash="")
    site.database.deployments.put(row)
    ssh_keys.end(site, row)
    site.database.events.add(Event.of(row, OrderCancelled(by=by), source="operator", now=now))
    return row


def cancel_run(site: Site, run: str, *, by: str) -> None:
    """End each deployment of a run that is not at rest, in one transaction, in which none of it begins.

    One that cannot be read is set aside.
    """
    with site.database.writing():
        still_open = site.database.deployments.open_of_run(run)
        for row in site.database.deployments.of_run(run):
            if row.id not in still_open:
                continue
            if row.is_unreadable:
                _set_aside(site, row.id, row.reason, by)
            else:
                write(site, row.id, OrderCancelled(by=by), source="operator")
