"""Wakes the other processes when the store has changed: a datagram on Unix sockets, never a polling loop."""

import contextlib
import os
import select
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

FOLDER = "bells"


def ring(state: Path, name: str = "") -> None:
    """Wake every listener of this state folder, or those of one name; a listener that is gone is removed."""
    try:
        places = [one for one in (state / FOLDER).iterdir() if not name or one.name.startswith(f"{name}.")]
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bell:
        for place in places:
            try:
                bell.sendto(b"!", os.fspath(place))
            except BlockingIOError:
                continue  # its buffer is full: it will wake anyway
            except OSError:
                with contextlib.suppress(OSError):
                    place.unlink()


class Listener:
    """Waits for the bell; one per process, shared by its threads."""

    def __init__(self, state: Path, name: str) -> None:
        folder = state / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._place = folder / f"{name}.{os.getpid()}"
        self._place.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(os.fspath(self._place))
        self._rang = threading.Condition()
        self._count = 0
        threading.Thread(target=self._listen, name="bell", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    @property
    def count(self) -> int:
        """How often it rang; take it before reading the store, give it to `wait`."""
        with self._rang:
            return self._count

    def wait(self, seen: int, timeout: float) -> int:
        """Return when it rang after `seen`, or after `timeout` seconds; the new count."""
        with self._rang:
            self._rang.wait_for(lambda: self._count > seen, timeout)
            return self._count

    def ring(self) -> None:
        """Wake this process's own waiting threads."""
        with self._rang:
            self._count += 1
            self._rang.notify_all()

    def _listen(self) -> None:
        while True:
            try:
                select.select([self._socket], [], [])
                if not self._socket.recv(16):
                    return
            except (OSError, ValueError):
                return
            self.ring()
