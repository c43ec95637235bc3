"""A machine that nobody knows, for real: looked at with its disk left as it is, adopted and deployed."""

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from provisioner import ramdisk, run
from provisioner.domain.machine import UnknownMachine
from provisioner.domain.profile import Profile
from provisioner.lab import evidence, machine, network, qemu, supplies
from provisioner.lab.service import Service
from provisioner.power.protocol import BmcAddress
from provisioner.system import namespaces

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("PROVISION_CACHE", Path.home() / ".cache/provisioner"))
NAME, MAC, SERIAL, USER, GPU = "found-1", "52:54:00:77:02:01", "LAB0042", "lab", "1234:11e8"
DISK = 1 << 30  # bytes
LOOK_LIMIT = 600.0  # seconds from power-on to the inventory, emulated on a busy machine
DEADLINES = {"powering": 300, "netbooting": 600, "writing": 1800}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: the service's socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="d-", ignore_cleanup_errors=True) as made:
        yield Path(made)


class Site:
    """The service with discovery on, and a command line."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
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

    def provision(self, *words: str) -> str:
        argv = [sys.executable, "-m", "provisioner", *words, "--state", str(self.service.state)]
        return run.text(argv, timeout=300)

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
        marked = (line.partition(f"{MAC} ")[2] for line in self.log.read_text().splitlines())
        return [line.split(" is answered ")[1] for line in marked if " is answered " in line]


def host(lan: network.Lan, folder: Path, password: str) -> machine.Machine:
    machine.fill(folder / "disk", DISK)
    disks = (qemu.Disk(folder / "disk", "LABDISK1"),)
    described = qemu.MachineSpec(NAME, MAC, disks, serial_number=SERIAL, extra_pci=("edu",))
    bmc = BmcAddress("ipmi", lan.bmc(NAME), 623, user=USER, password=password, name=NAME)
    accelerator = qemu.choose_accelerator(CACHE / "accelerator.json")
    return machine.Machine(described, folder / NAME, tap=lan.tap(NAME), bmc=bmc, accelerator=accelerator)


def look(site: Site, found: machine.Machine) -> UnknownMachine:
    """From power-on to the disk answer after the inventory; it is off afterwards, its disk as it was."""
    began = time.monotonic()
    found.press("on")
    row = site.await_row("inventoried", LOOK_LIMIT)
    print(f"measured: {time.monotonic() - began:.0f} s from power-on to the inventory")
    found.wait_starts(2, 120)
    assert [start.cause for start in found.starts] == ["on", "reboot"]
    found.wait_console("This machine is not known; its inventory was taken", timeout=300)
    assert [answer.split(":")[0] for answer in site.answers()] == ["Survey", "Local"]
    assert found.block_writes() == [0]
    found.cut_power()
    assert found.faults == [] and evidence.is_untouched(found.disks[0])
    return row


def check_row(row: UnknownMachine, uuid: str) -> None:
    assert (row.serial, row.uuid, row.macs) == (SERIAL, uuid, (MAC,))
    assert (row.maker, row.product, row.firmware) == ("Provisioner", "Lab", "uefi")
    assert (row.architecture, row.vendor, row.host) == ("x64 UEFI", "set by hand", "")
    (disk,) = row.disks
    assert (disk.serial, disk.size, disk.content) == ("LABDISK1", DISK, "no partition table")
    assert [nic.mac for nic in row.nics] == [MAC] and row.nics[0].driver == "virtio_net"
    assert [device.id for device in row.devices].count(GPU) == 1
    assert row.cpus == 2 and 900 << 20 < row.memory <= 1 << 30


def adopt(site: Site, found: machine.Machine) -> None:
    """By the commands that an operator types."""
    site.client.apply([], [Profile(name="lab", deadlines=DEADLINES)])
    site.provision("profile", "learn", MAC, "--name", "lab", "--device", GPU, "--apply", "--replace")
    bmc = ("--bmc", found.bmc_address, "--secret", USER)
    site.provision("host", "add", "--from-seen", MAC, "--name", NAME, "--profile", "lab", *bmc)
    profile = json.loads(site.provision("profile", "show", "lab", "-o", "json"))["profile"]
    assert (GPU, 1) in [(gpu["id"], gpu["count"]) for gpu in profile["gpus"]]
    assert profile["deadlines"] == DEADLINES
    assert profile["disks"][0]["min_size"] < DISK < profile["disks"][0]["max_size"]
    assert site.client.machines().machines == ()


def deploy(site: Site, found: machine.Machine) -> list[str]:
    """Until the disk that the learned hints name is written; the kinds of the events."""
    site.provision("image", "add", str(site.supplies.pack))
    erases = site.client.plan(NAME, site.supplies.image).erases
    assert erases.seen and erases.serial == "LABDISK1", "the disk is known from the inventory"
    image = ("--image", site.supplies.image)
    ident = site.provision("deploy", NAME, *image, "--yes", "--no-wait", "--until", "writing").strip()
    kinds = [event.kind for news in site.client.follow(ident) for event in news.events]
    row = site.client.deployment(ident)
    assert row.stage == "cancelled" and row.reason.startswith("stopped after"), row
    return kinds


def test_a_machine_that_nobody_knows_is_looked_at_adopted_and_deployed(folder: Path) -> None:
    if not network.inside():
        return again_inside()
    password = secrets.token_hex(8)
    with ExitStack() as stack:
        lan = stack.enter_context(network.Lan())
        found = stack.enter_context(host(lan, folder, password))
        site = Site(folder, stack)
        site.client.put_secret(USER, USER, password)
        row = look(site, found)
        check_row(row, str(found.spec.uuid))
        adopt(site, found)
        kinds = deploy(site, found)
        assert {"script.served", "agent.hello", "agent.written"} <= set(kinds)
        assert site.answers()[-1].startswith("Ramdisk") and found.faults == []
        print("measured: adopted, and its disk was written")
    return None


def again_inside() -> None:
    """Run this very test by another pytest in the lab's namespaces; what needs a network comes before."""
    network.check()
    supplies.stock(CACHE, print)
    options = ["-q", "-rP", "-p", "no:cacheprovider", "-o", "timeout=1500", __file__]
    argv = [*namespaces.UNSHARE, sys.executable, "-m", "pytest", *options]
    done = run.run(argv, env={network.MARK: "1"}, cwd=ROOT, timeout=1600, check=False)
    said = done.stdout.decode()
    assert done.returncode == 0 and "1 passed" in said, said
    print(*(line for line in said.splitlines() if line.startswith("measured: ")), sep="\n")
