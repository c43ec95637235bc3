"""A rack of scripted machines behind real IPMI BMCs: each begins to live when its BMC switches it on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

from provisioner.domain.stage import RESTING, Stage
from tests.wire import dhcplab
from tests.wire.conftest import World, held, make_pack, namespace
from tests.wire.crashlab import PROGRAMS, Killed, Machine
from tests.wire.cubelab import Cubes

AT_ONCE = 12  # machines that live at one time, at most
PATIENCE = 1200.0  # seconds for a whole run
LOOK = 0.1  # seconds between two looks at what the BMCs were told


class _EndedEarly(Exception):
    """The machine's deployment is over before its end."""


class ScriptedCube(Machine):
    """A machine that does all that it should at once, or says its `fault` instead of writing."""

    fault = ""

    def live(self) -> None:
        """From its power-on to its sealing, or to its fault."""
        self.begin()
        for gate in self.gates.values():
            gate.set()
        try:
            super().live()
        except _EndedEarly:
            return
        except AssertionError:
            if self.row.stage not in RESTING:  # a person has ended it
                raise

    def _hold(self, stage: Stage, act: Callable[[], object]) -> None:
        if stage == Stage.WRITING and self.fault:
            reply = self.tell("failed", code=312, sentence=self.fault, hint="look at its disks")
            assert reply.status == 200, reply
            raise _EndedEarly
        super()._hold(stage, act)


class Rack:
    """The service, its machines by the address of their BMC, and what came of each life."""

    def __init__(self, world: World, acts: Path, pool: ThreadPoolExecutor) -> None:
        self.world, self._acts, self._pool = world, acts, pool
        self.cubes: dict[str, ScriptedCube] = {}
        self.lives: list[Future[None]] = []

    def add(self, name: str, bmc: str) -> ScriptedCube:
        """Of a host that the service knows: its machine, which lives when that BMC says so."""
        host = self.world.client.host(name).host
        cube = ScriptedCube(self.world, name, host.macs[0], host.address)
        cube.bmc = bmc
        self.cubes[bmc] = cube
        return cube

    def press(self, cube: ScriptedCube) -> None:
        """Switch a machine on, as its BMC or a person does."""
        self.lives.append(self._pool.submit(cube.live))

    def follow(self) -> None:
        """Let machines live, as their BMCs are told, until the test ends."""
        with self._acts.open() as acts:
            while not Machine.ended.wait(LOOK):
                for line in acts:
                    bmc, act, _ = line.split()
                    if act in ("on", "reset") and bmc in self.cubes:
                        self.press(self.cubes[bmc])

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something; a machine that has found a fault ends the wait."""
        end = time.monotonic() + PATIENCE
        while not condition():
            for life in [life for life in self.lives if life.done()]:
                life.result()
            assert time.monotonic() < end, f"{what} never came: {self.world.service.tail(10)}"
            time.sleep(LOOK)

    def run(self, ident: str) -> list[Any]:
        """Its deployments, as the service says them."""
        return list(self.world.client.run(ident).deployments)

    def until_run(self, ident: str, condition: Callable[[list[Any]], bool], what: str) -> list[Any]:
        """Wait for something of a run; its deployments then."""
        self.until(lambda: condition(self.run(ident)), what)
        return self.run(ident)

    def until_over(self, ident: str) -> list[Any]:
        """Wait until all of a run is at rest; its deployments then."""
        return self.until_run(
            ident, lambda rows: all(row.stage in RESTING for row in rows), f"the end of {ident}"
        )


@contextmanager
def service(folder: Path, settings: str, address: str) -> Iterator[World]:
    """A service with one image and the profile `cube`; whoever asks it is in its namespace."""
    state = folder / "s"
    dhcplab.put_boot_files(state)
    for name in ("vmlinuz", "initrd.img"):
        (state / "ramdisk" / name).write_bytes(b"x")
    state.chmod(0o700)
    with ExitStack() as stack:
        lan = stack.enter_context(namespace())
        for words in (("address", "flush", "dev", "lan0"), ("address", "add", address, "dev", "lan0")):
            done = lan.run("ip", *words)
            assert done.code == 0, done.err
        world = World(lan, stack.enter_context(Killed(lan, folder, settings, address)), folder)
        stack.callback(world.site.database.close)
        world.apply([], [{"name": "cube", "image": "vault-os"}])
        pack = make_pack(folder)
        for sent in (("trust", folder / "release.pub"), ("add", pack)):
            result = world.provision("image", *sent)
            assert result.code == 0, result.err
        yield world


@contextmanager
def rack(world: World, folder: Path, bmcs: list[str], addresses: list[str]) -> Iterator[Rack]:
    """BMCs at these addresses, and machines reachable by SSH at those of their own."""
    for bmc in bmcs:
        world.lan.add_address(f"{bmc}/32", "lo")
    for name in ("cubes", "bmcs"):
        (folder / name).mkdir()
    acts = folder / "bmcs" / "acts"
    acts.touch()
    Machine.cubes, Machine.ended = Cubes(folder / "cubes"), Flag()
    simulators = world.lan.argv(sys.executable, PROGRAMS / "bmcs.py", folder / "bmcs", *bmcs)
    with (
        Machine.cubes.reachable(world.lan, addresses),
        held(simulators),
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        made = Rack(world, acts, pool)
        follower = Thread(target=made.follow)
        follower.start()
        try:
            yield made
        finally:
            Machine.ended.set()
            follower.join()
