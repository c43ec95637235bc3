"""Wakes the other processes when the database has changed: a datagram on Unix sockets, no polling."""

import contextlib
import os
import select
import shutil
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

FOLDER = "wake"  # of the state folder: a socket for each listener, NAME.PID; short, see unix(7) on paths
FORMER_FOLDER = "bells"  # as earlier releases called it


def notify(state: Path, name: str = "") -> None:
    """Wake every listener of this state folder, or those of one name; dead sockets are removed."""
    try:
        paths = [path for path in (state / FOLDER).iterdir() if not name or path.name.startswith(f"{name}.")]
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        for path in paths:
            try:
                sender.sendto(b"!", os.fspath(path))
            except BlockingIOError:
                continue  # its buffer is full: it will wake anyway
            except OSError:
                with contextlib.suppress(OSError):
                    path.unlink()


def remove_former_folder(state: Path) -> None:
    """Take away the sockets of a release that called their folder otherwise; nobody reads them now."""
    shutil.rmtree(state / FORMER_FOLDER, ignore_errors=True)


class Listener:
    """Waits for notifications; one per process, shared by its threads.

    Take `count` before reading the database and hand it to `wait`, so that no change is missed:

        count = listener.count
        look(database)
        listener.wait(count, timeout)
    """

    def __init__(self, state: Path, name: str) -> None:
        """Listen below the state folder as `name`. Raises OSError where the socket cannot be made."""
        folder = state / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / f"{name}.{os.getpid()}"
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(os.fspath(self._path))
        self._notified = threading.Condition()
        self._count = 0
        threading.Thread(target=self._listen, name="listener", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    @property
    def count(self) -> int:
        """How often this process was notified."""
        with self._notified:
            return self._count

    def wait(self, seen: int, timeout: float) -> int:
        """Return when notified more often than `seen`, or after `timeout` seconds; the new count."""
        with self._notified:
            self._notified.wait_for(lambda: self._count > seen, timeout)
            return self._count

    def notify(self) -> None:
        """Wake this process's own waiting threads."""
        with self._notified:
            self._count += 1
            self._notified.notify_all()

    def _listen(self) -> None:
        while True:
            try:
                select.select([self._socket], [], [])
                if not self._socket.recv(16):
                    return
            except (OSError, ValueError):
                return
            self.notify()
