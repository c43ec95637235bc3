"""What of a page goes on by itself: rendered once for all who look at it, and sent when it has changed.

A message is the whole of the template's block `live`, with the SHA-256 of what it says as its id: whoever
comes again says what he has seen last, and so misses nothing, whatever has happened meanwhile.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator

from flask import copy_current_request_context, current_app, request

from provisioner.errors import ProvisionError
from provisioner.state.notify import Listener
from provisioner.system.checksum import sha256_text
from provisioner.web.event_stream import BEGIN, PULSE, EventStream, slots_of
from provisioner.web.operators.authorization import authorize
from provisioner.web.request import the_caller

log = logging.getLogger(__name__)
MEDIA_TYPE = "text/event-stream"
PAUSE = 1.0  # seconds between two looks of one stream: nobody reads quicker
STALE = 5.0  # seconds after which a part is rendered anew although nothing was told: silence counts too
KEPT = 60.0  # seconds for which a part is kept that nobody asks for
MOST, MOST_OF_ONE = 120, 120  # streams of pages, of all and of one person; the process has more threads
HEARTBEAT = 15.0  # seconds of silence after which a comment is sent
_TIMES = re.compile(r"(<time [^>]*>)[^<]*(</time>)")  # how long ago: each browser counts on by itself


class _Part:
    """One part as it was rendered last; `count` is what the process was told by then."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count, self.rendered, self.asked = -1, 0.0, 0.0
        self.digest = self.text = ""


class LiveParts:
    """The parts that somebody looks at, by path and role."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parts: dict[str, _Part] = {}
        self._lock = threading.Lock()

    def get(self, key: str, render: Callable[[], str]) -> tuple[str, str]:
        """Digest and HTML of a part as it is now; rendered by the first who asks after a change."""
        part = self._part(key)
        with part.lock:
            count, now = self._listener.count, time.monotonic()
            if part.count != count or now - part.rendered >= STALE:
                part.text = self._render(render)
                part.digest, part.count, part.rendered = digest_of(part.text), count, now
            return part.digest, part.text

    def _render(self, render: Callable[[], str]) -> str:
        return render()

    def _part(self, key: str) -> _Part:
        now = time.monotonic()
        with self._lock:
            self._parts = {name: part for name, part in self._parts.items() if now - part.asked < KEPT}
            part = self._parts.setdefault(key, _Part())
            part.asked = now
            return part


def digest_of(text: str) -> str:
    """Of what it says, apart from how long ago things were."""
    return sha256_text(_TIMES.sub(r"\1\2", text))[:32]


def wants_stream() -> bool:
    """Whether the request follows a page, and does not only read it."""
    return MEDIA_TYPE in request.headers.get("Accept", "")


def follow(render: Callable[[], str]) -> EventStream:
    """The live part of the page that is asked for: now, if it is otherwise than what was seen, and on."""
    give_back = slots_of("page_streams", MOST, MOST_OF_ONE).take(the_caller().name)
    parts: LiveParts = current_app.extensions["live_parts"]
    listener: Listener = current_app.config["LISTENER"]

    @copy_current_request_context
    def look() -> tuple[str, str]:
        authorize()  # he may be none of ours any more
        return parts.get(f"{the_caller().role} {request.full_path}", render)

    messages = _messages(look, listener, request.headers.get("Last-Event-ID", ""))
    reply = EventStream(messages, content_type=f"{MEDIA_TYPE}; charset=utf-8")
    reply.headers["X-Accel-Buffering"] = "no"
    reply.call_on_close(give_back)
    return reply


def _messages(look: Callable[[], tuple[str, str]], listener: Listener, seen: str) -> Iterator[str]:
    yield BEGIN
    told = time.monotonic()
    while True:
        count = listener.count
        try:
            digest, text = look()
        except ProvisionError as fault:
            log.info("a page is not followed any more: %s (PV-%d)", fault, fault.code)
            return
        now = time.monotonic()
        if digest != seen:
            yield _message(digest, text)
            seen, told = digest, now
        elif now - told >= HEARTBEAT:
            yield PULSE
            told = now
        time.sleep(PAUSE)
        listener.wait(count, STALE)


def _message(digest: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines() if line.strip())
    return f"id: {digest}\n{lines}\n"
