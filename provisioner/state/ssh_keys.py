"""SSH keys that are given for one run: handed from the process that got one to the worker, in memory only.

A key is the content of an anonymous file (memfd_create(2)) whose descriptor goes over a Unix socket in the
state folder. ssh reads it by `/proc/PID/fd/N`. So it is on no disk, in no database, in no argument list; it
ends with the last process that has it, however that ends, and after a crash there is nothing to clean up.
"""

import array
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner.errors import WorkerError

PLACE = Path("run") / "ssh-keys"  # of the state folder; short, see unix(7) on paths
LONGEST_NAME = 100  # bytes of a verification's id
UNCLAIMED = 60.0  # seconds for which a key is kept whose verification never came into the database


class MemoryFile:
    """A text that only processes with our user and this descriptor can read; gone when the block ends."""

    def __init__(self, text: str) -> None:
        data = text.encode()
        self.descriptor = os.memfd_create("ssh-key", os.MFD_CLOEXEC)
        os.fchmod(self.descriptor, 0o600)  # ssh refuses a key that others could read
        os.write(self.descriptor, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    @property
    def path(self) -> Path:
        """Where programs that we start find it, as long as we live."""
        return path_of(self.descriptor)


def path_of(descriptor: int) -> Path:
    """The path by which programs that we start open one of our descriptors."""
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


def hand_over(state: Path, name: str, descriptor: int) -> None:
    """Give the worker the key of a verification, by its name. Raises WorkerError (PV-674): it takes none."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.sendmsg([name.encode()], rights, 0, os.fspath(state / PLACE))
        except OSError as fault:
            raise WorkerError(
                f"the worker takes no key: {fault.strerror}",
                hint="is worker among the services? systemctl restart provisioner-worker; provision check",
            ) from fault


class KeyBox:
    """The worker's end: keys that came, by the names of their verifications."""

    def __init__(self, state: Path) -> None:
        """Raises OSError where the socket cannot be made."""
        self._path = state / PLACE
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(os.fspath(self._path))
        self._keys: dict[str, tuple[float, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        self._socket.close()
        for _, descriptor in self._keys.values():
            os.close(descriptor)

    def take(self, name: str) -> int | None:
        """The descriptor of this verification's key, which the caller closes; None: it is lost.

        A key is sent before its row is committed: whoever has read the row asks here afterwards.
        """
        self.collect()
        found = self._keys.pop(name, None)
        return found[1] if found else None

    def collect(self) -> None:
        """Take what has come, and drop what nobody claimed."""
        with suppress(BlockingIOError):
            while True:
                self._receive()
        late = [name for name, (came, _) in self._keys.items() if time.monotonic() - came > UNCLAIMED]
        for name in late:
            os.close(self._keys.pop(name)[1])

    def _receive(self) -> None:
        name, descriptors, _, _ = socket.recv_fds(self._socket, LONGEST_NAME, 4)
        for each in descriptors:  # recv_fds passes no MSG_CMSG_CLOEXEC on
            os.set_inheritable(each, False)
        key = name.decode(errors="replace")
        if len(descriptors) != 1 or key in self._keys:
            for each in descriptors:
                os.close(each)
        else:
            self._keys[key] = (time.monotonic(), descriptors[0])
