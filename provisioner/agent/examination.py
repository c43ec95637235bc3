"""One boot of the agent on a host that is verified: it reads what the host is, tells it, and restarts.

Nothing here can write to a disk: neither this module nor what it imports knows the writer or block devices.
Disks are described as in the inventory of an unknown machine, by what is read of them; none is mounted.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from provisioner.agent import facts, protocol
from provisioner.agent.arguments import ExaminationArguments, SurveyArguments
from provisioner.agent.link import Link, Stopped
from provisioner.agent.neighbour import Neighbour
from provisioner.agent.restart import restart
from provisioner.agent.survey import Survey
from provisioner.agent.sysfs import read_word
from provisioner.errors import ProgramError
from provisioner.run import run

COLLECTORS = Path("/usr/lib/provisioner/collectors")  # in the ramdisk: programs of ansible/files
LIMIT = 60.0  # seconds for one of them
PATIENCE = 600.0  # seconds without an answer, after which the host goes back to its disk untold
INTERVAL = 2.0  # seconds between two questions whether it may restart
LARGEST = protocol.LARGEST_EXAMINATION // 4  # characters of what one program prints


class Examiner(Survey):
    """Reports until it is told to restart. `reboot` is the act that ends it, whatever happens."""

    def __init__(
        self,
        arguments: ExaminationArguments,
        *,
        connect: Callable[..., Link] = Link,
        reboot: Callable[[], None] = restart,
        find_disks: Callable[[], list[protocol.Disk]] = facts.disks,
        neighbours: Callable[[], list[Neighbour]] = list,
        patience: float = PATIENCE,
        interval: float = INTERVAL,
    ) -> None:
        survey = SurveyArguments(arguments.server, arguments.mac)
        super().__init__(
            survey,
            connect=connect,
            reboot=reboot,
            find_disks=find_disks,
            neighbours=neighbours,
            patience=patience,
        )
        self._nonce = arguments.nonce
        self._interval = interval

    def run(self) -> None:
        """Tell, and restart once the service has seen to the boot device; at the latest when it is silent."""
        try:
            self.log("verification: no disk of this machine will be written")
            self._tell(self._examine())
        except Stopped:
            self.log("the service says: stop")
        except Exception as fault:  # whatever it is, the host goes back to its own disk
            self.log(f"the verification ends here ({fault!r:.200})")
        self.log("this machine restarts and boots its disk")
        self._reboot()

    def _examine(self) -> protocol.Examination:
        return protocol.Examination(
            nonce=self._nonce,
            boot_id=read_word(Path("/proc/sys/kernel/random/boot_id")),
            hardware=self.look(),
            collected=dict(self._collected()),
        )

    def _collected(self) -> Iterator[tuple[str, str]]:
        """What the programs print; one that fails is left out, and what it would have shown is not judged."""
        for name in protocol.COLLECTORS:
            with suppress(ProgramError):
                program = str(COLLECTORS / f"{name}.py")
                printed = run([sys.executable, "-B", program], timeout=LIMIT).stdout.decode(errors="replace")
                self.log(f"{name}: {len(printed)} characters")
                yield name, printed[:LARGEST]

    def _tell(self, message: protocol.Examination) -> None:
        pause = threading.Event()
        while self._link.post("examination", message).do == "continue":
            pause.wait(self._interval)
        self.log("the service knows now what this machine is")
