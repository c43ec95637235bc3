"""The API for people, from the LAN: every route, every wrong credential; and by plain HTTP nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from provisioner.api import ROOT
from provisioner.domain.person import Role
from provisioner.web.operators.endpoints import ENDPOINTS
from tests.wire.adversary.conftest import holds_nothing

if TYPE_CHECKING:
    from tests.wire.adversary.conftest import Untouched
    from tests.wire.conftest import World

CREDENTIALS: dict[str, tuple[str, ...]] = {
    "none": (),
    "empty": ("-H", "Authorization: Bearer "),
    "wrong": ("-H", "Authorization: Bearer " + "A" * 43),
    "of another scheme": ("-H", "Authorization: Basic b3BlcmF0b3I6"),
    "as if from this machine": ("-H", "X-Forwarded-For: 127.0.0.1", "-H", "Host: localhost"),
}
GUARDED = [endpoint for endpoint in ENDPOINTS if isinstance(endpoint.audience, Role)]


def path_of(pattern: str, host: str) -> str:
    """The route with a name that exists, as far as one may."""
    return ROOT + re.sub(r"<int:\w+>", "1", re.sub(r"<(?!int)[^>]+>", host, pattern))


def body_of(method: str) -> dict[str, object] | None:
    return {"host": "vc-1", "arm": True, "yes": True} if method != "GET" else None


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_a_route_without_a_token(
    world: World, untouched: Untouched, endpoint: object, credentials: str
) -> None:
    method, path = endpoint.method, path_of(endpoint.path, "vc-1")  # type: ignore[attr-defined]
    with untouched():
        reply = world.lan.https(path, *CREDENTIALS[credentials], body=body_of(method), method=method)
    assert reply.status == 401 and reply.json["error"]["code"] == 601
    assert holds_nothing(reply, world) and "vc-1" not in reply.body.decode()


@pytest.mark.parametrize("path", ["/metrics", f"{ROOT}/openapi.json", f"{ROOT}/no/such/path"])
@pytest.mark.parametrize("credentials", CREDENTIALS)
def test_a_page_without_a_token(world: World, path: str, credentials: str) -> None:
    reply = world.lan.https(path, *CREDENTIALS[credentials])
    assert reply.status == 401 and len(reply.body) < 500


@pytest.mark.parametrize("path", ["/", "/hosts", "/no/such/path"])
@pytest.mark.parametrize("credentials", CREDENTIALS)
def test_a_browser_without_a_session_is_asked_to_log_in(world: World, path: str, credentials: str) -> None:
    reply = world.lan.https(path, *CREDENTIALS[credentials])
    assert reply.status == 303 and reply.headers["location"].startswith("/login")
    assert not reply.body and "set-cookie" not in reply.headers


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_no_route_is_answered_by_plain_http_even_to_an_admin(
    world: World, untouched: Untouched, endpoint: object
) -> None:
    method, path = endpoint.method, path_of(endpoint.path, "vc-1")  # type: ignore[attr-defined]
    shown = ("-H", f"Authorization: Bearer {world.token()}")
    with untouched():
        reply = world.lan.http(path, *shown, body=body_of(method), method=method)
    assert reply.status == 403 and reply.json["error"]["code"] == 704
    assert "https://10.77.0.1" in reply.json["error"]["hint"] and holds_nothing(reply, world)


@pytest.mark.parametrize("old", ["1.0", "1.1", "1.2"])
def test_nothing_older_than_tls_1_3_is_spoken(world: World, old: str) -> None:
    argv = ["curl", "-sS", "--insecure", f"--tlsv{old}", "--tls-max", old, "--max-time", "10"]
    said = world.lan.run(*argv, "https://10.77.0.1/metrics")
    assert said.code == 35, said.err  # the handshake failed


def test_a_name_that_is_not_ours_is_refused(world: World, untouched: Untouched) -> None:
    with untouched():
        reply = world.lan.https(f"{ROOT}/hosts", "-H", "Host: evil.example", token=world.token())
    assert reply.status == 421 and reply.json["error"]["code"] == 707
