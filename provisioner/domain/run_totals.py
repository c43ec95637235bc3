"""How many hosts of a run are how: each is one of a few kinds, of which what did not end well comes first."""

from collections import Counter
from collections.abc import Iterable, Mapping

from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.failures import BAD_RESULTS
from provisioner.domain.run_report import UNREADABLE
from provisioner.domain.stage import RESTING, Stage

MOVING, WAITING, READY, HELD = "moving", "waiting", "ready", "ended as ordered"
BAD_KINDS = BAD_RESULTS
OTHER_KINDS = (MOVING, WAITING, HELD, READY)
KINDS = (*BAD_KINDS, *OTHER_KINDS)
STUCK = "stuck"  # of those that move, the ones that wait for somebody; told where that was looked at
NEEDY = (Stage.FAILED.value, Stage.REJECTED.value, UNREADABLE, STUCK)
ORDER = (*NEEDY, MOVING, WAITING, Stage.CANCELLED.value, HELD, READY)  # in which totals are told


def kind(row: PublicDeployment) -> str:
    """One of KINDS."""
    return UNREADABLE if row.is_unreadable else kind_of(row.stage, as_ordered=row.ended_as_ordered)


def kind_of(stage: Stage, *, as_ordered: bool) -> str:
    """Likewise of one at this stage, and of whether it ended as it was ordered to."""
    if stage == Stage.READY:
        return READY
    if stage == Stage.QUEUED:
        return WAITING
    if stage not in RESTING:
        return MOVING
    return HELD if as_ordered else stage.value


def counts(rows: Iterable[PublicDeployment]) -> dict[str, int]:
    """How many are of each kind that there is, in the order of ORDER."""
    found = Counter(map(kind, rows))
    return {each: found[each] for each in ORDER if found[each]}


def with_stuck(found: Mapping[str, int], stuck: int) -> dict[str, int]:
    """Likewise, where so many of those that move are stuck."""
    told = {**found, STUCK: stuck, MOVING: max(0, found.get(MOVING, 0) - stuck)}
    return {each: told[each] for each in ORDER if told.get(each)}


def describe(found: Mapping[str, int]) -> str:
    """`2 failed, 6 moving, 23 waiting, 9 ready`."""
    return ", ".join(f"{found[each]} {each}" for each in ORDER if found.get(each))


def needs_attention(row: PublicDeployment) -> bool:
    """Whether it moves, or did not end well."""
    return kind(row) not in (WAITING, READY, HELD)


def rank(row: PublicDeployment) -> int:
    """Its place among others: what did not end well first, then what moves."""
    return KINDS.index(kind(row))
