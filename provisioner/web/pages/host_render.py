"""What a host would be served if it were ordered now, beside what it was served the last time."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from provisioner.api.hosts import RenderedText
from provisioner.domain.person import Role
from provisioner.web.operators import hosts
from provisioner.web.pages import submitted
from provisioner.web.pages.page import Page, Shown

Sign = Literal[" ", "+", "-"]


class DiffLine(NamedTuple):
    """One line; ` ` of both texts, `+` of the new one alone, `-` of the last one alone."""

    sign: Sign
    text: str


@dataclass(frozen=True)
class ComparedText:
    """A text as it would be served, line by line with the last one; how many lines came and went."""

    file: RenderedText
    lines: tuple[DiffLine, ...]

    @property
    def added(self) -> int:
        """Lines that only the new one has."""
        return sum(line.sign == "+" for line in self.lines)

    @property
    def removed(self) -> int:
        """Lines that only the last one had."""
        return sum(line.sign == "-" for line in self.lines)


def show(name: str) -> Shown:
    """All its texts; where none can be made, why."""
    found, fault = submitted.attempt(lambda: hosts.render(name))
    files = tuple(ComparedText(file, tuple(_lines(file))) for file in (found.files if found else ()))
    values = {"host": hosts.show(name).host, "files": files, "fault": fault}
    return Shown("host_render.html", values)


def _lines(file: RenderedText) -> Iterator[DiffLine]:
    after = file.text.splitlines()
    before = after if file.last is None else file.last.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            yield from (DiffLine(" ", line) for line in after[start:end])
            continue
        yield from (DiffLine("-", line) for line in before[first:last])
        yield from (DiffLine("+", line) for line in after[start:end])


PAGES = (Page("GET", "/hosts/<name>/render", show, Role.VIEWER),)
