"""Where the acts of drivers are done: each in a fork of one process, which has imported all that they need.

An interpreter of its own for each act would cost a quarter of a second of processor time, nearly all of it
imports. The process is started with the first act, and ends with ours, its forks with it: no act outlives
who has ordered it. What is done in them: power/act_process.py.
"""

import atexit
import select
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing

from provisioner.errors import ProgramError
from provisioner.system.forked import Forked, ForkServer, end_in_words

PROGRAM = (sys.executable, "-m", "provisioner.power.act_process")
OPTION = "--line"  # of a fork: the descriptor of the socket that has its request
START = 20.0  # seconds for a process to start and to end, on a machine that has much to do
PIECE = 1 << 16  # bytes


class Acts:
    """The process and its forks. May be used by several threads at once."""

    def __init__(self, argv: Sequence[str] = PROGRAM) -> None:
        """`argv` starts the process."""
        self._argv = argv
        self._lock = threading.Lock()
        self._server: ForkServer | None = None

    def perform(self, driver: str, request: bytes, limit: float) -> bytes:
        """What a fork answers to the request, which it does by the driver of this name.

        Raises TimeoutError: it has not ended after `limit` seconds, and was killed. ProgramError: it ended
        without an answer, or could not be started.
        """
        until = time.monotonic() + limit
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                fork = self._fork([driver], {OPTION: theirs.fileno()})
            with closing(fork):
                try:
                    answer = _exchange(ours, request, until)
                except BaseException:
                    fork.kill()
                    raise
                if not answer:
                    raise ProgramError(f"it {end_in_words(fork.exit_code)}")
                return answer

    def close(self) -> None:
        """End the process, and what is under way in its forks."""
        with self._lock:
            if self._server:
                self._server.end()
                self._server = None

    def _fork(self, words: Sequence[str], given: dict[str, int]) -> Forked:
        """A process that has ended is started again. Raises ProgramError."""
        with self._lock:
            for may_be_old in (True, False):
                self._server = self._server or self._start()
                try:
                    return self._server.fork(words, given)
                except OSError as fault:
                    self._server.kill()
                    how, self._server = self._server.end(), None
                    if not may_be_old:
                        raise ProgramError(f"the process in whose forks it is done {how}: {fault}") from fault
        raise AssertionError("the second try ends by an error")

    def _start(self) -> ForkServer:
        server = ForkServer(self._argv)
        select.select([server], [], [], START)
        server.hear()
        if server.is_ready:
            return server
        server.kill()
        how = server.end()
        raise ProgramError(
            f"the process in whose forks it is done {how}, and was not ready within {START:g} s"
        )


def _exchange(line: socket.socket, request: bytes, until: float) -> bytes:
    """What comes until the other end is closed. Raises TimeoutError."""
    parts = []
    line.settimeout(max(0.001, until - time.monotonic()))
    try:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        while part := line.recv(PIECE):
            parts.append(part)
            line.settimeout(max(0.001, until - time.monotonic()))
    except (BrokenPipeError, ConnectionResetError):
        return b""  # it has ended
    return b"".join(parts)


ACTS = Acts()
atexit.register(ACTS.close)
