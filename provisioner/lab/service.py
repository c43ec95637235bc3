"""The service under test: started as a process, watched, and started again as systemd would."""

import contextlib
import re
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner import run
from provisioner.client import Client
from provisioner.errors import ServiceError

START_LIMIT = 60.0  # seconds until all services must be ready
READY = "all services are ready"


class Service:
    """`provision serve` of this very Python, with its state and log in folders of the rehearsal."""

    def __init__(self, state: Path, log: Path, *, interface: str, address: str) -> None:
        self.state = state
        self.log = log
        self.starts = 0
        self._argv = [
            *(sys.executable, "-m", "provisioner", "serve"),
            *("--state", str(state), "--interface", interface, "--address", address),
        ]
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
            while READY not in self._said(offset):
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

    def _said(self, offset: int) -> str:
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

    def kill(self, name: str) -> int:
        """kill -9 of one process: `parent`, or a service by name. The process id. Raises ServiceError."""
        pid = self.pid(name)
        run.signal_process(pid, signal.SIGKILL)
        return pid

    def pid(self, name: str) -> int:
        """The process id of the parent or of one of its services."""
        if self._process is None:
            raise ServiceError("the service was not started")
        if name == "parent":
            return self._process.pid
        for child in _children(self._process.pid):
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            if "--only" in words and words[words.index("--only") + 1] == name:
                return child
        raise ServiceError(f"the service {name} does not run")


def _children(pid: int) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", Path(f"/proc/{pid}/task/{pid}/children").read_text())]
