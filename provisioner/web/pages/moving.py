"""Deployments that go on, as pages tell of them: what is awaited, how long that takes, what hinders it."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from provisioner.api.deployments import DeploymentDetails
from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.progress import Progress
from provisioner.domain.stage import ACTIVE, RESTING, STOPS
from provisioner.web.operators import deployments
from provisioner.web.pages import look
from provisioner.web.pages.look import Look
from provisioner.web.request import the_site

BELIEVED = 10.0  # seconds for which the causes of one are believed if its stage stays the same
AT_ONCE = 24  # that are looked at anew for one page: the rest are told as they were, or by their stage alone
IN_A_LIST = 12  # likewise for a page that tells no more than how each stands; each takes some 5 ms
MOST_KEPT = 2000


@dataclass(frozen=True)
class Moving:
    """One of them; `details` is None while nobody has looked why it waits."""

    row: PublicDeployment
    details: DeploymentDetails | None
    now: float

    @property
    def needs_somebody(self) -> bool:
        """Whether a person can do something about it."""
        return bool(self.row.paused or (self.details and self.details.causes))

    @property
    def is_stuck(self) -> bool:
        """Whether something hinders it that is known."""
        return self.look is look.STUCK

    @property
    def look(self) -> Look:
        """How it stands."""
        if self.row.is_unreadable or self.row.stage in RESTING:
            return look.of_deployment(self.row)
        if self.row.paused:
            return look.PAUSED
        return look.STUCK if self.needs_somebody else look.of_deployment(self.row)

    @property
    def waited(self) -> float:
        """Seconds since its stage began."""
        return max(0.0, self.now - self.row.stage_since)

    @property
    def part(self) -> tuple[int, int] | None:
        """Done and total of what its stage moves, if that can be counted."""
        moved = self.row.progress
        return (moved.done, moved.total) if moved.is_of(self.row.stage) and moved.total > 1 else None

    @property
    def progress(self) -> Progress:
        """What was reported last; without a rate where nobody reports or something hinders it."""
        found = self.row.progress
        return found if found.reported and not self.is_stuck else found.model_copy(update={"rate": 0.0})

    @property
    def steps(self) -> tuple[int, int]:
        """How many of its stages are done, of how many."""
        number = STOPS.index(self.row.stage) if self.row.stage in STOPS else 0
        return number, len(STOPS)

    @property
    def told(self) -> str:
        """What it does now, in words."""
        if self.row.progress.is_of(self.row.stage):
            return self.progress.summary(self.now)
        if self.row.paused:
            return self.row.reason
        awaited = self.details.awaits if self.details else ""
        return f"waits for {awaited}" if awaited else self.row.stage.value

    @property
    def usual(self) -> str:
        """How long its stage takes with hosts like it; empty where too few are known."""
        found = self.details.usual if self.details else None
        return found.describe() if found else ""


class Details:
    """What was found out of deployments a moment ago: reading all of the events of many takes seconds."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, float, DeploymentDetails]] = {}
        self._lock = threading.Lock()

    def of(self, rows: Sequence[PublicDeployment], at_once: int) -> list[Moving]:
        """All of them; the `at_once` whose turn it is are looked at anew."""
        site = the_site()
        now = site.clock()
        with self._lock:
            kept = dict(self._kept)
        waiting = [row for row in rows if not self._is_fresh(kept.get(row.id), row, now)]
        waiting.sort(key=lambda row: kept[row.id][0] if row.id in kept else 0.0)
        for row in waiting[:at_once]:
            found = deployments.details(site, site.database.deployments.get(row.id))
            kept[row.id] = (now, row.last_event_at, found)
        open_ones = {row.id for row in rows}
        with self._lock:
            self._kept.update({ident: one for ident, one in kept.items() if ident in open_ones})
            while len(self._kept) > MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
        return [Moving(row, kept[row.id][2] if row.id in kept else None, now) for row in rows]

    @staticmethod
    def _is_fresh(
        found: tuple[float, float, DeploymentDetails] | None, row: PublicDeployment, now: float
    ) -> bool:
        if found is None or found[2].stage != row.stage:
            return False
        return 0 <= now - found[0] < BELIEVED


_details = Details()


def of(rows: Sequence[PublicDeployment], at_once: int = AT_ONCE) -> list[Moving]:
    """Each with what is known of it; at most `at_once` are looked at anew."""
    return _details.of([row for row in rows if not row.is_unreadable], at_once)


def active(rows: Iterable[PublicDeployment], at_once: int = IN_A_LIST) -> dict[str, Moving]:
    """Those of the deployments that are under way, by id."""
    return {each.row.id: each for each in of([row for row in rows if row.stage in ACTIVE], at_once)}


def look_of_host(row: PublicDeployment | None, *, is_verified: bool) -> Look:
    """How a host is, by the order that counts; `is_verified` where it is verified by an SSH key just now."""
    going = active([row]).get(row.id) if row else None
    return look_of(row, going, is_verified=is_verified)


def look_of(row: PublicDeployment | None, going: Moving | None, *, is_verified: bool) -> Look:
    """Likewise, where it is known already how the order goes; `going` is None for one that does not."""
    if going and going.is_stuck and not is_verified:
        return look.STUCK
    return look.of_host(row, is_verified=is_verified)
