"""What needs somebody, told once with all hosts that have it alike."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.diagnosis.service import OF_SERVICE
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.failures import pattern_of
from provisioner.domain.failures import without_name as general
from provisioner.domain.stage import Stage
from provisioner.web.pages import look
from provisioner.web.pages.advice import of_host
from provisioner.web.pages.look import Look
from provisioner.web.pages.moving import Moving

MOST_NAMES = 24  # hosts of a group that are linked; the others are counted

ORDER = (look.STAGES[Stage.FAILED], look.STAGES[Stage.REJECTED], look.UNREADABLE, look.STUCK, look.PAUSED)


@dataclass(frozen=True)
class Trouble:
    """What hinders hosts alike: `sentence` and `actions` are fit for all of them, `evidence` is of the first.

    `hosts` are the first MOST_NAMES of `count`; `since` is when the first of them came to where it is, in
    seconds since 1970. `ident` stays the same while other hosts join or leave.
    """

    ident: str
    look: Look
    hosts: tuple[PublicDeployment, ...]
    count: int
    since: float
    code: int
    sentence: str
    actions: tuple[str, ...]
    evidence: tuple[Sight, ...] = ()


@dataclass(frozen=True)
class _One:
    """What hinders one host."""

    row: PublicDeployment
    look: Look
    code: int
    sentence: str
    actions: tuple[str, ...]
    evidence: tuple[Sight, ...] = ()


def cause_of(each: Moving) -> Cause | None:
    """Its likeliest cause that lies with the host; what hinders all hosts is told once for all."""
    causes = each.details.causes if each.details else ()
    return next((cause for cause in causes if cause.code not in OF_SERVICE), None)


def is_own(each: Moving) -> bool:
    """Whether somebody has to look at this host, and not only at the service."""
    return bool(each.row.paused or cause_of(each))


def of(waiting: Iterable[Moving], ended: Iterable[PublicDeployment]) -> list[Trouble]:
    """What ended first, then what waits, each with the most hosts first."""
    groups: dict[tuple[str, int, str], list[_One]] = {}
    for one in (*map(_ended, ended), *map(_waiting, waiting)):
        key = (one.look.word, one.code, pattern_of(one.row.host, one.sentence))
        groups.setdefault(key, []).append(one)
    return [_trouble(key, group) for key, group in sorted(groups.items(), key=_rank)]


def _rank(found: tuple[tuple[str, int, str], list[_One]]) -> tuple[int, int]:
    group = found[1]
    place = ORDER.index(group[0].look) if group[0].look in ORDER else len(ORDER)
    return place, -len(group)


def _ended(row: PublicDeployment) -> _One:
    hints = (of_host(row.advise(row.hint), row.host),) if row.hint else ()
    return _One(row, look.of_deployment(row), row.code, row.reason or "no reason was given", hints)


def _waiting(each: Moving) -> _One:
    cause = cause_of(each)
    if cause is None or each.row.paused:
        return _ended(each.row)
    return _One(each.row, each.look, cause.code, cause.sentence, cause.actions, cause.evidence)


def _trouble(key: tuple[str, int, str], group: list[_One]) -> Trouble:
    first = group[0]
    is_alone = len(group) == 1
    return Trouble(
        ident=f"g-{first.code}-{zlib.crc32(repr(key).encode()):08x}",
        look=first.look,
        hosts=tuple(one.row for one in group[:MOST_NAMES]),
        count=len(group),
        since=min(one.row.stage_since for one in group),
        code=first.code,
        sentence=first.sentence if is_alone else general(first.row.host, first.sentence),
        actions=tuple(action if is_alone else general(first.row.host, action) for action in first.actions),
        evidence=first.evidence,
    )
