"""Server-Sent Events of a running service, read from curl's output as it comes."""

from __future__ import annotations

import json
import os
import select
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from provisioner import run
from provisioner.domain.person import Role
from provisioner.web.event_stream import MOST_OF_ONE
from tests.event_stream import EventStreamReader, Message
from tests.wire.conftest import World, namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.wire.conftest import Inside

SOCKET = "http://provisioner/api/v1"


class Follower:
    """curl on a stream: `-i` shows the head first."""

    def __init__(self, process: run.Process) -> None:
        self._process = process
        assert process.stdout
        self._pipe = process.stdout.fileno()
        self._reader = EventStreamReader()
        self.head, self._rest = "", b""
        self.messages: list[Message] = []

    def read(self, limit: float = 20) -> bool:
        """Whether more came; False at the end. AssertionError where nothing does."""
        assert select.select([self._pipe], [], [], limit)[0], (self.head, self.messages)
        data = os.read(self._pipe, 65536)
        if not self.head:
            self._rest += data
            head, found, data = self._rest.partition(b"\r\n\r\n")
            self.head = head.decode() if found else ""
        if self.head and data:
            self.messages += self._reader.feed(data)
        return bool(data)

    def await_kind(self, kind: str) -> dict[str, Any]:
        while True:
            for message in self.messages:
                if (event := json.loads(message.data)).get("kind") == kind:
                    return dict(event)
            assert self.read(), f"{kind} never came: {self.messages}"

    def to_the_end(self) -> list[Message]:
        while self.read():
            pass
        return self.messages


@contextmanager
def following(argv: list[str]) -> Iterator[Follower]:
    process = run.start(argv, stdout=run.PIPE)
    assert process.stdout
    try:
        yield Follower(process)
    finally:
        run.stop(process)
        process.stdout.close()


def by_socket(world: World, path: str, *more: str) -> list[str]:
    return ["curl", "-sSNi", "--unix-socket", str(world.service.state / "api.sock"), *more, SOCKET + path]


def test_a_deployment_is_followed_over_tls_from_its_order_to_its_end(world: World) -> None:
    token = world.token(Role.VIEWER)
    with world.machine() as puppet:
        ident = puppet.arm()
        url = f"https://10.77.0.1/api/v1/deployments/{ident}/stream"
        crt = str(world.state / "secrets" / "https.crt")
        argv = ["curl", "-sSNi", "--cacert", crt, "-H", f"Authorization: Bearer {token}", url]
        with following(world.lan.argv(*argv)) as follower:
            follower.await_kind("power.asked")
            assert puppet.hello().status == 200
            follower.await_kind("agent.hello")
            world.client.cancel(ident)
            *events, end = follower.to_the_end()
        told = [json.loads(message.data) for message in events]
        assert end.type == "end" and told[-1]["kind"] == "order.cancelled"
        assert [event["id"] for event in told] == sorted({event["id"] for event in told})
        kept = [event.model_dump(mode="json") for event in world.client.events(ident).events]
        assert [event for event in told if event["kind"] == "order.armed"] == kept[:1]
        head = follower.head.lower()
        assert "200 ok" in head and "content-type: text/event-stream" in head
        assert "x-accel-buffering: no" in head and "cache-control: no-store" in head


def test_after_the_service_was_stopped_nothing_is_missing(tmp_path: Path, inside: type[Inside]) -> None:
    with namespace() as lan, inside(lan, tmp_path) as service:
        world = World(lan, service, tmp_path)
        world.apply([], [{"name": "cube", "image": "vault-os"}])
        with following(by_socket(world, "/events?after=0")) as follower:
            world.apply([{"name": "vc-a", "macs": ["52:54:00:77:70:01"], "profile": "cube"}], [])
            first = follower.await_kind("host.changed")
            service.stop()
            follower.to_the_end()
        service.start()
        world.apply([{"name": "vc-b", "macs": ["52:54:00:77:70:02"], "profile": "cube"}], [])
        said = f"Last-Event-ID: {first['id']}"
        with following(by_socket(world, "/events", "-H", said)) as follower:
            second = follower.await_kind("host.changed")
        assert (first["host"], second["host"]) == ("vc-a", "vc-b") and second["id"] > first["id"]
        world.site.database.close()


def test_who_has_gone_makes_room_and_those_who_stay_hold_nobody_up(world: World) -> None:
    opened = [following(by_socket(world, "/events")) for _ in range(MOST_OF_ONE)]
    followers = [each.__enter__() for each in opened]
    for follower in followers:
        while not follower.head:
            follower.read()
        assert "200 ok" in follower.head.lower()
    refused = world.lan.run(*by_socket(world, "/events", "--max-time", "5"))
    assert " 429 " in refused.out and '"code":710' in refused.out
    began = time.monotonic()
    assert world.client.hosts() and time.monotonic() - began < 5
    for each in opened:
        each.__exit__(None, None, None)
    await_room(lambda: world.lan.run(*by_socket(world, "/events", "--max-time", "1")).out)


def await_room(ask: Callable[[], str]) -> None:
    """A closed connection is noticed when something is written to it: an event, or the next comment."""
    until = time.monotonic() + 40
    while " 200 " not in ask():
        assert time.monotonic() < until
        time.sleep(0.5)  # nobody tells us


@pytest.mark.timeout(180)
def test_who_reads_nothing_is_cut_off(world: World) -> None:
    """His thread is wanted by others: what is written to him must leave within ten seconds."""
    from provisioner.domain.event import Event
    from provisioner.domain.events.order import HostSuspect

    with following(["curl", "-sSN", "--limit-rate", "1", *by_socket(world, "/events?after=0")[2:]]):
        for number in range(40):
            data = HostSuspect(sentence=f"{number}" + "x" * 50_000, address="10.77.0.9")
            event = Event.of_host("vc-slow", data, source="test", now=world.site.clock())
            world.site.database.events.note(event)
        full = [following(by_socket(world, "/events")) for _ in range(MOST_OF_ONE - 1)]
        for each in full:
            each.__enter__()
        await_room(lambda: world.lan.run(*by_socket(world, "/events", "--max-time", "1")).out)
        for each in full:
            each.__exit__(None, None, None)
