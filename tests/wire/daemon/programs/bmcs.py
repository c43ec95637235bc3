"""IPMI BMCs, one for each address: bmcs FOLDER ADDRESS...  Lasts until its standard input closes.

A machine behind one is nothing but its power state. FOLDER/acts has a line for each act that a BMC was told:
address, act, seconds by the monotonic clock.
"""

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from provisioner.lab.chassis import Act, Chassis
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power.protocol import BmcAddress


class Machine:
    """What the chassis of one address switches."""

    def __init__(self, address: str, acts: Path) -> None:
        self._address, self._acts, self._on = address, acts, False
        self.chassis = Chassis(self._act, lambda: self._on)

    def _act(self, act: Act) -> None:
        self._on = act in ("on", "reset")
        with self._acts.open("a") as file:
            file.write(f"{self._address} {act} {time.monotonic()}\n")


folder = Path(sys.argv[1])
with ExitStack() as stack:
    for address in sys.argv[2:]:
        machine = Machine(address, folder / "acts")
        bmc = BmcAddress("ipmi", address, 623, "provision", "lab-secret", address)
        (folder / address).mkdir()
        stack.enter_context(IpmiSimulator(machine.chassis, bmc, folder / address))
    print("ready", flush=True)
    sys.stdin.read()
