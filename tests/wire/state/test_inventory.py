"""Inventories mean to us what they mean to `ansible-inventory`."""

import json
import os
import shutil
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
from provisioner.state.vars_files import VarsFiles
from provisioner.system import shipped

PROGRAM = Path(__file__).with_name("programs") / "ansible_inventory.py"
EXAMPLES = int(os.environ.get("INVENTORIES", "25"))  # 0.1 s each
GROUPS = (
    "m",
    "rack-b3",
    "z",
    "Z",
    "b",
    "web.1",
    "k",
    "a",
)  # a child stands behind its parent here: there are no loops
HOSTS = ("h1", "h[1:2]", "h2:2222", "h[:4:2]", "h[01:02]", "h[01:10:4]", "h[a:b]-[1:2]", "h[a:d:3]", "H1")
VALUES = ("B3", '"0123"', "12", "-7", "1.5", "2026-11-28", "null", "~", "", "yes", "off", '"no"', "[1, b]")
VALUES += ("!!str yes", "'~'", "[{a: ~}, []]", "{a: {b: no}}", "!unsafe [1, '{{ y }}']", '"\\u00e9"')
VALUES += ("{driver: ipmi, port: 623}", "'{{ rack }}'", "!unsafe '{% x %}'", '!unsafe "12"', "!!str 0123")
KEYS = ("rack", "profile", "uuid")
NOTHING = ("", "~", "{}")
Variables = dict[str, dict[str, object]]
AskAnsible = Callable[[], Variables | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory")


@pytest.fixture(scope="module")
def ansible(folder: Path) -> Iterator[AskAnsible]:
    """What Ansible takes from a text: the variables of each host that has any; None where it reads none."""
    process = run.start([sys.executable, PROGRAM], stdin=PIPE, stdout=PIPE, cwd=folder)
    assert process.stdin and process.stdout

    def ask() -> Variables | None:
        process.stdin.write(f"{folder / 'hosts.yml'}\n".encode())
        process.stdin.flush()
        answer: Variables | None = json.loads(process.stdout.readline())
        return answer

    yield ask
    process.stdin.close()
    process.wait(10)


def ours(folder: Path, text: str, files: dict[str, str] | None = None) -> Variables:
    """What we take from an inventory and files beside it, which lie there for Ansible too."""
    for place in ("group_vars", "host_vars"):
        shutil.rmtree(folder / place, ignore_errors=True)
    for name, content in {"hosts.yml": text, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    tree = groups.read(yaml_file.load(folder / "hosts.yml"))
    return groups.host_variables(tree, VarsFiles(folder, frozenset(KEYS)))


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
    """As text, with an entry for the hosts without variables, and without what is Ansible's alone."""
    assert said is not None, "Ansible reads nothing of this"
    kept = {
        host: {key: body[key] for key in body if not key.startswith("ansible_")}
        for host, body in said.items()
    }
    return as_text({host: kept.get(host, {}) for host in hosts | kept})


@dataclass
class Document:
    """An inventory on its way: its anchors are whole mappings of variables, or of hosts."""

    draw: st.DrawFn
    variables: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    values: int = 0

    def few(self, names: tuple[str, ...], most: int = 3) -> list[str]:
        return self.draw(st.lists(st.sampled_from(names), min_size=1, max_size=most, unique=True))

    def mapping(self, entry: Callable[[str], str], names: tuple[str, ...], anchors: list[str]) -> str:
        """In braces, perhaps with an anchor, perhaps with others merged; or the alias of one before."""
        if anchors and self.draw(st.integers(0, 5)) == 0:
            return f"*{self.draw(st.sampled_from(anchors))}"
        merging = anchors and self.draw(st.booleans())
        merged = [f"*{name}" for name in self.few(tuple(anchors), 2)] if merging else []
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
        return self.mapping(self.value, KEYS, self.variables)

    def value(self, _: str) -> str:
        """Mostly one that is nowhere else: so it is seen whose word counts."""
        self.values += 1
        return self.draw(st.sampled_from((*VALUES, *[f"v{self.values}"] * 3 * len(VALUES))))

    def group_variables(self) -> str:
        body = self.body()
        if body.startswith("{") and self.draw(st.booleans()):
            priority = self.draw(st.sampled_from(("-1", "0", "2", "'10'", "10")))
            return f"{{ansible_group_priority: {priority}, {body[1:]}"
        return body

    def members(self) -> str:
        if self.draw(st.integers(0, 9)) == 0:
            return f'"{self.draw(st.sampled_from(HOSTS))}"'  # one alone
        return self.mapping(self.member, HOSTS, self.hosts)

    def member(self, _: str) -> str:
        return (
            self.draw(st.sampled_from((*NOTHING, '""'))) if self.draw(st.integers(0, 5)) == 0 else self.body()
        )

    def group(self, below: tuple[str, ...], depth: int = 0) -> str:
        if self.draw(st.integers(0, 7)) == 0:
            return self.draw(st.sampled_from(("{}", "", "null")))
        sections = self.draw(st.permutations(("vars", "hosts", "children")[: 3 if depth < 3 else 2]))
        texts = {"vars": self.group_variables, "hosts": self.members}
        parts = []
        for section in sections:
            text = texts[section]() if section in texts else self.children(below, depth)
            # an anchor that is left out could not be meant by who comes later
            is_empty = "&" not in text and self.draw(st.integers(0, 9)) == 0
            parts.append(f"{section}: {self.draw(st.sampled_from(NOTHING)) if is_empty else text}")
        return f"{{{', '.join(parts)}}}"

    def children(self, below: tuple[str, ...], depth: int) -> str:
        names = self.few(below, 2) if below else []
        if names and self.draw(st.integers(0, 9)) == 0:
            return names[0]  # one alone
        bodies = [f"{name}: {self.group(below[below.index(name) + 1 :], depth + 1)}" for name in names]
        return f"{{{', '.join(bodies)}}}"


@st.composite
def inventories(draw: st.DrawFn) -> str:
    document = Document(draw)
    lines = ["keep: {hosts: {h1: }}"]  # never empty: of that Ansible says that it failed
    for name in document.few(("all", "ungrouped", *GROUPS), most=5):
        below = GROUPS[GROUPS.index(name) + 1 :] if name in GROUPS else GROUPS if name == "all" else ()
        own = f"{{vars: {document.body()}, hosts: {document.members()}}}" if name == "ungrouped" else ""
        lines.append(f"{name}: {own or document.group(below)}")
    text = "\n".join(lines) + "\n"
    return draw(st.sampled_from((text, text, "\ufeff" + text, text.replace("\n", "\r\n"))))


@st.composite
def beside(draw: st.DrawFn) -> dict[str, str]:
    """Files of `group_vars` and `host_vars`."""
    document = Document(draw)
    places = [f"group_vars/{name}" for name in ("all", "keep", *GROUPS)]
    places += [f"host_vars/{name}" for name in ("h1", "h2")]
    endings = ("", ".yml", ".yaml", ".json", "/b.yml", "/a", "/c/d.json", "/.hidden.yml", "/e.txt", "/f.yml~")
    files = {}
    for place in document.few(tuple(places), 5):
        ending = draw(st.sampled_from(endings))
        more = draw(
            st.sampled_from(("", "", place + "/z.yaml" if ending.startswith("/") else place + ".yml"))
        )
        for path in filter(None, (place + ending, more)):
            document.variables.clear()  # an anchor is known within its file
            files[path] = (
                document.group_variables() if draw(st.integers(0, 4)) else draw(st.sampled_from(("", "# x")))
            )
    return files


@settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.generate),  # to make a failing one smaller takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(text=inventories(), files=beside())
def test_every_host_has_the_variables_that_ansible_gives_it(
    text: str, files: dict[str, str], folder: Path, ansible: AskAnsible
) -> None:
    found = ours(folder, text, files)
    assert found == theirs(ansible(), found), (text, files)


G = "g: {hosts: {h1: }, vars: {rack: g}}\n"


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("all: {children: {g: {hosts: {h1: }}}}\ng: {vars: {rack: B3}}\n", {}),
        (f"{G}b: {{hosts: {{h1: }}, vars: {{rack: b}}}}\n", {}),
        (f"{G}b: {{hosts: {{h1: }}, vars: {{rack: b, ansible_group_priority: 2}}}}\n", {}),
        (f"{G}b: {{hosts: {{h1: }}, vars: {{rack: b, ansible_group_priority: '10'}}}}\n", {}),
        (f"{G}b: {{children: {{c: {{hosts: {{h1: }}, vars: {{rack: c}}}}}}}}\n", {}),
        (
            f"{G}z: {{children: {{y: }}}}\ny: {{children: {{a: {{hosts: {{h1: }}}}}}, vars: {{rack: y}}}}\n",
            {},
        ),
        ("all: {hosts: {h1: }, vars: {rack: all}}\nungrouped: {vars: {rack: none}}\n", {}),
        (f"{G}ungrouped: {{hosts: {{h1: , h2: }}, vars: {{rack: none, uuid: none}}}}\n", {}),
        (f"{G}all: {{vars: {{rack: all, ansible_group_priority: 9}}}}\n", {}),
        ("g: {hosts: {h1: {rack: }}, vars: {rack: B3}}\n", {}),
        ("g: {hosts: h1, vars: {rack: B3}}\n", {}),
        ("z: {hosts: {h1: {rack: z}}}\nb: {hosts: {h1: {rack: b}, 'h[1:2]': {uuid: b}}}\n", {}),
        ("y: {hosts: &y {h1: }}\nb: {hosts: {<<: *y, 'h[1:2]': {rack: range}, h1: {rack: own}}}\n", {}),
        (G, {"group_vars/all.yml": "rack: all\n"}),
        (G, {"group_vars/all.yml": "rack: all\n", "group_vars/g": "rack: file\nmode: 0644\n"}),
        (G, {"group_vars/g.yml": "rack: yml\n", "group_vars/g.yaml": "rack: yaml\n"}),
        (G, {"group_vars/g": "rack: bare\n", "group_vars/g.yml": "rack: yml\n"}),
        (
            G,
            {
                "group_vars/g/b.yml": "rack: b\n",
                "group_vars/g/a": "rack: a\n",
                "group_vars/g/.c": "rack: c\n",
            },
        ),
        (G, {"group_vars/g/c/d.json": '{"rack": "d"}', "group_vars/g/c.d/e.yml": "rack: e\n"}),
        (G, {"group_vars/g/z.txt": "rack: z\n", "group_vars/g/z.yml~": "rack: z\n"}),
        (G, {"host_vars/h1.yml": "rack: host\n", "group_vars/g.yml": "rack: file\n"}),
        ("g: {hosts: {h1: {rack: own}}}\n", {"host_vars/h1/x.yml": "rack: null\n", "group_vars/g": ""}),
    ],
)
def test_what_is_known_to_be_difficult_means_the_same(
    text: str, files: dict[str, str], folder: Path, ansible: AskAnsible
) -> None:
    found = ours(folder, text, files)
    said = theirs(ansible(), found)
    assert isinstance(said, dict)
    assert found == {host: {key: body[key] for key in body if key in KEYS} for host, body in said.items()}
    assert "rack" in found["h1"]


def test_the_example_means_to_ansible_what_it_means_to_us(folder: Path, ansible: AskAnsible) -> None:
    text = (shipped.folder("inventory") / "hosts.yml").read_text()
    found = ours(folder, text)
    assert len(found) == 3 and found == theirs(ansible(), found)


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
    with pytest.raises(InventoryError, match=r"line [12]: "):
        ours(folder, text)
    assert ansible() is None
