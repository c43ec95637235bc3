"""Groups, ranges and precedence of an inventory; tests/wire/state compares with Ansible itself."""

from pathlib import Path

import pytest

from provisioner.errors import InventoryError
from provisioner.state import groups, host_range, yaml_file
from provisioner.state.vars_files import VarsFiles


def variables(folder: Path, text: str) -> dict[str, dict[str, object]]:
    (folder / "hosts.yml").write_text(text)
    files = VarsFiles(folder, frozenset({"rack", "profile"}))
    return groups.host_variables(groups.read(yaml_file.load(folder / "hosts.yml")), files)


@pytest.mark.parametrize(
    ("text", "rack"),
    [
        ("all: {children: {g: {hosts: {a: }}}}\ng: {vars: {rack: B3}}\n", "B3"),
        ("g: {vars: {rack: B3}}\nall: {hosts: {a: }, children: {g: {hosts: {a: }}}}\n", "B3"),
        ("z: {hosts: {a: }, vars: {rack: z}}\nb: {hosts: {a: }, vars: {rack: b}}\n", "z"),
        ("z: {hosts: {a: }, vars: {rack: z}}\nb: {children: {c: {hosts: {a: }, vars: {rack: c}}}}\n", "c"),
        (
            "z: {hosts: {a: }, vars: {rack: z}}\n"
            "b: {hosts: {a: }, vars: {rack: b, ansible_group_priority: 2}}\n",
            "b",
        ),
        ("all: {vars: {rack: all, ansible_group_priority: 9}}\nb: {hosts: {a: }, vars: {rack: b}}\n", "b"),
        ("all: {hosts: {a: }}\nungrouped: {vars: {rack: none}}\n", "none"),
        ("ungrouped: {hosts: {a: }, vars: {rack: none}}\ng: {hosts: {a: }, vars: {rack: B3}}\n", "B3"),
        ("g: {hosts: {a: {rack: }}, vars: {rack: B3}}\n", None),
        ("g: {hosts: a, vars: {rack: B3}}\n", "B3"),
        ("g: {hosts: {'a:2222': {rack: B3}}}\n", "B3"),
        ("y: {hosts: {a: {rack: y}}}\nb: {hosts: {a: {rack: b}}}\n", "b"),
        ("y: {hosts: &y {a: }}\nz: {hosts: {<<: *y, '[a:b]': {rack: range}, a: {rack: own}}}\n", "range"),
    ],
)
def test_the_variable_is_the_one_that_ansible_takes(tmp_path: Path, text: str, rack: str | None) -> None:
    assert variables(tmp_path, text)["a"]["rack"] == rack


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("g:\n  host:\n    a:\n", "line 2: g: 'host' is none of vars, hosts, children"),
        ("g:\n  hosts: [a, b]\n", "line 2: g.hosts: a mapping is expected, this is a list"),
        ("g:\n  hosts:\n    a: [b]\n", "line 3: a: a mapping is expected, this is a list"),
        ("g:\n  hosts:\n    a: yes\n", "line 3: a: a mapping is expected, this is true or false"),
        ("g: text\n", "line 1: g: a mapping is expected, this is a text"),
        ("[a]\n", "hosts.yml: line 1: the inventory: a mapping is expected, this is a list"),
        ("# x\n\n- a\n", "hosts.yml: line 3: the inventory: a mapping is expected, this is a list"),
        ('g: ""\n', "line 1: g: a mapping is expected, this is a text"),
        ('g: {hosts: ""}\n', "line 1: g.hosts: a mapping is expected, this is a text"),
        ('"": {hosts: {a: }}\n', "line 1: '' is no name of a group"),
        ("g: {children: {a/b: }}\n", "line 1: 'a/b' is no name of a group"),
        ("g: {hosts: {b: }}\nb: {hosts: {a: }}\n", "line 1: 'b' is both a group and a host"),
        ("a: {children: {b: }}\nb: {children: {a: }}\n", "these groups are children of each other"),
        ("a: {children: {a: }}\n", "these groups are children of each other: a > a"),
        ("a: {children: {all: }}\n", "these groups are children of each other"),
        ("all: {children: {ungrouped: }}\n", "line 1: 'ungrouped' has the hosts that are in no group"),
        ("plugin: amazon.aws.aws_ec2\n", "line 1: this configures an inventory plugin"),
        ("g: {vars: {ansible_group_priority: high}}\n", "ansible_group_priority: 'high' is no whole number"),
        ("g: {hosts: {'a[1:2': }}\n", "line 1: 'a[1:2' is no name and no range of hosts"),
        ("g: {hosts: {'a[1:999999999]': }}\n", "line 1: [1:999999999] names 999999999 hosts"),
        ("g: {hosts: {'a[0:99]-[0:999]': }}\n", "line 1: 'a[0:99]-[0:999]' names 100000 hosts"),
        ("g: {hosts: {'a[001:9000]-[1:2]': }}\n", "line 1: [001:9000] begins with 3 digits, its end has 4"),
    ],
)
def test_what_ansible_would_leave_out_or_misread_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InventoryError) as caught:
        variables(tmp_path, text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("vc-1", ["vc-1"]),
        ("vc-1:22", ["vc-1"]),
        ("vc-[08:10]", ["vc-08", "vc-09", "vc-10"]),
        ("vc-[8:10]", ["vc-8", "vc-9", "vc-10"]),
        ("vc-[:2]", ["vc-0", "vc-1", "vc-2"]),
        ("vc-[1:9:4]", ["vc-1", "vc-5", "vc-9"]),
        ("[a:c]x", ["ax", "bx", "cx"]),
        ("r[1:2]-[a:b]:2222", ["r1-a", "r1-b", "r2-a", "r2-b"]),
    ],
)
def test_a_range_names_the_hosts_between(pattern: str, names: list[str]) -> None:
    assert host_range.expand(pattern) == names


@pytest.mark.parametrize(
    "pattern",
    ["", "a[", "a]", "a[1]", "a[1:]", "a[1:2:0]", "a[1:2:x]", "a[2:1]", "a[c:a]", "a[1:c]", "a[١:٢]"],
)
def test_what_is_no_range_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is no |is empty"):
        host_range.expand(pattern)


def test_many_hosts_are_refused_by_their_number(tmp_path: Path) -> None:
    text = "".join(f"g{n}: {{hosts: {{'g{n}x[1:9999]': }}}}\n" for n in range(3))
    with pytest.raises(InventoryError, match=r"line 3: .* more than 20000 hosts"):
        variables(tmp_path, text)


def test_members_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST_MEMBERS", 25)
    text = "".join(f"g{n}: {{hosts: {{'x[1:9]': }}}}\n" for n in range(9))
    with pytest.raises(InventoryError, match=r"line 3: .* more than 25 hosts of groups") as caught:
        variables(tmp_path, text)
    assert not caught.value.also, "it is told once"


@pytest.mark.parametrize(
    "text",
    [
        "g: {children: {plugin: {hosts: {a: }, vars: {rack: B3}}}}\n",
        "plugin:\ng: {hosts: {a: }, vars: {rack: B3}}\n",
    ],
)
def test_a_group_may_be_called_plugin_where_it_configures_none(tmp_path: Path, text: str) -> None:
    assert variables(tmp_path, text)["a"]["rack"] == "B3"
