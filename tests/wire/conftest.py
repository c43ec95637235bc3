"""One running service in a network namespace of its own, an image, hosts, and puppets that play machines."""

import itertools
import json
import os
import pty
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner import run
from provisioner import settings as settings_module
from provisioner.api.hosts import InventoryUpdate
from provisioner.domain.event import Event
from provisioner.domain.person import Role
from provisioner.errors import RefusedError
from provisioner.lab.service import Service
from provisioner.site.site import Site
from provisioner.state import secret_keys
from provisioner.state.database import Database
from tests.access import token_of
from tests.wire import forkserver
from tests.wire.forkserver import PROVISION

PROGRAMS = Path(__file__).with_name("programs")
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
SPACIOUS = """
[dhcp]  # every test has a host of its own, and no host is ever forgotten
hosts = { first = "10.77.0.2", last = "10.77.0.209" }
discovery = { first = "10.77.0.210", last = "10.77.0.240" }
[orders]  # and no test waits for another's
at_once = 1000
stagger_seconds = 0
"""
SIZES = {"bios": 1, "esp": 8, "cidata": 4, "root": 8}  # MiB; 24 in all


@dataclass
class CommandResult:
    """How a program ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed as `-o json`."""
        return json.loads(self.out)


def command_result(code: int, out: bytes, err: bytes) -> CommandResult:
    """With what it said as text."""
    return CommandResult(code, out.decode(), err.decode())


@dataclass
class Reply:
    """An HTTP answer; `headers` in lower case and without the date."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Namespace:
    """A user, network and mount namespace with the bridge lan0, held open by one process."""

    def __init__(self, holder: run.Process) -> None:
        self.pid = holder.pid

    def argv(self, *words: str | Path) -> list[str]:
        """The command line that runs inside."""
        return [str(word) for word in (*forkserver.entering(self.pid), *words)]

    def run(self, *words: str | Path, env: dict[str, str] | None = None, stdin: bytes = b"") -> CommandResult:
        """Run to its end inside."""
        done = run.run(self.argv(*words), check=False, timeout=100, env=env, stdin=stdin)
        return CommandResult(done.returncode, done.stdout.decode(), done.stderr.decode())

    def provision(self, *words: str | Path, env: dict[str, str] | None = None) -> CommandResult:
        """`provision …` inside."""
        return command_result(*forkserver.provision(words, env=env, timeout=100, inside=self.pid))

    def add_address(self, address: str, device: str = "lan0") -> None:
        run.run(self.argv("ip", "address", "replace", address, "dev", device))

    def http(
        self,
        path: str,
        *options: str,
        body: Any = None,
        source: str = "",
        method: str = "",
        scheme: str = "http",
    ) -> Reply:
        """One request to the service by curl; a `body` that is not bytes goes as JSON."""
        argv = ["curl", "-sS", "-i", "--path-as-is", "--max-time", "20", "-H", "Expect:", *options]
        if source:
            argv += ["--interface", source]
        if method:
            argv += ["--head"] if method == "HEAD" else ["-X", method]
        if body is not None:
            argv += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        done = run.run(self.argv(*argv, f"{scheme}://10.77.0.1{path}"), stdin=sent, timeout=30)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs if name.lower() != "date"}
        return Reply(int(first.split()[1]), headers, rest)

    def https(self, path: str, *options: str, token: str = "", **how: Any) -> Reply:
        """Likewise by TLS, whatever the certificate, as a person or a program with a token."""
        shown = ("-H", f"Authorization: Bearer {token}") if token else ()
        return self.http(path, "--insecure", *shown, *options, scheme="https", **how)


class Inside(Service):
    """The rehearsal's handle of a service, for one that runs in a namespace."""

    def __init__(
        self, lan: Namespace, folder: Path, settings: str = "", address: str = "10.77.0.1/24"
    ) -> None:
        """`settings` is TOML for what the command line does not say."""
        super().__init__(folder / "s", folder / "service.log", interface="lan0", address=address)
        self.lan = lan
        (folder / "provisioner.toml").write_text(settings)
        self._argv = lan.argv(*self._argv, "--settings", folder / "provisioner.toml")

    @property
    def exit_code(self) -> int | None:
        """Of the parent; None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """As systemd does it."""
        if self._process:
            run.stop(self._process, grace=20)

    def check_ports(self) -> None:
        probed = self.lan.run(sys.executable, PROGRAMS / "free_ports.py")
        assert probed.code == 0, probed.err


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Namespaces as long as the block lasts."""
    argv = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", str(PROGRAMS / "lan.sh")]
    with held(argv) as holder:
        yield Namespace(holder)


@contextmanager
def held(argv: list[str]) -> Iterator[run.Process]:
    """A program that says `ready` and lasts until its standard input closes."""
    holder = run.start(argv, stdin=run.PIPE, stdout=run.PIPE)
    assert holder.stdin and holder.stdout
    try:
        assert holder.stdout.readline() == b"ready\n"
        yield holder
    finally:
        holder.stdin.close()
        run.stop(holder)
        holder.stdout.close()


@dataclass
class Puppet:
    """Plays the machine of one host: its address, its requests, its tokens."""

    world: "World"
    name: str
    mac: str
    address: str
    token: str = ""
    used: str = ""  # the nonce that it was given last; the service forgets it when it is used
    order: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def http(self, path: str, *options: str, **how: Any) -> Reply:
        """A request from the host's own address, with its token where it has one."""
        self.world.lan.add_address(f"{self.address}/24")
        if self.token:
            options += ("-H", f"Authorization: Bearer {self.token}")
        return self.world.lan.http(path, *options, **{"source": self.address, **how})

    @property
    def row(self) -> Any:
        """The last deployment as the store has it, secrets included."""
        return self.world.site.database.deployments.last_of(self.name)

    @property
    def nonce(self) -> str:
        """The nonce of its last boot."""
        self.used = self.row.nonce or self.used
        return self.used

    def arm(self) -> str:
        """Order a deployment and wait until a person was asked to press the button; its id."""
        ident: str = self.world.client.arm(self.name, yes=True).id
        self.world.await_event(ident, "power.asked")
        return ident

    def greeting(self, **other: Any) -> dict[str, Any]:
        """What the agent says first."""
        disk = {"name": "vda", "size": 64 << 30, "logical_sector": 512, "serial": "disk-1"}
        message = {"nonce": self.nonce, "boot_id": "boot-1", "mac": self.mac, "macs": [self.mac]}
        rest = {"serial": "", "uuid": "", "memory": 1 << 30, "version": "0", "disks": [disk]}
        return {**message, **rest, **self.facts, **other}

    def hello(self, **other: Any) -> Reply:
        """Say hello; a right one gives token and order."""
        reply = self.http("/agent/v1/hello", body=self.greeting(**other))
        if reply.status == 200:
            self.token, self.order = reply.json["token"], reply.json["order"]
        return reply

    def tell(self, kind: str, **other: Any) -> Reply:
        """One of the agent's messages, whole and right but for `other`."""
        base = {"deployment": self.order["deployment"], "attempt": self.order["attempt"], "seq": 1}
        disk = {"name": "vda", "size": 64 << 30, "logical_sector": 512, "serial": "disk-1"}
        more = {
            "progress": {"phase": "writing", "done": 1 << 20, "total": 24 << 20, "rate": 1.0},
            "log": {"lines": ["one", "two"]},
            "written": {"disk": disk, "seconds": 2.0, "bytes_written": 1, "bytes_fetched": 1},
            "restarting": {"how": "kexec", "sentence": "kexec starts Debian: /boot/vmlinuz-6.1"},
            "failed": {"code": 313, "sentence": "two disks fit: vda, vdb", "hint": "name one by its serial"},
        }
        return self.http(f"/agent/v1/{kind}", body={**base, **more[kind], **other})

    @property
    def phone_token(self) -> str:
        """The token that the seed gives to the system on the disk."""
        files = yaml.safe_load(self.order["seed"]["user-data"])["write_files"]
        [order] = [json.loads(file["content"]) for file in files if file["permissions"] == "0600"]
        return str(order["token"])

    @property
    def login(self) -> str:
        """The public SSH key that the seed gives to the system on the disk."""
        users = yaml.safe_load(self.order["seed"]["user-data"])["users"]
        [key] = [key for user in users for key in user["ssh_authorized_keys"]]
        return str(key)

    def phone(self, **other: Any) -> Reply:
        """What the system on the disk says of itself."""
        message = {"deployment": self.order["deployment"], "token": self.phone_token, "host_keys": [HOST_KEY]}
        system = {"image_id": "vault-os", "image_version": "1", "root_disk": {"serial": "disk-1"}}
        return self.http("/phone-home/v1", body={**message, **system, **other})

    @property
    def seed(self) -> str:
        """The path of its installer's seed, with the nonce of the last order."""
        return f"/autoinstall/{self.mac.replace(':', '-')}/{self.nonce}"

    def reach_restarting(self) -> str:
        """From the order to the reboot; the deployment's id."""
        ident = self.arm()
        assert self.hello().status == 200
        assert self.tell("written").json == {"do": "continue"}
        self.world.await_event(ident, "disk.chosen")
        return ident


class World:
    """The service under test with one image, and all that tests do to it from outside."""

    def __init__(self, lan: Namespace, service: Inside, folder: Path) -> None:
        self.lan, self.service, self.folder = lan, service, folder
        self.state, self.client = service.state, service.client
        plain = {"state": self.state, "interface": "lan0", "address": "10.77.0.1/24"}
        settings = settings_module.check(plain, source="test")
        self.site = Site(settings, Database(self.state), opener=secret_keys.look(settings))
        self.python = sys.executable
        self._numbers = itertools.count(101)  # of three digits each, so names sort as they were given

    def token(self, role: Role = Role.ADMIN, *, seconds: float = 3600) -> str:
        """The text of a new token of root's."""
        return token_of(self.site, role, seconds=seconds)

    def provision(
        self, *words: str | Path, env: dict[str, str] | None = None, stdin: bytes = b"", timeout: float = 60
    ) -> CommandResult:
        """`provision …` of this Python, on the service's state folder, outside of its network."""
        env = {"PROVISION_STATE": str(self.state), **(env or {})}
        return command_result(*forkserver.provision(words, env=env, timeout=timeout, stdin=stdin))

    def add_host(self, **other: Any) -> Puppet:
        """A new host, powered by hand unless told otherwise, that nothing else uses."""
        number = next(self._numbers)
        name, mac = f"vc-{number}", f"52:54:00:77:{1 + 0xA0 * (number >> 8):02x}:{number & 255:02x}"
        self.apply([{"name": name, "macs": [mac], "profile": "cube", **other}], [])
        return Puppet(self, name, mac, self.client.host(name).host.address)

    def apply(self, hosts: list[dict[str, Any]], profiles: list[dict[str, Any]]) -> None:
        """Add or replace hosts and profiles, as an inventory has them."""
        update = InventoryUpdate.model_validate({"hosts": hosts, "profiles": profiles})
        self.client.apply(update.hosts, update.profiles)

    def await_event(self, ident: str, kind: str) -> Event:
        """The first event of that kind, as soon as it has happened; at most a minute."""
        after, until = 0, time.monotonic() + 60
        seen: list[str] = []
        while time.monotonic() < until:
            for event in self.client.events(ident, after, wait=5).events:
                if event.kind == kind:
                    return event
                after = event.id
                seen.append(event.kind)
        raise AssertionError(f"{ident}: no {kind} came, but {seen}")

    def kinds(self, ident: str) -> list[str]:
        return [event.kind for event in self.client.events(ident).events]

    def told(self, ident: str) -> list[str]:
        """Likewise, without the evidence of what was refused, which comes a little later."""
        return [kind for kind in self.kinds(ident) if kind != "request.refused"]

    @contextmanager
    def terminal(
        self, *words: str, env: dict[str, str] | None = None, is_terminal: bool = True
    ) -> Iterator["Terminal"]:
        """`provision …` on a terminal."""
        env = {"PROVISION_STATE": str(self.state), **(env or {})}
        made = Terminal([*PROVISION, *words], env, is_terminal=is_terminal)
        try:
            yield made
        finally:
            made.close()

    def lines(self, *words: str, **env: str) -> AbstractContextManager["Terminal"]:
        """`provision …` with stdout and stderr in one pipe."""
        return self.terminal(*words, env=env, is_terminal=False)

    @contextmanager
    def machine(self, **other: Any) -> Iterator[Puppet]:
        """A new host; what was ordered for it is cancelled afterwards, so that its slot is free."""
        puppet = self.add_host(**other)
        try:
            yield puppet
        finally:
            last = self.site.database.deployments.last_order_of(puppet.name)  # a verification has a slot, too
            if last:
                with suppress(RefusedError):  # it has ended
                    self.client.cancel(last.id)


class Terminal:
    """A command that is read while it runs: on a terminal of its own, or with its output in a pipe."""

    def __init__(self, argv: list[str], env: dict[str, str], *, is_terminal: bool = True) -> None:
        self.seen = ""
        words = ["env", "--default-signal=INT", "sh", "-c", 'exec "$@" 2>&1', "sh", *argv]
        self._master, other = pty.openpty() if is_terminal else os.pipe()
        keyboard = other if is_terminal else None
        words = ["setsid", "--ctty", *words] if is_terminal else words
        self._process = run.start(words, stdin=keyboard, stdout=other, env={"TERM": "xterm-256color", **env})
        os.close(other)

    def await_text(self, wanted: str) -> None:
        """Read on until it is there; at most 30 s."""
        until = time.monotonic() + 30
        while wanted not in self.seen:
            assert select.select([self._master], [], [], max(0.0, until - time.monotonic()))[0], self.seen
            if not self._read():
                raise AssertionError(f"{wanted!r} never came: {self.seen}")

    def _read(self) -> bool:
        try:
            output = os.read(self._master, 4096)
        except OSError:  # the other end is closed
            return False
        self.seen += output.decode(errors="replace")
        return bool(output)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def signal(self, number: int) -> None:
        run.signal_process(self._process.pid, number)

    def end(self, key: str = "") -> int:
        """Press a key, read to the end; the exit code.

        It is pressed again every two seconds: a signal between readline's prompt and its wait is kept until
        then.
        """
        until = time.monotonic() + 40
        while time.monotonic() < until:
            if key:
                self.type(key)
            while select.select([self._master], [], [], 2)[0]:
                if not self._read():
                    return self._process.wait(30)
        raise AssertionError(f"it does not end: {self.seen}")

    def close(self) -> None:
        run.stop(self._process)
        os.close(self._master)


def make_image(path: Path) -> None:
    """A raw image of 24 MiB with the partitions of the image contract; the ESP and CIDATA are real FAT."""
    lines = [f'size={size}MiB, name="{role}", type={kind(role)}' for role, size in SIZES.items()]
    with path.open("wb") as raw:
        raw.truncate(24 << 20)
    run.run(["sfdisk", "-q", path], stdin=("label: gpt\n" + "\n".join(lines)).encode())
    listed = json.loads(run.text(["sfdisk", "--json", path]))["partitiontable"]["partitions"]
    with path.open("r+b") as raw:
        for (role, size), part in zip(SIZES.items(), listed, strict=True):
            raw.seek(part["start"] * 512)
            raw.write(content(path.parent, role, size))


def kind(role: str) -> str:
    return {"bios": "21686148-6449-6E6F-744E-656564454649", "esp": "U"}.get(role, "L")


def content(folder: Path, role: str, size: int) -> bytes:
    if role not in ("esp", "cidata"):
        return os.urandom(1 << 20)
    part = folder / f"{role}.fat"
    with part.open("wb") as raw:
        raw.truncate(size << 20)
    run.run(["mkfs.vfat", "-n", {"esp": "VAULTESP", "cidata": "CIDATA"}[role], part])
    return part.read_bytes()


def make_pack(folder: Path, *, name: str = "vault-os", version: str = "1") -> Path:
    """A signed pack, made by the command line; its key is `folder/release.pub`."""
    raw, pack = folder / "raw.img", folder / f"{name}-{version}.pack"
    if not raw.exists():
        make_image(raw)
        made(forkserver.provision(["image", "keygen", "release", "--dir", folder]))
    options = ("--name", name, "--version", version, "--sign", folder / "release.key")
    made(forkserver.provision(["image", "pack", raw, "-o", pack, *options]))
    return pack


def made(said: tuple[int, bytes, bytes]) -> None:
    code, _, complaint = said
    assert code == 0, complaint.decode()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running service; it knows the profile `cube` and the image vault-os@1."""
    with stocked(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Likewise, for tests with many hosts."""
    with stocked(tmp_path_factory.mktemp("fleet")) as made:
        yield made


@contextmanager
def stocked(folder: Path) -> Iterator[World]:
    """A service with the profile `cube` and the image vault-os@1."""
    with ExitStack() as stack:
        lan = stack.enter_context(namespace())
        service = stack.enter_context(Inside(lan, folder, SPACIOUS))
        world = World(lan, service, folder)
        stack.callback(world.site.database.close)
        world.apply([], [{"name": "cube", "image": "vault-os"}])
        pack = make_pack(folder)
        for words in (("trust", folder / "release.pub"), ("add", pack)):
            result = world.provision("image", *words)
            assert result.code == 0, result.err
        yield world


@pytest.fixture(scope="module")
def seeking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A running service that lets unknown machines look at themselves; it knows the profile `cube` only."""
    folder = tmp_path_factory.mktemp("seeking")
    (folder / "s" / "ramdisk").mkdir(mode=0o700, parents=True)
    for name in ("vmlinuz", "initrd.img"):
        (folder / "s" / "ramdisk" / name).write_bytes(b"x")
    with ExitStack() as stack:
        lan = stack.enter_context(namespace())
        settings = SPACIOUS + "[discovery]\nboot = true\n"
        world = World(lan, stack.enter_context(Inside(lan, folder, settings)), folder)
        stack.callback(world.site.database.close)
        world.apply([], [{"name": "cube", "image": "vault-os"}])
        yield world


@pytest.fixture
def puppet(world: World) -> Iterator[Puppet]:
    """A machine of the test's own, powered by hand."""
    with world.machine() as made:
        yield made


@pytest.fixture(scope="session")
def lan() -> Iterator[Namespace]:
    """A network without a service."""
    with namespace() as made:
        yield made


@pytest.fixture(scope="session")
def bmc_host(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puppet]:
    """A host with a real BMC at 10.77.1.1, user `provision`, password `lab-secret`, login `lab`."""
    world.lan.add_address("10.77.1.1/32", "lo")
    bmc = {"driver": "ipmi", "address": "10.77.1.1", "secret": "lab"}
    with held(world.lan.argv(sys.executable, PROGRAMS / "bmc.py", tmp_path_factory.mktemp("bmc"))):
        yield world.add_host(bmc=bmc)


@pytest.fixture(scope="session")
def inside() -> type[Inside]:
    """Starts a service of the test's own."""
    return Inside


@pytest.fixture(scope="session", name="held")
def held_fixture() -> Callable[[list[str]], Any]:
    """A program that says `ready` and lasts until its standard input closes."""
    return held
