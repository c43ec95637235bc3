"""A lab with discovery on and a machine in it that nobody knows, in the lab's own namespaces."""

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner import ramdisk, run
from provisioner.domain.machine import UnknownMachine
from provisioner.lab import evidence, machine, network, qemu, supplies
from provisioner.lab.service import Service
from provisioner.power.protocol import BmcAddress
from provisioner.system import namespaces

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("PROVISION_CACHE", Path.home() / ".cache/provisioner"))
NAME, MAC, SERIAL, USER, GPU = "found-1", "52:54:00:77:02:01", "LAB0042", "lab", "1234:11e8"
DISK_SERIAL = "LABDISK1"
DISK = 1 << 30  # bytes
LOOK_LIMIT = 600.0  # seconds from power-on to the inventory, emulated on a busy machine


class Site:
    """The service with discovery on, and a command line."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.supplies = supplies.provide(CACHE, print)
        state, keys = folder / "state", [self.supplies.public_key]
        (state / "keys").mkdir(parents=True, mode=0o700)
        state.chmod(0o700)
        shutil.copy(keys[0], state / "keys")
        ramdisk.build(state / "ramdisk", cache=CACHE / "ramdisk", keys=keys)
        (folder / "provisioner.toml").write_text("[discovery]\nboot = true\n")
        self.log = folder / "service.log"
        where = {"interface": network.BRIDGE, "address": network.ADDRESS}
        self.service = Service(state, self.log, settings=folder / "provisioner.toml", **where)
        stack.enter_context(self.service)
        self.client = self.service.client

    def argv(self, *words: str) -> list[str]:
        """A command line of the product, against this service."""
        return [sys.executable, "-m", "provisioner", *words, "--state", str(self.service.state)]

    def provision(self, *words: str) -> str:
        """What it prints as data."""
        return run.text(self.argv(*words), timeout=300)

    def await_row(self, wanted: str, limit: float) -> UnknownMachine:
        """The one unknown machine, as soon as `wanted` is true of it."""
        until, after = time.monotonic() + limit, 0.0
        while time.monotonic() < until:
            rows = self.client.machines(after, 20).machines
            if rows and getattr(rows[0], wanted):
                return rows[0]
            after = max([after, *(row.last_seen for row in rows)])
        raise AssertionError(f"no {wanted}: {self.service.tail(20)}")

    def answers(self) -> list[str]:
        """What the machine was answered to its requests for a script, in order."""
        marked = (line.partition(f"{MAC} ")[2] for line in self.log.read_text().splitlines())
        return [line.split(" is answered ")[1] for line in marked if " is answered " in line]


@dataclass(frozen=True)
class Found:
    """The service, and a machine with a BMC that it does not know; its login is kept as USER."""

    site: Site
    machine: machine.Machine

    def look(self) -> UnknownMachine:
        """From power-on to the disk answer after the inventory; it is off afterwards, its disk as it was."""
        began, found = time.monotonic(), self.machine
        found.press("on")
        row = self.site.await_row("inventoried", LOOK_LIMIT)
        print(f"measured: {time.monotonic() - began:.0f} s from power-on to the inventory")
        found.wait_starts(2, 120)
        assert [start.cause for start in found.starts] == ["on", "reboot"]
        found.wait_console("This machine is not known; its inventory was taken", timeout=300)
        assert [answer.split(":")[0] for answer in self.site.answers()] == ["Survey", "Local"]
        assert found.block_writes() == [0]
        found.cut_power()
        assert found.faults == [] and evidence.is_untouched(found.disks[0])
        return row


@contextmanager
def started() -> Iterator[Found]:
    """The lab with all that is in it. Its folder is short: the service's socket lies in it."""
    password = secrets.token_hex(8)
    with ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="d-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(made))
        lan = stack.enter_context(network.Lan())
        found = stack.enter_context(_host(lan, folder, password))
        site = Site(folder, stack)
        site.client.put_secret(USER, USER, password)
        yield Found(site, found)


def _host(lan: network.Lan, folder: Path, password: str) -> machine.Machine:
    machine.fill(folder / "disk", DISK)
    disks = (qemu.Disk(folder / "disk", DISK_SERIAL),)
    described = qemu.MachineSpec(NAME, MAC, disks, serial_number=SERIAL, extra_pci=("edu",))
    bmc = BmcAddress("ipmi", lan.bmc(NAME), 623, user=USER, password=password, name=NAME)
    accelerator = qemu.choose_accelerator(CACHE / "accelerator.json")
    return machine.Machine(described, folder / NAME, tap=lan.tap(NAME), bmc=bmc, accelerator=accelerator)


def again_inside(file: str) -> None:
    """Run the one test of a file by another pytest in the lab's namespaces, after what needs a network."""
    network.check()
    supplies.stock(CACHE, print)
    options = ["-q", "-rP", "-p", "no:cacheprovider", "-o", "timeout=1500", file]
    argv = [*namespaces.UNSHARE, sys.executable, "-m", "pytest", *options]
    done = run.run(argv, env={network.MARK: "1"}, cwd=ROOT, timeout=1600, check=False)
    said = done.stdout.decode()
    assert done.returncode == 0 and "1 passed" in said, said
    print(*(line for line in said.splitlines() if line.startswith("measured: ")), sep="\n")
