"""One boot of the agent on a machine that nobody knows: it says what the machine is, and restarts.

Nothing here can write to a disk: neither this module nor what it imports knows the writer or block devices.
"""

import time
from collections.abc import Callable

from provisioner import __version__
from provisioner.agent import facts, protocol
from provisioner.agent.arguments import SurveyArguments
from provisioner.agent.link import Link
from provisioner.agent.neighbour import Neighbour
from provisioner.agent.restart import restart

PATIENCE = 120.0  # seconds: a machine that nobody ordered shall not wait for long


class Survey:
    """Reports once. `reboot` is the act that ends it; tests give other acts and disks."""

    def __init__(
        self,
        arguments: SurveyArguments,
        *,
        connect: Callable[..., Link] = Link,
        reboot: Callable[[], None] = restart,
        find_disks: Callable[[], list[protocol.Disk]] = facts.disks,
        neighbours: Callable[[], list[Neighbour]] = list,
        patience: float = PATIENCE,
    ) -> None:
        self._arguments = arguments
        self._link = connect(arguments.server, log=self.log, patience=patience)
        self._reboot = reboot
        self._find_disks = find_disks
        self._neighbours = neighbours

    def log(self, sentence: str) -> None:
        """Print a line on the console, with the time."""
        print(f"agent: {time.strftime('%H:%M:%S')} {sentence}", flush=True)

    def run(self) -> None:
        """Tell, then restart, whatever the answer is: an order in it is not even looked at."""
        try:
            self.log("inventory only: no disk of this machine will be written")
            message = self.look()
            self.log(f"{message.maker} {message.product}, serial {message.serial or 'none'}".strip())
            for disk in message.disks:
                self.log(f"disk {disk.name} {disk.model} {disk.size} bytes: {disk.content}")
            self._link.post("inventory", message)
            self.log("the service knows now what this machine is")
        except Exception as fault:  # whatever it is, the machine goes back to its own disk
            self.log(f"the inventory could not be handed in ({fault!r:.200})")
        self.log("this machine restarts and boots its disk")
        self._reboot()

    def look(self) -> protocol.Inventory:
        """What this machine is; disks are read, and nothing else is done to them."""
        nics, (cpu, cpus) = facts.nics(), facts.cpu()
        return protocol.Inventory(
            mac=self._arguments.mac,
            macs=[nic.mac for nic in nics],
            serial=facts.serial(),
            uuid=facts.uuid(),
            memory=facts.memory(),
            version=__version__,
            disks=self._find_disks(),
            nics=nics,
            maker=facts.maker(),
            product=facts.product(),
            cpu=cpu,
            cpus=cpus,
            firmware=facts.firmware(),
            devices=facts.devices(),
            neighbours=self._neighbours(),
        )
