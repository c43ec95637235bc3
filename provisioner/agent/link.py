"""The agent's line to its service: JSON messages, byte ranges, and what to do when nobody answers."""

import http.client
import itertools
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from provisioner.agent import protocol
from provisioner.agent.connection import DeadlineConnection
from provisioner.errors import UnreachableError
from provisioner.system.text import clean

SILENCE = 20.0  # seconds without a byte after which a connection counts as broken
PATIENCE = 3600.0  # seconds without anything whole after which the agent gives up
QUEUE_PATIENCE = 6 * 3600.0  # seconds for which the service may serve other hosts first
BACK_OFF = (1.0, 2.0, 4.0, 8.0, 15.0)
LARGEST = 256 << 20  # bytes of a file that is fetched as a whole
PIECE = 64 << 10  # bytes of it that come within the patience, or it is given up
MOST_WORDS = 120  # letters of what a server says that people are shown
Deadline = float  # seconds of the monotonic clock


class Stopped(Exception):
    """The service has told this agent to stop."""


class Link:
    """One service. `patience`, `silence` and the pauses `back_off` are in seconds; `stop` ends each pause.

    Nothing waits for ever: a try ends by its deadline, the tries by the `patience`, and waiting for a turn
    by `queue_patience`. `note` and `queued` say at any time what is waited for.
    """

    def __init__(
        self,
        server: str,
        *,
        log: Callable[[str], None] = print,
        patience: float = PATIENCE,
        queue_patience: float = QUEUE_PATIENCE,
        silence: float = SILENCE,
        back_off: Sequence[float] = BACK_OFF,
    ) -> None:
        parts = urlsplit(server)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._log = log
        self._patience = patience
        self._queue_patience = queue_patience
        self._silence = silence
        self._back_off = back_off
        self._halt = threading.Event()
        self._ends: list[threading.Event] = []
        self.token = ""
        self.note = ""  # in words, while the service does not answer
        self._reason = ""  # in words, why the last try failed
        self._was_heard = False  # whether anybody answered it
        self.queued = ""  # in words, while it serves other hosts first
        self._queued_since = 0.0

    def connect(self, url: str = "", *, deadline: Deadline = math.inf) -> DeadlineConnection:
        """A connection to the service, or where `url` lies; every read and write has a time limit."""
        parts = urlsplit(url)
        host, port = (parts.hostname or "", parts.port or 80) if url else (self._host, self._port)
        return DeadlineConnection(host, port, silence=self._silence, deadline=deadline)

    def local_address(self) -> str:
        """Our IPv4 address towards the service; no packet is sent. Raises OSError."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((self._host, self._port))
            return str(probe.getsockname()[0])

    def deadline(self) -> Deadline:
        """Until when the next whole piece must have come, now that one has."""
        return time.monotonic() + max(self._patience, self._silence)

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP header with our bearer token (RFC 6750); none before the hello is answered."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def stop(self) -> None:
        """End every pause at once; what waits raises Stopped."""
        self._halt.set()
        for event in self._ends:
            event.set()

    def set_on_stop(self, event: threading.Event) -> None:
        """Set this event too when the service says stop."""
        self._ends.append(event)
        if self.stopped:
            event.set()

    @property
    def stopped(self) -> bool:
        """Whether the service has said stop."""
        return self._halt.is_set()

    def post(self, path: str, message: protocol.Message) -> protocol.Answer:
        """POST a message until it is answered.

        Raises:
            UnreachableError: PV-330 refused (the answer is 4xx), PV-331 no answer within `patience`.
            Stopped: told to stop while waiting.
        """
        body = json.dumps(protocol.dump(message)).encode()
        for deadline in self.tries(f"{path}"):
            if answer := self._post(path, body, deadline):
                return answer
        raise AssertionError("tries() ends by an error")

    def post_once(self, path: str, message: protocol.Message) -> None:
        """POST a message that nobody waits for: whether it is answered or not, it goes on.

        Raises UnreachableError (PV-330) where it is refused.
        """
        body = json.dumps(protocol.dump(message)).encode()
        self._post(path, body, time.monotonic() + self._silence)

    def _post(self, path: str, body: bytes, deadline: Deadline) -> protocol.Answer | None:
        """One try; None where it was not answered, which is noted."""
        connection = self.connect(deadline=deadline)
        try:
            connection.request("POST", f"{protocol.PREFIX}/{path}", body, self._json_headers())
            answer = connection.getresponse()
            text = answer.read(1 << 20)
            if answer.status == http.client.OK:
                return self._accept(json.loads(text))
            if 400 <= answer.status < 500:
                raise UnreachableError(f"the service refused {path} ({_reason(answer, text)})", code=330)
            self._note(f"the service answers {answer.status}")
        except OSError as fault:
            self._note(f"the service does not answer: {in_words(fault)}", heard=False)
        except (http.client.HTTPException, ValueError) as fault:
            self._note(f"the service does not answer: {in_words(fault)}")
        finally:
            connection.close()
        return None

    def _json_headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", **self.headers}

    def _accept(self, body: object) -> protocol.Answer:
        if not isinstance(body, dict):
            raise ValueError("the answer is no JSON object")
        self.recovered()
        answer = protocol.Answer(str(body.get("do", "")), body)
        if answer.do == "stop":
            self.stop()
        return answer

    def _note(self, reason: str, *, heard: bool = True) -> None:
        self._reason, self._was_heard = reason, heard
        if not self.note:
            self.note = f"{reason} (since {time.strftime('%H:%M:%S')})"
            self._log(self.note)

    def tries(self, what: str, ended: threading.Event | None = None) -> Iterator[Deadline]:
        """The deadline of each try, with growing pauses; ends by an error. `note` says why it waits.

        `ended` is another event than the service's stop that ends the waiting.
        """
        ended = ended or self._halt
        began = time.monotonic()
        for number in itertools.count():
            yield max(began + self._patience, time.monotonic() + self._silence)
            if time.monotonic() - began > self._patience:
                raise self._given_up(what)
            if ended.wait(self._back_off[min(number, len(self._back_off) - 1)]):
                raise Stopped

    def _given_up(self, what: str) -> UnreachableError:
        answer = "no usable answer" if self._was_heard else "no answer"
        return UnreachableError(
            f"{answer} to {what} for {_duration(self._patience)}: {self._reason}",
            hint=f"look at the server on {self._host}:{self._port} and at the network, then try again",
            code=331,
        )

    def fetch(self, path: str) -> bytes:
        """A small file as a whole, at most LARGEST bytes. Raises as `post`, and PV-332 as `check_answer`."""
        for deadline in self.tries(path):
            connection = self.connect(deadline=deadline)
            try:
                connection.request("GET", path, headers=self.headers)
                answer = connection.getresponse()
                check_answer(answer, path)
                if answer.status == http.client.OK:
                    body = self._body(connection, answer, path)
                    if answer.length in (0, None):
                        self.recovered()
                        return body
                    self._note(f"{path} came incomplete")
                else:
                    self._note(f"the service answers {answer.status}")
            except OSError as fault:
                self._note(f"the service does not answer: {in_words(fault)}", heard=False)
            except http.client.HTTPException as fault:
                self._note(f"what the service answers cannot be used: {in_words(fault)}")
            finally:
                connection.close()
        raise AssertionError("tries() ends by an error")

    def _body(self, connection: DeadlineConnection, answer: http.client.HTTPResponse, path: str) -> bytes:
        body = bytearray()
        while piece := answer.read(PIECE):
            body += piece
            if len(body) > LARGEST:
                raise UnreachableError(
                    f"the server gives more than {LARGEST >> 20} MiB for {path}, which is a small file",
                    hint="give the address of the pack itself",
                    code=332,
                )
            connection.extend(self.deadline())
        return bytes(body)

    def interrupted(self, reason: str, *, heard: bool = True) -> None:
        """Log, once, that the stream broke off; `heard`: somebody answers, but not as he should."""
        self._note(reason, heard=heard)

    def wait(self, reason: str, seconds: float, ended: threading.Event) -> None:
        """Wait `seconds` for our turn; log the reason when it changes. Raises Stopped when `ended` is set.

        Raises UnreachableError (PV-331): nobody gave us our turn within `queue_patience`.
        """
        now = time.monotonic()
        if not self.queued:
            self._queued_since = now
        if self.queued != reason:
            self.queued = reason
            self._log(reason)
        left = self._queued_since + self._queue_patience - now
        if left <= 0:
            raise UnreachableError(
                f"the server has put us off for {_duration(self._queue_patience)} (Retry-After): {reason}",
                hint="it serves others first, or it is overloaded: try again later",
                code=331,
            )
        if ended.wait(min(seconds, left)):
            raise Stopped

    def received(self) -> None:
        """A piece of the image has arrived: nobody is waited for any more."""
        if self.queued:
            self.queued = ""
            self._log("it is our turn")
        self.recovered()

    def recovered(self) -> None:
        """The service answers again, or bytes arrive again: say so once."""
        if self.note:
            self.note = ""
            self._log("the service answers again")


def _reason(answer: http.client.HTTPResponse, body: bytes) -> str:
    """Why, where the service tells it (400, 403: only the ordered machine is told); else the status."""
    is_told = answer.status in (http.client.BAD_REQUEST, http.client.FORBIDDEN)
    if not is_told or answer.headers.get_content_type() != "text/plain":
        return str(answer.status)
    return clean(body.decode(errors="replace"), 400) or str(answer.status)


def check_answer(answer: http.client.HTTPResponse, what: str) -> None:
    """Raises UnreachableError for an answer that trying again does not mend.

    PV-330: refused. PV-332: a redirect, which nobody follows because our token is for one server alone; or
    compressed, which was not asked for.
    """
    if 300 <= answer.status < 400:
        place = clean(answer.headers.get("Location", ""), MOST_WORDS) or "nowhere"
        raise UnreachableError(
            f"the server does not give {what}, it sends us elsewhere ({answer.status}, to {place})",
            hint="redirects are not followed: give the address where the pack itself lies",
            code=332,
        )
    if 400 <= answer.status < 500:
        raise UnreachableError(f"the service does not give {what} ({answer.status})", code=330)
    coding = clean(answer.headers.get("Content-Encoding", ""), MOST_WORDS).strip().lower()
    if coding not in ("", "identity"):
        raise UnreachableError(
            f"the server compresses {what} ({coding}), which nobody asked for",
            hint="switch compression off for these files",
            code=332,
        )


def in_words(fault: Exception) -> str:
    """What went wrong with a connection; http.client quotes the server in its own."""
    return clean(str(fault), MOST_WORDS) or type(fault).__name__


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 90 else f"{seconds / 60:.3g} min"
