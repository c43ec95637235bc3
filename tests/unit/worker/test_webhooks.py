"""Webhooks against real receivers on the loopback: that answer, fail, drip, redirect, or are not there."""

import base64
import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.event import Event
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.events.service import WebhookGivenUp
from provisioner.setting_sections import Webhook
from provisioner.site.site import Site
from provisioner.worker import posting, webhooks
from provisioner.worker.webhooks import Receiver, Webhooks
from tests.access import certified
from tests.ports import free_port

KEYS = [bytes(range(32)), bytes(range(32, 64))]


@dataclass
class Taken:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> int:
        return int(json.loads(self.body)["data"]["id"])


@dataclass
class Elsewhere:
    """A receiver: what it has taken, and how it answers next; the last answer is for all that follow."""

    taken: list[Taken] = field(default_factory=list)
    answers: list[Any] = field(default_factory=lambda: [200])
    url: str = ""

    def answer(self) -> Any:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def ids(self) -> list[int]:
        return [one.id for one in self.taken]


@contextmanager
def receiver(tls: ssl.SSLContext | None = None) -> Iterator[Elsewhere]:
    made = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.taken.append(Taken(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = made.answer()
            if callable(answer):
                return answer(self)
            status, *headers = answer if isinstance(answer, tuple) else (answer,)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/hook?of=ours"
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with receiver() as made:
        yield made


@dataclass
class Ticking:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "hook.secret"
    path.write_text("whsec_" + base64.b64encode(KEYS[0]).decode() + "\n")
    return path


@pytest.fixture
def hook(elsewhere: Elsewhere, secret_file: Path) -> Webhook:
    return Webhook(name="tickets", url=elsewhere.url, secret_file=secret_file)


@pytest.fixture
def told(site: Site, hook: Webhook, ticking: Ticking) -> Receiver:
    """One that has begun, so that it is told of what happens now."""
    made = Receiver(site, clock=ticking)
    made.tell(hook)
    return made


def end(site: Site) -> int:
    """The id of the event by which a deployment ends."""
    ident = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann").id
    record(site, ident, OrderCancelled(by="ann"), source="operator")
    return site.database.events.newest()


def given_up(site: Site) -> list[WebhookGivenUp]:
    events = site.database.events.after(0, 1000)
    return [event.data for event in events if isinstance(event.data, WebhookGivenUp)]


def test_it_is_told_once_and_signed(site: Site, hook: Webhook, told: Receiver, elsewhere: Elsewhere) -> None:
    ident = end(site)
    told.tell(hook)
    told.tell(hook)
    [one] = elsewhere.taken
    assert (one.id, one.path) == (ident, "/hook?of=ours")
    assert (one.headers["content-type"], one.headers["host"]) == ("application/json", hook.url.split("/")[2])
    name, seconds = one.headers["webhook-id"], one.headers["webhook-timestamp"]
    assert seconds == str(int(site.real_time()))
    digest = hmac.new(KEYS[0], f"{name}.{seconds}.".encode() + one.body, hashlib.sha256).digest()
    assert one.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert json.loads(one.body)["type"] == "order.cancelled"


def test_a_new_one_is_not_told_of_the_past(site: Site, hook: Webhook, elsewhere: Elsewhere) -> None:
    end(site)
    Receiver(site).tell(hook)
    assert elsewhere.taken == []


def test_what_it_did_not_take_comes_again_later_each_time_and_in_order(
    site: Site, hook: Webhook, told: Receiver, elsewhere: Elsewhere, ticking: Ticking
) -> None:
    first, second = end(site), end(site)
    elsewhere.answers = [500, 503, 429, 408, 200]
    pauses = []
    for _ in range(4):
        told.tell(hook)
        pauses.append(told.pause)
        assert not told.is_due(site.database.events.newest())
        ticking.now += told.pause
        assert told.is_due(site.database.events.newest())
    told.tell(hook)
    assert pauses == [1, 2, 4, 8]
    assert elsewhere.ids == [first] * 5 + [second]
    assert len({one.headers["webhook-id"] for one in elsewhere.taken[:5]}) == 1, "a receiver knows it again"
    assert not given_up(site)


def test_pauses_end_at_ten_minutes(
    site: Site, hook: Webhook, told: Receiver, elsewhere: Elsewhere, ticking: Ticking
) -> None:
    end(site)
    elsewhere.answers = [500]
    for _ in range(20):
        told.tell(hook)
        ticking.now += told.pause
    told.tell(hook)
    assert told.pause == webhooks.LONGEST_PAUSE


def test_what_was_taken_is_not_told_again_by_the_next_process(
    site: Site, hook: Webhook, told: Receiver, elsewhere: Elsewhere
) -> None:
    first = end(site)
    told.tell(hook)
    second = end(site)  # and the process is killed here
    Receiver(site).tell(hook)
    assert elsewhere.ids == [first, second]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 410])
def test_nobody_sends_us_elsewhere_and_what_is_refused_is_given_up_by_itself(
    site: Site, hook: Webhook, told: Receiver, elsewhere: Elsewhere, ticking: Ticking, status: int
) -> None:
    first, second = end(site), end(site)
    with receiver() as trap:
        elsewhere.answers = [(status, ("Location", trap.url))] * webhooks.MOST_REFUSALS + [200]
        for _ in range(webhooks.MOST_REFUSALS):
            told.tell(hook)
            ticking.now += told.pause
        assert trap.taken == []
    assert elsewhere.ids == [first] * webhooks.MOST_REFUSALS + [second]
    [note] = given_up(site)
    assert (note.service, note.number, note.last) == ("tickets", 1, first)
    assert note.sentence.endswith(f"it answers {status}")


def test_what_is_old_is_given_up_in_one_step(
    site: Site, hook: Webhook, told: Receiver, elsewhere: Elsewhere, clock: Any
) -> None:
    old = [end(site), end(site)]
    clock.now += webhooks.MOST_AGE + 1
    new = end(site)
    told.tell(hook)
    assert elsewhere.ids == [new]
    [note] = given_up(site)
    assert (note.number, note.last) == (2, old[1])
    Receiver(site).tell(hook)
    assert elsewhere.ids == [new] and len(given_up(site)) == 1


def test_a_receiver_far_behind_is_told_of_what_came_last(
    site: Site, hook: Webhook, told: Receiver, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_BEHIND", 3)
    ids = [end(site) for _ in range(3)]
    told.tell(hook)
    assert elsewhere.ids == ids[-1:] or elsewhere.ids == ids[-2:]
    assert sum(note.number for note in given_up(site)) + len(elsewhere.ids) == 3


@pytest.mark.parametrize("how", ["says nothing", "drips", "hangs up", "talks nonsense"])
def test_who_holds_us_up_is_left_in_time(
    site: Site,
    hook: Webhook,
    told: Receiver,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    monkeypatch.setattr(posting, "PATIENCE", 0.3)
    monkeypatch.setattr(posting, "LIMIT", 0.6)
    over = threading.Event()
    elsewhere.answers = [WAYS[how](over)]
    end(site)
    began = time.monotonic()
    told.tell(hook)
    assert time.monotonic() - began < 5 and told.pause > 0 and not given_up(site)
    over.set()
    elsewhere.answers = [200]
    Receiver(site).tell(hook)
    assert len(elsewhere.taken) == 2


def says_nothing(over: threading.Event) -> Callable[[Any], None]:
    return lambda handler: over.wait(120) and None


def drips(over: threading.Event) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.1):
            handler.wfile.write(b"x: y\r\n")

    return answer


def hangs_up(over: threading.Event) -> Callable[[Any], None]:
    return lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)


def talks_nonsense(over: threading.Event) -> Callable[[Any], None]:
    return lambda handler: handler.wfile.write(b"220 mail.example ESMTP\r\n\r\n") and None


WAYS = {"says nothing": says_nothing, "drips": drips, "hangs up": hangs_up, "talks nonsense": talks_nonsense}


def test_who_is_not_there_holds_nobody_else_up(site: Site, hook: Webhook, elsewhere: Elsewhere) -> None:
    over = threading.Event()
    port = free_port()
    with receiver() as hanging, ThreadPoolExecutor(3) as pool:
        hanging.answers = [says_nothing(over)]
        others = [("dead", f"http://127.0.0.1:{port}/"), ("hanging", hanging.url)]
        hooks = [hook.model_copy(update={"name": name, "url": url}) for name, url in others]
        site.settings = site.settings.model_copy(update={"webhooks": (*hooks, hook)})
        work = Webhooks(site, pool)
        work.step()
        deadline = time.monotonic() + 20
        while None in [site.database.values.told_until(each.name) for each in (*hooks, hook)]:
            assert time.monotonic() < deadline
        ids = [end(site) for _ in range(3)]
        while elsewhere.ids != ids:
            work.step()
            assert time.monotonic() < deadline, elsewhere.ids
        assert len(hanging.taken) == 1
        over.set()


def test_without_a_secret_nothing_is_sent_and_nothing_lost(
    site: Site,
    hook: Webhook,
    told: Receiver,
    elsewhere: Elsewhere,
    secret_file: Path,
    ticking: Ticking,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ident, kept = end(site), secret_file.read_text()
    secret_file.write_text("hunter2")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            told.tell(hook)
            ticking.now += told.pause
        secret_file.unlink()
        told.tell(hook)
        ticking.now += told.pause
        assert elsewhere.taken == []
        secret_file.write_text(kept + "whsec_" + base64.b64encode(KEYS[1]).decode())
        told.tell(hook)
    assert elsewhere.ids == [ident] and not given_up(site)
    assert len(elsewhere.taken[0].headers["webhook-signature"].split(" ")) == 2, "while one is replaced"
    said = [line for line in caplog.messages if "tickets" in line]
    assert len(said) == 3 and "PV-610" in said[0] and said[-1] == "webhook tickets is told again"
    assert "hunter2" not in caplog.text


def test_by_tls_only_who_has_the_right_certificate(
    site: Site, hook: Webhook, told: Receiver, ticking: Ticking
) -> None:
    context, _ = certified(site)
    with receiver(context) as behind_tls:
        unknown = hook.model_copy(update={"url": behind_tls.url})
        ident = end(site)
        told.tell(unknown)
        assert behind_tls.taken == [] and told.pause > 0
        ticking.now += told.pause
        ca_file = site.settings.state / "secrets" / "https.crt"
        told.tell(unknown.model_copy(update={"ca_file": ca_file}))
        assert behind_tls.ids == [ident]


def test_an_event_of_a_machine_cannot_make_a_header(
    site: Site, hook: Webhook, told: Receiver, elsewhere: Elsewhere
) -> None:
    data = OrderCancelled(by="ann\r\nX-Forged: 1\r\n\r\nbody")
    site.database.events.note(Event.of_host("vc-1", data, source="x\r\ny", now=site.clock()))
    told.tell(hook)
    [one] = elsewhere.taken
    assert "x-forged" not in one.headers and b"\r" not in one.body and b"\n" not in one.body
