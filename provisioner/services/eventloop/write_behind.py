"""Writes what a service's loop has gathered, in a thread of its own: no packet waits for the disk."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from provisioner.errors import ProvisionError

BATCH_ROWS = 100  # rows that one job writes, at most
PAUSE_SECONDS = 0.004  # between two jobs: one interpreter serves the packets, too
log = logging.getLogger(__name__)


T = TypeVar("T")


def batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in parts of BATCH_ROWS, as many as one job should write."""
    return (rows[place : place + BATCH_ROWS] for place in range(0, len(rows), BATCH_ROWS))


class WriteBehind:
    """Runs jobs one after the other. One that fails is run again a second later, before the others."""

    def __init__(self, name: str) -> None:
        self._jobs: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._failed = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether no job waits: the time to hand over the next ones, for each costs a commit."""
        with self._changed:
            return not self._jobs

    def put(self, job: Callable[[], None]) -> None:
        """Queue a job; it runs in the writer's thread."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def close(self) -> None:
        """Run what is queued and end the thread, within 30 s."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(30)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closing)
                if not self._jobs:
                    return
                job = self._jobs[0]
                closing = self._closing
            if self._run_job(job) or closing:
                with self._changed:
                    self._jobs.remove(job)
                    self._changed.wait_for(lambda: self._closing, PAUSE_SECONDS)
            else:
                with self._changed:
                    self._changed.wait(1)

    def _run_job(self, job: Callable[[], None]) -> bool:
        try:
            job()
        except Exception as fault:
            if str(fault) != self._failed:  # a full disk is said once, and tried again
                known = isinstance(fault, ProvisionError)
                log.error(
                    "what was seen could not be written down; it is tried again: %s",
                    fault,
                    exc_info=not known,
                )
            self._failed = str(fault)
            return False
        self._failed = ""
        return True
