"""What failed alike is told once, with all hosts that have it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.run_report import UNREADABLE, HostResult
from provisioner.domain.stage import RESTING, Stage

BAD_RESULTS = (
    Stage.FAILED.value,
    Stage.REJECTED.value,
    UNREADABLE,
    Stage.CANCELLED.value,
)  # as they are told


def without_name(host: str, text: str) -> str:
    """The text as it would be of any host: without this one's name."""
    return re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)", "HOST", text)


def pattern_of(host: str, text: str) -> str:
    """The text as it would be of any host: without names, numbers, addresses and MACs."""
    return re.sub(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b|\d+", "#", without_name(host, text))


@dataclass(frozen=True)
class HostFailure:
    """A host that did not end well: `result` as `failed`, its PV code (0 for none), why, what to do.

    `deployment` is the id of the deployment that ended so.
    """

    host: str
    result: str
    code: int
    reason: str
    hint: str
    deployment: str = ""

    def of_any(self, text: str) -> str:
        """The text as it would be of any host."""
        return without_name(self.host, text)

    @property
    def pattern(self) -> str:
        """Its reason, as it would be of any host."""
        return pattern_of(self.host, self.reason)


@dataclass(frozen=True)
class SharedReason:
    """One reason, in the words of the first host that has it, of how many; `hint` is fit for all of them."""

    sentence: str
    hint: str
    count: int


def of_rows(rows: Iterable[PublicDeployment]) -> list[HostFailure]:
    """Those of the deployments that are at rest and did not end as they were ordered to."""
    ended = (row for row in rows if row.is_unreadable or (row.stage in RESTING and not row.ended_as_ordered))
    return [HostFailure(row.host, _result(row), row.code, row.reason, row.hint, row.id) for row in ended]


def _result(row: PublicDeployment) -> str:
    return UNREADABLE if row.is_unreadable else row.stage.value


def of_results(rows: Iterable[HostResult]) -> list[HostFailure]:
    """Likewise of a report."""
    ended = (row for row in rows if row.result in BAD_RESULTS)
    return [
        HostFailure(row.host, row.result, row.code, row.reason, row.hint, row.deployment) for row in ended
    ]


def grouped(failures: Sequence[HostFailure]) -> Iterator[list[HostFailure]]:
    """Those of the same result and code: failed before cancelled, the most frequent first."""
    counted = Counter((each.result, each.code) for each in failures).most_common()
    for alike, _ in sorted(counted, key=lambda pair: BAD_RESULTS.index(pair[0][0])):
        yield [each for each in failures if (each.result, each.code) == alike]


def reasons(group: Sequence[HostFailure]) -> Iterator[SharedReason]:
    """Each reason of a group once, the most frequent first."""
    for pattern, count in Counter(each.pattern for each in group).most_common():
        first = next(each for each in group if each.pattern == pattern)
        yield SharedReason(first.reason, first.hint if count == 1 else first.of_any(first.hint), count)
