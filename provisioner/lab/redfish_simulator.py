"""A machine's BMC that speaks Redfish: sushy-tools' emulator on the wire, the same chassis behind it."""

import contextlib
import importlib.util
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.lab.chassis import SOCKET, Chassis, ChassisSocket
from provisioner.power.protocol import BmcAddress

START_LIMIT = 60.0  # seconds until the emulator must answer
ROUNDS = 4  # of bcrypt: 2^4, the least; the emulator hashes at every request


class RedfishSimulator:
    """The emulator for one chassis, as long as the block lasts; its certificate is made for the block.

    Enter it from a thread that outlives it: the kernel ends the emulator with that thread.
    """

    def __init__(self, chassis: Chassis, bmc: BmcAddress, folder: Path) -> None:
        """The folder keeps certificate, state and log."""
        self._chassis = chassis
        self._bmc = bmc
        self._folder = folder
        self._log = folder / "redfish.log"

    def __enter__(self) -> Self:
        """Raises ServiceError: PV-640 where sushy-tools is missing; another on this port."""
        if not importlib.util.find_spec("sushy_tools"):
            raise ServiceError(
                "the lab misses sushy-tools, the Redfish emulator",
                hint="pip install sushy-tools, or make venv",
                code=640,
            )
        with contextlib.ExitStack() as stack:
            self._write()
            stack.enter_context(ChassisSocket(self._folder / SOCKET, self._chassis.handle))
            argv = [sys.executable, "-m", "provisioner.lab.redfish_emulator"]
            process = run.start(
                [*argv, self._bmc.address, str(self._bmc.port)], log=self._log, cwd=self._folder
            )
            stack.callback(run.stop, process, grace=2)
            self._await_answer(process)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _write(self) -> None:
        import bcrypt

        (self._folder / "state").mkdir(parents=True, exist_ok=True)
        digest = bcrypt.hashpw(self._bmc.password.encode(), bcrypt.gensalt(ROUNDS)).decode()
        (self._folder / "users").write_text(f"{self._bmc.user}:{digest}\n")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        certificate = ["-days", "30", "-subj", f"/CN={self._bmc.name}", "-keyout", "key", "-out", "cert"]
        run.run(["openssl", "req", "-x509", *curve, *certificate], cwd=self._folder)

    def _await_answer(self, process: run.Process) -> None:
        """Connect until it answers; whoever else has the port makes the emulator end at once."""
        until = time.monotonic() + START_LIMIT
        while process.poll() is None and time.monotonic() < until:
            if "Running on" in self._log.read_text(errors="replace"):  # written after it has the port
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection((self._bmc.address, self._bmc.port), 2),
                ):
                    return
            time.sleep(0.05)  # the port opens without an event that we could await
        lines = self._log.read_text(errors="replace").strip().splitlines()[-2:]
        raise ServiceError(
            f"the BMC of {self._bmc.name} did not start on {self._bmc.address} port {self._bmc.port}:"
            f" {' / '.join(lines)}"
        )
