"""Who may fetch an image now: so many hosts at a time, the others in the order in which they asked.

Eight streams at once fill any line; the ninth would only make all of them late. A host that waits is told
when it may begin, as well as that can be known. One host has so many answers at one time and no more.
"""

import heapq
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from flask import current_app

LINGER = 60.0  # seconds without a request after which a slot is free again: the host was powered off
FORGET = 60.0  # seconds after which who waits and does not ask again has gone
POLL = (1.0, 10.0)  # seconds, least and most, until who waits asks again
USUAL = 120.0  # seconds of a download, before any was seen
REMEMBERED = 8  # downloads whose length is remembered
# Answers of one host at one time: the agent's four connections, and those that it gave up after 20 s each
# (`agent/link.py`), until after 60 s (`web/file_sender.py`) we give them up too.
MOST_STREAMS = 16
TRY_AGAIN = 2.0  # seconds after which who has so many asks again


@dataclass
class _Holder:
    began: float
    last: float
    fraction: float = 0.0


@dataclass(frozen=True)
class Wait:
    """`before` others come first; `starts` and `ask_again` in seconds from now."""

    before: int
    starts: float
    ask_again: float

    def __str__(self) -> str:
        hosts = "1 host" if self.before == 1 else f"{self.before} hosts"
        minutes = f"{self.starts:.0f} s" if self.starts < 90 else f"{self.starts / 60:.0f} min"
        return f"waiting for our turn: {hosts} before us, it begins in about {minutes}"


class DownloadSlots:
    """`most` hosts at a time. Shared by a process's threads; a host is known by its deployment's id."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._holders: dict[str, _Holder] = {}
        self._waiting: dict[str, float] = {}  # in the order in which they came; when they asked last
        # by host; it outlives a slot, which whoever has the token can give back while he goes on reading
        self._active: Counter[str] = Counter()
        self._lengths: deque[float] = deque(maxlen=REMEMBERED)

    def limit(self, most: int) -> None:
        """Another number of hosts from now on; who holds a slot keeps it."""
        with self._lock:
            self._most = most

    def ask(self, who: str) -> Wait | None:
        """None where they have a slot, which lasts as long as they go on asking; else how long to wait."""
        with self._lock:
            now = self._clock()
            self._expire(now)
            if who in self._holders:
                self._holders[who].last = now
                return None
            self._waiting[who] = now
            place = list(self._waiting).index(who)
            if place < self._most - len(self._holders):
                del self._waiting[who]
                self._holders[who] = _Holder(now, now)
                return None
            starts = self._starts(place, now)
            return Wait(place + len(self._holders), starts, min(POLL[1], max(POLL[0], starts / 2)))

    def begin(self, who: str) -> bool:
        """Note that a request of this host is being answered; False where MOST_STREAMS are already."""
        with self._lock:
            if self._active[who] >= MOST_STREAMS:
                return False
            self._active[who] += 1
            self._touch(who)
            return True

    def end(self, who: str) -> None:
        """Note that a request of this host, for which `begin` was True, was answered."""
        with self._lock:
            self._active[who] -= 1
            if self._active[who] <= 0:
                del self._active[who]
            self._touch(who)

    def _touch(self, who: str) -> None:
        if holder := self._holders.get(who):
            holder.last = self._clock()

    def progress(self, who: str, fraction: float) -> None:
        """Store how much of its download a holder reports as done, from 0 to 1."""
        with self._lock:
            if holder := self._holders.get(who):
                holder.fraction = min(1.0, max(0.0, fraction))

    def release(self, who: str) -> None:
        """Free the slot of this holder, and its place in the line."""
        with self._lock:
            self._waiting.pop(who, None)
            if holder := self._holders.pop(who, None):
                self._lengths.append(self._clock() - holder.began)

    def _expire(self, now: float) -> None:
        gone = [who for who, h in self._holders.items() if who not in self._active and now - h.last > LINGER]
        for who in gone:
            del self._holders[who]
        for who in [who for who, last in self._waiting.items() if now - last > FORGET]:
            del self._waiting[who]

    def _starts(self, place: int, now: float) -> float:
        """Seconds until a slot is free for who stands at `place` in the line, were all downloads as usual."""
        usual = sum(self._lengths) / len(self._lengths) if self._lengths else USUAL
        ends = [self._left(holder, now, usual) for holder in self._holders.values()]
        ends += [0.0] * (self._most - len(ends))  # free, but for those who stand before
        heapq.heapify(ends)
        for _ in range(place):
            heapq.heapreplace(ends, ends[0] + usual)
        return ends[0]

    @staticmethod
    def _left(holder: _Holder, now: float, usual: float) -> float:
        passed = now - holder.began
        if holder.fraction > 0.02:
            return passed * (1 - holder.fraction) / holder.fraction
        return max(0.0, usual - passed)


def download_slots() -> DownloadSlots:
    """The slots of the application that handles the current request."""
    slots: DownloadSlots = current_app.config["DOWNLOAD_SLOTS"]
    return slots
