"""The BMCs that the lab can simulate, by the name of the power driver that reaches them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from provisioner.lab.chassis import Chassis
from provisioner.lab.foreign_clients import ask_with_curl, ask_with_ipmitool
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.lab.redfish_simulator import RedfishSimulator
from provisioner.lab.report import Check
from provisioner.power.protocol import BmcAddress


@dataclass(frozen=True)
class Simulator:
    """One kind of BMC.

    `start(chassis, bmc, folder, serial_port)` answers at the BMC's address as long as its block lasts, and
    keeps its files in `folder`; at `serial_port` of loopback is the machine's serial line. `ask` lets a
    foreign program read power state and boot device.
    """

    start: Callable[[Chassis, BmcAddress, Path, int], AbstractContextManager[object]]
    ask: Callable[[BmcAddress], list[Check]]


def _start_redfish(chassis: Chassis, bmc: BmcAddress, folder: Path, _: int) -> RedfishSimulator:
    """sushy-tools' emulator has no serial console."""
    return RedfishSimulator(chassis, bmc, folder)


SIMULATORS = {
    "ipmi": Simulator(IpmiSimulator, ask_with_ipmitool),
    "redfish": Simulator(_start_redfish, ask_with_curl),
}
