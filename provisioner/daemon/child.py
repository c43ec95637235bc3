"""One service's process as its parent has it: started, heard, counted as silent, ended."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence

from provisioner import run
from provisioner.system.processes import is_held

LONGEST_LINE = 4096  # bytes


class Child:
    """A process that runs one service. It ends when the pipe that it has as standard input closes."""

    def __init__(self, name: str, argv: Sequence[str], secret: str = "") -> None:
        """Start `argv` with `--only NAME`; by a pipe of its own it says how it does (system/pulse.py).

        `secret` is for this process alone: it reads it from another pipe, before anything else.
        """
        self.name = name
        self.silent = 0.0  # seconds without a sign of life, in which it could have been heard
        self.is_ready = False
        self.wants_reload = False
        self.fate = ""  # in words, where it is us who end it
        self.began = time.monotonic()
        self._heard = b""
        self.pipe, write = os.pipe()
        os.set_blocking(self.pipe, False)
        words = [*argv, "--only", name, "--pulse-fd", str(write)]
        key = _written(secret) if secret else -1
        given = (write, key) if secret else (write,)
        try:
            more = ["--secrets-fd", str(key)] if secret else []
            self._process = run.start([*words, *more], stdin=run.PIPE, pass_fds=given)
        except BaseException:
            os.close(self.pipe)
            raise
        finally:
            for number in given:
                os.close(number)
        self.ended = os.pidfd_open(self._process.pid)

    def read(self) -> list[str]:
        """The lines that it has sent, beats left out; any of them is a sign of life."""
        with contextlib.suppress(BlockingIOError):
            while self.pipe >= 0 and (data := os.read(self.pipe, LONGEST_LINE)):
                self.silent = 0.0
                self._heard += data
            self._close_pipe()  # nobody has its other end any more
        *lines, self._heard = self._heard.split(b"\n")
        self._heard = self._heard[-LONGEST_LINE:]
        return [line.decode(errors="replace") for line in lines if line]

    def _close_pipe(self) -> None:
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    @property
    def sources(self) -> list[int]:
        """The descriptors that become readable when it says something, or ends."""
        return [number for number in (self.pipe, self.ended) if number >= 0]

    def count_silence(self, seconds: float) -> float:
        """So much time more has passed without a word; all of it. None counts while a debugger holds it."""
        self.silent = 0.0 if is_held(self._process.pid) else self.silent + seconds
        return self.silent

    def reload(self) -> None:
        """Tell it to read the settings again, once it is ready: before, the signal would end it."""
        self.wants_reload = not self.is_ready
        if self.is_ready:
            run.signal_process(self._process.pid, signal.SIGHUP)

    def kill(self, fate: str) -> None:
        """End it at once, which no process can refuse, not even one that is stopped; `fate` says why."""
        self.fate = fate
        self._process.kill()

    def reap(self) -> str:
        """Its end in words, after `ended` became readable."""
        code = self._process.wait()
        self.close()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return self.fate or how

    @property
    def exit_code(self) -> int:
        """Of a process that has ended."""
        return self._process.wait()

    def let_go(self) -> None:
        """Close its standard input, upon which it ends."""
        if self._process.stdin:
            self._process.stdin.close()

    def stop(self) -> None:
        """Wait until it has ended; insist where it does not."""
        run.stop(self._process)
        self.close()

    def close(self) -> None:
        """Give the descriptors back."""
        self.let_go()
        self._close_pipe()
        if self.ended >= 0:
            os.close(self.ended)
            self.ended = -1


def _written(text: str) -> int:
    """The end of a pipe from which a text can be read once; it is shorter than a pipe holds (pipe(7))."""
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        pipe.write(text)
    return read
