"""Bounds the log: whoever can repeat what a line tells of could otherwise fill the disk with it."""

import logging
import threading
import time
from collections.abc import Callable

BURST = 200  # lines of one kind at once
PER_HOUR = 100  # lines of one kind in the long run; with BURST about 2,600 a day, some 300 kB
MOST_KINDS = 1000  # that are counted; a kind is a place in the program, so there are fewer


class LineLimit(logging.Filter):
    """Lets so many records of each place in the program through, and then tells how many it has left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, int], tuple[float, float, int]] = {}  # lines left, since when, left out

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; the first one after some were left out says how many."""
        key, now = (record.pathname, record.lineno), self._clock()
        with self._lock:
            left, since, omitted = self._kinds.get(key, (float(BURST), now, 0))
            left = min(float(BURST), left + (now - since) * PER_HOUR / 3600)
            is_written = left >= 1 or (key not in self._kinds and len(self._kinds) >= MOST_KINDS)
            if key in self._kinds or len(self._kinds) < MOST_KINDS:
                self._kinds[key] = (left - 1, now, 0) if is_written else (left, now, omitted + 1)
        if is_written and omitted:
            record.msg = f"{record.getMessage()} ({omitted} more such lines were left out before)"
            record.args = None
        return is_written
