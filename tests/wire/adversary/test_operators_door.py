"""The API for operators, from the LAN, without its token: every route, every kind of wrong credentials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from provisioner.api import ROOT
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


def path_of(pattern: str, host: str) -> str:
    """The route with a name that exists, as far as one may."""
    return ROOT + re.sub(r"<int:\w+>", "1", re.sub(r"<(?!int)[^>]+>", host, pattern))


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_a_route_without_the_operators_token(
    world: World, untouched: Untouched, endpoint: object, credentials: str
) -> None:
    name = "vc-1"
    body = {"host": name, "arm": True, "yes": True} if endpoint.method != "GET" else None  # type: ignore[attr-defined]
    path = path_of(endpoint.path, name)  # type: ignore[attr-defined]
    with untouched():
        reply = world.lan.http(path, *CREDENTIALS[credentials], body=body, method=endpoint.method)  # type: ignore[attr-defined]
    assert reply.status == 401 and reply.json["error"]["code"] == 601
    assert holds_nothing(reply, world) and name not in reply.body.decode()


@pytest.mark.parametrize("path", ["/metrics", f"{ROOT}/openapi.json"])
@pytest.mark.parametrize("credentials", CREDENTIALS)
def test_a_page_without_the_operators_token(world: World, path: str, credentials: str) -> None:
    reply = world.lan.http(path, *CREDENTIALS[credentials])
    assert reply.status == 401 and len(reply.body) < 400
