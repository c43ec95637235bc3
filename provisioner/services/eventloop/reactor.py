"""One thread that waits for many sockets and moments: the loop under DHCP, TFTP and DNS."""

import heapq
import itertools
import logging
import select
import time
from collections.abc import Callable
from typing import Protocol

from provisioner.services.eventloop.datagrams import Complaints, Stop
from provisioner.services.eventloop.watchdog import Pulse

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
log = logging.getLogger(__name__)


class Source(Protocol):
    """Something that can become readable or writable."""

    def fileno(self) -> int:
        """Its descriptor."""


class Reactor:
    """Calls handlers when their source is ready, and others when their moment has come.

    A handler that raises is logged, though not without end. That the waiting itself fails (a descriptor that
    is gone) ends `run`, for such a loop would be deaf; that it hangs ends the process (see Pulse).
    """

    def __init__(
        self, name: str, *, clock: Callable[[], float] = time.monotonic, pulse: Pulse | None = None
    ) -> None:
        self._name = name
        self._clock = clock
        self.now = clock()  # seconds, of all that has come together
        self._handlers: dict[int, Callable[[], None]] = {}
        self._parked: set[int] = set()  # descriptors of which nothing is awaited, not even their end
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._complaints = Complaints(log)
        self._poll = select.epoll()
        self._stop = Stop()
        self._poll.register(self._stop.fileno(), READ)
        self._pulse = pulse or Pulse(name)
        self.add(self._pulse, self._pulse.beat)

    def add(self, source: Source, handle: Callable[[], None], events: int = READ) -> None:
        """Call `handle` whenever `source` can be read, or written, or either."""
        number = source.fileno()
        self._poll.register(number, events)
        self._handlers[number] = handle

    def change(self, source: Source, events: int) -> None:
        """Wait for something else of a source that is known; for nothing where that is 0."""
        number = source.fileno()
        if number in self._parked:
            if events:
                self._parked.remove(number)
                self._poll.register(number, events)
        elif events:
            self._poll.modify(number, events)
        else:
            self._parked.add(number)
            self._poll.unregister(number)

    def remove(self, source: Source) -> None:
        """Wait for it no more; before it is closed. One that is not known is none."""
        number = source.fileno()
        if not self._handlers.pop(number, None):
            return
        if number in self._parked:
            self._parked.remove(number)
        else:
            self._poll.unregister(number)

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Call once, when the clock says so."""
        heapq.heappush(self._moments, (moment, next(self._numbers), call))

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, in so many seconds."""
        self.at(self._clock() + seconds, call)

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call now and then again, with so many seconds between."""

        def again() -> None:
            try:
                call()
            finally:
                self.after(seconds, again)

        self.after(0, again)

    def run(self) -> None:
        """Until `stop`. Raises OSError where nothing can be waited for any more."""
        poll, handlers, stop = self._poll.poll, self._handlers, self._stop.fileno()
        while True:
            found = poll(self._patience())
            self.now = self._clock()
            for number, _ in found:
                handle = handlers.get(number)  # none where an earlier one of these has removed it
                if handle:
                    try:
                        handle()
                    except Exception as fault:
                        self._failed(fault)
                elif number == stop:
                    return
            for call in self._due():
                try:
                    call()
                except Exception as fault:
                    self._failed(fault)

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._stop.set()

    def check(self) -> None:
        """Whether `run` is alive; if not, the process ends. For a thread beside it, now and then."""
        self._pulse.check()

    def close(self) -> None:
        """Give the descriptors back, but not those of the sources."""
        self._poll.close()
        self._pulse.close()
        self._stop.close()

    def _due(self) -> list[Callable[[], None]]:
        """Taken out at once, so that one that comes again and again keeps no socket waiting."""
        if not self._moments:
            return []
        now, found = self._clock(), []
        while self._moments and self._moments[0][0] <= now:
            found.append(heapq.heappop(self._moments)[2])
        return found

    def _patience(self) -> float | None:
        return max(0.0, self._moments[0][0] - self._clock()) if self._moments else None

    def _failed(self, fault: Exception) -> None:
        self._complaints.say(self._name, f"a handler failed: {fault!r}", b"", trace=True)
