"""Inventories mean to us what they mean to `ansible-inventory`."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE

import pytest
from ansible.vars.reserved import is_reserved_name
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from provisioner import run
from provisioner.domain.host import Host
from provisioner.errors import InventoryError
from provisioner.state import groups, yaml_file
from provisioner.system import shipped

PROGRAM = Path(__file__).with_name("programs") / "ansible_inventory.py"
EXAMPLES = int(os.environ.get("INVENTORIES", "25"))  # 0.1 s each
GROUPS = ("m", "rack-b3", "z", "b", "k", "a")  # a child stands behind its parent here: there are no loops
HOSTS = ("h1", "h2", "h10", "h[1:3]", "h[01:02]", "n[a:c]", "h[1:9:4]", "h2:2222", "x[1:2]-[a:b]")
VALUES = ("B3", '"0123"', "12", "-7", "1.5", "2026-11-28", "null", "~", "", "yes", "off", '"no"', "[1, b]")
VALUES += ("{driver: ipmi, port: 623}", "'{{ rack }}'", "!unsafe '{% x %}'", '!unsafe "12"', "!!str 0123")
KEYS = ("rack", "profile", "uuid", "bmc", "ansible_user")
Variables = dict[str, dict[str, object]]
AskAnsible = Callable[[str], Variables | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory")


@pytest.fixture(scope="module")
def ansible(folder: Path) -> Iterator[AskAnsible]:
    """What Ansible takes from a text: the variables of each host that has any; None where it reads none."""
    process = run.start([sys.executable, PROGRAM], stdin=PIPE, stdout=PIPE, cwd=folder)
    assert process.stdin and process.stdout

    def ask(text: str) -> Variables | None:
        (folder / "hosts.yml").write_bytes(text.encode())
        process.stdin.write(f"{folder / 'hosts.yml'}\n".encode())
        process.stdin.flush()
        answer: Variables | None = json.loads(process.stdout.readline())
        return answer

    yield ask
    process.stdin.close()
    process.wait(10)


def ours(folder: Path, text: str) -> Variables:
    (folder / "hosts.yml").write_bytes(text.encode())
    return groups.host_variables(yaml_file.load(folder / "hosts.yml"))


def as_text(value: object) -> object:
    """Ansible's numbers as the text that they are to us; what is `!unsafe` as it stands."""
    if isinstance(value, dict) and value.keys() == {"__ansible_unsafe"}:
        return value["__ansible_unsafe"]
    if isinstance(value, dict):
        return {key: as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def theirs(said: Variables | None, hosts: Variables) -> object:
    """As text, with an entry for the hosts without variables; a host's port goes into `ansible_port`."""
    assert said is not None, "Ansible reads nothing of this"
    kept = {host: {key: body[key] for key in body if key != "ansible_port"} for host, body in said.items()}
    return as_text({host: kept.get(host, {}) for host in hosts | kept})


@dataclass
class Document:
    """An inventory on its way: its anchors are whole mappings of variables, or of hosts."""

    draw: st.DrawFn
    variables: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    def few(self, names: tuple[str, ...], most: int = 3) -> list[str]:
        return self.draw(st.lists(st.sampled_from(names), max_size=most, unique=True))

    def mapping(self, entry: Callable[[str], str], names: tuple[str, ...], anchors: list[str]) -> str:
        """In braces, perhaps with an anchor, perhaps with others merged; or the alias of one before."""
        if anchors and self.draw(st.integers(0, 5)) == 0:
            return f"*{self.draw(st.sampled_from(anchors))}"
        merged = [f"*{name}" for name in self.few(tuple(anchors), 2)] if anchors else []
        entries = [f"<<: {merged[0]}" if len(merged) == 1 else f"<<: [{', '.join(merged)}]"] if merged else []
        entries.extend(f'"{name}": {entry(name)}' for name in self.few(names))
        text = f"{{{', '.join(self.draw(st.permutations(entries)))}}}" if "&" not in "".join(entries) else ""
        return self.anchored(text or f"{{{', '.join(entries)}}}", anchors)

    def anchored(self, text: str, anchors: list[str]) -> str:
        if self.draw(st.booleans()):
            return text
        anchors.append(f"a{len(self.variables) + len(self.hosts)}")
        return f"&{anchors[-1]} {text}"

    def body(self, _: str = "") -> str:
        return self.mapping(lambda _: self.draw(st.sampled_from(VALUES)), KEYS, self.variables)

    def group_variables(self) -> str:
        body = self.body()
        if body.startswith("{") and self.draw(st.integers(0, 2)) == 0:
            priority = self.draw(st.sampled_from(("-1", "0", "2", "'10'", "10")))
            return f"{{ansible_group_priority: {priority}, {body[1:]}"
        return body

    def members(self) -> str:
        return self.mapping(self.body, HOSTS, self.hosts)

    def group(self, below: tuple[str, ...], depth: int = 0) -> str:
        sections = self.few(("vars", "hosts", "children")) if depth < 4 else []
        texts = {"vars": self.group_variables, "hosts": self.members}
        parts = [
            f"{section}: {texts[section]() if section in texts else self.children(below, depth)}"
            for section in sections
        ]
        return f"{{{', '.join(parts)}}}" if parts else self.draw(st.sampled_from(("{}", "", "null")))

    def children(self, below: tuple[str, ...], depth: int) -> str:
        names = self.few(below) if below else []
        bodies = [f"{name}: {self.group(below[below.index(name) + 1 :], depth + 1)}" for name in names]
        return f"{{{', '.join(bodies)}}}"


@st.composite
def inventories(draw: st.DrawFn) -> str:
    document = Document(draw)
    lines = ["keep: {hosts: {h1: }}"]  # never empty: of that Ansible says that it failed
    for name in document.few(("all", "ungrouped", *GROUPS), most=5):
        below = GROUPS[GROUPS.index(name) + 1 :] if name in GROUPS else GROUPS if name == "all" else ()
        body = document.group(below) if name != "ungrouped" else f"{{hosts: {document.members()}}}"
        lines.append(f"{name}: {body}")
    return "\n".join(lines) + "\n"


@settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.generate),  # to make a failing one smaller takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(text=inventories())
def test_every_host_has_the_variables_that_ansible_gives_it(
    text: str, folder: Path, ansible: AskAnsible
) -> None:
    found = ours(folder, text)
    assert found == theirs(ansible(text), found), text


def test_the_example_means_to_ansible_what_it_means_to_us(folder: Path, ansible: AskAnsible) -> None:
    text = (shipped.folder("inventory") / "hosts.yml").read_text()
    found = ours(folder, text)
    assert len(found) == 3 and found == theirs(ansible(text), found)


def test_no_key_of_ours_is_a_name_that_ansible_reserves() -> None:
    program = Path(sys.executable).with_name("ansible-inventory")
    listed = run.run([program, "-i", shipped.folder("inventory") / "hosts.yml", "--list"])
    assert "reserved" not in listed.stderr.decode()
    ours = Host.model_fields.keys() - {"name", "serial"} | {"serial_number"}
    assert [key for key in ours if is_reserved_name(key)] == []
    assert is_reserved_name("serial") and is_reserved_name("name")


@pytest.mark.parametrize(
    "text",
    [
        "g: {hosts: [a]}\n",
        "g: {hosts: {0123: }}\n",
        "g: {hosts: {on: }}\n",
        "a: {children: {b: {children: {a: }}}}\n",
        "g: {hosts: {'a[2:1:0]': }}\n",
        "plugin: yaml\n",
        "g:\n\thosts: a\n",
        "? [a]\n: b\n",
    ],
)
def test_what_ansible_cannot_read_is_refused_here_too(text: str, folder: Path, ansible: AskAnsible) -> None:
    assert ansible(text) is None
    with pytest.raises(InventoryError, match=r"line [12]: "):
        ours(folder, text)
