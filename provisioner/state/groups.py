"""The groups of an inventory, and what each host's variables are by Ansible's precedence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import NoReturn

from provisioner.state import host_range
from provisioner.state.inventory_faults import Faults, Place, PlacedError, gathering
from provisioner.state.vars_files import VarsFiles
from provisioner.state.yaml_file import Items, Key, overlaid
from provisioner.state.yaml_syntax import AS_YAML

ALL, UNGROUPED = "all", "ungrouped"  # Ansible has them always
MOST_HOSTS = 20_000  # of one inventory
MOST_MEMBERS = 1_000_000  # hosts of all groups together
_SECTIONS = ("vars", "hosts", "children")
_PRIORITY = "ansible_group_priority"
_BEGINNING = Place("hosts.yml", 1)
_Body = Mapping[str, object]


@dataclass
class _Group:
    name: str
    variables: dict[str, object] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    priority: int = 1
    depth: int = 0


@dataclass(frozen=True)
class _Said:
    """What a group says of a host; of two the higher rank counts: file, depth, priority, name."""

    group: str
    key: str
    value: object
    rank: tuple[bool, int, int, str] = (False, 0, 0, "")


_Clash = tuple[_Said, _Said]  # what counts, and what says otherwise


@dataclass
class Tree:
    """What an inventory says, in its order.

    `hosts` are their own variables; `places` where each name is said first; `members` the groups of each host
    but `all`, with those above its own; `above` those above each group. `speakers` are the groups in which a
    host itself is given a key; `contradictions` where two groups of a host say different values.
    """

    groups: dict[str, _Group] = field(default_factory=dict)
    hosts: dict[str, dict[str, object]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    above: dict[str, set[str]] = field(default_factory=dict)
    speakers: dict[tuple[str, str], str] = field(default_factory=dict)
    contradictions: list[PlacedError] = field(default_factory=list)
    size: int = 0  # hosts of all groups together
    is_full: bool = False

    def group(self, name: str) -> _Group:
        return self.groups.setdefault(name, _Group(name))


def read(document: object, beginning: Place = _BEGINNING, faults: Faults | None = None) -> Tree:
    """The groups and hosts of an Ansible YAML inventory, as `yaml_file` loads it from its `beginning` on.

    With `faults`, what is wrong is kept there, and the rest is given. Raises InventoryError (PV-110), with
    file and line.
    """
    tree = Tree(groups={ALL: _Group(ALL), UNGROUPED: _Group(UNGROUPED)})
    with gathering(faults) as found:
        with found.gather():
            for name, body in _groups(document, beginning).items():
                _read_group(tree, name, body, found)
        _refuse_shared_names(tree, found)
        parents = _generations(tree, found)
        tree.above = {name: _lineage(name, parents) - {name} for name in tree.groups}
        tree.members = _memberships(tree, parents)
    return tree


def host_variables(
    tree: Tree, files: VarsFiles, faults: Faults | None = None
) -> dict[str, dict[str, object]]:
    """Each host's variables, in the order of the inventory; their keys have the place of what counts.

    The deeper group wins, then the higher `ansible_group_priority`, then the later name; the `files` of
    groups win over all groups in the inventory; what the host says there wins over these, and its own file
    over all (Ansible, "Understanding variable precedence"). Raises InventoryError (PV-110), with file and
    line, where one of the `files` cannot be read; with `faults`, that is kept there.
    """
    with gathering(faults) as found:
        in_files = {name: files.of_group(name, found) for name in tree.groups}
        shared: dict[frozenset[str], tuple[dict[str, object], dict[str, _Clash]]] = {}
        variables: dict[str, dict[str, object]] = {}
        for name, own in tree.hosts.items():
            members = frozenset(tree.members[name])
            if members not in shared:
                shared[members] = (
                    overlaid(*_bodies(tree, members, in_files)),
                    _clashes(tree, members, in_files),
                )
            said, clashes = shared[members]
            in_file = files.of_host(name, found)
            variables[name] = overlaid(said, own, in_file)
            tree.contradictions += [
                _contradiction(name, *clash)
                for key, clash in clashes.items()
                if key not in own and key not in in_file
            ]
        return variables


def _clashes(tree: Tree, members: frozenset[str], in_files: Mapping[str, _Body]) -> dict[str, _Clash]:
    """Keys of which two groups of a host say different values, and no rule that is meant decides.

    What a group says counts against those above it; a higher `ansible_group_priority` counts, too. The order
    of names, and how deep a group lies below others, decide nothing that anybody meant.
    """
    spoken: dict[str, list[_Said]] = {}
    for group in (tree.groups[name] for name in members):
        for key, value in overlaid(group.variables, in_files[group.name]).items():
            if not key.startswith("ansible_"):
                rank = (key in in_files[group.name], group.depth, group.priority, group.name)
                spoken.setdefault(key, []).append(_Said(group.name, key, value, rank))
    clashes: dict[str, _Clash] = {}
    for key, said in spoken.items():
        below = set().union(*(tree.above[one.group] for one in said))
        *others, winner = sorted((one for one in said if one.group not in below), key=lambda one: one.rank)
        for other in others:
            is_meant = other.rank[:2] == winner.rank[:2] and other.rank[2] < winner.rank[2]
            if other.value != winner.value and not is_meant:
                clashes[key] = (winner, other)
                break
    return clashes


def _contradiction(host: str, said: _Said, first: _Said) -> PlacedError:
    words = (
        f"{said.key}: the group {said.group} says another value than the group {first.group} "
        f"({_place(first.key)})"
    )
    hint = "a host that is in several groups is described in one of them"
    return PlacedError(_place(said.key), words, hint=hint, subject=host, is_read=True)


def _place(key: str) -> Place:
    return key.place if isinstance(key, Key) else _BEGINNING


def _refuse(key: str, words: str, hint: str = "") -> NoReturn:
    raise PlacedError(key.place if isinstance(key, Key) else _BEGINNING, words, hint=hint)


def _groups(document: object, beginning: Place) -> dict[str, object]:
    """The outermost groups. Raises PlacedError where the file is no inventory at all."""
    if document is None:
        return {}
    if not isinstance(document, dict):
        first = document.places[0] if isinstance(document, Items) and document.places else beginning
        words = f"the inventory: a mapping is expected, this is {_kind(document)}"
        raise PlacedError(first, words, hint=AS_YAML)
    if document.get("plugin"):
        (key,) = (key for key in document if key == "plugin")
        _refuse(key, "this configures an inventory plugin, and none is run here", AS_YAML)
    return document


def _mapping(value: object, what: str, key: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(key, f"{what}: a mapping is expected, this is {_kind(value)}")
    return value


def _kind(value: object) -> str:
    return {Items: "a list", bool: "true or false"}.get(type(value), "a text")


def _read_group(tree: Tree, name: str, body: object, faults: Faults) -> None:
    tree.places.setdefault(name, name.place if isinstance(name, Key) else _BEGINNING)
    group = tree.group(name)
    with faults.gather():
        if not name or name in (".", "..") or "/" in name:
            _refuse(name, f"{name!r} is no name of a group: group_vars has a file of its name")
        for section, content in _mapping(body, name, name).items():
            with faults.gather():
                _read_section(tree, group, section, content, faults)


def _read_section(tree: Tree, group: _Group, section: str, content: object, faults: Faults) -> None:
    if section not in _SECTIONS:
        _refuse(
            section,
            f"{group.name}: {section!r} is none of {', '.join(_SECTIONS)}",
            "Ansible leaves it out: correct the word, or take it away",
        )
    if (
        isinstance(content, str) and content and isinstance(section, Key)
    ):  # one name alone, as Ansible takes it
        content = {Key.at(section.place, content): None}
    for key, value in _mapping(content, f"{group.name}.{section}", section).items():
        with faults.gather():
            if section == "children":
                _read_child(tree, group, key, value, faults)
            elif section == "hosts":
                _read_hosts(tree, group, key, value)
            else:
                _read_variable(group, key, value)


def _read_child(tree: Tree, group: _Group, key: str, value: object, faults: Faults) -> None:
    if UNGROUPED in (group.name, key):
        _refuse(key, "'ungrouped' has the hosts that are in no group: it is no child and has none")
    _read_group(tree, key, value, faults)
    group.children.append(key)


def _read_variable(group: _Group, key: str, value: object) -> None:
    if key == _PRIORITY:
        group.priority = _whole_number(key, value)
    else:
        group.variables.pop(key, None)  # so that the key that stays is this one, with its place
        group.variables[key] = value


def _read_hosts(tree: Tree, group: _Group, key: str, value: object) -> None:
    body = _mapping(None if value == "" else value, key, key)
    for name in [] if tree.is_full else _expanded(key):
        _compare(tree, group.name, name, body)
        tree.hosts[name] = overlaid(tree.hosts.get(name, {}), body)
        tree.places.setdefault(name, key.place if isinstance(key, Key) else _BEGINNING)
        group.hosts.append(name)
        tree.size += 1
        if len(tree.hosts) > MOST_HOSTS or tree.size > MOST_MEMBERS:
            tree.is_full = True
            what = (
                f"{MOST_HOSTS} hosts" if len(tree.hosts) > MOST_HOSTS else f"{MOST_MEMBERS} hosts of groups"
            )
            _refuse(key, f"with {key!r} these are more than {what}")


def _compare(tree: Tree, group: str, host: str, body: Mapping[str, object]) -> None:
    """Note what another group says of the host itself, with another value: no order of groups may decide it.

    What begins with `ansible_` is for Ansible alone.
    """
    if not body:
        return
    before = {key: (key, value) for key, value in tree.hosts.get(host, {}).items()}
    for key, value in body.items():
        first = tree.speakers.setdefault((host, key), group)
        if first == group or key.startswith("ansible_") or before[key][1] == value:
            continue
        said, before_it = _Said(group, key, value), _Said(first, before[key][0], before[key][1])
        tree.contradictions.append(_contradiction(host, said, before_it))


def _expanded(key: str) -> list[str]:
    try:
        return host_range.expand(key)
    except ValueError as fault:
        _refuse(key, str(fault), "as in vc-[01:16], vc-[a:f] or vc-[0:8:2]")


def _whole_number(key: str, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        _refuse(key, f"{key}: {value!r} is no whole number")


def _refuse_shared_names(tree: Tree, faults: Faults) -> None:
    for name in sorted(tree.groups.keys() & tree.hosts.keys()):
        with faults.gather():
            raise PlacedError(
                tree.places.get(name, _BEGINNING),
                f"{name!r} is both a group and a host",
                hint="Ansible would give the host's variables to the group: rename one",
            )


def _generations(tree: Tree, faults: Faults) -> dict[str, set[str]]:
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
        place = tree.places.get(fault.args[1][0], _BEGINNING)
        faults.add(PlacedError(place, f"these groups are children of each other: {way}"))
        return parents
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


def _bodies(tree: Tree, members: frozenset[str], in_files: Mapping[str, _Body]) -> list[_Body]:
    """What its groups say of a host, those that count less first; and then their files, likewise."""
    ordered = sorted(
        (tree.groups[name] for name in members), key=lambda group: (group.depth, group.priority, group.name)
    )
    groups = (tree.groups[ALL], *ordered)
    return [*(group.variables for group in groups), *(in_files[group.name] for group in groups)]
