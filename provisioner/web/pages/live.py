"""What of a page goes on by itself: rendered once for all who look at it, and sent when it has changed.

A message is the whole of the template's block `live`, with the SHA-256 of what it says as its id: whoever
comes again says what he has seen last, and so misses nothing, whatever has happened meanwhile.
"""

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from flask import Response, copy_current_request_context, current_app, request

from provisioner.errors import ProvisionError
from provisioner.state.notify import Listener
from provisioner.system.checksum import sha256_text
from provisioner.web.event_stream import BEGIN, PULSE, EventStream, slots_of
from provisioner.web.operators.authorization import authorize
from provisioner.web.pages.page import Shown
from provisioner.web.request import the_caller

log = logging.getLogger(__name__)
MEDIA_TYPE = "text/event-stream"
PAUSE = 2.0  # seconds between two looks of one stream: nobody reads quicker; the first change is told at once
FRESH = 1.0  # seconds for which a part is shown although something has happened since
STALE = 10.0  # seconds after which a part is rendered anew although nothing was told: silence counts too
KEPT = 16  # parts, of which those that nobody has asked for are forgotten first
MOST, MOST_OF_ONE = 120, 24  # streams of pages, of all and of one person; the process has more threads
HEARTBEAT = 5.0  # seconds of silence after which a comment is sent: it also shows us who has gone
GONE = b"event: gone\ndata: {}\n\n"
_TIMES = re.compile(r"(<time [^>]*>)[^<]*(</time>)")  # how long ago: each browser counts on by itself


@dataclass(frozen=True)
class LivePart:
    """A page's live part as it was rendered: what it tells of, its HTML, and the digest of what it says.

    `count` is the listener's before the rendering: what was told later may not be in it.
    """

    shown: Shown
    text: str
    digest: str
    count: int = -1

    @cached_property
    def message(self) -> bytes:
        """As it is sent to all who follow it; each line is a field of its own."""
        lines = "".join(f"data: {line}\n" for line in self.text.splitlines() if line.strip())
        return f"id: {self.digest}\n{lines}\n".encode()


class _Kept:
    """The last rendering of one part; `turn` is how often something was changed by a page before it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.part: LivePart | None = None
        self.turn = -1
        self.rendered = 0.0

    def is_good(self, part: LivePart, count: int, turn: int, now: float) -> bool:
        """Whether it may be shown: nothing has happened since, or not long ago, and nothing by a page."""
        age = now - self.rendered
        return self.turn == turn and age < (STALE if part.count == count else FRESH)


class ElsewhereNow(Exception):
    """What was followed is shown by another page now: the browser is to ask once more."""

    def __init__(self, response: Response) -> None:
        super().__init__("another page")
        self.response = response


class LiveParts:
    """The parts that somebody looks at, by path and role."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._turn = 0

    def get(self, key: str, render: Callable[[], LivePart]) -> LivePart:
        """A part as it is now, or was a second ago; rendered by the first who asks after a change."""
        kept = self._of(key)
        with kept.lock:
            count, turn, now = self._listener.count, self._turn, time.monotonic()
            if kept.part is None or not kept.is_good(kept.part, count, turn, now):
                kept.part = replace(render(), count=count)
                kept.turn, kept.rendered = turn, now
            return kept.part

    def forget(self) -> None:
        """Somebody has changed something by a page: he is to see it at once."""
        self._turn += 1

    def _of(self, key: str) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return kept


def digest_of(text: str) -> str:
    """Of what it says, apart from how long ago things were."""
    return sha256_text(_TIMES.sub(r"\1\2", text))[:32]


def wants_stream() -> bool:
    """Whether the request follows a page, and does not only read it."""
    return MEDIA_TYPE in request.headers.get("Accept", "")


def the_parts() -> LiveParts:
    """Those of this application."""
    parts: LiveParts = current_app.extensions["live_parts"]
    return parts


def get(render: Callable[[], LivePart]) -> LivePart:
    """The live part of the page that is asked for, whoever of the caller's role asks."""
    return the_parts().get(f"{the_caller().role} {request.full_path}", render)


def follow(render: Callable[[], LivePart]) -> EventStream:
    """The live part of the page that is asked for: now, if it is otherwise than what was seen, and on.

    Raises what the page itself would be refused with, so that nobody comes again and again for what is gone.
    """
    with suppress(ElsewhereNow):  # that is told to who follows
        get(render)
    give_back = slots_of("page_streams", MOST, MOST_OF_ONE).take(the_caller().name)

    @copy_current_request_context
    def look() -> LivePart:
        authorize()  # he may be none of ours any more
        return get(render)

    listener: Listener = current_app.config["LISTENER"]
    messages = _messages(look, listener, request.headers.get("Last-Event-ID", ""))
    reply = EventStream(messages, content_type=f"{MEDIA_TYPE}; charset=utf-8")
    reply.headers["X-Accel-Buffering"] = "no"
    reply.call_on_close(give_back)
    return reply


def _messages(look: Callable[[], LivePart], listener: Listener, seen: str) -> Iterator[bytes]:
    yield BEGIN.encode()
    told = time.monotonic()
    while True:
        try:
            part = look()
        except ElsewhereNow:
            yield GONE
            return
        except ProvisionError as fault:
            log.info("a page is not followed any more: %s (PV-%d)", fault, fault.code)
            return
        now = time.monotonic()
        if part.digest != seen:
            yield part.message
            seen, told = part.digest, now
        elif now - told >= HEARTBEAT:
            yield PULSE.encode()
            told = now
        time.sleep(PAUSE)
        # not the count of now: the part may be older than the look at it
        listener.wait(part.count, min(STALE, HEARTBEAT))
