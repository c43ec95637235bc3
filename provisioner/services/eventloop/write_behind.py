"""Writes what a service's loop has gathered, in a thread of its own: no packet waits for the disk."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

PIECE = 100  # rows that one job writes, at most
PAUSE = 0.004  # seconds between two jobs: one interpreter serves the packets, too
log = logging.getLogger(__name__)


T = TypeVar("T")


def pieces(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """So many at a time as one job should write."""
    return (rows[place : place + PIECE] for place in range(0, len(rows), PIECE))


class WriteBehind:
    """Does jobs one after the other. One that fails is done again, before others, when the next one comes."""

    def __init__(self, name: str) -> None:
        self._jobs: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._ends = False
        self._failed = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_free(self) -> bool:
        """Whether nothing waits: the time to hand over the next lot, for it costs one commit."""
        with self._changed:
            return not self._jobs

    def put(self, job: Callable[[], None]) -> None:
        """Do this soon."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def close(self) -> None:
        """Do what waits and end."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join(30)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._ends)
                if not self._jobs:
                    return
                job = self._jobs[0]
                ends = self._ends
            if self._does(job) or ends:
                with self._changed:
                    self._jobs.remove(job)
                    self._changed.wait_for(lambda: self._ends, PAUSE)
            else:
                with self._changed:
                    self._changed.wait(1)

    def _does(self, job: Callable[[], None]) -> bool:
        try:
            job()
        except Exception as fault:
            if str(fault) != self._failed:  # a full disk is said once, and tried again
                log.exception("what was seen could not be written down; it is tried again")
            self._failed = str(fault)
            return False
        self._failed = ""
        return True
