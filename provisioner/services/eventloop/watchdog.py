"""Ends the process when its loop hangs, as WatchdogSec= of systemd does: its parent starts it again."""

import logging
import os
import time
from collections.abc import Callable

TIMEOUT = 60.0  # seconds; a busy machine may be slow, and time in which it sleeps does not count
log = logging.getLogger(__name__)


def _exit() -> None:
    os._exit(os.EX_SOFTWARE)


class Watchdog:
    """Another thread calls `check` now and then; the loop acknowledges that as it answers packets.

    Times are seconds; `end` is what ends the process (exit code 70, EX_SOFTWARE of sysexits.h).
    """

    def __init__(
        self,
        service: str,
        *,
        timeout: float = TIMEOUT,
        end: Callable[[], None] = _exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._timeout = timeout
        self._end = end
        self._clock = clock
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._asked_at = 0.0  # 0 while no answer is awaited

    def fileno(self) -> int:
        """What the loop waits for; then it calls `acknowledge`."""
        return self._event

    def acknowledge(self) -> None:
        """Report that the loop is alive."""
        os.eventfd_read(self._event)
        self._asked_at = 0.0

    def check(self) -> None:
        """Ask, or end the process if the loop has not answered for too long."""
        now = self._clock()
        if not self._asked_at:
            self._asked_at = now
            os.eventfd_write(self._event, 1)
        elif now - self._asked_at > self._timeout:
            log.critical(
                "%s: the loop has hung for %.0f s, so the process ends", self._service, now - self._asked_at
            )
            self._end()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._event)
