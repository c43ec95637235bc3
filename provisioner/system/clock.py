"""A clock that nobody sets: real time as it was when the service began, and what has passed since."""

import time
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)


@dataclass(frozen=True)
class ClockAnchor:
    """Real time (seconds since 1970) and CLOCK_BOOTTIME (clock_gettime(2)) of one moment of one boot.

    `steps`: by how many seconds in sum the real time was set since, forward is positive.
    """

    boot_id: str
    real: float
    boottime: float
    steps: float = 0.0

    @classmethod
    def of_now(cls) -> "ClockAnchor":
        """Of this moment."""
        return cls(BOOT_ID.read_text().strip(), time.time(), _boottime())

    @property
    def is_of_this_boot(self) -> bool:
        """Whether this machine has not been started again since."""
        return self.boot_id == BOOT_ID.read_text().strip()


class SteadyClock:
    """Seconds since 1970 as of the anchor. Never steps, never goes back, counts while the machine sleeps."""

    def __init__(self, anchor: ClockAnchor) -> None:
        self._ahead = anchor.real - anchor.boottime

    def __call__(self) -> float:
        return self._ahead + _boottime()


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
