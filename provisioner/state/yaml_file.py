"""Reads a YAML file as Ansible does, and refuses by line what would be read otherwise than it is meant."""

import copy
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import yaml

from provisioner.errors import InventoryError

LARGEST = 16 << 20  # bytes of a file
DEEPEST = 40  # mappings and lists within each other; libyaml's composer recurses without a limit
SWELL_LIMIT = 100_000  # what aliases may add, in keys and values
_VAULT = "$ANSIBLE_VAULT;"
_STANDARD = "tag:yaml.org,2002:"
_MERGE = f"{_STANDARD}merge"
_NUMBERS = {
    f"{_STANDARD}int": yaml.constructor.SafeConstructor.construct_yaml_int,
    f"{_STANDARD}float": yaml.constructor.SafeConstructor.construct_yaml_float,
    f"{_STANDARD}timestamp": yaml.constructor.SafeConstructor.construct_yaml_timestamp,
}
_KINDS = {
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "null": "nothing",
    "bool": "true or false",
}
_Begin = yaml.MappingStartEvent | yaml.SequenceStartEvent


class Key(str):
    """A key of a mapping, with its file and the line in which it stands (from 1)."""

    file: str
    line: int


@dataclass(frozen=True)
class Encrypted:
    """A value of Ansible Vault: only Ansible can read it."""

    file: str
    line: int


def load(path: Path, name: str = "", keys: Container[str] | None = None) -> object:
    """The file's one document: mappings (with `Key`s), lists, text, true, false, `Encrypted`, None.

    `name` is what sentences call it. With `keys`, of the outermost mapping these alone: what else it has may
    be anything, and so may be a file that is encrypted as a whole.

    Numbers and dates stay the text that they are. Anchors, aliases and merge keys mean what they mean to
    Ansible (YAML 1.1).

    Raises:
        InventoryError: PV-110, with the file's name and, where there is one, the line.
    """
    name = name or path.name
    text = _text(path, name)
    if keys is not None and text.startswith(_VAULT):
        return None
    try:
        _refuse_vault(text)
        _measure(text)
        loader = _Loader(text)
        loader.file = name
        node = loader.get_single_node()
        if node is None:
            return None
        if keys is not None and isinstance(node, yaml.MappingNode):
            node.value = [pair for pair in node.value if pair[0].tag == _MERGE or _word(pair[0]) in keys]
        _check_keys(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as fault:
        raise InventoryError(f"{name}: {_sentence(fault, text)}", hint=_hint(fault, text)) from fault
    except yaml.reader.ReaderError as fault:
        line = text.count("\n", 0, fault.position) + 1
        raise InventoryError(f"{name}: line {line}: not YAML: a control character") from fault
    except InventoryError as fault:
        raise InventoryError(f"{name}: {fault}", hint=fault.hint) from fault


def _text(path: Path, name: str) -> str:
    hint = "an inventory holds hosts.yml and profiles.yml"
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode("utf-8-sig")
    except OSError as fault:
        raise InventoryError(f"{path}: {fault.strerror}", hint=hint) from fault
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise InventoryError(f"{name}: line {line}: this is no UTF-8 text", hint=hint) from fault
    if len(data) > LARGEST:
        raise InventoryError(f"{name}: larger than {LARGEST >> 20} MiB", hint=hint)
    return text


def _refuse_vault(text: str) -> None:
    if text.startswith(_VAULT):
        raise InventoryError(
            "encrypted by ansible-vault, and the service has no vault password",
            hint="ansible-vault decrypt; a BMC's login is kept by provision bmc secret",
        )


@dataclass
class _Collection:
    """A mapping or list that is not closed yet; `size` counts keys and values, aliases written out."""

    anchor: str | None
    size: int = 1


@dataclass
class _Sizes:
    """How large the document is where every alias is written out."""

    open: list[_Collection] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)
    added: int = 0

    def add(self, size: int) -> None:
        if self.open:
            self.open[-1].size += size


def _measure(text: str) -> None:
    """Refuse what is too deep or swells, before anything follows an alias."""
    sizes = _Sizes()
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, _Begin):
            sizes.open.append(_Collection(event.anchor))
            if event.anchor:
                sizes.anchors.pop(event.anchor, None)
            if len(sizes.open) > DEEPEST:
                _refuse(event, f"more than {DEEPEST} lists and mappings within each other")
        elif isinstance(event, yaml.CollectionEndEvent):
            done = sizes.open.pop()
            sizes.add(done.size)
            if done.anchor:
                sizes.anchors[done.anchor] = done.size
        elif isinstance(event, yaml.ScalarEvent):
            sizes.add(1)
            if event.anchor:
                sizes.anchors[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            _follow(sizes, event)


def _follow(sizes: _Sizes, event: yaml.AliasEvent) -> None:
    if any(part.anchor == event.anchor for part in sizes.open):
        _refuse(event, f"the alias *{event.anchor} refers to itself")
    size = sizes.anchors.get(event.anchor or "", 1)  # one that is not there is the composer's to refuse
    sizes.add(size)
    sizes.added += size
    if sizes.added > SWELL_LIMIT:
        _refuse(event, f"aliases swell to more than {SWELL_LIMIT} entries; *{event.anchor} is one of them")


def _refuse(where: yaml.Event | yaml.Node, words: str, hint: str = "") -> NoReturn:
    line = where.start_mark.line + 1 if where.start_mark else 1
    raise InventoryError(f"line {line}: {words}", hint=hint)


def _sentence(fault: yaml.MarkedYAMLError, text: str) -> str:
    mark = fault.problem_mark or fault.context_mark
    line = mark.line + 1 if mark else 1
    if _tab_before(fault, text):
        return f"line {line}: not YAML: a tab where blanks are expected"
    words = " ".join(part for part in (fault.context, fault.problem) if part)
    return f"line {line}: not YAML: {words}"


def _hint(fault: yaml.MarkedYAMLError, text: str) -> str:
    return "indent with blanks, never with a tab" if _tab_before(fault, text) else ""


def _tab_before(fault: yaml.MarkedYAMLError, text: str) -> bool:
    """Whether the line of the fault is indented with a tab."""
    lines = text.splitlines()
    line = fault.problem_mark.line if fault.problem_mark else len(lines)
    beginning = lines[line][: len(lines[line]) - len(lines[line].lstrip())] if line < len(lines) else ""
    return "\t" in beginning


class _Loader(yaml.CSafeLoader):
    """libyaml's parser, as Ansible has it, and the values that `load` names."""

    file: str


def _check_keys(root: yaml.Node) -> None:
    """Refuse keys that are no text, or there twice: Ansible takes the last."""
    seen, waiting = {id(root)}, [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            _refuse_twice(node)
            children = [child for _, child in node.value]
        else:
            children = list(node.value) if isinstance(node, yaml.SequenceNode) else []
        new = [child for child in children if id(child) not in seen]
        seen.update(map(id, new))
        waiting.extend(new)


def _refuse_twice(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        word = "<<" if key.tag == _MERGE else _key(key)
        if word in lines:
            _refuse(key, f"{word!r} is there twice, first in line {lines[word]}")
        lines[word] = key.start_mark.line + 1


def _key(node: yaml.Node, file: str = "") -> Key:
    if not isinstance(node, yaml.ScalarNode):
        kind = "mapping" if isinstance(node, yaml.MappingNode) else "list"
        _refuse(node, f"a {kind} is used as a key", "a key is a word; put text with [ or { in quotes")
    if node.tag != f"{_STANDARD}str":
        _refuse(node, f"the key {node.value} is {_kind(node)} to YAML, and no text", f'write "{node.value}"')
    key = Key(node.value)
    key.file, key.line = file, node.start_mark.line + 1
    return key


def _word(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _kind(node: yaml.ScalarNode) -> str:
    kind = str(node.tag).removeprefix(_STANDARD)
    return _KINDS.get(kind, f"of the kind {kind}")


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Key, object]:
    loader.flatten_mapping(node)
    return {_key(key, loader.file): loader.construct_object(value, deep=True) for key, value in node.value}


def _construct_sequence(loader: _Loader, node: yaml.SequenceNode) -> list[object]:
    return [loader.construct_object(child, deep=True) for child in node.value]


def _construct_number(loader: _Loader, node: yaml.ScalarNode) -> str:
    """The text, unless Ansible would write the number that it reads in another way: 52:54:00:12:34:56."""
    text = str(node.value)
    try:
        value = str(_NUMBERS[node.tag](loader, node))
    except (ValueError, OverflowError):
        value = "one that does not exist"
    if value != text:
        _refuse(node, f"{text} is {_kind(node)} to YAML: {value}", f'write "{text}"')
    return text


def _construct_unsafe(loader: _Loader, node: yaml.Node) -> object:
    """As if the tag were not there (it forbids Ansible to see a template)."""
    plain = copy.copy(node)
    plain.tag = yaml.resolver.Resolver.resolve(loader, type(node), node.value, (True, False))  # type: ignore[no-untyped-call]
    return loader.construct_object(plain, deep=True)


def _construct_vault(loader: _Loader, node: yaml.Node) -> Encrypted:
    return Encrypted(loader.file, node.start_mark.line + 1)


def _refuse_tag(_: _Loader, node: yaml.Node) -> NoReturn:
    tag = node.tag.replace(_STANDARD, "!!")
    _refuse(node, f"the tag {tag} is not understood here", "leave it out, or put the text in quotes")


_Loader.add_constructor(f"{_STANDARD}map", _construct_mapping)
_Loader.add_constructor(f"{_STANDARD}seq", _construct_sequence)
_Loader.add_constructor("!unsafe", _construct_unsafe)
_Loader.add_constructor("!vault", _construct_vault)
_Loader.add_constructor("!vault-encrypted", _construct_vault)
for _tag in _NUMBERS:
    _Loader.add_constructor(_tag, _construct_number)
for _tag in ("binary", "omap", "pairs", "set"):
    _Loader.add_constructor(f"{_STANDARD}{_tag}", _refuse_tag)
_Loader.add_constructor(None, _refuse_tag)
