"""One thread that waits for many sockets and moments; no fault of a handler ends it."""

import heapq
import itertools
import logging
import select
import time
from collections.abc import Callable
from typing import Protocol

from provisioner.services.datagrams import Stop

log = logging.getLogger(__name__)


class Source(Protocol):
    """Something that can become readable."""

    def fileno(self) -> int:
        """Its descriptor."""


class Reactor:
    """Calls handlers when their source can be read, and others when their moment has come.

    A handler that raises is logged; that the waiting itself fails (a descriptor that is gone) ends `run`,
    for such a loop would be deaf.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._handlers: dict[int, Callable[[], None]] = {}
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._poll = select.epoll()
        self._stop = Stop()
        self._poll.register(self._stop.fileno(), select.EPOLLIN)

    def add(self, source: Source, handle: Callable[[], None]) -> None:
        """Call `handle` whenever `source` can be read."""
        self._poll.register(source.fileno(), select.EPOLLIN)
        self._handlers[source.fileno()] = handle

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, in so many seconds."""
        heapq.heappush(self._moments, (self._clock() + seconds, next(self._numbers), call))

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
        while True:
            for descriptor, _ in self._poll.poll(self._patience()):
                if descriptor == self._stop.fileno():
                    return
                self._guarded(self._handlers[descriptor])
            for call in self._due():
                self._guarded(call)

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Give the descriptors back, but not those of the sources."""
        self._poll.close()
        self._stop.close()

    def _due(self) -> list[Callable[[], None]]:
        """Taken out at once, so that one that comes again and again keeps no socket waiting."""
        now, found = self._clock(), []
        while self._moments and self._moments[0][0] <= now:
            found.append(heapq.heappop(self._moments)[2])
        return found

    def _patience(self) -> float | None:
        return max(0.0, self._moments[0][0] - self._clock()) if self._moments else None

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            log.exception("a handler failed; the service goes on")
