"""Who writes which image now, and where others ask him for its pieces: hosts of one image feed each other.

It lives in the memory of the process that answers machines: after a restart the next reports fill it again.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import current_app

LINGER = 15.0  # seconds without a report after which a host is named to nobody any more
MOST = 48  # others that a host is told of, by chance where there are more


@dataclass(frozen=True)
class Place:
    """Where one host is asked. `switch` is the one that it hangs on, empty where nobody knows."""

    host: str
    image: str
    address: str
    port: int
    switch: str = ""


class SwarmBoard:
    """Shared by a process's threads; a host is known by its deployment's id."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._seen: dict[str, float] = {}
        self._accused: dict[str, set[str]] = {}  # by whom they were found out
        self._chance = random.Random()  # noqa: S311  spreads load, guards nothing

    def report(self, who: str, place: Place) -> None:
        """It writes now, or has written and gives still; without a port it gives nothing."""
        with self._lock:
            self._expire()
            if place.port:
                self._places[who] = place
                self._seen[who] = self._clock()
            else:
                self._forget(who)

    def remove(self, who: str) -> None:
        """It gives nothing any more."""
        with self._lock:
            self._forget(who)

    def others(self, who: str, image: str) -> list[Place]:
        """Who else writes this image now."""
        with self._lock:
            self._expire()
            found = [p for other, p in self._places.items() if other != who and p.image == image]
        return found if len(found) <= MOST else self._chance.sample(found, MOST)

    def has_others(self, who: str) -> bool:
        """Whether it takes part, and not alone."""
        with self._lock:
            self._expire()
            place = self._places.get(who)
            others = (p for other, p in self._places.items() if other != who)
            return place is not None and any(p.image == place.image for p in others)

    def share(self, who: str, host_rate: float, switch_rate: float) -> float:
        """Bytes a second that it may give: its own limit, and its part of its switch's; 0 for none."""
        with self._lock:
            self._expire()
            place = self._places.get(who)
            switch = place.switch if place else ""
            mates = max(1, sum(p.switch == switch for p in self._places.values()))
        limits = [rate for rate in (host_rate, switch_rate / mates) if rate]
        return min(limits, default=0.0)

    def host_at(self, address: str) -> str:
        """The name of the host that has this address; empty where none is known."""
        with self._lock:
            return next((p.host for p in self._places.values() if p.address == address), "")

    def is_news(self, who: str, address: str) -> bool:
        """Whether it has not said of this address before that it lies."""
        with self._lock:
            accused = self._accused.setdefault(who, set())
            is_new = address not in accused
            accused.add(address)
            return is_new

    def _expire(self) -> None:
        now = self._clock()
        for who in [who for who, seen in self._seen.items() if now - seen > LINGER]:
            self._forget(who)

    def _forget(self, who: str) -> None:
        self._places.pop(who, None)
        self._seen.pop(who, None)
        self._accused.pop(who, None)


def swarm_board() -> SwarmBoard:
    """The board of the application that handles the current request."""
    board: SwarmBoard = current_app.config["SWARM_BOARD"]
    return board
