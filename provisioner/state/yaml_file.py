"""Reads a YAML file as Ansible does, and refuses by line what would be read otherwise than it is meant."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from provisioner.state import yaml_check, yaml_limits, yaml_syntax
from provisioner.state.inventory_faults import Faults, Place, PlacedError, gathering, not_utf8

LARGEST = 16 << 20  # bytes of a file
HINT = "an inventory is a folder with hosts.yml and profiles.yml"
_VAULT = "$ANSIBLE_VAULT;"


class Key(str):
    """A key of a mapping, with its place."""

    place: Place

    @classmethod
    def at(cls, place: Place, text: str) -> "Key":
        """A key that stands at a place."""
        key = cls(text)
        key.place = place
        return key


def overlaid(*bodies: Mapping[str, object]) -> dict[str, object]:
    """Mappings of which the later win, with the keys that they have there (`|` keeps the first ones)."""
    merged: dict[str, object] = {}
    for body in bodies:
        for key in body:
            merged.pop(key, None)
        merged.update(body)
    return merged


class Items(list[object]):
    """A list, with the place of each item."""

    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Encrypted:
    """A value of Ansible Vault: only Ansible can read it."""

    file: str
    line: int


def load(
    path: Path, name: str = "", keys: Container[str] | None = None, faults: Faults | None = None
) -> object:
    """The file's one document: mappings (with `Key`s), `Items`, text, true, false, `Encrypted`, None.

    `name` is what sentences call it. With `keys`, of the outermost mapping these alone: what else it has may
    be anything, and so may be a file that is encrypted as a whole. With `faults`, what is wrong is kept
    there, and the rest is given.

    Numbers and dates stay the text that they are. Anchors, aliases and merge keys mean what they mean to
    Ansible (YAML 1.1).

    Raises:
        InventoryError: PV-110, with the file's name and, where there is one, the line.
    """
    with gathering(faults) as found, found.gather():
        return _load(path, name or path.name, keys, found)
    return None


def _load(path: Path, name: str, keys: Container[str] | None, faults: Faults) -> object:
    if (text := _text(path, name, faults)) is None:
        return None
    if text.startswith(_VAULT):
        if keys is None:
            raise PlacedError(
                Place(name),
                "encrypted by ansible-vault, and the service has no vault password",
                hint="ansible-vault decrypt; a BMC's login is kept by provision bmc secret",
            )
        return None
    try:
        yaml_limits.check(text, name)
        loader = _Loader(text)
        loader.file = name
        root = loader.get_single_node()
        if root is None:
            return None
        yaml_check.check(root, name, keys, faults)
        if keys is not None and isinstance(root, yaml.MappingNode):
            loader.flatten_mapping(root)
            root.value = [pair for pair in root.value if _is_one_of(pair[0], keys)]
        return loader.construct_document(root)
    except yaml.MarkedYAMLError as fault:
        raise yaml_syntax.explain(fault, text, name) from fault
    except yaml.reader.ReaderError as fault:
        line = text.encode().count(b"\n", 0, fault.position) + 1  # libyaml counts bytes
        raise PlacedError(Place(name, line), "not YAML: a control character") from fault


def _is_one_of(key: yaml.Node, keys: Container[str]) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.tag == yaml_check.STRING and key.value in keys


def _text(path: Path, name: str, faults: Faults) -> str | None:
    """None where lines of it are no text."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as fault:
        raise PlacedError(Place(str(path)), fault.strerror or str(fault), hint=HINT) from fault
    if len(data) > LARGEST:
        raise PlacedError(Place(name), f"larger than {LARGEST >> 20} MiB", hint=HINT)
    if wrong := not_utf8(data):
        for line in wrong:
            faults.add(PlacedError(Place(name, line), "this is no UTF-8 text", hint="save the file as UTF-8"))
        return None
    return data.decode("utf-8-sig")


class _Loader(yaml.CSafeLoader):
    """libyaml's parser, as Ansible has it, and the values that `load` names; yaml_check comes before it."""

    file: str

    def place_of(self, node: yaml.Node) -> Place:
        return Place(self.file, yaml_check.line_of(node))


def _construct_mapping(loader: _Loader, node: yaml.Node) -> dict[Key, object] | None:
    """Of several values the last counts, with its key's place, where the first stands: ranges may overlap."""
    if not isinstance(node, yaml.MappingNode):
        return None
    loader.flatten_mapping(node)
    pairs: dict[str, tuple[Key, object]] = {}
    for key, value in node.value:
        word = Key.at(loader.place_of(key), key.value)
        pairs[word] = (word, loader.construct_object(value, deep=True))
    return dict(pairs.values())


def _construct_sequence(loader: _Loader, node: yaml.Node) -> Items | None:
    if not isinstance(node, yaml.SequenceNode):
        return None
    items = Items(loader.construct_object(child, deep=True) for child in node.value)
    items.places = tuple(map(loader.place_of, node.value))
    return items


def _construct_text(_: _Loader, node: yaml.Node) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _construct_nothing(_: _Loader, __: yaml.Node) -> None:
    return None


def _construct_truth(_: _Loader, node: yaml.Node) -> bool | None:
    return yaml_check.truth(node) if isinstance(node, yaml.ScalarNode) else None


def _construct_unsafe(loader: _Loader, node: yaml.Node) -> object:
    """As if the tag were not there."""
    plain = type(node)(yaml_check.resolved(node), node.value, node.start_mark, node.end_mark)
    return loader.construct_object(plain, deep=True)


def _construct_vault(loader: _Loader, node: yaml.Node) -> Encrypted:
    return Encrypted(loader.file, yaml_check.line_of(node))


_Loader.add_constructor(f"{yaml_check.STANDARD}map", _construct_mapping)
_Loader.add_constructor(f"{yaml_check.STANDARD}seq", _construct_sequence)
_Loader.add_constructor(f"{yaml_check.STANDARD}null", _construct_nothing)
_Loader.add_constructor(f"{yaml_check.STANDARD}bool", _construct_truth)
_Loader.add_constructor(yaml_check.UNSAFE, _construct_unsafe)
for _tag in yaml_check.VAULT:
    _Loader.add_constructor(_tag, _construct_vault)
for _tag in ("str", "int", "float", "timestamp", "binary", "omap", "pairs", "set"):
    _Loader.add_constructor(f"{yaml_check.STANDARD}{_tag}", _construct_text)
_Loader.add_constructor(None, _construct_text)
