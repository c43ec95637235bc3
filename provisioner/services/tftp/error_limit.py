"""Answers to packets that nobody should send: a few for each address, then silence for a while."""

import time
from collections import Counter
from collections.abc import Callable

MOST, PERIOD = 8, 10.0  # answers to one address in so many seconds
MOST_ADDRESSES = 4096  # that are remembered; in one period no more of them are answered


class ErrorLimit:
    """Counts answers by address. What a stranger can cause stays small, in packets and in memory."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._answers: Counter[str] = Counter()

    def allows(self, address: str) -> bool:
        """Whether this address may be sent one more error; it counts as sent."""
        now = self._clock()
        if now - self._began >= PERIOD:
            self._began = now
            self._answers.clear()
        is_known = address in self._answers
        if self._answers[address] >= MOST or (not is_known and len(self._answers) >= MOST_ADDRESSES):
            return False
        self._answers[address] += 1
        return True
