"""Bounds how many wrong passwords a minute are heard, of one address and of one user."""

import threading
import time
from collections import deque
from collections.abc import Callable

MOST_WRONG, WINDOW = 10, 60.0  # in so many seconds
MOST_KEYS = 4096  # that are remembered; the one that was tried longest ago goes first


class LoginLimit:
    """Counts an attempt before its password is looked at: many at one time are no more than one by one.

    Shared by a process's threads. Seconds are those of the monotonic clock.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def begin(self, *keys: str) -> bool:
        """Count one attempt for each key; False, and nothing counted, where one of them has had too many."""
        with self._lock:
            now = self._clock()
            lately = [self._lately(key, now) for key in keys]
            if any(len(times) >= MOST_WRONG for times in lately):
                return False
            for times in lately:
                times.append(now)
            return True

    def _lately(self, key: str, now: float) -> deque[float]:
        times = self._tried.pop(key, deque())
        while times and times[0] <= now - WINDOW:
            times.popleft()
        self._tried[key] = times
        if len(self._tried) > MOST_KEYS:
            del self._tried[next(iter(self._tried))]
        return times

    def was_right(self, *keys: str) -> None:
        """The newest attempt of each was none of the wrong ones."""
        with self._lock:
            for key in keys:
                if times := self._tried.get(key):
                    times.pop()
