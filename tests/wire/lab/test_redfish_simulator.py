"""The lab's Redfish BMC: sushy-tools' emulator with a chassis behind it, driven by our driver."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import PowerError, ServiceError
from provisioner.lab.chassis import Chassis
from provisioner.lab.redfish_simulator import RedfishSimulator
from provisioner.power import protocol, registry
from provisioner.power.protocol import BmcAddress
from tests.ports import free_port
from tests.wire.chassislab import Switched

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def machine() -> Switched:
    return Switched()


@pytest.fixture(scope="module")
def address(machine: Switched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BmcAddress]:
    folder = tmp_path_factory.mktemp("bmc")
    port = free_port()
    bmc = BmcAddress("redfish", HERE, port, "provision", "lab-secret", "vc-1", pin=str(folder / "pin"))
    with RedfishSimulator(machine.chassis, bmc, folder):
        yield bmc


def test_orders_reach_the_chassis_and_power_is_read_back(machine: Switched, address: BmcAddress) -> None:
    driver = registry.connect(address)
    machine.acts.clear()
    assert driver.state().state == "off"
    assert driver.off().state == "off"
    assert driver.on().state == "on"
    assert driver.reset().state == "on"
    assert driver.off().state == "off"
    assert machine.acts == ["on", "reset", "off"]


@pytest.mark.parametrize("device", ["network", "disk"])
def test_a_boot_device_that_is_set_once_lapses(
    machine: Switched, address: BmcAddress, device: protocol.BootDevice
) -> None:
    driver = registry.connect(address)
    assert driver.set_boot(device, once=True) == protocol.BootResult(device)
    assert driver.get_boot().device == device
    assert machine.chassis.take_boot() == device
    assert driver.get_boot().device == "default", "it holds for one start"


def test_what_the_bmc_refuses_is_203_in_its_words(address: BmcAddress) -> None:
    with pytest.raises(PowerError, match="refuses the boot device: not Continuous, only Once") as caught:
        registry.connect(address).set_boot("network", once=False)
    assert caught.value.code == 203


def test_a_bmc_that_refuses_the_firmware_s_mode_gets_the_device_without_it(
    machine: Switched, address: BmcAddress
) -> None:
    assert registry.connect(address).set_boot("network", uefi=False) == protocol.BootResult("network")
    assert machine.chassis.take_boot() == "network"


def test_many_acts_in_a_row_do_not_use_up_the_bmc_s_sessions(address: BmcAddress) -> None:
    driver = registry.connect(address)
    assert {driver.state().state for _ in range(6)} == {"off"}, "the emulator has four"


def test_a_refused_login_is_202(address: BmcAddress) -> None:
    with pytest.raises(PowerError, match="refuses the login of user 'provision'") as caught:
        registry.connect(replace(address, password="guessed")).state()
    assert caught.value.code == 202


def test_a_port_that_is_taken_is_told(address: BmcAddress, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=rf"port {address.port}: .*in use"):
        RedfishSimulator(Chassis(lambda act: None, lambda: False), address, tmp_path).__enter__()
