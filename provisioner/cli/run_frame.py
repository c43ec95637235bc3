"""What a run looks like on a terminal: its totals first, then who failed or moves, then the rest by kind.

Whatever the terminal's size, the totals are there, and nothing that is there is cut: what has no room is
counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cli import layout
from provisioner.cli.failures import told
from provisioner.cli.output import cell_lines, line, wrapped
from provisioner.domain import failures
from provisioner.domain.run_totals import (
    BAD_KINDS,
    HELD,
    KINDS,
    MOVING,
    OTHER_KINDS,
    READY,
    WAITING,
    counts,
    describe,
    kind,
)
from provisioner.domain.stage import Stage
from provisioner.system.units import duration, named

if TYPE_CHECKING:
    from rich.text import Text

    from provisioner.api.deployments import DeploymentStatus
    from provisioner.domain.timeline import Timeline

MARKS = {READY: ("✓", "green"), HELD: ("✓", "green"), WAITING: ("·", "dim"), MOVING: ("▸", "cyan")}
BAD = ("✗", "red")
ROOMY = 16  # lines of a screen that has room for more than is needed
NAMES = 4  # one of so many parts of the screen may be filled with the names of one group


def folded(
    rows: "Sequence[DeploymentStatus]", shown: "Sequence[DeploymentStatus]", width: int
) -> "list[Text]":
    """A line for each kind of those that are not among the `shown`."""
    return _with_rest(rows, (_Block(tuple(shown), ()),), KINDS, width)


@dataclass(frozen=True)
class HostStory:
    """A deployment of a run, and what its events have told so far."""

    row: "DeploymentStatus"
    timeline: "Timeline"

    def note(self, now: float) -> str:
        """What is known of where it is at `now`."""
        if self.row.paused:
            return f"{self.row.reason}; {self.row.hint}"
        record = self.timeline.stages.get(self.timeline.stage)
        note = record.note if record else ""
        if self.timeline.progress and self.timeline.progress.is_of(self.row.stage):
            note = self.timeline.progress.summary(now).removeprefix("writing ")
        note = self.timeline.with_request(note)
        return f"attempt {self.timeline.attempt}, {note}" if self.timeline.attempt > 1 else note

    @property
    def needs_person(self) -> bool:
        """Whether it goes no further before somebody has done something."""
        return bool(self.row.paused or self.timeline.request)

    def seconds(self, now: float) -> float:
        """Seconds since its turn came, at `now`."""
        began = self.timeline.stages[Stage.POWERING].began or self.timeline.began
        return max(0.0, now - began) if began else 0.0


@dataclass(frozen=True)
class _Block:
    """Lines that are shown together or not at all, and the deployments that they tell of."""

    rows: "tuple[DeploymentStatus, ...]"
    lines: "tuple[Text, ...]"
    needs_person: bool = False


@dataclass(frozen=True)
class Screen:
    """Columns and lines that there are, and the service's time."""

    width: int
    height: int
    now: float


def frame(title: str, stories: Sequence[HostStory], screen: Screen, warning: str = "") -> "list[Text]":
    """The lines of a run that is called `title`: never more than the screen has, none longer than it."""
    rows = [story.row for story in stories]
    top = wrapped(line((describe(counts(rows)), "bold")), screen.width)
    if screen.height >= ROOMY:
        top = [*wrapped(line((f"{title}, {len(rows)} hosts", "dim")), screen.width), *top]
    if warning:
        top += wrapped(line((f"  {warning}", "yellow")), screen.width)
    bad = _failed(rows, screen)
    moving = _moving([story for story in stories if kind(story.row) == MOVING], screen)
    while True:
        shown = [*_with_rest(rows, bad, BAD_KINDS, screen.width)]
        shown += _with_rest(rows, moving, OTHER_KINDS, screen.width)
        if len(top) + len(shown) <= screen.height or not (bad or moving):
            return [*top, *shown][: screen.height]
        _drop(bad, moving)


def _drop(bad: list[_Block], moving: list[_Block]) -> None:
    """Take away what can best be spared: a third is for what moves, and what needs a person goes last."""
    spare = [block for block in moving if not block.needs_person]
    if bad and (not spare or _height(bad) >= 2 * _height(spare)):
        bad.pop()
    else:
        moving.remove((spare or moving)[-1])


def _height(blocks: Iterable[_Block]) -> int:
    return sum(len(block.lines) for block in blocks)


def _failed(rows: "Sequence[DeploymentStatus]", screen: Screen) -> list[_Block]:
    """What failed alike, told once."""
    blocks = []
    for group in failures.grouped(failures.of_rows(rows)):
        names = _names([each.host for each in group], screen)
        head, *reasons = told(group, names)
        texts = [line((head, "red")), *map(line, reasons)]
        hosts = {each.host for each in group}
        lines = tuple(part for text in texts for part in wrapped(text, screen.width))
        blocks.append(_Block(tuple(row for row in rows if row.host in hosts), lines))
    return blocks


def _names(hosts: Sequence[str], screen: Screen) -> str:
    """All of them, or as many as leave room for others."""
    count = len(hosts)
    while True:
        names = named(hosts, count)
        if count <= 1 or len(layout.wrap(names, screen.width)) <= max(1, screen.height // NAMES):
            return names
        count -= 1


def _moving(stories: Sequence[HostStory], screen: Screen) -> list[_Block]:
    """Who waits for a person first, the same request told once; then each host with what it does."""
    asked: dict[str, list[HostStory]] = {}
    for story in stories:
        if story.needs_person:
            asked.setdefault(failures.without_name(story.row.host, story.note(screen.now)), []).append(story)
    alone = [group[0] for group in asked.values() if len(group) == 1]
    several = [_asked(group, note, screen) for note, group in asked.items() if len(group) > 1]
    others = [story for story in stories if not story.needs_person]
    return [*several, *_hosts([*alone, *others], screen)]


def _asked(group: Sequence[HostStory], note: str, screen: Screen) -> _Block:
    mark, style = MARKS[MOVING]
    names = _names([story.row.host for story in group], screen)
    head = wrapped(line((f"{mark} {group[0].row.stage}: {names}", style)), screen.width)
    rows = tuple(story.row for story in group)
    return _Block(rows, (*head, *_request(note, screen)), needs_person=True)


def _request(note: str, screen: Screen) -> "list[Text]":
    """What a person is to do."""
    texts = layout.wrap(note, screen.width, first=layout.INDENT)
    return [line((text, "bold")) for text in texts]


def _hosts(stories: Sequence[HostStory], screen: Screen) -> list[_Block]:
    """A block for each: mark, name, stage, time, note; what a person is to do stands below, in full width."""
    mark, style = MARKS[MOVING]
    cells = [
        [
            cell_lines((f"{mark} {story.row.host}", style)),
            cell_lines(story.row.stage),
            cell_lines(f"{duration(story.seconds(screen.now)):>8}"),
            cell_lines("" if story.needs_person else story.note(screen.now)),
        ]
        for story in stories
    ]
    blocks = []
    for story, lines in zip(stories, layout.Table([""] * 4, cells).row_lines(screen.width), strict=True):
        below = _request(story.note(screen.now), screen) if story.needs_person else ()
        texts = (*(line(*parts) for parts in lines), *below)
        blocks.append(_Block((story.row,), texts, needs_person=story.needs_person))
    return blocks


def _with_rest(
    rows: "Sequence[DeploymentStatus]", blocks: Sequence[_Block], kinds: Iterable[str], width: int
) -> "list[Text]":
    """The blocks, and a line for each of these kinds that says how many more there are."""
    lines = [text for block in blocks for text in block.lines]
    seen = {row.id for block in blocks for row in block.rows}
    for each in kinds:
        of_kind = [row for row in rows if kind(row) == each]
        rest = [row for row in of_kind if row.id not in seen]
        if rest:
            mark, style = MARKS.get(each, BAD)
            more = "more " if len(rest) < len(of_kind) else ""
            lines += wrapped(line((f"{mark} {len(rest)} {more}{each}{_detail(each, rest)}", style)), width)
    return lines


def _detail(what: str, rows: "Sequence[DeploymentStatus]") -> str:
    """Where those are that move, why those failed, for what those wait; in numbers."""
    if what == MOVING:
        counts = Counter(row.stage.value for row in rows)
    elif what == WAITING:
        counts = Counter(row.reason for row in rows if row.reason)
    else:
        counts = Counter(f"PV-{row.code}" for row in rows if row.code and what in BAD_KINDS)
    if not counts:
        return ""
    is_counted = what != WAITING and len(rows) > 1
    parts = (f"{count} {words}" if is_counted else words for words, count in counts.most_common())
    return f": {', '.join(parts)}"
