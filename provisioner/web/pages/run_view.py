"""A run as pages tell of it: a square for each host, the canaries' gate, what hinders several alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from provisioner.api.deployments import DeploymentStatus
from provisioner.domain.cause import Cause
from provisioner.domain.failures import HostFailure, SharedReason, grouped, of_rows, pattern_of, reasons
from provisioner.domain.failures import without_name as general
from provisioner.domain.run import Run, RunProgress
from provisioner.domain.run_totals import KINDS, MOVING, counts, kind
from provisioner.domain.stage import ACTIVE, UNDER_WAY
from provisioner.web.pages import look, moving
from provisioner.web.pages.look import Look
from provisioner.web.pages.moving import Moving
from provisioner.web.request import the_site

TONES = {"ready": "ok", look.HELD.word: "ok", "moving": "busy", "waiting": "wait", "cancelled": "off"}
AT_ONCE = 12  # hosts that are looked at anew for one page: each takes some 5 ms
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
    hosts: tuple[DeploymentStatus, ...]
    count: int


@dataclass(frozen=True)
class Share:
    """One part of a bar: so many hosts of a kind; `begins` and `length` in parts of 100."""

    kind: str
    tone: str
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
    hindrance: str
    reason_to_stop: str


def of(run: Run, rows: Sequence[DeploymentStatus], now: float) -> RunView:
    """The run with its deployments, in the order in which they were armed."""
    progress, under_way = RunProgress(run, tuple(rows)), [row for row in rows if row.stage in ACTIVE]
    open_ones = {each.row.id: each for each in moving.of(under_way, AT_ONCE)}
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
        shares=shares(counts(rows)),
        hindrance=hindrance,
        reason_to_stop=progress.reason_to_stop(),
    )


def _square(row: DeploymentStatus, going: Moving | None, now: float, *, is_canary: bool) -> Square:
    seen = going.look if going else look.of_deployment(row)
    told = going.told if going else row.reason or seen.word
    words = f"{row.host}, {seen.word}" + (f" at {row.stage}" if going and seen.word != row.stage else "")
    return Square(row, seen, f"{words}: {told}" if told != seen.word else words, is_canary)


def shares(found: dict[str, int]) -> tuple[Share, ...]:
    """The parts of a run's bar: what is done first, then what moves, what failed, what waits."""
    total, begins, parts = sum(found.values()) or 1, 0.0, []
    order = sorted(found, key=lambda each: (each == "waiting", -KINDS.index(each)))
    for each in order:
        length = 100 * found[each] / total
        parts.append(Share(each, TONES.get(each, "bad"), found[each], round(begins, 2), round(length, 2)))
        begins += length
    return tuple(parts)


def _failures(rows: Iterable[DeploymentStatus]) -> Iterable[SharedFailure]:
    for group in grouped(of_rows(rows)):
        first, named = group[0], tuple(group[:MOST_NAMES])
        yield SharedFailure(first.result, first.code, named, len(group), tuple(reasons(group)))


def _causes(found: Iterable[Moving]) -> Iterable[SharedCause]:
    """Each cause once, with all whom it hinders, the most frequent first."""
    groups: dict[tuple[int, str], list[tuple[Cause, DeploymentStatus]]] = {}
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
