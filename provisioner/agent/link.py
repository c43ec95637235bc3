"""The agent's line to its service: JSON messages, byte ranges, and what to do when nobody answers."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from provisioner.agent import protocol
from provisioner.errors import UnreachableError
from provisioner.system.text import clean

SILENCE = 20.0  # seconds without a byte after which a connection counts as broken
PATIENCE = 3600.0  # seconds without any answer after which the agent gives up
BACK_OFF = (1.0, 2.0, 4.0, 8.0, 15.0)


class Stopped(Exception):
    """The service has told this agent to stop."""


class Link:
    """One service. `patience`, `silence` and the pauses `back_off` are in seconds; `stop` ends each pause."""

    def __init__(
        self,
        server: str,
        *,
        log: Callable[[str], None] = print,
        patience: float = PATIENCE,
        silence: float = SILENCE,
        back_off: Sequence[float] = BACK_OFF,
    ) -> None:
        parts = urlsplit(server)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._log = log
        self._patience = patience
        self._silence = silence
        self._back_off = back_off
        self._halt = threading.Event()
        self._ends: list[threading.Event] = []
        self.token = ""
        self.note = ""  # in words, while the service does not answer
        self.queued = ""  # in words, while it serves other hosts first

    def connect(self, url: str = "") -> http.client.HTTPConnection:
        """A connection to the service, or where `url` lies; every read and write has a time limit."""
        parts = urlsplit(url)
        host, port = (parts.hostname or "", parts.port or 80) if url else (self._host, self._port)
        return http.client.HTTPConnection(host, port, timeout=self._silence)

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
        for _ in self.tries(f"{path}"):
            connection = self.connect()
            try:
                connection.request("POST", f"{protocol.PREFIX}/{path}", body, self._json_headers())
                answer = connection.getresponse()
                text = answer.read(1 << 20)
                if answer.status == http.client.OK:
                    return self._accept(json.loads(text))
                if 400 <= answer.status < 500:
                    raise UnreachableError(f"the service refused {path} ({_reason(answer, text)})", code=330)
                self._note(f"the service answers {answer.status}")
            except (OSError, http.client.HTTPException, ValueError) as fault:
                self._note(f"the service does not answer: {fault or type(fault).__name__}")
            finally:
                connection.close()
        raise AssertionError("tries() ends by an error")

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

    def _note(self, reason: str) -> None:
        if not self.note:
            self.note = f"{reason} (since {time.strftime('%H:%M:%S')})"
            self._log(self.note)

    def tries(self, what: str, ended: threading.Event | None = None) -> Iterator[int]:
        """One number for each try, with growing pauses; ends by an error. `note` says why it waits.

        `ended` is another event than the service's stop that ends the waiting.
        """
        ended = ended or self._halt
        began = time.monotonic()
        number = 0
        while True:
            yield number
            if time.monotonic() - began > self._patience:
                minutes = self._patience / 60
                raise UnreachableError(f"no answer to {what} for {minutes:.3g} min: {self.note}", code=331)
            if ended.wait(self._back_off[min(number, len(self._back_off) - 1)]):
                raise Stopped
            number += 1

    def fetch(self, path: str) -> bytes:
        """A small file as a whole, at most 256 MiB. Raises as `post`."""
        for _ in self.tries(path):
            connection = self.connect()
            try:
                connection.request("GET", path, headers=self.headers)
                answer = connection.getresponse()
                if 400 <= answer.status < 500:
                    raise UnreachableError(f"the service does not give {path} ({answer.status})", code=330)
                body = answer.read(256 << 20)
                if answer.status == http.client.OK and answer.length in (0, None):
                    self.recovered()
                    return body
                is_short = answer.status == http.client.OK
                self._note(f"{path} came incomplete" if is_short else f"the service answers {answer.status}")
            except (OSError, http.client.HTTPException) as fault:
                self._note(f"the service does not answer: {fault or type(fault).__name__}")
            finally:
                connection.close()
        raise AssertionError("tries() ends by an error")

    def interrupted(self, reason: str) -> None:
        """Log, once, that the stream broke off."""
        self._note(reason)

    def wait(self, reason: str, seconds: float, ended: threading.Event) -> None:
        """Wait `seconds`; log the reason whenever it changes. Raises Stopped when `ended` is set."""
        if self.queued != reason:
            self.queued = reason
            self._log(reason)
        if ended.wait(seconds):
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
