"""Log lines that a stranger can cause: so many in a period, each thing once, and then a count of the rest."""

import logging
import threading
import time
from collections.abc import Callable, Hashable

PACKET_BURST, PACKET_PERIOD = 10, 10.0  # lines in so many seconds about packets that cannot be answered
HEX_BYTES = 48  # of a packet that could not be read: enough for any header's beginning


class RateLimitedLog:
    """Writes at most `burst` lines in `period` seconds, and when that is over how many were left out.

    Lines with a `key` are written once in a period for each key. Memory has a limit, too: no more keys are
    kept than lines were written. Any thread may write.
    """

    def __init__(
        self,
        log: logging.Logger,
        *,
        burst: int,
        period: float,
        summary: str = "%d more lines of this kind were left out",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`summary` is the line with the count (`%d`) of what was left out in the period before."""
        self._log, self._summary = log, summary
        self._burst, self._period, self._clock = burst, period, clock
        self._lock = threading.Lock()
        self._period_began = clock()
        self._keys: set[Hashable] = set()
        self._written = self._suppressed = 0
        self._level = logging.INFO

    def write(
        self,
        level: int,
        line: str,
        *arguments: object,
        key: Hashable | None = None,
        exc_info: bool = False,
    ) -> bool:
        """Log `line % arguments` at `level` if there is room for it; whether it was logged."""
        with self._lock:
            self._begin_period()
            if self._written >= self._burst or (key is not None and key in self._keys):
                self._suppressed += 1
                self._level = level
                return False
            self._written += 1
            if key is not None:
                self._keys.add(key)
        self._log.log(level, line, *arguments, exc_info=exc_info)
        return True

    def flush(self) -> None:
        """Write the count of a period that is over; call it now and then where nobody may come any more."""
        with self._lock:
            self._begin_period()

    def _begin_period(self) -> None:
        now = self._clock()
        if now - self._period_began < self._period:
            return
        if self._suppressed:
            self._log.log(self._level, self._summary, self._suppressed)
        self._period_began = now
        self._written = self._suppressed = 0
        self._keys.clear()


class PacketLog(RateLimitedLog):
    """What is wrong with packets that came in."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__(log, burst=PACKET_BURST, period=PACKET_PERIOD, summary="%d more datagrams were bad")

    def malformed(self, context: object, fault: object, data: bytes) -> None:
        """A packet that cannot be read, with its head; `context` says whose it is."""
        self.write(logging.WARNING, "%s: %s; %d bytes: %s", context, fault, len(data), data[:HEX_BYTES].hex())

    def failed(self, context: object, what: str, fault: Exception, data: bytes = b"") -> None:
        """A packet on which our own code failed: with the traceback. To be called in its `except` clause."""
        self.write(
            logging.WARNING,
            "%s: %s: %r; %d bytes: %s",
            *(context, what, fault, len(data), data[:HEX_BYTES].hex()),
            exc_info=True,
        )
