"""The service under test: started as a process, watched, and started again as systemd would."""

import contextlib
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner import run
from provisioner.client import Client
from provisioner.errors import ServiceError
from provisioner.system.forked import OPTION as FORK_OPTION
from provisioner.system.processes import PARENT, stat_fields
from provisioner.system.sockets import bind

END_LIMIT = 20.0  # seconds until all processes of a killed service must have ended
START_LIMIT = 90.0  # seconds until all services must be ready
PORTS = (
    (socket.SOCK_DGRAM, 67),
    (socket.SOCK_DGRAM, 69),
    (socket.SOCK_DGRAM, 53),
    (socket.SOCK_STREAM, 53),
    (socket.SOCK_STREAM, 80),
    (socket.SOCK_STREAM, 443),
)
READY = "all services are ready"
FORK_SERVER = "fork server"  # what `pid` calls the process of which the services are forks


class Service:
    """`provision serve` of this very Python, with its state and log in folders of the rehearsal."""

    def __init__(
        self, state: Path, log: Path, *, interface: str, address: str, settings: Path | None = None
    ) -> None:
        """`settings` is a TOML file for what is not said here."""
        self.state = state
        self.log = log
        self.starts = 0
        self._argv = [
            *(sys.executable, "-m", "provisioner", "serve"),
            *("--state", str(state), "--interface", interface, "--address", address),
            *(("--settings", str(settings)) if settings else ()),
        ]
        self._address = address.partition("/")[0]
        self._process: run.Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            run.stop(self._process, grace=15)

    @property
    def client(self) -> Client:
        """The API over the state folder's socket."""
        return Client(socket=self.state / "api.sock")

    def start(self) -> None:
        """Start and wait until every service is ready. Raises ServiceError with the last lines of the log."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        self._process = run.start(self._argv, log=self.log)
        self.starts += 1
        until = time.monotonic() + START_LIMIT
        with self._ended(self._process.pid) as ended:
            while READY not in self._output_since(offset):
                if select.select([ended], [], [], 0.2)[0] or time.monotonic() > until:
                    raise ServiceError(f"the service did not start: {' / '.join(self.tail(4))}")

    @contextlib.contextmanager
    def _ended(self, pid: int) -> Iterator[int]:
        import os

        descriptor = os.pidfd_open(pid)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _output_since(self, offset: int) -> str:
        with self.log.open("rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")

    def tail(self, lines: int) -> list[str]:
        """The last lines of the log."""
        return self.log.read_text(errors="replace").splitlines()[-lines:]

    def ensure(self) -> bool:
        """Start it again if it has ended; whether that was needed."""
        if self._process and self._process.poll() is None:
            return False
        self.start()
        return True

    def wait_end(self, seconds: float) -> bool:
        """Wait until the parent has ended, at most so long; whether it has."""
        if self._process is None or self._process.poll() is not None:
            return True
        with self._ended(self._process.pid) as ended:
            select.select([ended], [], [], seconds)
        return self._process.poll() is not None

    def kill(self, name: str) -> None:
        """kill -9 of one process, `parent` or a service by name; waits until its processes have ended.

        A service is started again by its parent, and that is waited for, too. Raises ServiceError where a
        process outlives the end of its parent, a port stays taken, or the service does not come back.
        """
        pid, offset = self.pid(name), self.log.stat().st_size
        with contextlib.ExitStack() as stack:
            ended = [stack.enter_context(self._ended(each)) for each in _tree(pid)]
            run.signal_process(pid, signal.SIGKILL)
            until = time.monotonic() + END_LIMIT
            for descriptor in ended:
                if not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
                    raise ServiceError(f"a process of the service outlives the end of its {name}")
        if name != "parent":
            return self.await_replaced(name, offset)
        if self._process:
            self._process.wait()
        self.check_ports()

    def await_replaced(self, name: str, offset: int) -> None:
        """Wait until the log says behind `offset` that a service was started again, or all has ended.

        Raises ServiceError where neither comes within START_LIMIT.
        """
        until = time.monotonic() + START_LIMIT
        while f"{name} serves again" not in self._output_since(offset).splitlines():
            if self.wait_end(0.1):
                return
            if time.monotonic() > until:
                raise ServiceError(f"{name} was not started again: {' / '.join(self.tail(4))}")

    def check_ports(self) -> None:
        """Raises ServiceError (PV-602) where a port of the service cannot be opened."""
        for kind, port in PORTS:
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
                bind(probe, (self._address, port), "the ended service")

    def pids(self, name: str) -> list[int]:
        """One of its services, or the parent, with all processes that it has started."""
        return _tree(self.pid(name))

    def pid(self, name: str) -> int:
        """The process id of the parent, of the fork server or of one of the services."""
        if self._process is None:
            raise ServiceError("the service was not started")
        if name == "parent":
            return self._process.pid
        last = (FORK_OPTION,) if name == FORK_SERVER else ("--only", name)
        found = {pid for pid, words in _running() if str(self.state) in words and _follow(last, words)}
        for pid in sorted(found):
            if _parent_of(pid) not in found:  # what the web server has started is shown likewise
                return pid
        raise ServiceError(f"the service {name} does not run")


def _tree(pid: int) -> list[int]:
    """A process and all that it has started, the web server's worker included."""
    pids = [pid]
    for each in pids:
        pids += _children(each)
    return pids


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read(pid, f"task/{pid}/children").split()]


def _running() -> Iterator[tuple[int, list[str]]]:
    """All processes with their command lines: a service may have outlived what it was forked from."""
    for path in Path("/proc").glob("[0-9]*"):
        yield int(path.name), _read(int(path.name), "cmdline").split("\0")


def _follow(wanted: Sequence[str], words: Sequence[str]) -> bool:
    """Whether these words stand in a command line, one behind the other."""
    return any(tuple(words[at : at + len(wanted)]) == tuple(wanted) for at in range(len(words)))


def _parent_of(pid: int) -> int:
    try:
        return int(stat_fields(pid)[PARENT])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _read(pid: int, name: str) -> str:
    """What the kernel says of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
