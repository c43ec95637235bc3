"""One order for many hosts: its terms, how far it is, who of it may begin."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from provisioner.domain.deployment import PublicDeployment, Terms
from provisioner.domain.stage import ACTIVE, RESTING, UNSUCCESSFUL, Stage
from provisioner.domain.values import FrozenModel
from provisioner.errors import RefusedError
from provisioner.system.units import counted


class Run(FrozenModel):
    """One order for many hosts. `max_parallel`, `stop_after` and `canary` are counts, 0 for no limit.

    `retries` is the id of the run whose hosts it deploys once more, empty for none.
    """

    id: str
    created: float
    by: str
    select: str
    max_parallel: int = 0
    stop_after: int = 0
    until: str = ""
    terms: Terms = Terms()
    canary: int = 0
    retries: str = ""


@dataclass(frozen=True)
class RunProgress:
    """A run and all its deployments, in the order in which they were armed."""

    run: Run
    rows: tuple[PublicDeployment, ...]

    @property
    def canaries(self) -> tuple[PublicDeployment, ...]:
        """Those that must end well before any other begins."""
        return self.rows[: self.run.canary]

    @cached_property
    def alike(self) -> tuple[int, int]:
        """The PV code by which most have failed, and by how many; 0 and 0 where none has."""
        known = (row for row in self.rows if not row.is_unreadable)
        codes = Counter(row.code for row in known if row.stage in UNSUCCESSFUL)
        return codes.most_common(1)[0] if codes else (0, 0)

    @cached_property
    def active(self) -> int:
        """How many are under way."""
        return sum(row.stage in ACTIVE for row in self.rows)

    @cached_property
    def unreadable(self) -> tuple[PublicDeployment, ...]:
        """Those of which nobody knows how they go: as long as there is one, nothing more begins."""
        return tuple(row for row in self.rows if row.is_unreadable)

    @cached_property
    def _gate(self) -> frozenset[str]:
        """The ids that alone may begin, as the canaries have not all ended well; empty where all may."""
        is_open = all(row.ended_as_ordered for row in self.canaries)
        return frozenset() if is_open else frozenset(row.id for row in self.canaries)

    def has_room(self, row: PublicDeployment) -> bool:
        """Whether this one may begin now, as far as its run says.

        Each that is under way may yet fail like those before it, so it counts against `stop_after` too.
        """
        return not self.hindrance(row)

    def hindrance(self, row: PublicDeployment) -> str:
        """What in its run a deployment that is queued waits for, in words; empty where nothing is."""
        run, active = self.run, counted(self.active, "host")
        if self.unreadable:
            lost = self.unreadable[0]
            return f"a person who sets {lost.id} of {lost.host} aside, which cannot be read: {lost.hint}"
        if self._gate and row.id not in self._gate:
            names = [each.host for each in self.canaries if not each.ended_as_ordered]
            return f"the {'canary' if len(names) == 1 else 'canaries'} {', '.join(names)}"
        if run.max_parallel and self.active >= run.max_parallel:
            return f"the end of one that is under way: {active} of its run, --max-parallel {run.max_parallel}"
        if run.stop_after and self.alike[1] + self.active >= run.stop_after:
            return f"the end of one that is under way: {active} of its run, --stop-after {run.stop_after}"
        return ""

    @property
    def is_gate_open(self) -> bool:
        """Whether all canaries have ended well, so that others may begin."""
        return not self._gate

    @property
    def rest_hindrance(self) -> str:
        """What those wait for that have not begun, as far as their run says; empty where it says nothing."""
        queued = (row for row in reversed(self.rows) if row.stage == Stage.QUEUED and not row.paused)
        last = next(queued, None)
        return self.hindrance(last) if last else ""

    def followers_of(self, ident: str) -> tuple[PublicDeployment, ...]:
        """Who waits, and will not begin once the canary of this id has ended; empty for no canary."""
        if ident not in {row.id for row in self.canaries if row.stage not in RESTING}:
            return ()
        return tuple(row for row in self.rows if row.stage == Stage.QUEUED and row.id != ident)

    def reason_to_stop(self) -> str:
        """In words, why the rest is better not begun: a canary, or too many alike; empty where nothing is."""
        code, count = self.alike
        if self.run.stop_after and count >= self.run.stop_after:
            alike = "failed" if count == 1 else "failed alike"
            return f"{counted(count, 'host')} of the run {alike} (PV-{code}), so the rest was not begun"
        for row in self.canaries:
            if row.stage in RESTING and not (row.ended_as_ordered or row.is_unreadable):
                number = f" (PV-{row.code})" if row.code else ""
                return f"the canary {row.host} is {row.stage}{number}, so the rest was not begun"
        return ""


def nobody_to_deploy(hint: str) -> RefusedError:
    """That of all that were meant none can be deployed; `hint` says where the reasons stand."""
    return RefusedError("no host can be deployed, so nothing was ordered", hint=hint, code=134)
