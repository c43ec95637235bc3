"""The groups of an inventory, and what each host's variables are by Ansible's precedence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import NoReturn

from provisioner.errors import InventoryError
from provisioner.state import host_range
from provisioner.state.vars_files import VarsFiles
from provisioner.state.yaml_file import Key

ALL, UNGROUPED = "all", "ungrouped"  # Ansible has them always
MOST_HOSTS = 20_000  # of one inventory
_SECTIONS = ("vars", "hosts", "children")
_PRIORITY = "ansible_group_priority"
_Body = Mapping[str, object]


@dataclass
class _Group:
    name: str
    variables: dict[str, object] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    priority: int = 1
    depth: int = 0


@dataclass
class Tree:
    """What an inventory says, in its order.

    `hosts` are their own variables; `lines` where each name is said first; `members` the groups of each host
    but `all`, with those above its own.
    """

    groups: dict[str, _Group] = field(default_factory=dict)
    hosts: dict[str, dict[str, object]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)

    def group(self, name: str) -> _Group:
        return self.groups.setdefault(name, _Group(name))


def read(document: object) -> Tree:
    """The groups and hosts of an Ansible YAML inventory, as `yaml_file` loads it.

    Raises:
        InventoryError: PV-110, with the line.
    """
    tree = Tree(groups={ALL: _Group(ALL), UNGROUPED: _Group(UNGROUPED)})
    for name, body in _mapping(document, "the inventory", None).items():
        _read_group(tree, name, body)
    _refuse_shared_names(tree)
    tree.members = _memberships(tree, _generations(tree))
    return tree


def host_variables(tree: Tree, files: VarsFiles) -> dict[str, dict[str, object]]:
    """Each host's variables, in the order of the inventory.

    The deeper group wins, then the higher `ansible_group_priority`, then the later name; the `files` of
    groups win over all groups in the inventory; what the host says there wins over these, and its own file
    over all (Ansible, "Understanding variable precedence"). Raises InventoryError (PV-110), with file and
    line, where one of the `files` cannot be read.
    """
    in_files = {name: files.of_group(name) for name in tree.groups}
    return {
        name: _variables(tree, tree.members[name], in_files) | own | files.of_host(name)
        for name, own in tree.hosts.items()
    }


def _refuse(key: str | None, words: str, hint: str = "") -> NoReturn:
    place = f"line {key.line}: " if isinstance(key, Key) else ""
    raise InventoryError(f"{place}{words}", hint=hint)


def _mapping(value: object, what: str, key: str | None) -> dict[str, object]:
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        _refuse(key, f"{what}: a mapping is expected, this is {_kind(value)}")
    return value


def _kind(value: object) -> str:
    return {list: "a list", bool: "true or false"}.get(type(value), "a text")


def _read_group(tree: Tree, name: str, body: object) -> None:
    tree.lines.setdefault(name, name.line if isinstance(name, Key) else 0)
    if name == "plugin":
        _refuse(name, "this configures an inventory plugin, and none is run here", "list the hosts")
    group = tree.group(name)
    for section, content in _mapping(body, name, name).items():
        if section not in _SECTIONS:
            _refuse(
                section,
                f"{name}: {section!r} is none of {', '.join(_SECTIONS)}",
                "Ansible leaves it out: correct the word, or take it away",
            )
        entries = {content: None} if isinstance(content, str) and content else content
        for key, value in _mapping(entries, f"{name}.{section}", section).items():
            _read_entry(tree, group, section, key, value)


def _read_entry(tree: Tree, group: _Group, section: str, key: str, value: object) -> None:
    if section == "children":
        if UNGROUPED in (group.name, key):
            _refuse(key, "'ungrouped' has the hosts that are in no group: it is no child and has none")
        _read_group(tree, key, value)
        group.children.append(key)
    elif section == "hosts":
        for host in _expanded(key):
            _read_host(tree, group, host, _mapping(value, key, key), key)
    elif key == _PRIORITY:
        group.priority = _whole_number(key, value)
    else:
        group.variables[key] = value


def _expanded(key: str) -> list[str]:
    try:
        return host_range.expand(key)
    except ValueError as fault:
        _refuse(key, str(fault), "as in vc-[01:16], vc-[a:f] or vc-[0:8:2]")


def _read_host(tree: Tree, group: _Group, name: str, body: _Body, key: str) -> None:
    tree.hosts.setdefault(name, {}).update(body)
    tree.lines.setdefault(name, key.line if isinstance(key, Key) else 0)
    group.hosts.append(name)
    if len(tree.hosts) > MOST_HOSTS:
        _refuse(key, f"with {key!r} these are more than {MOST_HOSTS} hosts")


def _whole_number(key: str, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        _refuse(key, f"{key}: {value!r} is no whole number")


def _refuse_shared_names(tree: Tree) -> None:
    for name in tree.groups.keys() & tree.hosts.keys():
        raise InventoryError(
            f"line {tree.lines[name]}: {name!r} is both a group and a host",
            hint="Ansible would give the host's variables to the group: rename one",
        )


def _generations(tree: Tree) -> dict[str, set[str]]:
    """Each group's parents, `all` where there is none. Sets the depths: the longest way from `all`."""
    parents: dict[str, set[str]] = {name: set() for name in tree.groups}
    for group in tree.groups.values():
        for child in group.children:
            parents[child].add(group.name)
    for name, above in parents.items():
        if not above and name != ALL:
            above.add(ALL)
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError as fault:
        way = " > ".join(fault.args[1])
        line = tree.lines.get(fault.args[1][0], 0)
        raise InventoryError(f"line {line}: these groups are children of each other: {way}") from fault
    for name in order:
        tree.groups[name].depth = max((tree.groups[above].depth + 1 for above in parents[name]), default=0)
    return parents


def _memberships(tree: Tree, parents: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The groups of each host but `all`, those above its own too."""
    members: dict[str, set[str]] = {name: set() for name in tree.hosts}
    for group in tree.groups.values():
        lineage = _lineage(group.name, parents) - {ALL}
        for host in group.hosts:
            members[host] |= lineage
    return {host: groups - {UNGROUPED} or {UNGROUPED} for host, groups in members.items()}


def _lineage(name: str, parents: Mapping[str, set[str]]) -> set[str]:
    """The group and all that are above it."""
    found, waiting = {name}, [name]
    while waiting:
        above = parents[waiting.pop()] - found
        found |= above
        waiting.extend(above)
    return found


def _variables(tree: Tree, members: set[str], in_files: Mapping[str, _Body]) -> dict[str, object]:
    ordered = sorted(
        (tree.groups[name] for name in members), key=lambda group: (group.depth, group.priority, group.name)
    )
    merged: dict[str, object] = {}
    for group in (tree.groups[ALL], *ordered):
        merged |= group.variables
    for group in (tree.groups[ALL], *ordered):
        merged |= in_files[group.name]
    return merged
