"""kill -9 of the service's processes while scripted machines are deployed, and what it may not do to them."""

from __future__ import annotations

import itertools
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any

from provisioner import run
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import ProgramError, ProvisionError, RefusedError, ServiceError
from provisioner.lab.service import FORK_SERVER
from provisioner.state.database import Database
from tests.wire.answering import answering, next_answering
from tests.wire.conftest import Inside, Puppet, Reply, World, held
from tests.wire.cubelab import Cubes

PROGRAMS = Path(__file__).parent / "daemon" / "programs"
SERVICES = ("dhcp", "tftp", "dns", "web", "api", "worker")
# ANSWERING is the process behind each of these two that answers requests
ANSWERING = {"web-answering": "web", "api-answering": "api"}
PROCESSES = (*SERVICES, *ANSWERING, "parent", FORK_SERVER)
S = Stage
# what one life of a host is met with; `queued` is that of the next one, which is ordered meanwhile
SLOTS = (
    *(S.POWERING, S.QUEUED, S.NETBOOTING, S.NETBOOTING, S.WRITING, S.WRITING),
    *(S.RESTARTING, S.RESTARTING, S.VERIFYING, S.SEALING),
)
# seconds after a stage began: the time that what is done in it takes; it does not end before the kill
LATEST = {S.QUEUED: 0.15, S.POWERING: 2.0, S.VERIFYING: 2.0, S.SEALING: 2.0}
LATEST_ELSE = 0.3
PATIENCE = 90.0  # seconds for anything
# what every deployment has once, whatever was killed
ONCE = (
    *("order.armed", "slot.given", "power.on", "agent.hello", "agent.written", "disk.chosen"),
    *("agent.rebooting", "os.phoned", "verify.passed", "seal.done"),
)
WAY = [S.POWERING, S.NETBOOTING, S.WRITING, S.RESTARTING, S.VERIFYING, S.SEALING, S.READY]


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: of which process, in which stage, how many seconds after that began."""

    process: str
    stage: Stage
    delay: float


def make_plan(seed: int, kills: int) -> list[list[Kill]]:
    """For each life its kills, in their order: within ten lives every process has its turn in every stage.

    The worker's turn comes in the first life while it verifies, and in the second while it seals. No process
    is killed three times between two kills of the parent, which waits for longer each time before it starts
    it again (PAUSES in daemon/parent.py).
    """
    chance = random.Random(seed)
    others = [name for name in PROCESSES if name not in ("worker", FORK_SERVER)]
    processes = [*chance.sample(others, len(others)), "worker", FORK_SERVER]
    return [
        [
            Kill(
                processes[(slot - number) % len(processes)],
                stage,
                chance.uniform(0, LATEST.get(stage, LATEST_ELSE)),
            )
            for slot, stage in enumerate(SLOTS)
        ]
        for number in range(-(-kills // len(SLOTS)))
    ]


class Machine(Puppet):
    """One host that lives as its script says; it repeats what was not answered, as its programs do."""

    cubes: Cubes
    ended: Flag  # the test is over, whatever machines still wait for
    gates: dict[Stage, Flag]
    bmc: str  # the address
    greeted: float  # when its hello was answered, by the monotonic clock

    def http(self, path: str, *options: str, **how: Any) -> Reply:
        if self.token:
            options += ("-H", f"Authorization: Bearer {self.token}")
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(ProgramError):  # nobody listens, or who has listened was killed
                reply = self.world.lan.http(path, *options, **{"source": self.address, **how})
                if reply.status < 500:
                    return reply
            assert time.monotonic() < until, f"{self.name}: {path} is not answered"
            self._nap()

    def _nap(self) -> None:
        assert not self.ended.wait(0.03), f"{self.name}: the test has ended"

    def begin(self) -> None:
        """A new life: it is held up in every stage that is its own to end."""
        self.token, self.order = "", {}
        self.gates = {stage: Flag() for stage in WAY[:-1]}

    def live(self) -> None:
        """From its power-on to its sealing."""
        while self.row.last_event != "power.on" or not self.gates[S.POWERING].is_set():
            assert self.row.stage in (S.QUEUED, S.POWERING), self.row
            self._nap()
        self._ask_script()
        while not self.gates[S.NETBOOTING].is_set():
            self._nap()
        self._ask_script()  # firmware may ask twice in one boot; who asks on and on boots in circles
        assert self.hello().status == 200
        self.greeted = time.monotonic()
        numbers = itertools.count(1)
        self._hold(S.WRITING, lambda: self._say("progress", "continue", seq=next(numbers)))
        end = {"seq": next(numbers)}
        while self._say("written", "continue", "reboot", **end) != "reboot":
            self._nap()
        self._hold(S.RESTARTING, lambda: self._say("written", "reboot", **end))
        self.cubes.boot(self.address, self.mac, "vault-os@1", "disk-1", self.login)
        assert self.phone(host_keys=[self.cubes.host_key]).status == 200
        for stage in (S.VERIFYING, S.SEALING):
            while not self.gates[stage].is_set():
                self._nap()
            self.cubes.release(self.address, stage)

    def _hold(self, stage: Stage, act: Callable[[], object]) -> None:
        act()
        while not self.gates[stage].wait(0.2):
            self._nap()
            act()

    def _ask_script(self) -> None:
        script = self.http(f"/boot/{self.mac.replace(':', '-')}/boot.ipxe").body.decode()
        found = re.search(r"pv\.nonce=(\S+)", script)
        assert found, script
        self.used = found[1]

    @property
    def nonce(self) -> str:
        """What its kernel was given."""
        return self.used

    def _say(self, kind: str, *expected: str, **other: Any) -> str:
        reply = self.tell(kind, **other)
        assert reply.status == 200 and reply.json["do"] in expected, reply
        return str(reply.json["do"])


class Killed(Inside):
    """A service that is killed; `looking`: seconds for which the test looked whether its ports are free."""

    looking = 0.0

    def check_ports(self) -> None:
        began = time.monotonic()
        super().check_ports()
        self.looking += time.monotonic() - began


@dataclass
class Site:
    """The service, its hosts, and a program that notices when a killed process answers again."""

    world: World
    machines: list[Machine]
    prober: run.Process
    acts: Path
    pool: ThreadPoolExecutor
    lives: list[Future[None]] = field(default_factory=list)

    @property
    def service(self) -> Killed:
        assert isinstance(self.world.service, Killed)
        return self.world.service

    def arm(self, machine: Machine) -> str:
        """Order a deployment as a person does who gets no answer: looks, and orders again; its id."""
        before = machine.row.id if machine.row else ""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return self.world.client.arm(machine.name, yes=True).id
            except ProvisionError as fault:
                assert time.monotonic() < until, fault
                if machine.row and machine.row.id != before:
                    return str(machine.row.id)
                assert not isinstance(fault, RefusedError), fault
            time.sleep(0.05)

    def start(self, machine: Machine) -> None:
        """Let it live."""
        machine.begin()
        self.lives.append(self.pool.submit(machine.live))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something; a machine that has found a fault ends the wait."""
        end = time.monotonic() + PATIENCE
        while not condition():
            for life in self.lives:
                if life.done():
                    life.result()
            assert time.monotonic() < end, f"{what} never came: {self.service.tail(10)}"
            time.sleep(0.005)

    def until_stage(self, machine: Machine, stage: Stage) -> None:
        """Wait until its deployment is there."""
        self.until(lambda: machine.row.stage == stage, f"{stage} of {machine.name}")

    def acts_since(self, machine: Machine) -> list[str]:
        """What its BMC was told since its hello was answered."""
        acts = [line.split() for line in self.acts.read_text().splitlines()]
        return [act for bmc, act, when in acts if bmc == machine.bmc and float(when) > machine.greeted]

    def kill(self, process: str) -> float:
        """kill -9; the seconds until it does its work again."""
        alive = self.world.state / "worker.alive"
        looked, began = alive.stat().st_mtime_ns, time.monotonic() - self.service.looking
        if process in ANSWERING:
            self._kill_answering(ANSWERING[process])
        elif process == FORK_SERVER:
            self._kill_fork_server()
        else:
            self.service.kill(process)
        if process == "parent":
            self.service.start()
        for name in SERVICES if process in ("parent", FORK_SERVER) else (ANSWERING.get(process, process),):
            if name == "worker":
                self.until(lambda: alive.stat().st_mtime_ns != looked, "a look of the worker")
            elif name == "api":
                self.until(self._api_answers, "an answer of the API")
            else:
                self._probe(name)
        return time.monotonic() - self.service.looking - began

    def _kill_answering(self, service: str) -> None:
        arbiter = self.service.pid(service)
        next_answering(arbiter, answering(arbiter))

    def _kill_fork_server(self) -> None:
        """No service ends with it, and another one comes."""
        serving, old = [self.service.pid(name) for name in SERVICES], self.service.pid(FORK_SERVER)
        run.signal_process(old, signal.SIGKILL)
        self.until(lambda: self._forks_anew(old), "another fork server")
        assert [Path(f"/proc/{pid}").exists() for pid in serving] == [True] * len(SERVICES)

    def _forks_anew(self, old: int) -> bool:
        with suppress(ServiceError):
            return self.service.pid(FORK_SERVER) != old
        return False

    def _api_answers(self) -> bool:
        with suppress(ProvisionError):
            return bool(self.world.client.service())
        return False

    def _probe(self, name: str) -> None:
        assert self.prober.stdin and self.prober.stdout
        self.prober.stdin.write(f"{name}\n".encode())
        self.prober.stdin.flush()
        assert self.prober.stdout.readline() == f"{name}\n".encode()


@contextmanager
def site(world: World, folder: Path, discover: str, prober_argv: list[str], hosts: int) -> Iterator[Site]:
    """So many hosts with a BMC each, and what asks the service in their network."""
    bmcs = [f"10.77.1.{number}" for number in range(1, hosts + 1)]
    for address in bmcs:
        world.lan.add_address(f"{address}/32", "lo")
    world.client.put_secret("lab", "provision", "lab-secret")
    machines = []
    for address in bmcs:
        bmc = {"driver": "ipmi", "address": address, "secret": "lab", "console": "none"}
        puppet = world.add_host(bmc=bmc)
        machines.append(Machine(world, puppet.name, puppet.mac, puppet.address))
        machines[-1].bmc = address
    (folder / "cubes").mkdir()
    (folder / "bmcs").mkdir()
    Machine.cubes, Machine.ended = Cubes(folder / "cubes"), Flag()
    simulators = world.lan.argv(sys.executable, PROGRAMS / "bmcs.py", folder / "bmcs", *bmcs)
    with (
        Machine.cubes.reachable(world.lan, [machine.address for machine in machines]),
        held(simulators),
        held([*prober_argv, sys.executable, str(PROGRAMS / "prober.py"), discover]) as prober,
        ThreadPoolExecutor(hosts + 1) as pool,
    ):
        try:
            yield Site(world, machines, prober, folder / "bmcs" / "acts", pool)
        finally:
            Machine.ended.set()


def assert_once(database: Database, ident: str) -> None:
    """A deployment that came to its end in one attempt, each step of it once."""
    row, events = database.deployments.get(ident), database.events.of(ident)
    assert (row.stage, row.attempt, row.code) == (S.READY, 1, 0), row
    counted = Counter(event.kind for event in events if event.kind in ONCE)
    assert counted == Counter(ONCE), [event.kind for event in events]
    order = [event.kind for event in events if event.kind in ONCE]
    assert order == list(ONCE), order


def assert_whole(state: Path, armed: list[str]) -> None:
    """The database has what was ordered, and nothing else; SQLite finds no fault in it."""
    database = Database(state)
    try:
        assert database.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not database.unreadable()
        rows = database.deployments.newest(10_000)
        assert sorted(row.id for row in rows) == sorted(armed)
        assert all(row.stage in RESTING for row in rows)
    finally:
        database.close()
