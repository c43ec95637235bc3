"""The power driver against a real IPMI 2.0 BMC on loopback, one that refuses and one that is silent."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import InventoryError, PowerError
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power import ipmi, protocol, registry
from provisioner.power.ipmi_login import IpmiLine, RawResponse
from provisioner.power.protocol import BmcAddress
from tests.ports import free_port
from tests.wire.chassislab import Switched

HERE = "127.0.0.1"


@pytest.fixture
def machine() -> Switched:
    return Switched()


@pytest.fixture
def address(machine: Switched, tmp_path: Path) -> Iterator[BmcAddress]:
    port = free_port()
    bmc = BmcAddress("ipmi", HERE, port, "provision", "lab-secret", "vc-1")
    with IpmiSimulator(machine.chassis, bmc, tmp_path):
        yield bmc


def test_power_goes_on_and_off_and_is_read_back(machine: Switched, address: BmcAddress) -> None:
    driver = registry.connect(address)
    assert driver.state().state == "off"
    assert driver.on() == protocol.PowerResult("on", suite=3)
    assert driver.state().state == "on"
    assert driver.off().state == "off"
    # a client whose answer comes late says it again, which a BMC must bear
    assert [act for act, _ in groupby(machine.acts)] == ["on", "off"]


def test_power_that_is_already_so_is_left_alone(machine: Switched, address: BmcAddress) -> None:
    driver = registry.connect(address)
    assert driver.off().state == "off"
    machine.on_at = 0
    assert driver.on().state == "on"
    assert machine.acts == []


def test_reset_resets_a_machine_that_is_on_and_starts_one_that_is_off(
    machine: Switched, address: BmcAddress
) -> None:
    driver = registry.connect(address)
    assert driver.reset().state == "on"
    assert driver.reset().state == "on"
    assert machine.acts == ["on", "reset"]


@pytest.mark.parametrize("device", ["network", "disk"])
def test_a_boot_device_is_set_and_read_back(
    machine: Switched, address: BmcAddress, device: protocol.BootDevice
) -> None:
    driver = registry.connect(address)
    assert driver.set_boot(device) == protocol.BootResult(device)
    assert driver.get_boot().device == device
    assert machine.chassis.take_boot() == device
    assert driver.get_boot().device == "default", "it holds for one start"


def test_power_and_boot_device_are_read_by_one_login(machine: Switched, address: BmcAddress) -> None:
    driver = registry.connect(address)
    assert isinstance(driver, protocol.StatusReader)
    assert driver.status() == protocol.BmcStatus("off", "default", suite=3)
    driver.set_boot("disk")
    driver.on()
    assert driver.status() == protocol.BmcStatus("on", "disk", suite=3)
    assert machine.acts == ["on"], "it only looks"


def test_many_acts_in_a_row_do_not_use_up_the_bmc_s_sessions(address: BmcAddress) -> None:
    driver = registry.connect(address)
    assert {driver.state().state for _ in range(25)} == {"off"}


class Deaf:
    """pyghmi's command to a BMC that takes every order and never shows it."""

    ipmi_session: Any = None

    def __init__(self) -> None:
        self.orders: list[tuple[int, ...]] = []

    def raw_command(
        self, netfn: int, command: int, data: tuple[int, ...] = (), retry: bool = True
    ) -> RawResponse:
        if command == 2:
            self.orders.append(data)
        return {"code": 0, "data": bytes(4)}


def test_a_machine_that_does_not_show_what_its_bmc_took_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipmi, "SETTLE", 0.1)
    deaf = Deaf()
    bmc = BmcAddress("ipmi", HERE, 623)
    done = ipmi.IpmiSession(IpmiLine(bmc, "power on", deaf), bmc).on()
    assert (done.state, done.confirmed, deaf.orders) == ("off", False, [(1,)])
    assert "took the order for power on and still shows power off" in done.note


@pytest.mark.parametrize("wrong", [{"password": "guessed"}, {"user": "nobody"}])
def test_a_refused_login_is_202_without_the_password(address: BmcAddress, wrong: dict[str, str]) -> None:
    with pytest.raises(PowerError, match="refuses the login") as caught:
        registry.connect(replace(address, **wrong)).state()
    assert caught.value.code == 202
    assert "guessed" not in f"{caught.value} {caught.value.hint}"


def test_a_bmc_that_takes_packets_and_says_nothing_is_201_in_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HERE, 0))
        bmc = BmcAddress("ipmi", HERE, silent.getsockname()[1], "provision", "lab-secret", "vc-1")
        started = time.monotonic()
        with pytest.raises(PowerError, match="does not answer on UDP port") as caught:
            registry.connect(bmc).state()
        silent.setblocking(False)
        assert silent.recv(2000), "nothing was asked"
    assert caught.value.code == 201 and time.monotonic() - started < 20


def test_an_unknown_driver_is_named_with_the_known_ones() -> None:
    with pytest.raises(InventoryError) as caught:
        registry.connect(BmcAddress("ipmx", HERE, 623, name="vc-1"))
    assert caught.value.hint == "one of: ipmi, manual, redfish"
