"""Log lines about what comes again and again: each thing once in a while, and then how often it came."""

import logging
import threading
import time
from collections.abc import Callable

PERIOD = 60.0  # seconds in which the same thing is said once
MOST = 200  # different things in one period; whoever invents more of them cannot fill the disk


class Seldom:
    """Says the first of each (`who`, `what`) and counts the rest; memory and lines have a limit."""

    def __init__(
        self,
        log: logging.Logger,
        *,
        period: float = PERIOD,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._period = period
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._since = clock()
        self._said: set[tuple[str, str]] = set()
        self._more = 0

    def say(self, who: str, what: str, line: str, *arguments: object) -> bool:
        """Log `line` unless the same was said in this period; whether it was logged."""
        with self._lock:
            self._turn()
            if (who, what) in self._said or len(self._said) >= self._most:
                self._more += 1
                return False
            self._said.add((who, what))
        self._log.info(line, *arguments)
        return True

    def flush(self) -> None:
        """Say the count of a period that is over; call it now and then, for nobody may come any more."""
        with self._lock:
            self._turn()

    def _turn(self) -> None:
        now = self._clock()
        if now - self._since < self._period:
            return
        if self._more:
            self._log.info("%d more of what was said before, or of too many kinds to say", self._more)
        self._since, self._more = now, 0
        self._said.clear()
