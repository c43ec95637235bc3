"""The process of a BMC simulator, whatever protocol it speaks, with a machine's chassis behind it."""

import contextlib
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner import run
from provisioner.errors import ServiceError
from provisioner.lab.chassis import SOCKET, Chassis, ChassisSocket
from provisioner.power.protocol import BmcAddress


class SimulatorProcess(ABC):
    """A simulator for one chassis, as long as the block lasts.

    Enter it from a thread that outlives it: the kernel ends the simulator with that thread.
    """

    def __init__(self, chassis: Chassis, bmc: BmcAddress, folder: Path, log: str) -> None:
        """The folder keeps configuration, state and the file `log`."""
        self._chassis = chassis
        self._bmc = bmc
        self._folder = folder
        self._log = folder / log

    def __enter__(self) -> Self:
        """Raises ServiceError where it does not start or does not answer."""
        self._check()
        with contextlib.ExitStack() as stack:
            self._write()
            stack.enter_context(ChassisSocket(self._folder / SOCKET, self._chassis.handle))
            process = run.start(self._command(), log=self._log, cwd=self._folder)
            stack.callback(run.stop, process, grace=2)
            if not self._await_answer(process):
                raise self._not_started()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _not_started(self) -> ServiceError:
        last = self._log.read_text(errors="replace").strip().splitlines()[-2:]
        return ServiceError(
            f"the BMC of {self._bmc.name} did not start on {self._bmc.address} port {self._bmc.port}:"
            f" {' / '.join(last)}"
        )

    @abstractmethod
    def _check(self) -> None:
        """Raises ServiceError where the simulator cannot run here."""

    @abstractmethod
    def _write(self) -> None:
        """Write its configuration into the folder."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command that runs it, in the folder."""

    @abstractmethod
    def _await_answer(self, process: run.Process) -> bool:
        """Wait until it answers; False where it has ended, or does not answer in time."""
