"""Reports progress from a thread of its own, so that a slow service never slows the disk."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from provisioner import errors
from provisioner.agent.link import Stopped
from provisioner.agent.protocol import Progress

Report = Callable[[Progress | None, float], Progress | None]


class Reporter:
    """Within its block a report goes out every `interval` seconds, and whenever `soon` is set."""

    def __init__(self, report: Report, interval: float, soon: threading.Event) -> None:
        """`report` is given the report before, and the seconds since; it returns its own."""
        self._report, self._interval, self._soon = report, interval, soon
        self._is_done = False
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_done = True
        self._soon.set()
        self._thread.join(self._interval)  # in order: the last progress, then what became of it

    def _work(self) -> None:
        last, seconds = None, 0.0
        while True:
            began = time.monotonic()
            with suppress(errors.ProvisionError, Stopped):
                last = self._report(last, seconds)
            self._soon.wait(self._interval)
            self._soon.clear()
            if self._is_done:
                return
            seconds = time.monotonic() - began
