"""A machine behind an IPMI BMC, that runs an SSH server while it is on: machine FOLDER BMC_ADDRESS ADDRESS.

FOLDER has the server's key, `host`. A file `other` there: its next start is by another disk's key, `strange`.
It is on at first. Lasts until its standard input closes.
"""

import sys
import threading
from pathlib import Path

from provisioner import run
from provisioner.lab.chassis import Act, Chassis
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power.protocol import BmcAddress

CONFIGURATION = """\
ListenAddress {address}:22
HostKey {folder}/{key}
AuthorizedKeysFile none
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
ALONE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


class Machine:
    """On or off, with what runs on it."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address
        self._server: run.Process | None = None
        self._wanted = threading.Condition()
        self._acts: list[Act] = ["on"]

    def is_on(self) -> bool:
        return self._server is not None

    def order(self, act: Act) -> None:
        with self._wanted:
            self._acts.append(act)
            self._wanted.notify_all()

    def work(self) -> None:
        """In the one thread that owns the server: it ends with its starter."""
        while True:
            with self._wanted:
                self._wanted.wait_for(lambda: self._acts)
                act = self._acts.pop(0)
            if act in ("off", "reset"):
                self._stop()
            if act in ("on", "reset") and not self._server:
                self._start()

    def _start(self) -> None:
        key = "strange" if (self._folder / "other").exists() else "host"
        config = self._folder / "sshd_config"
        config.write_text(CONFIGURATION.format(address=self._address, folder=self._folder, key=key))
        program = run.find("sshd", "openssh-server")
        log = self._folder / "sshd.log"
        self._server = run.start([*ALONE, program, "-D", "-e", "-f", config], log=log)

    def _stop(self) -> None:
        if self._server:
            run.stop(self._server)
        self._server = None


folder = Path(sys.argv[1])
machine = Machine(folder, sys.argv[3])
threading.Thread(target=machine.work, daemon=True).start()
bmc = BmcAddress("ipmi", sys.argv[2], 623, "provision", "lab-secret", "vc-1")
with IpmiSimulator(Chassis(machine.order, machine.is_on), bmc, folder):
    print("ready", flush=True)
    sys.stdin.read()
machine.order("off")
