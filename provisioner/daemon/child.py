"""One service's process as its parent has it: started, heard, counted as silent, ended."""

import contextlib
import os
import signal
import time

from provisioner.system.forked import ForkServer, end_in_words
from provisioner.system.processes import is_held

LONGEST_LINE = 4096  # bytes


class Child:
    """A process that runs one service. It ends when the pipe that it has as standard input closes."""

    def __init__(self, name: str, server: ForkServer, secret: str = "") -> None:
        """Have it forked with `--only NAME`; by a pipe of its own it says how it does (system/pulse.py).

        `secret` is for this process alone: it reads it from another pipe, before anything else.
        Raises OSError: the fork server has ended.
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
        given = {"--pulse-fd": write}
        if secret:
            given["--secrets-fd"] = _written(secret)
        try:
            self._process = server.fork(["--only", name], given)
        except BaseException:
            os.close(self.pipe)
            raise
        finally:
            for number in given.values():
                os.close(number)

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
    def ended(self) -> int:
        """The descriptor that becomes readable when it ends."""
        return self._process.pidfd

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
            self._process.signal(signal.SIGHUP)

    def kill(self, fate: str) -> None:
        """End it at once, which no process can refuse, not even one that is stopped; `fate` says why."""
        self.fate = fate
        self._process.kill()

    def reap(self) -> str:
        """Its end in words, after `ended` became readable."""
        how = self.fate or end_in_words(self.exit_code)
        self.close()
        return how

    @property
    def exit_code(self) -> int | None:
        """Of a process that has ended; None where nobody can tell it."""
        return self._process.exit_code

    def let_go(self) -> None:
        """Close its standard input, upon which it ends."""
        self._process.let_go()

    def stop(self) -> None:
        """Wait until it has ended; insist where it does not."""
        self._process.stop()
        self.close()

    def close(self) -> None:
        """Give the descriptors back."""
        self._process.close()
        self._close_pipe()


def _written(text: str) -> int:
    """The end of a pipe from which a text can be read once; it is shorter than a pipe holds (pipe(7))."""
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        pipe.write(text)
    return read
