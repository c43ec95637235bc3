"""`provision …` as a process of its own whose imports are done: programs/fork_server.py.

Hundreds of tests run a command, and most of its time was Python's imports.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from provisioner import run
from provisioner.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROVISION = (sys.executable, "-m", "provisioner")
PROGRAM = Path(__file__).with_name("programs") / "fork_server.py"
LONGEST = 100_000  # bytes of an order: a Unix socket takes no more in one message


def provision(
    words: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 60,
    inside: int = 0,
) -> tuple[int, bytes, bytes]:
    """Run a command line to its end; its exit code, and what it wrote to stdout and stderr.

    `env` is added to ours; `inside` is the process whose namespaces it runs in. What must be known before
    Python starts (a locale, a time zone) needs a Python of its own, and gets it; so do threads of a test.
    Raises ProgramError: it did not end within `timeout` seconds.
    """
    order: dict[str, Any] = {
        "argv": [str(word) for word in words],
        "env": {**os.environ, **(env or {})},
        "cwd": "/" if inside else str(Path.cwd()),
        "inside": bool(inside),
    }
    message = json.dumps(order).encode()
    server = _server() if threading.current_thread() is threading.main_thread() else None
    if not server or len(message) > LONGEST or not server.may_run(order["env"]):
        argv = [*(entering(inside) if inside else ()), *PROVISION, *words]
        done = run.run(argv, check=False, timeout=timeout, env=env, stdin=stdin)
        return done.returncode, done.stdout, done.stderr
    return server.run(message, stdin, timeout, inside)


def entering(pid: int) -> tuple[str, ...]:
    """What stands before a command line that is to run in the namespaces of a process."""
    return ("nsenter", "--preserve-credentials", "--user", "--net", "--mount", "-t", str(pid), "--")


@cache
def _server() -> _Server:
    return _Server()


class _Server:
    """The process that forks, as long as ours lasts."""

    def __init__(self) -> None:
        self._env = dict(os.environ)
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = run.start([sys.executable, PROGRAM], stdin=other.fileno())

    def may_run(self, env: Mapping[str, str]) -> bool:
        """Whether only what the program reads when it runs is otherwise than it was here."""
        names = env.keys() | self._env.keys()
        ours = ("PROVISION_", "PYTEST_", "LOGNAME")
        return all(env.get(name) == self._env.get(name) for name in names if not name.startswith(ours))

    def run(self, message: bytes, stdin: bytes, timeout: float, inside: int) -> tuple[int, bytes, bytes]:
        with ExitStack() as stack:
            pipes = [os.pipe() for _ in range(4)]
            (its_input, our_input), *outputs = pipes
            # unbuffered: what is waited for must not lie in a buffer of ours
            readers = [stack.enter_context(os.fdopen(reader, "rb", buffering=0)) for reader, _ in outputs]
            writer = stack.enter_context(os.fdopen(our_input, "wb"))
            space = os.pidfd_open(inside) if inside else os.open(os.devnull, os.O_RDONLY)
            theirs = [its_input, *(output for _, output in outputs), space]
            try:
                socket.send_fds(self._control, [message], theirs)
            finally:
                for descriptor in theirs:
                    os.close(descriptor)
            return self._talk(writer, readers, stdin, timeout)

    def _talk(
        self, writer: BinaryIO, readers: list[FileIO], stdin: bytes, timeout: float
    ) -> tuple[int, bytes, bytes]:
        out, err, told = readers
        child = int(told.readline())
        with ThreadPoolExecutor(3) as pool:
            said = [pool.submit(stream.readall) for stream in (out, err)]
            pool.submit(_feed, writer, stdin)
            ended = select.select([told], [], [], timeout)[0]
            if not ended:
                run.signal_process(child, signal.SIGKILL)
            code = int(told.readline())
            wrote, complained = (each.result() for each in said)
        if not ended:
            raise ProgramError(f"provision did not end within {timeout:g} s")
        return code, wrote, complained


def _feed(writer: BinaryIO, data: bytes) -> None:
    with suppress(BrokenPipeError), writer:
        writer.write(data)
