"""One thread that waits for many sockets and timers (epoll(7)): the loop under DHCP, TFTP and DNS."""

import heapq
import itertools
import logging
import select
import time
from collections.abc import Callable
from typing import Protocol

from provisioner.services.eventloop.rate_limited_log import PacketLog
from provisioner.services.eventloop.stop_event import StopEvent
from provisioner.system.pulse import PERIOD, Pulse

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
log = logging.getLogger(__name__)


class Pollable(Protocol):
    """Something that can become readable or writable."""

    def fileno(self) -> int:
        """The file descriptor that selectors wait for."""


class Reactor:
    """Calls handlers when their socket is ready, and others when their timer has expired.

    A handler that raises is logged, though not without end. That the waiting itself fails (a descriptor that
    is gone) ends `run`, for such a loop would be deaf; that it hangs is seen by who awaits its `pulse`.
    """

    def __init__(
        self, name: str, *, clock: Callable[[], float] = time.monotonic, pulse: Pulse | None = None
    ) -> None:
        self._name = name
        self._clock = clock
        self.now = clock()  # seconds: when epoll last returned
        self._handlers: dict[int, Callable[[], None]] = {}
        self._paused: set[int] = set()  # descriptors of which nothing is awaited, not even their end
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._failures = PacketLog(log)
        self._poll = select.epoll()
        self._stop = StopEvent()
        self._poll.register(self._stop.fileno(), READ)
        if pulse:
            self.call_every(PERIOD, pulse.beat)

    def register(self, source: Pollable, handle: Callable[[], None], events: int = READ) -> None:
        """Call `handle` whenever `source` can be read, or written (`events`: READ, WRITE or both)."""
        number = source.fileno()
        self._poll.register(number, events)
        self._handlers[number] = handle

    def modify(self, source: Pollable, events: int) -> None:
        """Wait for other events of a registered source; for none where `events` is 0."""
        number = source.fileno()
        if number in self._paused:
            if events:
                self._paused.remove(number)
                self._poll.register(number, events)
        elif events:
            self._poll.modify(number, events)
        else:
            self._paused.add(number)
            self._poll.unregister(number)

    def unregister(self, source: Pollable) -> None:
        """Wait for it no more; to be called before it is closed. One that is not registered is left alone."""
        number = source.fileno()
        if not self._handlers.pop(number, None):
            return
        if number in self._paused:
            self._paused.remove(number)
        else:
            self._poll.unregister(number)

    def call_at(self, when: float, call: Callable[[], None]) -> None:
        """Call once, when the clock says `when` (seconds)."""
        heapq.heappush(self._timers, (when, next(self._numbers), call))

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, in so many seconds from now."""
        self.call_at(self._clock() + seconds, call)

    def call_every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call at once and then with so many seconds between, whether it raises or not."""

        def again() -> None:
            try:
                call()
            finally:
                self.call_later(seconds, again)

        self.call_later(0, again)

    def run(self) -> None:
        """Until `stop`. Raises OSError where nothing can be waited for any more."""
        poll, handlers, stop = self._poll.poll, self._handlers, self._stop.fileno()
        while True:
            ready = poll(self._poll_timeout())
            self.now = self._clock()
            for number, _ in ready:
                handle = handlers.get(number)  # none where an earlier one of these has removed it
                if handle:
                    try:
                        handle()
                    except Exception as fault:
                        self._log_failure(fault)
                elif number == stop:
                    return
            for call in self._expired_timers():
                try:
                    call()
                except Exception as fault:
                    self._log_failure(fault)

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Give the descriptors back, but not those of the sources."""
        self._poll.close()
        self._stop.close()

    def _expired_timers(self) -> list[Callable[[], None]]:
        """Taken out at once, so that one that comes again and again keeps no socket waiting."""
        if not self._timers:
            return []
        now, ready = self._clock(), []
        while self._timers and self._timers[0][0] <= now:
            ready.append(heapq.heappop(self._timers)[2])
        return ready

    def _poll_timeout(self) -> float | None:
        return max(0.0, self._timers[0][0] - self._clock()) if self._timers else None

    def _log_failure(self, fault: Exception) -> None:
        self._failures.failed(self._name, "a handler failed", fault)
