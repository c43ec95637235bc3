"""A machine's BMC that speaks IPMI: OpenIPMI's simulator on the wire, the chassis behind it."""

import contextlib
import re
import socket
import sys
import time
from pathlib import Path

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.lab.chassis import Chassis
from provisioner.lab.simulator_process import SimulatorProcess
from provisioner.power.protocol import BmcAddress

PROGRAM = "ipmi_sim"
START_LIMIT = 10.0  # seconds until the simulator must answer
PING = bytes.fromhex("0600ff06000011be80000000")  # RMCP presence ping (ASF 2.0, 3.2.4.2)
# The simulator runs this for every question and waits for it; the lab answers at once and acts later.
CONTROL = """\
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.settimeout(2)
line.connect("chassis.sock")
line.sendall(" ".join(sys.argv[2:]).encode() + b"\\n")
answer = line.makefile().readline().split(" ", 1)
print(*answer[1:], end="")
sys.exit(answer[0].strip() != "ok")
"""

CONFIGURATION = """\
name "{name}"
set_working_mc 0x20
  startlan 1
    addr {address} {port}
    priv_limit admin
    allowed_auths_callback none md2 md5
    allowed_auths_user none md2 md5
    allowed_auths_operator none md2 md5
    allowed_auths_admin none md2 md5
    guid {guid}
  endlan
{serial}  chassis_control "'{python}' -IS control.py 0x20"
  user 1 false "" "" user 10
  user 2 true "{user}" "{password}" admin 10
"""

SERIAL = """\
  sol "tcp:127.0.0.1:{port}" 115200
"""

CONTROLLER = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
"""


class IpmiSimulator(SimulatorProcess):
    """`ipmi_sim` for one chassis."""

    def __init__(self, chassis: Chassis, bmc: BmcAddress, folder: Path, serial_port: int = 0) -> None:
        """At `serial_port` of loopback, if any, is the machine's serial line.

        Raises ServiceError: unusable name or password.
        """
        super().__init__(chassis, bmc, folder, "ipmi_sim.log")
        self._serial = SERIAL.format(port=serial_port) if serial_port else ""
        for word in (bmc.user, bmc.password):
            # the simulator splits its configuration at blanks and knows no escapes
            if not re.fullmatch(r"[A-Za-z0-9_.:@%+=-]{1,16}", word):
                raise ServiceError("the lab's BMC takes users and passwords of 1 to 16 plain characters")

    def _check(self) -> None:
        """Somebody else's BMC on this port would answer our pings: see first that it is free."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            try:
                line.bind((self._bmc.address, self._bmc.port))
            except OSError as fault:
                raise ServiceError(
                    f"the BMC of {self._bmc.name} cannot have {self._bmc.address} port {self._bmc.port}:"
                    f" {fault.strerror}"
                ) from fault

    def _write(self) -> None:
        (self._folder / "state").mkdir(parents=True, exist_ok=True)
        (self._folder / "control.py").write_text(CONTROL)
        (self._folder / "controller.emu").write_text(CONTROLLER)
        configuration = CONFIGURATION.format(
            name=re.sub(r"[^A-Za-z0-9-]", "-", self._bmc.name) or "host",
            address=self._bmc.address,
            port=self._bmc.port,
            guid=self._bmc.name.encode().hex().ljust(32, "0")[:32],
            python=sys.executable,
            serial=self._serial,
            user=self._bmc.user,
            password=self._bmc.password,
        )
        path = self._folder / "lan.conf"
        path.touch(mode=0o600)
        path.write_text(configuration)

    def _command(self) -> list[str]:
        return [PROGRAM, "-n", "-c", "lan.conf", "-f", "controller.emu", "-s", "state"]

    def _await_answer(self, process: run.Process) -> bool:
        """Ping until it answers; a port that nobody has opened refuses at once."""
        until = time.monotonic() + START_LIMIT
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(0.2)
            line.connect((self._bmc.address, self._bmc.port))
            while process.poll() is None and time.monotonic() < until:
                with contextlib.suppress(OSError):
                    line.send(PING)
                    line.recv(64)
                    return True
                time.sleep(0.02)  # the port opens without an event that we could await
        return False
