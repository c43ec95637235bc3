"""How large a YAML document is with its aliases written out: refused before anything follows one."""

from dataclasses import dataclass, field
from typing import NoReturn

import yaml

from provisioner.state.inventory_faults import Place, PlacedError

DEEPEST = 40  # mappings and lists within each other; libyaml's composer recurses without a limit
MOST_ENTRIES = 1_000_000  # keys and values that are written
SWELL_LIMIT = 100_000  # keys and values that aliases may add
_Begin = yaml.MappingStartEvent | yaml.SequenceStartEvent


@dataclass
class _Part:
    """A value: how many keys and values it is, and how many mappings and lists lie within each other."""

    anchor: str | None = None
    size: int = 1
    depth: int = 0


@dataclass
class _Sizes:
    """`open`: the mappings and lists that are not closed yet, the outermost first."""

    file: str
    open: list[_Part] = field(default_factory=list)
    anchors: dict[str, _Part] = field(default_factory=dict)
    entries: int = 0
    added: int = 0

    def close(self, part: _Part) -> None:
        """A value is whole: what it lies in has grown, and aliases may mean it."""
        if self.open:
            self.open[-1].size += part.size
            self.open[-1].depth = max(self.open[-1].depth, part.depth + 1)
        if part.anchor:
            self.anchors[part.anchor] = part

    def refuse(self, where: yaml.Event, words: str) -> NoReturn:
        line = where.start_mark.line + 1 if where.start_mark else 1
        raise PlacedError(Place(self.file, line), words)


def check(text: str, file: str) -> None:
    """Refuse what is too large, too deep, or swells; it is read once, in the time that its length takes.

    Raises PlacedError, and yaml.YAMLError where it is no YAML.
    """
    sizes = _Sizes(file)
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, _Begin):
            sizes.open.append(_Part(event.anchor, depth=1))
            if len(sizes.open) > DEEPEST:
                sizes.refuse(event, f"more than {DEEPEST} lists and mappings within each other")
        elif isinstance(event, yaml.CollectionEndEvent):
            sizes.close(sizes.open.pop())
        elif isinstance(event, yaml.ScalarEvent):
            sizes.close(_Part(event.anchor))
        elif isinstance(event, yaml.AliasEvent):
            _follow(sizes, event)
        if isinstance(event, yaml.NodeEvent):
            sizes.entries += 1
        if sizes.entries > MOST_ENTRIES:
            sizes.refuse(event, f"more than {MOST_ENTRIES} keys and values")


def _follow(sizes: _Sizes, event: yaml.AliasEvent) -> None:
    if any(part.anchor == event.anchor for part in sizes.open):
        sizes.refuse(event, f"the alias *{event.anchor} refers to itself")
    meant = sizes.anchors.get(
        event.anchor or "", _Part()
    )  # one that is not there is the composer's to refuse
    sizes.added += meant.size
    if sizes.added > SWELL_LIMIT:
        sizes.refuse(
            event, f"aliases swell to more than {SWELL_LIMIT} entries; *{event.anchor} is one of them"
        )
    if len(sizes.open) + meant.depth > DEEPEST:
        sizes.refuse(
            event, f"more than {DEEPEST} lists and mappings within each other, by the alias *{event.anchor}"
        )
    sizes.close(_Part(None, meant.size, meant.depth))
