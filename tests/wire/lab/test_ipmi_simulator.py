"""The lab's BMC as a client that we did not write sees it, and as the simulator's script uses it."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provisioner import run
from provisioner.errors import ProgramError, ServiceError
from provisioner.lab import ipmi_simulator
from provisioner.lab.chassis import Act, Chassis
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power.protocol import BmcAddress
from tests.ports import free_port

HERE = "127.0.0.1"
PASSWORD = "lab-secret"


class Lab:
    """A BMC whose machine is recorded: `on` is what the test says."""

    def __init__(self, folder: Path) -> None:
        self.acts: list[Act] = []
        self.on = False
        self.chassis = Chassis(self.acts.append, lambda: self.on)
        self.folder = folder
        self.address = BmcAddress("ipmi", HERE, free_port(), "provision", PASSWORD, "vc-1")

    def ipmitool(self, *words: str) -> str:
        address = ["-H", self.address.address, "-p", str(self.address.port), "-U", self.address.user]
        argv = ["ipmitool", "-I", "lanplus", "-C", "3", *address, "-E", "chassis", *words]
        return run.run(argv, env={"IPMI_PASSWORD": PASSWORD}, timeout=30).stdout.decode()

    def script(self, *words: str) -> str:
        """What the simulator's own script prints."""
        return run.text([sys.executable, "-IS", "control.py", "0x20", *words], cwd=self.folder)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    # deeper than the 107 characters of a socket's name
    folder = tmp_path / ("deep" * 20) / "with blank"
    folder.mkdir(parents=True)
    lab = Lab(folder)
    with IpmiSimulator(lab.chassis, lab.address, folder):
        yield lab


def test_ipmitool_reads_the_power_state(lab: Lab) -> None:
    assert lab.ipmitool("power", "status") == "Chassis Power is off\n"
    lab.on = True
    assert lab.ipmitool("power", "status") == "Chassis Power is on\n"


def test_ipmitool_s_orders_reach_the_machine(lab: Lab) -> None:
    for order in ("on", "reset", "soft", "off"):
        lab.ipmitool("power", order)
    assert lab.acts == ["on", "reset", "shutdown", "off"]


@pytest.mark.parametrize(
    ("device", "selector", "taken"),
    [("pxe", "Force PXE", "network"), ("disk", "Force Boot from default Hard-Drive", "disk")],
)
def test_a_boot_device_is_read_back_by_ipmitool_and_reverts_after_one_start(
    lab: Lab, device: str, selector: str, taken: str
) -> None:
    lab.ipmitool("bootdev", device)
    assert f"Boot Device Selector : {selector}\n" in lab.ipmitool("bootparam", "get", "5")
    assert lab.chassis.take_boot() == taken
    assert "Boot Device Selector : No override\n" in lab.ipmitool("bootparam", "get", "5")
    assert lab.chassis.take_boot() is None


def test_a_boot_device_can_be_taken_back(lab: Lab) -> None:
    lab.ipmitool("bootdev", "pxe")
    lab.ipmitool("bootdev", "none")
    assert lab.chassis.next_boot is None


def test_an_unknown_boot_device_is_refused_and_changes_nothing(lab: Lab) -> None:
    lab.ipmitool("bootdev", "pxe")
    with pytest.raises(ProgramError, match="cannot 'set boot cdrom'"):
        lab.script("set", "boot", "cdrom")
    assert lab.chassis.next_boot == "network"


@pytest.mark.alone
def test_an_order_that_is_sent_again_within_three_seconds_acts_once(lab: Lab) -> None:
    started = time.monotonic()
    for _ in range(2):
        lab.ipmitool("power", "reset")
        lab.ipmitool("power", "off")
    assert time.monotonic() - started < 3, "this machine is too slow for the test to mean anything"
    assert lab.acts == ["reset", "off"]
    assert [act for _, act in lab.chassis.dropped] == ["reset", "off"]


@pytest.mark.alone
def test_the_script_answers_at_once_even_when_several_ask(lab: Lab) -> None:
    lab.on = True
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: lab.script("get", "power"), range(12)))
    assert answers == ["power:1"] * 12
    assert time.monotonic() - started < 6


def test_a_script_that_hangs_up_or_says_rubbish_does_no_harm(lab: Lab) -> None:
    folder = os.open(lab.folder, os.O_PATH)
    for words in (b"", b"get", b"\xff\xfe\n", b"set power 1"):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(f"/proc/self/fd/{folder}/chassis.sock")
            line.sendall(words)
    os.close(folder)
    assert lab.ipmitool("power", "status") == "Chassis Power is off\n"
    assert lab.acts == [], "only whole orders are taken"


def test_a_port_that_is_taken_is_an_error_in_words(lab: Lab, tmp_path: Path) -> None:
    words = f"vc-1 cannot have 127.0.0.1 port {lab.address.port}: Address already in use"
    with pytest.raises(ServiceError, match=words), IpmiSimulator(lab.chassis, lab.address, tmp_path):
        pytest.fail("two BMCs on one port")


def test_a_simulator_that_does_not_start_is_an_error_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipmi_simulator, "CONFIGURATION", ipmi_simulator.CONFIGURATION + "nonsense 1\n")
    lab = Lab(tmp_path)
    with (
        pytest.raises(ServiceError, match=r"vc-1 did not start on .* line 15"),
        IpmiSimulator(lab.chassis, lab.address, tmp_path),
    ):
        pytest.fail("it started with a wrong configuration")
    assert not (tmp_path / "chassis.sock").exists()


def test_the_bmc_is_silent_after_the_block_and_can_be_started_again(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    for _ in range(2):
        with IpmiSimulator(lab.chassis, lab.address, tmp_path):
            assert "off" in lab.ipmitool("power", "status")
        assert not (tmp_path / "chassis.sock").exists()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((HERE, lab.address.port))


@pytest.mark.parametrize("password", ["", "two words", 'quo"te', "x" * 17, "new\nline"])
def test_a_password_that_the_simulator_would_misread_is_refused(tmp_path: Path, password: str) -> None:
    lab = Lab(tmp_path)
    address = BmcAddress("ipmi", HERE, lab.address.port, "provision", password, "vc-1")
    with pytest.raises(ServiceError, match="1 to 16 plain characters"):
        IpmiSimulator(lab.chassis, address, tmp_path)


def test_the_password_is_in_a_file_that_only_its_owner_reads(lab: Lab) -> None:
    assert (lab.folder / "lan.conf").stat().st_mode & 0o077 == 0
    assert PASSWORD in (lab.folder / "lan.conf").read_text()
