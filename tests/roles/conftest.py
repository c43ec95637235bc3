"""Trees in which the roles are converged: a Debian 12, and one that says it is Ubuntu 24.04."""

import json
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import testinfra  # type: ignore[import-untyped]

from provisioner import run
from tests.roles import archive, dummies, supplies
from tests.unit.ansible.test_roles import ROLES, tasks
from tests.unit.ansible.test_roles import figures as counted

HERE = Path(__file__).parent
ANSIBLE = HERE.parents[1] / "ansible"
UBUNTU = (
    'ID=ubuntu\nID_LIKE=debian\nNAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\nVERSION_ID="24.04"\n'
    'VERSION="24.04.3 LTS (Noble Numbat)"\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n'
)
figures: dict[str, str] = {}
ran: set[str] = set()


@dataclass(frozen=True)
class Outcome:
    """How a run of Ansible ended; `changed` names the tasks that changed something."""

    code: int
    text: str
    changed: list[str]


@dataclass
class Tree:
    """A system in a folder, and what is told to Ansible about it."""

    path: Path
    variables: dict[str, object]
    done: list[Outcome] = field(default_factory=list)

    @property
    def host(self) -> object:
        """The tree through Testinfra's eyes."""
        return testinfra.get_host(str(self.path), connection="chroot")

    def play(self, *arguments: str, **variables: object) -> Outcome:
        """Run site.yml on the tree."""
        extra = json.dumps({**self.variables, **variables})
        argv = [Path(sys.executable).with_name("ansible-playbook"), "-i", f"{self.path},", "-c", "tree"]
        env = {
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection"),
            "ANSIBLE_NOCOLOR": "1",
        }
        done = run.run(
            [*argv, "-e", extra, *arguments, ANSIBLE / "site.yml"], timeout=400, env=env, check=False
        )
        text = (done.stdout + done.stderr).decode(errors="replace")
        ran.update(_tasks(text))
        self.done.append(outcome := Outcome(done.returncode, text, _changed(text)))
        return outcome

    def converge(self, *roles: str) -> None:
        """Run the roles, and once more: the second run may change nothing."""
        tags = ["--tags", ",".join(roles)] if roles else ["--skip-tags", "cleanup"]
        first = self.play(*tags)
        assert first.code == 0, first.text[-3000:]
        again = self.play(*tags)
        assert again.code == 0, again.text[-3000:]
        assert again.changed == [], "a second run changed something"

    def run(self, *argv: str, check: bool = True) -> str:
        done = run.run(["chroot", self.path, *argv], timeout=300, check=check)
        return (done.stdout + done.stderr).decode(errors="replace")


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^(?:TASK|RUNNING HANDLER) \[", text, flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("]")
        yield name, rest


def _changed(text: str) -> list[str]:
    return [name for name, rest in _sections(text) if re.search(r"^changed: ", rest, re.MULTILINE)]


def _tasks(text: str) -> set[str]:
    return {name for name, rest in _sections(text) if re.search(r"^(changed|ok): ", rest, re.MULTILINE)}


@pytest.fixture(scope="session")
def cut_off() -> None:
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    assert not others and os.geteuid() == 0, (
        "run by `make test-roles`: these tests need a network of their own"
    )


@pytest.fixture(scope="session")
def cache() -> Path:
    return Path(os.environ.get("CACHE", "~/.cache/provisioner")).expanduser()


@pytest.fixture(scope="session")
def place(cut_off: None, cache: Path) -> Iterator[Path]:
    """A folder on the cache's disk, which has room for trees."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="roles-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def mirror(place: Path, cache: Path) -> Iterator[archive.Mirror]:
    """Debian's packages, stand-ins for Ubuntu's and NVIDIA's, the real wheels, dummy frameworks."""
    cached, made = supplies.places(cache), place / "dummies"
    made.mkdir()
    wheels = [dummies.wheel(made, name) for name in ("torch", "tensorflow", "vllm")]
    for path in wheels:
        (made / f"{path.name.split('-')[0]}.txt").write_text(dummies.pinned(path))
    debs = [*cached.debs.glob("*.deb"), *dummies.ubuntu(made)]
    root = place / "mirror"
    key = archive.make(root, debs, [*cached.wheels.glob("*.whl"), *wheels], ("bookworm", "noble"))
    with archive.served(root, key) as served:
        yield served


@contextmanager
def _tree(place: Path, name: str, mirror: archive.Mirror, cache: Path, **more: object) -> Iterator[Tree]:
    root = place / name
    root.mkdir()
    run.run(
        [
            "tar",
            "--extract",
            "--numeric-owner",
            "--exclude=./dev/*",
            "--file",
            supplies.places(cache).tree,
            "--directory",
            root,
        ],
        timeout=120,
    )
    with _mounted(root):
        # a system that boots has an address book; one that does not must start no service
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (root / "usr/sbin/policy-rc.d").chmod(0o755)
        given = {
            "site_mirror_url": mirror.url,
            "site_mirror_key": str(mirror.key),
            "site_mirror_hosts_entry": "127.0.0.1",
            "site_time_servers": ["10.77.0.1"],
        }
        yield Tree(root, {**given, **more})
    shutil.rmtree(root)


@contextmanager
def _mounted(root: Path) -> Iterator[None]:
    run.run(["mount", "-t", "proc", "proc", root / "proc"])
    run.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", root / "dev"])
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        (root / "dev" / name).touch()
        run.run(["mount", "--bind", f"/dev/{name}", root / "dev" / name])
    (root / "dev/pts").mkdir()
    run.run(["mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666", "devpts", root / "dev/pts"])
    (root / "dev/ptmx").symlink_to("pts/ptmx")
    (root / "dev/shm").mkdir(mode=0o1777)
    for name, target in {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        (root / "dev" / name).symlink_to(target)
    try:
        yield
    finally:
        run.run(["umount", "--recursive", root / "dev"])
        run.run(["umount", root / "proc"])


@pytest.fixture(scope="session")
def bare(place: Path, mirror: archive.Mirror, cache: Path) -> Iterator[Tree]:
    """Debian 12 before any role."""
    with _tree(place, "debian", mirror, cache, gpu_stack=False, ml_stack=False) as tree:
        yield tree


@pytest.fixture(scope="session")
def based(bare: Tree) -> Tree:
    bare.converge("base")
    return bare


@pytest.fixture(scope="session")
def hardened(based: Tree) -> SimpleNamespace:
    """The tree after the role, and Lynis' index before and after."""
    before = lynis(based)
    based.converge("hardening")
    trees = SimpleNamespace(tree=based, before=before, after=lynis(based))
    figures["lynis hardening index"] = f"{trees.before} → {trees.after}"
    return trees


def lynis(tree: Tree) -> int:
    """The hardening index that Lynis gives the tree, 0 to 100."""
    output = tree.run("lynis", "audit", "system", "--quick", "--no-colors", "--quiet", check=False)
    report = (tree.path / "var/log/lynis-report.dat").read_text(errors="replace")
    index = re.search(r"^hardening_index=(\d+)", report, re.MULTILINE)
    assert index, output[-500:]
    return int(index[1])


@pytest.fixture(scope="session")
def dockered(hardened: SimpleNamespace) -> Tree:
    hardened.tree.converge("docker")
    return hardened.tree


@pytest.fixture(scope="session")
def pythoned(dockered: Tree) -> Tree:
    dockered.converge("python_env")
    return dockered


@pytest.fixture(scope="session")
def judging(pythoned: Tree) -> Tree:
    pythoned.converge("verification")
    return pythoned


@pytest.fixture(scope="session")
def ubuntu(place: Path, mirror: archive.Mirror, cache: Path) -> Iterator[Tree]:
    """The whole of site.yml, but for cleanup, on a system that says it is Ubuntu."""
    made = place / "dummies"
    sets = [
        {"name": "pytorch", "requirements": str(made / "torch.txt"), "modules": ["torch"]},
        {"name": "tensorflow", "requirements": str(made / "tensorflow.txt"), "modules": ["tensorflow"]},
        {"name": "vllm", "requirements": str(made / "vllm.txt"), "modules": ["vllm"]},
    ]
    # the compilers of Debian would only cost time
    more = {"ml_frameworks_sets": sets, "ml_frameworks_packages": ["python3-venv"]}
    with _tree(place, "ubuntu", mirror, cache, **more) as tree:
        (tree.path / "usr/lib/os-release").write_text(UBUNTU)
        with suppress(FileNotFoundError):
            (tree.path / "etc/debian_version").unlink()
        for name in ("update-grub", "update-initramfs"):
            program = tree.path / "usr/sbin" / name
            program.write_text(f"#!/bin/sh\necho {name} >> /var/tmp/handlers\n")
            program.chmod(0o755)
        tree.converge()
        yield tree


def never_ran() -> list[str]:
    """Tasks and handlers that no test has run so far."""
    known = [name for role in ROLES for name in tasks(role)]
    return [name for name in known if not any(test.startswith(name) for test in ran)]


def pytest_terminal_summary(terminalreporter: object) -> None:
    if not ran:
        return
    total = sum(1 for role in ROLES for _ in tasks(role))
    figures["tasks that ran"] = (
        f"{total - len(never_ran())} of {total}; never: {', '.join(never_ran()) or 'none'}"
    )
    for line in [*counted(), *(f"{name}: {value}" for name, value in figures.items())]:
        terminalreporter.write_line(line)  # type: ignore[attr-defined]
