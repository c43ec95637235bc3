"""A process's signs of life for whoever watches it: its parent by a pipe, or systemd by its socket.

A loop calls `beat` each time that it goes round, or every PERIOD seconds: a thread beside it would go on
where the loop hangs. By the pipe go lines: an empty one is a beat, others begin with READY or REPLACED.
"""

import os
import sys
import time
from collections.abc import Callable

from provisioner.system.sd_notify import SystemdNotifier

PERIOD = 2.0  # seconds between two beats
READY, REPLACED = "ready", "replaced"  # the first words of lines; a sentence follows


class Pulse:
    """What one process says of itself; without a pipe it says it on standard error, and to systemd."""

    def __init__(
        self,
        pipe: int = -1,
        notifier: SystemdNotifier | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """`pipe` is the descriptor that the parent reads, -1 for none; `on_ready` is called by `ready`."""
        self._on_ready = on_ready
        self._pipe = pipe
        self._notifier = notifier or SystemdNotifier()
        self._clock = clock
        self._next = clock()
        if pipe >= 0:
            os.set_blocking(pipe, False)
            os.set_inheritable(pipe, False)

    def ready(self, sentence: str) -> None:
        """All ports are open; `sentence` says what is served where."""
        self._on_ready()
        self._say(READY, sentence)
        self._notifier.tell("READY=1", f"STATUS={sentence}")

    def beat(self) -> None:
        """The loop goes round. Cheap, and sent once in PERIOD seconds however often it is called."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + PERIOD
        self._write("")
        self._notifier.tell("WATCHDOG=1")

    def replaced(self, sentence: str) -> None:
        """A process of this service had to be started again; `sentence` says which and why."""
        self._say(REPLACED, sentence)

    def _say(self, word: str, sentence: str) -> None:
        if self._pipe < 0:
            print(sentence, file=sys.stderr, flush=True)
        else:
            self._write(f"{word} {' '.join(sentence.split())[:2000]}")

    def _write(self, line: str) -> None:
        if self._pipe < 0:
            return
        try:
            os.write(self._pipe, line.encode() + b"\n")  # less than PIPE_BUF, so whole or not at all
        except BlockingIOError:
            pass  # the parent reads nothing: it has enough to read
        except OSError:
            os.close(self._pipe)  # it has ended, and will end us by its other pipe
            self._pipe = -1
