"""The lab's machines for real: firmware, BMC, bridge and QEMU in a namespace of their own."""

import contextlib
import functools
import os
import re
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.lab import machine, network, qemu
from provisioner.power import console, registry
from provisioner.power.protocol import BmcAddress
from provisioner.state.recording import Recording
from provisioner.system import namespaces

PROGRAMS = Path(__file__).with_name("programs")

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
MAC = "52:54:00:00:00:01"
PASSWORD = "lab-secret"
DHCP_LIMIT = 90  # seconds from power-on to the firmware's first DHCP packet, on a loaded machine
# A boot sector: says B on the serial line, then waits there for r (resets the machine) or o (powers it off);
# with interrupts off, since SeaBIOS reads that line too.
SECTOR = bytes.fromhex(
    "fa baf803 b042 ee b00a ee bafd03 ec a801 74fb baf803 ec 3c72 7409 ba0406 b80020 ef ebfe b0fe e664 ebfe"
)


LabTest: TypeAlias = Callable[[network.Lan, Path], None]


def in_the_lab(test: LabTest) -> LabTest:
    """Outside, the test runs itself again inside by another pytest; inside, it is the test."""

    @functools.wraps(test)
    def wrapper(lan: network.Lan, tmp_path: Path) -> None:
        if network.inside():
            return test(lan, tmp_path)
        network.check()
        # inside we are root by name only: pytest's usual folder may belong to another root
        place = ["-p", "no:cacheprovider", "--basetemp", str(tmp_path / "inside")]
        this = f"{__file__}::{test.__name__}"
        argv = [*namespaces.UNSHARE, sys.executable, "-m", "pytest", "-q", "-rP", *place, this]
        done = run.run(argv, env={network.MARK: "1"}, cwd=ROOT, timeout=280, check=False)
        said = done.stdout.decode()
        assert done.returncode == 0 and "1 passed" in said, said
        print(*re.findall("^measured: .*", said, re.MULTILINE), sep="\n")

    return wrapper


@pytest.fixture
def lan() -> Iterator[network.Lan | None]:
    if network.inside():
        with network.Lan() as made:
            yield made
    else:
        yield None


def bmc_of(lan: network.Lan, name: str) -> BmcAddress:
    return BmcAddress("ipmi", lan.bmc(name), 623, "provision", PASSWORD, name)


def uefi_host(lan: network.Lan, folder: Path) -> machine.Machine:
    machine.fill(folder / "disk", 64 << 20)
    disks = (qemu.Disk(folder / "disk", "D1", bus="nvme"),)
    described = qemu.MachineSpec("vc-1", MAC, disks, memory=512, extra_pci=("edu",))
    accelerator = qemu.choose_accelerator(folder / "kvm.json")
    bmc = bmc_of(lan, "vc-1")
    return machine.Machine(described, folder / "vc-1", tap=lan.tap("vc-1"), bmc=bmc, accelerator=accelerator)


def sector_host(lan: network.Lan, folder: Path) -> machine.Machine:
    """A machine that boots in two seconds, and reboots or powers off when told on its serial line."""
    (folder / "image").write_bytes(SECTOR.ljust(510, b"\0") + b"\x55\xaa")
    machine.copy(folder / "image", folder / "disk", 1 << 20)
    disks = (qemu.Disk(folder / "disk", "D1", bus="ahci"),)
    described = qemu.MachineSpec("b-1", MAC, disks, memory=64, firmware="bios")
    bmc = bmc_of(lan, "b-1")
    return machine.Machine(described, folder / "b-1", tap=lan.tap("b-1"), bmc=bmc, standing_order="disk")


def tell(host: machine.Machine, word: bytes) -> None:
    """Say a word on the serial line of a sector host."""
    host.serial_line.type(word)
    host.wait_starts(len(host.starts) + 1, 15) if word == b"r" else host.wait_state("off", 15)


def ipmitool(bmc: BmcAddress, *words: str) -> str:
    argv = [
        "ipmitool",
        "-I",
        "lanplus",
        "-C",
        "3",
        "-H",
        bmc.address,
        "-U",
        bmc.user,
        "-E",
        "chassis",
        *words,
    ]
    return run.run(argv, env={"IPMI_PASSWORD": PASSWORD}, timeout=60).stdout.decode()


def next_discover(line: socket.socket, limit: float) -> str:
    """The client's MAC in the next DHCPDISCOVER that reaches the bridge."""
    until = time.monotonic() + limit
    while select.select([line], [], [], max(0.0, until - time.monotonic()))[0]:
        packet = line.recv(2048)
        if packet[236:243] == b"\x63\x82\x53\x63\x35\x01\x01":  # magic cookie, then option 53 = DISCOVER
            return packet[28:34].hex(":")
    raise AssertionError(f"no DHCPDISCOVER within {limit} s")


@in_the_lab
def test_the_firmware_asks_for_an_address_soon_after_power_on_by_ipmi(
    lan: network.Lan, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line, uefi_host(lan, tmp_path) as host:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, network.BRIDGE.encode())
        line.bind(("", 67))
        assert ipmitool(host.bmc, "power", "status") == "Chassis Power is off\n"
        started = time.monotonic()
        ipmitool(host.bmc, "power", "on")
        assert next_discover(line, DHCP_LIMIT) == MAC
        print(f"measured: {time.monotonic() - started:.1f} s from IPMI power-on to the first DHCPDISCOVER")
        assert ipmitool(host.bmc, "power", "status") == "Chassis Power is on\n"
        host.wait_console(">>Start PXE over IPv4", timeout=30)
        host.screendump(tmp_path / "screen.png")
        assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")
        assert host.block_writes() == [0]
        ipmitool(host.bmc, "power", "off")
        host.wait_state("off", 15)
        assert ipmitool(host.bmc, "power", "status") == "Chassis Power is off\n"
        with pytest.raises(ServiceError, match="vc-1 is off"):
            host.block_writes()
        assert [start.order for start in host.starts] == ["network"] and host.faults == []


@in_the_lab
def test_a_boot_device_holds_for_one_start_of_the_real_firmware(lan: network.Lan, tmp_path: Path) -> None:
    with uefi_host(lan, tmp_path) as host:
        driver = registry.connect(host.bmc)
        assert driver.set_boot("disk").confirmed
        driver.on()
        # the disk holds nothing, so the firmware says that it tried it before the network
        behind = host.wait_console("(failed to load|BdsDxe: No bootable|not found).*", timeout=DHCP_LIMIT)
        assert b">>Start PXE" not in host.serial_log.read_bytes()[:behind]
        assert driver.get_boot().device == "default"
        offset = host.console_offset()
        driver.reset()
        host.wait_starts(2, 15)
        offset = host.wait_console(">>Start PXE", since=offset, timeout=DHCP_LIMIT)
        assert [(start.order, start.cause) for start in host.starts] == [("disk", "on"), ("network", "reset")]


@in_the_lab
def test_a_reboot_by_the_guest_honours_a_boot_device_that_was_set_before(
    lan: network.Lan, tmp_path: Path
) -> None:
    with sector_host(lan, tmp_path) as host:
        driver = registry.connect(host.bmc)
        driver.on()
        host.wait_console("B\n", timeout=30)
        driver.set_boot("network")
        tell(host, b"r")
        assert driver.state().state == "on", "a machine that reboots is on"
        offset = host.console_offset()
        driver.reset()
        host.wait_console("B\n", since=offset, timeout=30)
        tell(host, b"r")
        assert [(start.order, start.cause) for start in host.starts] == [
            ("disk", "on"),
            ("network", "reboot"),
            ("disk", "reset"),
            ("disk", "reboot"),
        ]
        assert host.faults == []


@in_the_lab
def test_a_guest_that_powers_off_stays_off_and_a_cut_is_no_fault(lan: network.Lan, tmp_path: Path) -> None:
    with sector_host(lan, tmp_path) as host:
        driver = registry.connect(host.bmc)
        driver.on()
        offset = host.wait_console("B\n", timeout=30)
        tell(host, b"o")
        assert driver.state().state == "off"
        driver.on()
        host.wait_console("B\n", since=offset, timeout=30)
        host.cut_power()
        assert driver.state().state == "off" and host.faults == []
        host.cut_power()  # twice is harmless
        assert [start.cause for start in host.starts] == ["on", "on"]


@in_the_lab
def test_the_bmc_s_console_is_the_machine_s_own_log_across_reboots(lan: network.Lan, tmp_path: Path) -> None:
    (tmp_path / "state" / "logs").mkdir(parents=True)
    with sector_host(lan, tmp_path) as host:
        request = console.RecorderRequest(host.bmc, tmp_path / "state", "d-1")
        recorder = console.start(registry.DRIVERS["ipmi"].recorder, request)
        assert recorder.stdin and recorder.stdout
        assert console.error_in(recorder.stdout.readline()) is None
        offset = 0
        host.press("on")
        for act in ("reboot", "reset", "reboot"):
            offset = host.wait_console("B\n", since=offset, timeout=30)
            tell(host, b"r") if act == "reboot" else registry.connect(host.bmc).reset()
        host.wait_console("B\n", since=offset, timeout=30)
        tell(host, b"o")
        recorder.stdin.close()
        assert recorder.wait(30) == 0
        recorder.stdout.close()
        own = host.serial_log.read_bytes()
        assert Recording(tmp_path / "state", "d-1").read(0, 1 << 20) == own
        assert own.count(b"B\n") == 4 and len(host.starts) == 4


@in_the_lab
def test_a_machine_that_cannot_start_is_off_and_says_why(lan: network.Lan, tmp_path: Path) -> None:
    with sector_host(lan, tmp_path) as host:
        (tmp_path / "disk").unlink()
        ipmitool(host.bmc, "power", "on")
        host.wait_starts(1, 15)
        host.wait_state("off", 15)
        assert "off" in ipmitool(host.bmc, "power", "status")
        assert len(host.faults) == 1 and "No such file" in host.faults[0]


def comms(pids: list[int]) -> set[str]:
    return {Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids}


@in_the_lab
def test_machine_and_bmc_die_with_a_lab_that_is_killed(lan: network.Lan, tmp_path: Path) -> None:
    argv = [sys.executable, PROGRAMS / "lab_child.py", tmp_path, lan.tap("k-1")]
    lab = run.start(argv, stdout=run.PIPE)
    assert lab.stdout and lab.stdout.readline() == b"running\n"
    tasks = Path(f"/proc/{lab.pid}/task").glob("*/children")
    children = [int(pid) for task in tasks for pid in task.read_text().split()]
    until = time.monotonic() + 10
    while (names := comms(children)) != {
        "ipmi_sim",
        "qemu-system-x86",
    }:  # each becomes its program in a moment
        assert time.monotonic() < until, names
        time.sleep(0.05)  # a process that becomes another program is no event
    with contextlib.ExitStack() as stack:
        handles = [os.pidfd_open(pid) for pid in children]
        for handle in handles:
            stack.callback(os.close, handle)
        run.signal_process(lab.pid, signal.SIGKILL)
        lab.wait()
        for handle in handles:
            assert select.select([handle], [], [], 10)[0], "a process outlived the lab"
