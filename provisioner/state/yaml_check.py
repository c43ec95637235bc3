"""What of a YAML document is refused though Ansible would read it: it would not be what is meant."""

from collections.abc import Container
from typing import NoReturn

import yaml

from provisioner.state.inventory_faults import Faults, Place, PlacedError

STANDARD = "tag:yaml.org,2002:"
MERGE = f"{STANDARD}merge"
STRING = f"{STANDARD}str"
VAULT = ("!vault", "!vault-encrypted")
UNSAFE = "!unsafe"
_READER = yaml.constructor.SafeConstructor()
_RESOLVER = yaml.resolver.Resolver()
_NUMBERS = {
    f"{STANDARD}int": _READER.construct_yaml_int,
    f"{STANDARD}float": _READER.construct_yaml_float,
    f"{STANDARD}timestamp": _READER.construct_yaml_timestamp,
}
_UNREADABLE = (ValueError, OverflowError, LookupError, AttributeError)  # what these raise for `!!int x`
_KINDS = {
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "null": "nothing",
    "bool": "true or false",
}
_Pair = tuple[yaml.Node, yaml.Node]


def check(root: yaml.Node, file: str, keys: Container[str] | None, faults: Faults) -> None:
    """Look at every node once. Keys that are no text, and merges of what is no mapping, are taken out.

    With `keys`, of the outermost mapping, and of what it merges, these alone.
    """
    waiting = [(root, keys)]
    seen = {(id(root), keys is None)}
    while waiting:
        node, wanted = waiting.pop()
        with faults.gather():
            _check_tag(node, file)
        for child, child_wanted in _children(node, file, wanted, faults):
            if (id(child), child_wanted is None) not in seen:
                seen.add((id(child), child_wanted is None))
                waiting.append((child, child_wanted))


def resolved(node: yaml.Node) -> str:
    """The node's tag; of `!unsafe`, which forbids Ansible to see a template, the one without it."""
    if node.tag != UNSAFE:
        return node.tag
    return str(_RESOLVER.resolve(type(node), node.value, (True, False)))  # type: ignore[no-untyped-call]


def truth(node: yaml.ScalarNode) -> bool | None:
    """What YAML 1.1 says of yes, no, on, off, true and false; None for any other word."""
    return _READER.bool_values.get(node.value.lower())


def _children(
    node: yaml.Node, file: str, keys: Container[str] | None, faults: Faults
) -> list[tuple[yaml.Node, Container[str] | None]]:
    """What lies in a node, and which keys of it count; of a mapping nothing whose key cannot be used."""
    if isinstance(node, yaml.SequenceNode):
        return [(child, None) for child in node.value]
    if not isinstance(node, yaml.MappingNode):
        return []
    children: list[tuple[yaml.Node, Container[str] | None]] = []
    kept: list[_Pair] = []
    lines: dict[str, int] = {}
    for key, value in node.value:
        if keys is not None and key.tag != MERGE and _word(key) not in keys:
            kept.append((key, value))
            continue
        with faults.gather():
            _check_key(key, file)
            if key.tag == MERGE:
                children.extend((child, keys) for child in _merged(key, value, file))
            else:
                children.append((value, None))
            kept.append((key, value))
            _refuse_twice(key, file, lines)
    node.value = kept
    return children


def _merged(key: yaml.Node, value: yaml.Node, file: str) -> list[yaml.Node]:
    """What a merge key names: one mapping, or several."""
    nodes = list(value.value) if isinstance(value, yaml.SequenceNode) else [value]
    if not all(isinstance(node, yaml.MappingNode) for node in nodes):
        _refuse(key, file, "<< merges mappings, and this is none", "as in <<: *name or <<: [*one, *other]")
    return nodes


def _check_key(node: yaml.Node, file: str) -> None:
    if not isinstance(node, yaml.ScalarNode):
        kind = "mapping" if isinstance(node, yaml.MappingNode) else "list"
        _refuse(node, file, f"a {kind} is used as a key", "a key is a word; put text with [ or { in quotes")
    if node.tag not in (STRING, MERGE):
        words = f"the key {node.value} is {_kind(node.tag)} to YAML, and no text"
        _refuse(node, file, words, f'write "{node.value}"')


def _refuse_twice(key: yaml.Node, file: str, lines: dict[str, int]) -> None:
    """Ansible takes the last."""
    if key.value in lines:
        _refuse(key, file, f"{key.value!r} is there twice, first in line {lines[key.value]}", is_read=True)
    lines[key.value] = line_of(key)


def _check_tag(node: yaml.Node, file: str) -> None:
    """Every tag that means something here, on the kind of node that it is for; numbers as they are."""
    tag = resolved(node)
    if isinstance(node, yaml.ScalarNode):
        if tag in _NUMBERS:
            _check_number(node, tag, file)
        elif tag == f"{STANDARD}bool" and truth(node) is None:
            _refuse(node, file, f"{node.value} is neither true nor false", f'write "{node.value}"')
        known = (STRING, f"{STANDARD}null", f"{STANDARD}bool", *_NUMBERS, *VAULT)
    else:
        known = (f"{STANDARD}{'map' if isinstance(node, yaml.MappingNode) else 'seq'}",)
    if tag not in known:
        words = f"the tag {tag.replace(STANDARD, '!!')} is not understood here"
        _refuse(node, file, words, "leave it out, or put the text in quotes")


def _check_number(node: yaml.ScalarNode, tag: str, file: str) -> None:
    """It is text here: refused if Ansible would write its number in another way, as 52:54:00:12:34:56."""
    text = str(node.value)
    try:
        value = str(_NUMBERS[tag](node))
    except _UNREADABLE:
        value = "one that does not exist"
    if value != text:
        words = f"{text:.80} is {_kind(tag)} to YAML: {value:.80}"
        _refuse(node, file, words, f'write "{text:.80}"', is_read=True)


def _refuse(node: yaml.Node, file: str, words: str, hint: str = "", *, is_read: bool = False) -> NoReturn:
    raise PlacedError(Place(file, line_of(node)), words, hint=hint, is_read=is_read)


def line_of(node: yaml.Node) -> int:
    """The line in which a node begins, from 1."""
    return node.start_mark.line + 1 if node.start_mark else 1


def _word(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _kind(tag: str) -> str:
    kind = tag.removeprefix(STANDARD)
    return _KINDS.get(kind, f"of the kind {kind}")
