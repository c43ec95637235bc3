"""A run as pages tell of it: a square for each host, the canaries' gate, what hinders several alike."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioner.api.deployments import DeploymentStatus
from provisioner.domain import run_totals
from provisioner.domain.cause import Cause
from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.failures import HostFailure, SharedReason, grouped, of_rows, pattern_of, reasons
from provisioner.domain.failures import without_name as general
from provisioner.domain.run import Run, RunProgress
from provisioner.domain.run_report import UNREADABLE
from provisioner.domain.run_totals import MOVING, counts, kind
from provisioner.domain.stage import RESTING, UNDER_WAY, Stage
from provisioner.web.pages import look, moving
from provisioner.web.pages.look import Look
from provisioner.web.pages.moving import Moving
from provisioner.web.request import the_site

LOOKS: dict[str, Look] = {
    run_totals.STUCK: look.STUCK,
    run_totals.MOVING: look.MOVING,
    run_totals.WAITING: look.STAGES[Stage.QUEUED],
    run_totals.HELD: look.HELD,
    UNREADABLE: look.UNREADABLE,
    **{stage.value: look.STAGES[stage] for stage in RESTING},
}
ONE_RACK = re.compile(r"rack=([\w.-]+)(?:/\*)?")
MOST_NAMES = 24  # hosts of a group that are linked; the others are counted


@dataclass(frozen=True)
class Square:
    """One host in the grid; `told` says in words what its colour and letter mean."""

    row: DeploymentStatus
    look: Look
    told: str
    is_canary: bool


@dataclass(frozen=True)
class CanaryGate:
    """The hosts that must end well before any other begins; `hindrance`: for what the rest waits."""

    canaries: tuple[Square, ...]
    is_open: bool
    hindrance: str

    @property
    def passed(self) -> int:
        """How many of them have ended well."""
        return sum(square.row.ended_as_ordered for square in self.canaries)

    @property
    def is_failed(self) -> bool:
        """Whether one has ended otherwise, so that the gate stays shut."""
        return any(square.row.stage not in UNDER_WAY for square in self.canaries) and self._is_lost()

    def _is_lost(self) -> bool:
        ended = (square.row for square in self.canaries if square.row.stage not in UNDER_WAY)
        return any(not row.ended_as_ordered for row in ended)


@dataclass(frozen=True)
class SharedFailure:
    """Hosts that ended alike: `reasons` once each; of the hosts beyond MOST_NAMES only the number."""

    result: str
    code: int
    hosts: tuple[HostFailure, ...]
    count: int
    reasons: tuple[SharedReason, ...]


@dataclass(frozen=True)
class SharedCause:
    """Hosts that wait for alike: the cause of the first of them, in its own words where it is alone."""

    cause: Cause
    hosts: tuple[PublicDeployment, ...]
    count: int


@dataclass(frozen=True)
class Share:
    """One part of a bar: so many hosts of a kind; `begins` and `length` in parts of 100."""

    kind: str
    look: Look
    count: int
    begins: float
    length: float


@dataclass(frozen=True)
class RunView:
    """All that the page of one run shows, but for the words of its order."""

    run: Run
    squares: tuple[Square, ...]
    gate: CanaryGate | None
    failures: tuple[SharedFailure, ...]
    causes: tuple[SharedCause, ...]
    shares: tuple[Share, ...]
    told: str
    title: str
    look: Look
    hindrance: str
    reason_to_stop: str


def of(run: Run, rows: Sequence[DeploymentStatus], now: float) -> RunView:
    """The run with its deployments, in the order in which they were armed."""
    progress, open_ones = RunProgress(run, tuple(rows)), moving.active(rows)
    totals = run_totals.with_stuck(counts(rows), sum(each.is_stuck for each in open_ones.values()))
    squares = tuple(
        _square(row, open_ones.get(row.id), now, is_canary=number < run.canary)
        for number, row in enumerate(rows)
    )
    hindrance = progress.rest_hindrance
    gate = CanaryGate(squares[: run.canary], progress.is_gate_open, hindrance) if run.canary else None
    return RunView(
        run=run,
        squares=squares,
        gate=gate,
        failures=tuple(_failures(rows)),
        causes=tuple(_causes(open_ones.values())),
        shares=shares(totals),
        told=run_totals.describe(totals),
        title=title(run),
        look=standing(totals),
        hindrance=hindrance,
        reason_to_stop=progress.reason_to_stop(),
    )


def _square(row: DeploymentStatus, going: Moving | None, now: float, *, is_canary: bool) -> Square:
    seen = going.look if going else look.of_deployment(row)
    told = going.told if going else row.reason or seen.word
    words = f"{row.host}, {seen.word}" + (f" at {row.stage}" if going and seen.word != row.stage else "")
    return Square(row, seen, f"{words}: {told}" if told != seen.word else words, is_canary)


def title(run: Run) -> str:
    """Which hosts it is about, in words where its selection is of the simplest kind."""
    if found := ONE_RACK.fullmatch(run.select):
        return f"Rack {found[1]}"
    return run.select or ("Retry of what failed" if run.retries else "All hosts")


def standing(found: Mapping[str, int]) -> Look:
    """How a run stands of which so many hosts are how."""
    if any(found.get(one) for one in run_totals.NEEDY):
        return look.NEEDS_ATTENTION
    if found.get(run_totals.MOVING) or found.get(run_totals.WAITING):
        return look.IN_PROGRESS
    return look.NOT_ALL if found.get(Stage.CANCELLED.value) else look.ALL_WELL


def shares(found: Mapping[str, int]) -> tuple[Share, ...]:
    """The parts of a run's bar, in the order in which totals are told."""
    total, begins, parts = sum(found.values()) or 1, 0.0, []
    for each in (one for one in run_totals.ORDER if found.get(one)):
        length = 100 * found[each] / total
        parts.append(Share(each, LOOKS[each], found[each], round(begins, 2), round(length, 2)))
        begins += length
    return tuple(parts)


def _failures(rows: Iterable[DeploymentStatus]) -> Iterable[SharedFailure]:
    for group in grouped(of_rows(rows)):
        first, named = group[0], tuple(group[:MOST_NAMES])
        yield SharedFailure(first.result, first.code, named, len(group), tuple(reasons(group)))


def _causes(found: Iterable[Moving]) -> Iterable[SharedCause]:
    """Each cause once, with all whom it hinders, the most frequent first."""
    groups: dict[tuple[int, str], list[tuple[Cause, PublicDeployment]]] = {}
    for each in found:
        for cause in each.details.causes[:1] if each.details else ():
            key = (cause.code, pattern_of(each.row.host, cause.sentence))
            groups.setdefault(key, []).append((cause, each.row))
    for group in sorted(groups.values(), key=len, reverse=True):
        cause, row = group[0]
        if len(group) > 1:
            actions = tuple(general(row.host, action) for action in cause.actions)
            cause = cause.model_copy(update={"actions": actions})
        yield SharedCause(cause, tuple(one for _, one in group[:MOST_NAMES]), len(group))


def moving_hosts(rows: Iterable[DeploymentStatus]) -> list[str]:
    """Who is under way."""
    return [row.host for row in rows if kind(row) == MOVING]


def under_way_by(names: Iterable[str]) -> str:
    """The one run by which some of these hosts are under way; empty where there is none, or are several."""
    rows = map(the_site().database.deployments.last_readable_order, names)
    found = {row.run for row in rows if row and row.run and row.stage in UNDER_WAY}
    return found.pop() if len(found) == 1 else ""
