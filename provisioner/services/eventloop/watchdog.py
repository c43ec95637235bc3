"""Ends the process when its loop hangs: whoever started it starts it again, and a hung one helps nobody."""

import logging
import os
import time
from collections.abc import Callable

LIMIT = 60.0  # seconds; a busy machine may be slow, and time in which it sleeps does not count
log = logging.getLogger(__name__)


def _end() -> None:
    os._exit(70)


class Pulse:
    """One thread asks now and then, the loop answers as it answers packets."""

    def __init__(
        self,
        service: str,
        *,
        limit: float = LIMIT,
        end: Callable[[], None] = _end,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._limit = limit
        self._end = end
        self._clock = clock
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._asked = 0.0  # 0 while no answer is awaited

    def fileno(self) -> int:
        """What the loop waits for; then it calls `beat`."""
        return self._event

    def beat(self) -> None:
        """The loop is alive."""
        os.eventfd_read(self._event)
        self._asked = 0.0

    def check(self) -> None:
        """Ask, or end the process if the loop has not answered for too long."""
        now = self._clock()
        if not self._asked:
            self._asked = now
            os.eventfd_write(self._event, 1)
        elif now - self._asked > self._limit:
            log.critical(
                "%s: the loop has hung for %.0f s, so the process ends", self._service, now - self._asked
            )
            self._end()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._event)
