"""Starts the processes that may hang or die in our place, reads their lines, and ends them all.

The process that decides never calls NVML, CUDA or torch: whoever does can be stuck in the driver for ever,
and then not even SIGKILL ends it. So nobody waits for a child after it was killed.
"""

import ctypes
import json
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG = 1  # prctl(2)
LONGEST_LINE = 1 << 20
TELL = 5.0  # seconds
LONGEST_OUTPUT = 4 << 20
_prctl = ctypes.CDLL(None).prctl


class Stopped(Exception):
    """Everything has to end now: `state` of the report, and why."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state, self.reason = state, reason


class Child:
    """One process. `messages` are its lines of JSON; with `is_text` all of its output is kept as `output`."""

    def __init__(self, argv: list[str], env: Mapping[str, str], *, is_text: bool, end: int) -> None:
        self.messages: deque[dict[str, Any]] = deque()
        self.output, self.errors, self.is_text = b"", b"", is_text
        self.is_silent, self.heard = False, time.monotonic()
        self._end, self._part = end, b""
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",  # no file of the caller's folder is a module by chance
            env={**os.environ, **env},
            start_new_session=True,
            preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, end),  # noqa: PLW1509  nothing here has threads
        )
        pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
        self._input, self._output, self._errors = (pipe.fileno() for pipe in pipes if pipe)
        self.open = {self._output, self._errors}  # what is still read

    @property
    def has_ended(self) -> bool:
        """Its output has: nothing can come any more."""
        return not self.open

    def send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        with suppress(OSError):  # it is dead; what it did not answer tells so
            os.write(self._input, line)

    def take(self, pipe: int, data: bytes) -> None:
        """What came by one of its pipes; a line that is no whole object of JSON is passed over."""
        self.heard = time.monotonic()
        if pipe == self._errors:
            self.errors = (self.errors + data)[-4000:]
        elif self.is_text:
            self.output = (self.output + data)[:LONGEST_OUTPUT]
        else:
            *lines, self._part = (self._part + data).split(b"\n")
            self._part = self._part[:LONGEST_LINE]
            for line in lines:
                with suppress(ValueError, RecursionError):
                    message = json.loads(line)
                    if isinstance(message, dict):
                        self.messages.append(message)

    def reap(self) -> int | None:
        """The code of a process whose output has ended; None where it does not end for all that."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        return self.process.returncode

    def why(self) -> str:
        """Why there is no result of it."""
        if self.is_silent:
            return "silent: its process gave no sign of life and was ended"
        code = self.reap()
        lines = self.errors.decode(errors="replace").strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        if code is not None and code < 0:
            return f"its process was killed by {signal.Signals(-code).name}{last}"
        return f"its process ended with code {code} without a result{last}"

    def end(self) -> None:
        """Its signal to its whole group; SIGKILL unless it has to tidy up."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, self._end)

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Family:
    """All children, one loop that hears them, and what else ends the run: signals, the caller's lease."""

    GRACE = 5.0  # seconds for children that have to tidy up

    def __init__(self, lease: float) -> None:
        """`lease`: after so many seconds without a byte of the standard input the run ends; 0: for ever."""
        self._selector = selectors.DefaultSelector()
        self._children: list[Child] = []
        self._lease, self._renewed = lease, time.monotonic()
        self.watch: Callable[[], None] = lambda: None  # may raise Stopped
        self._listen_to_signals()
        if lease:
            self._selector.register(0, selectors.EVENT_READ, None)

    def _listen_to_signals(self) -> None:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._selector.register(reader, selectors.EVENT_READ, None)

    def start(
        self, argv: list[str], env: Mapping[str, str], *, is_text: bool = False, end: int = signal.SIGKILL
    ) -> Child:
        child = Child(argv, env, is_text=is_text, end=end)
        for pipe in child.open:
            self._selector.register(pipe, selectors.EVENT_READ, child)
        self._children.append(child)
        return child

    def step(self, seconds: float) -> None:
        """Hear for so long at most. Raises Stopped."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            if isinstance(key.data, Child):
                self._hear(key.data, key.fd)
            else:
                self._called(key.fd)
        if self._lease and time.monotonic() - self._renewed > self._lease:
            raise Stopped("cancelled", f"the caller was silent for {self._lease:g} s")
        self.watch()

    def _hear(self, child: Child, pipe: int) -> None:
        data = os.read(pipe, 1 << 16)
        if data:
            child.take(pipe, data)
            return
        self._selector.unregister(pipe)
        child.open.discard(pipe)

    def _called(self, number: int) -> None:
        data = os.read(number, 4096)
        if number:
            raise Stopped("cancelled", f"{signal.Signals(data[0]).name} came")
        if not data:
            raise Stopped("cancelled", "the caller hung up")
        self._renewed = time.monotonic()

    def ask(
        self, children: Iterable[Child], patience: float, limit: float, progress: Callable[[Child, Any], None]
    ) -> dict[Child, Any]:
        """The next result of each child, None where there is none. Raises Stopped.

        A child without a sign of life for `patience` seconds, or a result after `limit`, is silent: killed.
        """
        results: dict[Child, Any] = {}
        waiting, until = list(children), time.monotonic() + limit
        for child in waiting:
            child.heard = time.monotonic()
        while waiting:
            self.step(0.25)
            for child in list(waiting):
                self._collect(child, results, progress)
                is_late = time.monotonic() > min(until, child.heard + patience)
                if is_late and child not in results:
                    child.is_silent = True
                    child.kill()
                if child in results or child.has_ended or child.is_silent:
                    results.setdefault(child, None)
                    waiting.remove(child)
        return results

    @staticmethod
    def _collect(child: Child, results: dict[Child, Any], progress: Callable[[Child, Any], None]) -> None:
        while child.messages:
            message = child.messages.popleft()
            if "result" in message:
                results[child] = message["result"]
            elif "fault" in message:
                child.errors = str(message["fault"]).encode()
            elif "progress" in message:
                progress(child, message["progress"])

    def read(self, child: Child, limit: float, tell: Callable[[], None] = lambda: None) -> bytes:
        """All that a child with `is_text` prints; what it has printed where it is silent. Raises Stopped.

        `tell` is called every few seconds meanwhile.
        """
        until, tell_at = time.monotonic() + limit, 0.0
        while not child.has_ended:
            self.step(0.25)
            if time.monotonic() >= tell_at:
                tell_at = time.monotonic() + TELL
                tell()
            if time.monotonic() > until:
                child.is_silent = True
                child.end()
                return child.output
        child.reap()
        return child.output

    def close(self) -> None:
        """End every child, whatever it does; those that tidy up have a moment for it."""
        for child in self._children:
            child.end()
        until = time.monotonic() + self.GRACE
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, until - time.monotonic()))
            child.kill()
        self._children.clear()
