"""What failed alike, in lines for a terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from provisioner.cli.output import MARK, info
from provisioner.domain import failures

if TYPE_CHECKING:
    from provisioner.domain.failures import HostFailure


def tell(found: "Sequence[HostFailure]") -> None:
    """The most frequent first, to stderr."""
    for group in failures.grouped(found):
        for words in told(group, ", ".join(each.host for each in group)):
            info(words)


def told(group: "Sequence[HostFailure]", names: str) -> Iterator[str]:
    """A group of failures in lines: whose they are (`names`), each reason once, and each hint."""
    first = group[0]
    number = f" (PV-{first.code})" if first.code else ""
    yield f"{MARK} {first.result}{number}: {names}"
    for reason in failures.reasons(group):
        alike = f" (and {reason.count - 1} alike)" if reason.count > 1 else ""
        yield f"    {reason.sentence}{alike}"
        if reason.hint:
            yield f"  → {reason.hint}"
