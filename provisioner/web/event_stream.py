"""Events as they happen, by Server-Sent Events (HTML Living Standard, 9.2): one answer that goes on.

Each message has an event's id and, on one line of JSON in ASCII, the event: no word of a machine can begin
another line, and so no field. A stream holds a thread, like a request that waits, so there is a limit.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flask import Response, current_app, request

from provisioner.domain.event import Event
from provisioner.errors import ProvisionError, RefusedError
from provisioner.state.notify import Listener
from provisioner.web.request import one_line, the_caller

log = logging.getLogger(__name__)
HEARTBEAT = 15.0  # seconds of silence after which a comment is sent: it also shows us who has gone
RETRY = 3000  # milliseconds after which a client comes again
MOST, MOST_OF_ONE = 48, 8  # streams at one time, of all and of one caller; the process has 256 threads
AT_ONCE = 500  # events that are read at one time
BEGIN = f"retry: {RETRY}\n\n"
END = "event: end\ndata: {}\n\n"  # nothing more will come; who asks again with the last id gets 204
PULSE = ":\n\n"


class EventStream(Response):
    """The answer of an endpoint that streams."""


@dataclass(frozen=True)
class Followed:
    """What is followed: events with an id above one, and whether there will be no more (asked first)."""

    after: Callable[[int, int], list[Event]]
    is_over: Callable[[], bool] = lambda: False


class StreamSlots:
    """How many streams are open, by caller."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._open = Counter[str]()
        self._lock = threading.Lock()

    def take(self, name: str) -> Callable[[], None]:
        """A place for one more; what gives it back. Raises RefusedError (PV-710) where there is none."""
        with self._lock:
            if self._open[name] >= self._most_of_one or self._open.total() >= self._most:
                raise RefusedError(
                    f"{name} follows {self._open[name]} streams of events, all together {self._open.total()}",
                    hint=f"close one; {self._most_of_one} may be open for each caller, {self._most} in all",
                    code=710,
                )
            self._open[name] += 1
        return _once(lambda: self._give_back(name))

    def _give_back(self, name: str) -> None:
        with self._lock:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]


def slots_of(name: str, most: int, most_of_one: int) -> StreamSlots:
    """Those of this name that the application has."""
    found: StreamSlots = current_app.extensions.setdefault(name, StreamSlots(most, most_of_one))
    return found


def _once(action: Callable[[], None]) -> Callable[[], None]:
    """The action, however often it is called."""
    done = threading.Lock()

    def call() -> None:
        if done.acquire(blocking=False):
            action()

    return call


def stream(followed: Followed, after: int, authorize: Callable[[], None]) -> EventStream:
    """All that happens after the event with this id; 204 where it is known that nothing more will.

    `authorize` raises where the caller may not know it any more: it is asked before each look at the log.
    Nothing else of what is given may need the request, which is over by then.
    """
    if after and followed.is_over() and not followed.after(after, 1):
        return EventStream(status=204)
    give_back = slots_of("event_streams", MOST, MOST_OF_ONE).take(the_caller().name)
    listener: Listener = current_app.config["LISTENER"]
    messages = _messages(followed, after, listener, authorize)
    reply = EventStream(messages, content_type="text/event-stream; charset=utf-8")
    reply.headers["X-Accel-Buffering"] = "no"  # nginx would keep what has not filled its buffer
    reply.call_on_close(give_back)
    return reply


def last_seen(after: int | None) -> int | None:
    """The id after which the stream goes on: what the client has seen last, or what the query says."""
    said = request.headers.get("Last-Event-ID", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 18 else after


def message(event: Event) -> str:
    """One event as it is streamed."""
    return f"id: {event.id}\ndata: {one_line(event)}\n\n"


def _messages(
    followed: Followed, after: int, listener: Listener, authorize: Callable[[], None]
) -> Iterator[str]:
    yield BEGIN
    told = time.monotonic()
    while True:
        seen = listener.count
        try:
            authorize()
            is_over = followed.is_over()  # first: what is told before the end is told
            events = followed.after(after, AT_ONCE)
        except ProvisionError as fault:
            log.info("a stream of events ends: %s (PV-%d)", fault, fault.code)
            return
        for event in events:
            yield message(event)
            after = event.id
        now = time.monotonic()
        if events:
            told = now
        elif is_over:
            yield END
            return
        elif now - told >= HEARTBEAT:
            yield PULSE
            told = now
        else:
            listener.wait(seen, HEARTBEAT - (now - told))
