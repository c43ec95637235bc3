"""A machine of the lab: QEMU behind a real BMC's protocol, switched as hardware is."""

import os
import queue
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

from provisioner import run
from provisioner.errors import ProvisionError, ServiceError
from provisioner.lab import qemu
from provisioner.lab.chassis import Act, Chassis
from provisioner.lab.qmp import Monitor
from provisioner.lab.serial_line import SerialLine
from provisioner.lab.simulators import SIMULATORS
from provisioner.power.protocol import BmcAddress, BootDevice
from provisioner.state.recording import plain

BLOCK = 1 << 20  # bytes written at a time
CONSOLE_INTERVAL = 0.1  # seconds; QEMU writes the log itself, and Python has no inotify
OFF_LIMIT = 15.0  # seconds until a killed machine must be off
REBOOTS = ("guest-reset", "host-qmp-system-reset")  # QEMU's reasons for an end that is a restart
Cause = Literal["on", "reset", "reboot"]


class Start(NamedTuple):
    """One start of a machine: when (seconds since the epoch), what it boots first, and why."""

    at: float
    order: BootDevice
    cause: Cause


@dataclass(frozen=True)
class _Ended:
    """News that a machine's process has gone, and the reason that it gave."""

    process: run.Process
    reason: str


class Machine:
    """A machine and its BMC as long as the block lasts; it is off at first, as after plugging in.

    One thread owns the machine: it starts, stops and restarts it in the order of the acts, and
    QEMU dies with it. Everything public may be called from any thread.
    """

    def __init__(
        self,
        spec: qemu.MachineSpec,
        folder: Path,
        *,
        tap: str,
        bmc: BmcAddress,
        accelerator: qemu.Accelerator = "tcg",
        standing_order: BootDevice = "network",
    ) -> None:
        """`folder` keeps logs and firmware variables; the disks of `spec` must exist."""
        self.spec = spec
        self.name, self.mac = spec.name, spec.mac
        self.bmc = bmc
        self.disks = [disk.path for disk in spec.disks]
        self.standing_order: BootDevice = standing_order
        self.serial_log = folder / "serial.log"
        self.starts: list[Start] = []
        self.faults: list[str] = []  # ends of the machine that nobody asked for
        self.on_start: Callable[[Start], None] = lambda start: None  # called in the machine's thread
        self.chassis = Chassis(self._request, lambda: self._powered)
        self.serial_line = SerialLine(folder)
        self._folder, self._log = folder, folder / "qemu.log"
        self._tap, self._accelerator = tap, accelerator
        self._acts: queue.Queue[Act | _Ended | None] = queue.Queue()
        self._changed = threading.Condition()
        self._powered = False
        self._process: run.Process | None = None
        self._monitor: Monitor | None = None
        self._thread = threading.Thread(target=self._own, name=f"machine {spec.name}", daemon=True)

    @property
    def bmc_address(self) -> str:
        """Where its BMC answers."""
        return self.bmc.address

    def __enter__(self) -> Self:
        """Plug it in: the BMC answers, the machine is off. Raises ServiceError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.serial_log.touch()
        if self.spec.firmware == "uefi" and not (self._folder / "variables.fd").exists():
            shutil.copyfile(qemu.VARIABLES, self._folder / "variables.fd")
        with ExitStack() as stack:
            stack.enter_context(self.serial_line)
            self._thread.start()
            stack.callback(self._unplug)
            start = SIMULATORS[self.bmc.driver].start
            stack.enter_context(start(self.chassis, self.bmc, self._folder, self.serial_line.port))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # power

    @property
    def state(self) -> Literal["on", "off"]:
        """The power state; a machine that is being reset is on."""
        return "on" if self._powered else "off"

    def wait_state(self, wanted: Literal["on", "off"], timeout: float) -> None:
        """Wait until the power is so. Raises ServiceError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.state == wanted, timeout):
                raise ServiceError(f"{self.name} is still {self.state} after {timeout:g} s")

    def wait_starts(self, count: int, timeout: float) -> Start:
        """Wait for the start of that number, counted from 1. Raises ServiceError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.starts) >= count, timeout):
                raise ServiceError(f"{self.name} started {len(self.starts)} times within {timeout:g} s")
            return self.starts[count - 1]

    def press(self, act: Act) -> None:
        """What a hand at the front panel does: `on`, `off`, `reset`, or `shutdown` (a short press)."""
        self._request(act)

    def cut_power(self) -> None:
        """Pull the plug: the machine is gone at once, what it had not written is lost. It is off then."""
        with self._changed:
            process, self._process = self._process, None
            if process:
                process.kill()
                process.wait()
                self._set_powered(False)
        if self._powered:  # it was between two lives
            self._acts.put("off")
            self.wait_state("off", OFF_LIMIT)

    # what can be seen of it

    def console_offset(self) -> int:
        """The size of the serial log so far, in bytes."""
        return self.serial_log.stat().st_size

    def console_tail(self, lines: int = 20) -> list[str]:
        """The last lines of the serial console, without the terminal's control sequences."""
        return plain(self.serial_log.read_bytes()).splitlines()[-lines:]

    def wait_console(self, pattern: str, *, since: int = 0, timeout: float = 60) -> int:
        """Wait for a regular expression on the console after offset `since`.

        Returns the offset behind it, for the next call. Raises ServiceError with the last line.
        """
        expression = re.compile(pattern.encode())
        until, size = time.monotonic() + timeout, -1
        with self.serial_log.open("rb") as log:
            while True:
                if (now := self.console_offset()) != size:
                    log.seek(since)
                    if match := expression.search(log.read()):
                        return since + match.end()
                    size = now
                if time.monotonic() > until:
                    last = " / ".join(self.console_tail(2)) or "nothing"
                    raise ServiceError(
                        f"{self.name} did not say {pattern!r} within {timeout:g} s; it said: {last}"
                    )
                time.sleep(CONSOLE_INTERVAL)

    def screendump(self, path: Path) -> None:
        """The screen as PNG. Raises ServiceError when it is off."""
        self.monitor().screendump(path)

    def block_writes(self) -> list[int]:
        """Write operations on each disk since the last start. Raises ServiceError when it is off."""
        monitor = self.monitor()
        return [monitor.block_writes(qemu.drive_name(number)) for number in range(len(self.disks))]

    def monitor(self) -> Monitor:
        """The running machine's monitor. Raises ServiceError when it is off."""
        with self._changed:
            if self._process is None or self._monitor is None:
                raise ServiceError(f"{self.name} is off")
            return self._monitor

    # the thread that owns the machine

    def _request(self, act: Act) -> None:
        self._acts.put(act)

    def _unplug(self) -> None:
        self._acts.put(None)
        self._thread.join()

    def _own(self) -> None:
        while (act := self._acts.get()) is not None:
            try:
                self._ended(act) if isinstance(act, _Ended) else self._perform(act)
            except (ProvisionError, OSError) as fault:
                self._fail(str(fault))
        self._halt()
        self._set_powered(False)

    def _perform(self, act: Act) -> None:
        if act == "on" and not self._powered:
            self._start("on")
        elif act == "off":
            self._halt()
            self._set_powered(False)
        elif act == "reset" and self._powered:
            self._halt()
            self._start("reset")
        elif act == "shutdown" and self._powered:
            self.monitor().execute("system_powerdown")

    def _ended(self, end: _Ended) -> None:
        """The machine ended by itself: a reboot starts it again, with the boot order that now holds."""
        with self._changed:
            if end.process is not self._process:
                return  # we ended it
            self._process = None
        if end.reason in REBOOTS:
            self._start("reboot")
            return
        if end.reason != "guest-shutdown":
            self._fail(f"it ended by itself with code {end.process.returncode}")
        self._set_powered(False)

    def _start(self, cause: Cause) -> None:
        order = self.chassis.take_boot() or self.standing_order
        start = Start(time.time(), order, cause)
        self.on_start(start)
        ours, its = socket.socketpair()
        with its:
            wiring = qemu.Wiring(self._tap, its.fileno())
            argv = qemu.arguments(self.spec, wiring, self._accelerator, order)
            process = run.start(argv, log=self._log, cwd=self._folder, pass_fds=[its.fileno()])
        with self._changed:
            self._process = process
            self._monitor = Monitor(ours, on_close=lambda monitor: self._report(process, monitor.reason))
            self.starts.append(start)
            self._set_powered(True)
        self._monitor.negotiate()

    def _report(self, process: run.Process, reason: str) -> None:
        """In the monitor's thread, when the machine has hung up."""
        process.wait()
        self._acts.put(_Ended(process, reason))

    def _halt(self) -> None:
        with self._changed:
            process, self._process = self._process, None
        if process:
            run.stop(process, grace=3)

    def _fail(self, sentence: str) -> None:
        self._halt()
        output = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        last = " / ".join(output[-3:]) or "nothing"
        self.faults.append(f"{self.name}: {sentence}; QEMU said: {last}")
        self._set_powered(False)

    def _set_powered(self, powered: bool) -> None:
        with self._changed:
            self._powered = powered
            self._changed.notify_all()


def fill(path: Path, size: int, byte: int = 0xA5) -> None:
    """A disk of `size` bytes that all hold `byte`: no holes, so that nothing reads zero by luck."""
    with path.open("wb") as file:
        _pour(file.fileno(), size, byte)


def fill_ends(path: Path, size: int, edge: int, byte: int = 0xA5) -> None:
    """A large disk: only its first and last `edge` bytes hold `byte`, between them is a hole."""
    with path.open("wb") as file:
        file.truncate(size)
        _pour(file.fileno(), edge, byte)
        file.seek(size - edge)
        _pour(file.fileno(), edge, byte)


def copy(image: Path, path: Path, size: int, byte: int = 0xA5) -> None:
    """A disk that begins with an image; what is left of `size` bytes holds `byte`."""
    have = image.stat().st_size
    if have > size:
        raise ServiceError(f"{image} has {have} bytes, more than a disk of {size}")
    shutil.copyfile(image, path)
    with path.open("ab") as file:
        _pour(file.fileno(), size - have, byte)


def _pour(descriptor: int, size: int, byte: int) -> None:
    block = bytes([byte]) * BLOCK
    while size > 0:
        size -= os.write(descriptor, block[:size])
