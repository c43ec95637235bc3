"""The fork server and its forks as the parent has them: asked for, heard, ended."""

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping, Sequence

from provisioner import run
from provisioner.system.fork_server import LONGEST, READY

OPTION = "--fork-server"
ANSWER_LIMIT = 20.0  # seconds that a server which is ready may take to fork
END_LIMIT = 2.0  # and to tell how a fork has ended


class Forked:
    """A process that the fork server has started. It ends when the pipe that is its standard input closes."""

    def __init__(self, pid: int, pidfd: int, stdin: int, end: int) -> None:
        """`pidfd` becomes readable when it has ended; from `end` its exit code can be read then."""
        self.pid = pid
        self.pidfd = pidfd
        self._stdin = stdin
        self._end = end
        self._code: int | None = None

    def signal(self, number: int) -> None:
        """One that has ended already is no error."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill(self) -> None:
        """End it at once, which no process can refuse."""
        self.signal(signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it has ended within so many seconds."""
        ended, _, _ = select.select([self.pidfd], [], [], seconds)
        return bool(ended)

    @property
    def exit_code(self) -> int | None:
        """Of a process that has ended: negative for a signal, None where the server cannot tell any more."""
        if self._code is None and self._end >= 0 and select.select([self._end], [], [], END_LIMIT)[0]:
            told = os.read(self._end, 16)
            self._code = int(told) if told else None
        return self._code

    def let_go(self) -> None:
        """Close its standard input, upon which it ends."""
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def stop(self, grace: float = 5) -> None:
        """Ask it to end, insist after `grace` seconds."""
        if not self.wait(0):
            self.signal(signal.SIGTERM)
            if not self.wait(grace):
                self.kill()
                self.wait()

    def close(self) -> None:
        """Give the descriptors back."""
        self.let_go()
        for number in (self.pidfd, self._end):
            if number >= 0:
                os.close(number)
        self.pidfd = self._end = -1


class ForkServer:
    """A process of which others are forks: they outlive it, but not this parent."""

    def __init__(self, argv: Sequence[str]) -> None:
        """Start `argv` with `--fork-server DESCRIPTOR`."""
        self.is_ready = self.has_ended = False
        self.began = time.monotonic()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(ANSWER_LIMIT)
        with theirs:
            number = theirs.fileno()
            self._process = run.start([*argv, OPTION, str(number)], pass_fds=[number])

    def fileno(self) -> int:
        """Readable when it says that it is ready, or has ended."""
        return self._control.fileno()

    def hear(self) -> None:
        """Read what it says, where something can be read."""
        if select.select([self], [], [], 0)[0]:
            said = _received(self._control)
            self.is_ready |= said == READY
            self.has_ended |= not said

    def fork(self, words: Sequence[str], given: Mapping[str, int]) -> Forked:
        """A fork with these words as the end of its command line, and options whose values are descriptors.

        Raises OSError: the server has ended, or does not answer.
        """
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            stdin, keep = _pipe(theirs, ours)
            end, told = _pipe(ours, theirs)
            request = json.dumps([[*words], [*given]]).encode()
            socket.send_fds(self._control, [request], [stdin, told, *given.values()])
            pid, pidfds, _, _ = socket.recv_fds(self._control, LONGEST, 1)
            if not pidfds:
                raise ConnectionResetError
            ours.pop_all()
            return Forked(int(pid), pidfds[0], keep, end)

    def kill(self) -> None:
        """End it at once; its forks go on."""
        self._process.kill()

    def end(self) -> str:
        """Wait until it has ended, which without its socket it does, and its forks with it; how, in words."""
        self._control.close()
        return end_in_words(run.stop(self._process))


def end_in_words(code: int | None) -> str:
    """How a process has ended, by its exit code: negative for a signal, None where nobody can tell."""
    if code is None:
        return "ended"
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _received(control: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return control.recv(LONGEST)
    return b""


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe in the order of its ends; each is closed with its stack."""
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write
