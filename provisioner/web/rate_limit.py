"""Bounds how often somebody may do something: a bucket for each, that refills at a steady rate."""

import threading
import time
from collections.abc import Callable

MOST_BUCKETS = 4096  # that are remembered; the one that was used longest ago goes first


class RateLimit:
    """`rate` per second in the long run, `burst` at once, for each key. Shared by a process's threads."""

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}  # what is left, and when that was so
        self._lock = threading.Lock()

    def allows(self, key: str) -> bool:
        """Take one; False where there is none left now."""
        with self._lock:
            now = self._clock()
            left, since = self._buckets.pop(key, (float(self._burst), now))
            left = min(float(self._burst), left + (now - since) * self._rate)
            self._buckets[key] = (left - 1 if left >= 1 else left, now)
            if len(self._buckets) > MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
            return left >= 1
