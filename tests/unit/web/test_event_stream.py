"""Server-Sent Events: every event once and in order, resumed by its id, ended, bounded, never forged."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from provisioner.api import ROOT
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.event import Event
from provisioner.domain.events.clock import DeadlinePassed
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.events.service import ServiceReplaced
from provisioner.domain.person import Role
from provisioner.domain.run import Run
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.users import UserRow
from provisioner.web import event_stream
from provisioner.web.application import create_app
from tests.access import token_of
from tests.event_stream import EventStreamReader, Message

FORGED = (
    "x\ndata: {}\n\nid: 99\ndata: forged\r\rid: 98\rdata: forged\r\r"
    "\0\x0b\x7f\x85\u2028\u2029data: y\U0001f600"
)


@pytest.fixture
def app(site: Site) -> Iterator[Flask]:
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api")


@pytest.fixture
def client(site: Site, app: Flask) -> FlaskClient:
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token_of(site, Role.VIEWER)}"
    return made


def follow(client: FlaskClient, path: str, **headers: str) -> Any:
    """The answer, none of whose body has been asked for."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(ROOT + path, headers=said)


def read(reply: Any) -> tuple[list[Message], EventStreamReader]:
    """All of an answer that ends."""
    reader = EventStreamReader()
    return [message for part in reply.iter_encoded() for message in reader.feed(part)], reader


def armed(site: Site) -> str:
    return arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann").id


def ended(site: Site, sentence: str = "") -> str:
    ident = armed(site)
    end = DeadlinePassed(code=341, sentence=sentence) if sentence else OrderCancelled(by="ann")
    record(site, ident, end, source="test")
    return ident


def note(site: Site, service: str) -> int:
    event = Event.of_network(ServiceReplaced(service=service), source="test", now=site.clock())
    site.database.events.note(event)
    return site.database.events.newest()


def test_a_deployments_events_come_in_order_and_the_stream_ends_with_it(
    site: Site, client: FlaskClient
) -> None:
    ident = ended(site)
    reply = follow(client, f"/deployments/{ident}/stream")
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Accel-Buffering"] == "no"
    *messages, end = read(reply)[0]
    events = client.get(f"{ROOT}/deployments/{ident}/events").get_json()["events"]
    assert len(events) >= 2
    assert [json.loads(message.data) for message in messages] == events
    assert [message.last_event_id for message in messages] == [str(event["id"]) for event in events]
    assert (end.type, end.data, end.last_event_id) == ("end", "{}", str(events[-1]["id"]))


def test_the_client_is_told_when_to_come_again(site: Site, client: FlaskClient) -> None:
    assert read(follow(client, f"/deployments/{ended(site)}/stream"))[1].retry == event_stream.RETRY


@pytest.mark.parametrize("by", ["header", "query", "header before query"])
def test_it_goes_on_after_the_last_id(site: Site, client: FlaskClient, by: str) -> None:
    path = f"/deployments/{ended(site)}/stream"
    first, *rest = read(follow(client, path))[0]
    said = {} if by == "query" else {"Last_Event_ID": first.last_event_id}
    query = {"query": f"?after={first.last_event_id}", "header": ""}.get(by, "?after=0")
    assert read(follow(client, path + query, **said))[0] == rest


def test_who_comes_again_after_the_end_is_told_not_to(site: Site, client: FlaskClient) -> None:
    """204 is what a browser's EventSource understands: it would connect for ever."""
    path = f"/deployments/{ended(site)}/stream"
    last = read(follow(client, path))[0][-1].last_event_id
    reply = follow(client, path, Last_Event_ID=last)
    assert (reply.status_code, reply.data) == (204, b"")


@pytest.mark.parametrize("said", ["", "x", "-1", "1e3", "²", "9" * 19, "1; 2", "٣"])
def test_an_id_that_is_none_counts_as_none(site: Site, client: FlaskClient, said: str) -> None:
    path = f"/deployments/{ended(site)}/stream"
    reply = follow(client, path, Last_Event_ID=said.encode().decode("latin-1"))
    assert read(reply)[0] == read(follow(client, path))[0]


def test_an_id_that_the_log_does_not_have_begins_anew(site: Site, client: FlaskClient) -> None:
    """A restored backup's log goes on with lower ids: nothing of it may be missed."""
    path = f"/deployments/{ended(site)}/stream"
    above = str(site.database.events.newest() + 1)
    assert read(follow(client, path, Last_Event_ID=above))[0] == read(follow(client, path))[0]


def test_what_happens_while_it_is_open_comes_by_itself(site: Site, client: FlaskClient) -> None:
    ident = armed(site)
    reply = follow(client, f"/deployments/{ident}/stream")
    parts, reader = reply.iter_encoded(), EventStreamReader()
    found: list[Message] = []
    while not found:
        found += reader.feed(next(parts))
    record(site, ident, OrderCancelled(by="ann"), source="operator")
    found += [message for part in parts for message in reader.feed(part)]
    kinds = [json.loads(message.data).get("kind") for message in found]
    assert kinds[0] == "order.armed" and kinds[-2:] == ["order.cancelled", None]
    assert found[-1].type == "end"


def test_all_events_come_from_now_on_or_from_an_id(site: Site, client: FlaskClient) -> None:
    before = [note(site, "dns"), note(site, "tftp")]
    opened = {path: follow(client, path).iter_encoded() for path in ("/events", "/events?after=0")}
    readers = {path: EventStreamReader() for path in opened}
    assert all(next(parts) == event_stream.BEGIN.encode() for parts in opened.values())
    new = note(site, "web")
    [told] = readers["/events"].feed(next(opened["/events"]))
    assert told.last_event_id == str(new)
    all_of_it = [next(opened["/events?after=0"]) for _ in range(3)]
    ids = [message.last_event_id for part in all_of_it for message in readers["/events?after=0"].feed(part)]
    assert ids == [str(ident) for ident in (*before, new)]


def test_more_events_than_are_read_at_once_all_come(
    site: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "AT_ONCE", 3)
    ids = [note(site, f"s{number}") for number in range(10)]
    parts = follow(client, "/events?after=0").iter_encoded()
    assert next(parts).startswith(b"retry")
    reader = EventStreamReader()
    told = [message.last_event_id for _ in ids for message in reader.feed(next(parts))]
    assert told == [str(ident) for ident in ids]


def test_a_run_ends_with_the_last_of_its_deployments(site: Site, client: FlaskClient, clock: Any) -> None:
    ident = ended(site)
    with site.database.writing() as db:
        site.database.runs.put(Run(id="r-1", created=clock.now, by="ann", select="all"))
        db.execute("UPDATE deployments SET run = 'r-1' WHERE id = ?", [ident])
    *messages, end = read(follow(client, "/runs/r-1/stream"))[0]
    assert {json.loads(message.data)["deployment"] for message in messages} == {ident}
    assert end.type == "end"


def test_no_word_of_a_machine_begins_a_line(site: Site, client: FlaskClient) -> None:
    reply = follow(client, f"/deployments/{ended(site, FORGED)}/stream")
    body = b"".join(reply.iter_encoded())
    assert body.isascii() and not set(body) & {*range(10), *range(11, 32), 127}
    messages = list(EventStreamReader().feed(body))
    assert [message.type for message in messages[:-1]] == ["message"] * (len(messages) - 1)
    told = [json.loads(message.data)["data"].get("sentence", "") for message in messages[:-1]]
    assert [sentence for sentence in told if "forged" in sentence] == [FORGED]
    ids = [message.last_event_id for message in messages]
    assert "99" not in ids and "98" not in ids and len(set(ids[:-1])) == len(messages) - 1


def test_silence_is_broken_by_a_comment_that_is_no_message(
    site: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT", 0.01)
    parts, reader = follow(client, "/events").iter_encoded(), EventStreamReader()
    assert not [message for _ in range(4) for message in reader.feed(next(parts))]
    assert reader.comments == 3


def test_there_are_so_many_for_one_caller_and_closed_ones_make_room(site: Site, client: FlaskClient) -> None:
    opened = [follow(client, "/events") for _ in range(event_stream.MOST_OF_ONE)]
    refused = follow(client, "/events")
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (429, 710)
    with site.database.writing():
        site.database.users.put(UserRow(name="bob", role=Role.VIEWER))
    other = {"Authorization": f"Bearer {token_of(site, Role.VIEWER, user='bob')}"}
    assert follow(client, "/events", **other).status_code == 200
    opened[0].close()
    opened[0].close()
    assert follow(client, "/events").status_code == 200
    assert follow(client, "/events").status_code == 429


def test_there_are_so_many_in_all(site: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MOST", 2)
    assert [follow(client, "/events").status_code for _ in range(3)] == [200, 200, 429]


def test_asking_for_the_head_holds_nothing(site: Site, client: FlaskClient) -> None:
    for _ in range(event_stream.MOST_OF_ONE + 1):
        with client.head(f"{ROOT}/events") as reply:
            assert (reply.status_code, reply.data) == (200, b"")


@pytest.mark.parametrize("why", ["revoked", "expired", "the user is gone"])
def test_who_may_know_no_more_is_told_no_more(site: Site, app: Flask, clock: Any, why: str) -> None:
    with site.database.writing():
        site.database.users.put(UserRow(name="bob", role=Role.VIEWER))
    token = token_of(site, Role.VIEWER, user="bob")
    parts = follow(app.test_client(), "/events", Authorization=f"Bearer {token}").iter_encoded()
    assert next(parts).startswith(b"retry")
    note(site, "dns")
    assert next(parts).startswith(b"id:")
    with site.database.writing() as db:
        if why == "revoked":
            db.execute("DELETE FROM access_tokens")
        elif why == "the user is gone":
            db.execute("DELETE FROM users")
    clock.now += 4000 if why == "expired" else 0
    note(site, "tftp")
    assert list(parts) == []


def test_what_is_not_there_is_404(client: FlaskClient) -> None:
    for path in ("/deployments/d-0/stream", "/deployments/nobody/stream", "/runs/r-0/stream"):
        assert follow(client, path).status_code == 404
