"""The chassis that a simulated BMC switches: what it knows of its machine, and the socket to ask it."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from provisioner.errors import ProvisionError, ServiceError
from provisioner.power.protocol import BootDevice

SOCKET = "chassis.sock"  # in the BMC's folder
REPEAT = 3.0  # seconds; a client that waits for its answer sends the order again after 1.1 to 1.4 s
# boot devices as OpenIPMI's simulator names them: `bootdev disk` arrives as `default`
DEVICES: dict[str, BootDevice | None] = {"none": None, "pxe": "network", "default": "disk"}
DEVICE_NAMES = {device: name for name, device in DEVICES.items()}

Act = Literal["on", "off", "reset", "shutdown"]
ACTS: dict[str, Act] = {"power 1": "on", "power 0": "off", "reset 1": "reset", "shutdown 1": "shutdown"}
ONCE: set[Act] = {"off", "reset"}  # a repeat of these would hit the machine's next life


class Chassis:
    """What a BMC knows and can be told about its machine. Safe to call from any thread."""

    def __init__(
        self,
        act: Callable[[Act], None],
        powered: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`act` must return at once and do the work elsewhere; `powered` must not wait either."""
        self.orders: list[tuple[float, Act]] = []  # accepted, with the clock's time
        self.dropped: list[tuple[float, Act]] = []  # repeats
        self.light = ""  # seconds and force of the last Chassis Identify (IPMI 2.0, 28.5)
        self._act = act
        self._powered = powered
        self._clock = clock
        self._lock = threading.Lock()
        self._next: BootDevice | None = None

    @property
    def next_boot(self) -> BootDevice | None:
        """The one-shot boot device; None when the standing order holds."""
        return self._next

    def take_boot(self) -> BootDevice | None:
        """The one-shot boot device, which thereby lapses: called whenever the machine starts."""
        with self._lock:
            device, self._next = self._next, None
            return device

    def handle(self, request: str) -> str:
        """Answer one request, as OpenIPMI's `chassis_control` passes it on: `get power`, `set boot pxe`, …

        Raises ServiceError for what we cannot do.
        """
        verb, _, what = request.strip().partition(" ")
        if (verb, what) == ("get", "power"):
            return f"power:{int(self._powered())}"
        if (verb, what) == ("get", "boot"):
            return f"boot:{DEVICE_NAMES[self._next]}"
        if verb == "set" and what in ACTS:
            self._accept(ACTS[what])
            return ""
        if verb == "set" and what.startswith("identify"):
            self.light = what.removeprefix("identify").strip()
            return ""
        device = what.removeprefix("boot ")
        if verb == "set" and what.startswith("boot ") and device in DEVICES:
            with self._lock:
                self._next = DEVICES[device]
            return ""
        raise ServiceError(f"the lab's BMC cannot {request.strip()!r}")

    def _accept(self, act: Act) -> None:
        with self._lock:
            now = self._clock()
            fresh = (at for at, earlier in self.orders if earlier == act and now - at < REPEAT)
            if act in ONCE and any(fresh):
                self.dropped.append((now, act))
                return
            self.orders.append((now, act))
            self._act(act)


class ChassisSocket:
    """A Unix socket through which a simulator asks the chassis; one thread answers it.

    A request is a line; the answer is `ok ANSWER` or `error SENTENCE`, and the end of the connection.
    """

    def __init__(self, path: Path, answer: Callable[[str], str]) -> None:
        self._path = path
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, name="chassis", daemon=True)

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        folder = os.open(self._path.parent, os.O_PATH)
        try:  # socket names end at 107 characters, folders of tests do not
            self._listener.bind(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)
        self._path.chmod(0o600)
        self._listener.listen(16)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join()
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return  # shut down
            with line, contextlib.suppress(OSError):  # a script that was killed is no fault of ours
                line.settimeout(2)
                line.sendall(self._reply(line.makefile(errors="replace").readline()))

    def _reply(self, request: str) -> bytes:
        try:
            if not request.endswith("\n"):
                raise ServiceError("half an order")  # whoever sent it was killed
            return f"ok {self._answer(request)}\n".encode()
        except ProvisionError as fault:
            return f"error {fault}\n".encode()
