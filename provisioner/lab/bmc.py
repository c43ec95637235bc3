"""A host's BMC: OpenIPMI's simulator on the wire, and behind it the chassis that the lab moves."""

import contextlib
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from provisioner import run
from provisioner.errors import ProvisionError, ServiceError
from provisioner.power.protocol import BmcAddress, BootDevice

PROGRAM = "ipmi_sim"
REPEAT = 3.0  # seconds; a client that waits for its answer sends the order again after 1.1 to 1.4 s
START_LIMIT = 10.0  # seconds until the simulator must answer
PING = bytes.fromhex("0600ff06000011be80000000")  # RMCP presence ping (ASF 2.0, 3.2.4.2)
# what the simulator's words for a boot device mean: `bootdev disk` arrives as `default`
DEVICES: dict[str, BootDevice | None] = {"none": None, "pxe": "network", "default": "disk"}
WORDS = {device: word for word, device in DEVICES.items()}

Act = Literal["on", "off", "reset", "shutdown"]
ACTS: dict[str, Act] = {"power 1": "on", "power 0": "off", "reset 1": "reset", "shutdown 1": "shutdown"}
ONCE: set[Act] = {"off", "reset"}  # a repeat of these would hit the machine's next life

# The simulator runs this for every question and waits for it; the lab answers at once and acts later.
CONTROL = """\
import socket, sys
door = socket.socket(socket.AF_UNIX)
door.settimeout(2)
door.connect("door")
door.sendall(" ".join(sys.argv[2:]).encode() + b"\\n")
answer = door.makefile().readline().split(" ", 1)
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
            taken, self._next = self._next, None
            return taken

    def handle(self, request: str) -> str:
        """Answer one request of the simulator's script. Raises ServiceError for what we cannot do."""
        verb, _, what = request.strip().partition(" ")
        if (verb, what) == ("get", "power"):
            return f"power:{int(self._powered())}"
        if (verb, what) == ("get", "boot"):
            return f"boot:{WORDS[self._next]}"
        if verb == "set" and what in ACTS:
            self._accept(ACTS[what])
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


class Bmc:
    """`ipmi_sim` for one chassis, as long as the block lasts.

    Enter it from a thread that outlives it: the kernel ends the simulator with that thread.
    """

    def __init__(self, chassis: Chassis, bmc: BmcAddress, folder: Path, *, serial_port: int = 0) -> None:
        """The folder keeps configuration, state and log; at `serial_port` of loopback, if any, is the
        machine's serial line. Raises ServiceError: unusable name or password.
        """
        self._serial = SERIAL.format(port=serial_port) if serial_port else ""
        self._chassis = chassis
        self._bmc = bmc
        self._folder = folder
        self._log = folder / "ipmi_sim.log"
        for word in (bmc.user, bmc.password):
            # the simulator splits its configuration at blanks and knows no escapes
            if not re.fullmatch(r"[A-Za-z0-9_.:@%+=-]{1,16}", word):
                raise ServiceError("the lab's BMC takes users and passwords of 1 to 16 plain characters")

    def __enter__(self) -> Self:
        self._claim_port()
        with contextlib.ExitStack() as stack:
            self._write()
            stack.enter_context(Door(self._folder / "door", self._chassis.handle))
            argv = [PROGRAM, "-n", "-c", "lan.conf", "-f", "controller.emu", "-s", "state"]
            process = run.start(argv, log=self._log, cwd=self._folder)
            stack.callback(run.stop, process, grace=2)
            self._await_answer(process)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _claim_port(self) -> None:
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

    def _await_answer(self, process: run.Process) -> None:
        """Ping until it answers; a port that nobody has opened refuses at once."""
        until = time.monotonic() + START_LIMIT
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.settimeout(0.2)
            line.connect((self._bmc.address, self._bmc.port))
            while process.poll() is None and time.monotonic() < until:
                with contextlib.suppress(OSError):
                    line.send(PING)
                    line.recv(64)
                    return
                time.sleep(0.02)  # the port opens without an event that we could await
        said = self._log.read_text(errors="replace").strip().splitlines()[-2:]
        raise ServiceError(
            f"the BMC of {self._bmc.name} did not start on {self._bmc.address} port {self._bmc.port}:"
            f" {' / '.join(said)}"
        )


class Door:
    """A Unix socket at which the simulator's script knocks; one thread answers it."""

    def __init__(self, path: Path, answer: Callable[[str], str]) -> None:
        self._path = path
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, name="bmc door", daemon=True)

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
