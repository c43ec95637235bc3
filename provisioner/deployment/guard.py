"""What may begin to write: one decision from what is known, asked in the transaction that lets it begin.

Nothing here reads or writes: the caller brings the rows as its transaction sees them.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from provisioner.agent import disks, protocol
from provisioner.deployment.tokens import token_fits
from provisioner.discovery.hardware import agent_disk
from provisioner.domain import identity
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import Deployment, TargetDisk
from provisioner.domain.hardware import DiskInfo
from provisioner.domain.host import Host
from provisioner.domain.identity import Match
from provisioner.domain.profile import Hints
from provisioner.domain.purpose import Purpose
from provisioner.domain.refusal import Refusal
from provisioner.domain.stage import Stage
from provisioner.errors import DiskError

ARMED = frozenset({Stage.POWERING, Stage.NETBOOTING})  # the nonce is out, and nothing has begun
EXPIRED = 140
# Only the ordered machine is told so: `other_machine` is asked before its disks are looked at.
DISK_GONE = 303


@dataclass(frozen=True)
class Standing:
    """An order, and its host and disk hints as the inventory says them at `now`, seconds since 1970."""

    order: Deployment
    host: Host
    hints: Hints
    now: float


@dataclass(frozen=True)
class Denied:
    """Whoever asks is not who was ordered: he learns nothing, and the order stands.

    `is_suspect`: he has the order's nonce all the same, so two use what one should know.
    """

    sentence: str
    is_suspect: bool = False


@dataclass(frozen=True)
class Admitted:
    """It may write, and only this disk; unknown where hints alone must find it, on the machine."""

    target: TargetDisk


@dataclass(frozen=True)
class MayLook:
    """It is the machine of a verification: what it says is taken, and nothing may be written."""


def decide(standing: Standing, claim: Claim | None) -> Admitted | Denied | Refusal:
    """Whether the machine may begin to write now. A Refusal ends the order: it cannot be carried out.

    What the order is for comes first, whatever its stage and whoever asks: only a deployment writes.
    """
    if standing.order.purpose is not Purpose.DEPLOY:
        return Denied("the order is a verification: nothing may be written by it")
    if claim is None:
        return Denied("it says nothing of itself")
    return _hindrance(standing, claim) or _target(standing.order, claim)


def decide_look(standing: Standing, claim: Claim | None) -> MayLook | Denied | Refusal:
    """Whether what the machine says of itself is taken for a verification now; never that it may write."""
    if standing.order.purpose is not Purpose.VERIFY:
        return Denied("the order is no verification")
    if claim is None:
        return Denied("it says nothing of itself")
    return _hindrance(standing, claim) or MayLook()


def _hindrance(standing: Standing, claim: Claim) -> Denied | Refusal | None:
    """Why it is not the machine, or not the time."""
    order, host = standing.order, standing.host
    if denial := _denial(order, claim):
        return denial
    return withdrawal(standing) or other_machine(order, host, claim.serial, claim.uuid)


def withdrawal(standing: Standing) -> Refusal | None:
    """Why the order does not hold any more, whoever asks; None where it does."""
    return next((refusal for rule in RULES if (refusal := rule(standing))), None)


def _denial(order: Deployment, claim: Claim) -> Denied | None:
    """Why this is not the machine that was ordered, or nothing may begin now; None where it is and may."""
    if not token_fits(claim.nonce, order.nonce_hash):
        return Denied("the nonce is wrong or was used")
    if claim.mac != order.mac:
        return Denied("the order is bound to another network card", is_suspect=True)
    if not claim.is_own_address:
        return Denied("it does not speak from the host's own address", is_suspect=True)
    if order.stage not in (*ARMED, Stage.WRITING):
        return Denied(f"the order is {order.stage}")
    # the installer's first report says no boot, its question does
    is_bound = order.stage == Stage.WRITING and (order.agent_boot_id or not order.is_installed)
    if is_bound and claim.boot_id != order.agent_boot_id:
        return Denied("the nonce was used by another boot", is_suspect=True)
    return Denied("it is paused") if order.paused else None


def _expired(standing: Standing) -> Refusal | None:
    """Absolute, as long as nothing was begun: no pause of ours makes an old order young again."""
    order = standing.order
    if order.consumed or standing.now <= order.expires:
        return None
    return Refusal(
        code=EXPIRED,
        sentence=f"the order for {order.host} has expired",
        hint="is it still wanted? Then order again",
    )


def _locked(standing: Standing) -> Refusal | None:
    if not standing.host.locked:
        return None
    name = standing.host.name
    return Refusal(
        code=131,
        sentence=f"{name} was locked after it was ordered",
        hint=f"ask who did it; provision host unlock {name}, then order again",
    )


def _changed(standing: Standing) -> Refusal | None:
    """What was shown to who ordered, the inventory says otherwise now."""
    order, host = standing.order, standing.host
    changes = {
        "serial": identity.compare_serials(order.serial, host.serial) is Match.DIFFERENT,
        "system UUID": identity.compare_uuids(order.uuid, host.uuid) is Match.DIFFERENT,
        "network card": host.macs[0] != order.mac,
        "disk": order.hints is not None and order.hints != standing.hints,
    }
    changed = [name for name, is_changed in changes.items() if is_changed]
    if not changed:
        return None
    return Refusal(
        code=142,
        sentence=f"since the order the inventory names another {' and '.join(changed)} for {host.name}",
        hint=f"provision deploy {host.name} --dry-run shows what it would be now; then order again",
    )


# In this order they are told.
RULES: tuple[Callable[[Standing], Refusal | None], ...] = (_expired, _locked, _changed)


def other_machine(order: Deployment, host: Host, serial: str | None, uuid: str | None) -> Refusal | None:
    """Why a machine that says this of itself is another than was ordered; None for what it did not say.

    Who was asked and names no number, or a placeholder, has not shown that it is the machine.
    """
    if serial is not None:
        for wanted in filter(None, map(identity.serial, (order.serial, host.serial))):
            if identity.compare_serials(wanted, serial) is not Match.SAME:
                said = serial.strip()
                option = f"--serial {shlex.quote(identity.serial(said))}"
                return _not_it(host.name, f"serial {said or 'nothing'}", wanted, option, code=301)
    if uuid is not None:
        for wanted in filter(None, map(identity.uuid, (order.uuid, host.uuid))):
            if identity.compare_uuids(wanted, uuid) is not Match.SAME:
                said, option = (
                    f"system UUID {identity.both_orders(uuid)}",
                    f"--uuid {shlex.quote(identity.uuid(uuid))}",
                )
                return _not_it(host.name, said, identity.both_orders(wanted), option, code=302)
    return None


def _not_it(host: str, said: str, ordered: str, option: str, *, code: int) -> Refusal:
    """`option` of `host edit` writes what it says into the inventory."""
    return Refusal(
        code=code,
        sentence=f"this machine says {said}, the order is for {ordered}",
        hint=f"another machine? Correct the MAC: provision host edit {host} --mac MAC. Its board was changed?"
        f" Take what it says: provision host edit {host} {option}; then order again",
    )


def _target(order: Deployment, claim: Claim) -> Admitted | Refusal:
    """The disk that was confirmed, if it is there; where none was, the one that the hints find."""
    if claim.disks is None or order.hints is None:
        return Admitted(order.target)
    if not order.target.is_known:
        return Admitted(_by_hints(claim.disks, order.hints))
    if sum(order.target.is_of(disk) for disk in claim.disks) == 1:
        return Admitted(order.target)
    seen = "; ".join(disks.describe(agent_disk(disk)) for disk in claim.disks) or "no disk"
    return Refusal(
        code=303,  # DISK_GONE
        sentence=f"the disk that was confirmed, {order.target.label()}, is not there. Seen: {seen}",
        hint="put it back, or name another by the host's disk hints (provision host apply); or take what is"
        f" there: provision deploy {order.host} --dry-run shows the disk that would be erased now",
    )


def _by_hints(seen: tuple[DiskInfo, ...], hints: Hints) -> TargetDisk:
    """Unknown where none fits, or several do: the agent finds the same, and says so on the console."""
    try:
        chosen = disks.choose([agent_disk(disk) for disk in seen], protocol.DiskHints(**hints.model_dump()))
    except DiskError:
        return TargetDisk()
    return TargetDisk.model_validate(chosen, from_attributes=True)
