"""A machine's BMC that speaks Redfish: sushy-tools' emulator on the wire, the same chassis behind it."""

import contextlib
import importlib.util
import socket
import sys
import time
from pathlib import Path

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.lab.chassis import Chassis
from provisioner.lab.simulator_process import SimulatorProcess
from provisioner.power.protocol import BmcAddress

START_LIMIT = 60.0  # seconds until the emulator must answer
ROUNDS = 4  # of bcrypt: 2^4, the least; the emulator hashes at every request


class RedfishSimulator(SimulatorProcess):
    """The emulator for one chassis; its certificate is made for the block."""

    def __init__(self, chassis: Chassis, bmc: BmcAddress, folder: Path) -> None:
        super().__init__(chassis, bmc, folder, "redfish.log")

    def _check(self) -> None:
        """Raises ServiceError (PV-640) where sushy-tools is missing."""
        if not importlib.util.find_spec("sushy_tools"):
            raise ServiceError(
                "the lab misses sushy-tools, the Redfish emulator",
                hint="pip install sushy-tools, or make venv",
                code=640,
            )

    def _write(self) -> None:
        import bcrypt

        (self._folder / "state").mkdir(parents=True, exist_ok=True)
        digest = bcrypt.hashpw(self._bmc.password.encode(), bcrypt.gensalt(ROUNDS)).decode()
        (self._folder / "users").write_text(f"{self._bmc.user}:{digest}\n")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        certificate = ["-days", "30", "-subj", f"/CN={self._bmc.name}", "-keyout", "key", "-out", "cert"]
        run.run(["openssl", "req", "-x509", *curve, *certificate], cwd=self._folder)

    def _command(self) -> list[str]:
        module = "provisioner.lab.redfish_emulator"
        return [sys.executable, "-m", module, self._bmc.address, str(self._bmc.port)]

    def _await_answer(self, process: run.Process) -> bool:
        """Connect until it answers; whoever else has the port makes the emulator end at once."""
        until = time.monotonic() + START_LIMIT
        while process.poll() is None and time.monotonic() < until:
            if "Running on" in self._log.read_text(errors="replace"):  # written after it has the port
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection((self._bmc.address, self._bmc.port), 2),
                ):
                    return True
            time.sleep(0.05)  # the port opens without an event that we could await
        return False
