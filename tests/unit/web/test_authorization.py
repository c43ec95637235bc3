"""Calls of the operators' API without its token: refused, and in a log that people read."""

import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from provisioner.api import ROOT
from provisioner.deployment.order import arm
from provisioner.domain.event import Event
from provisioner.domain.events.request import RequestRefused
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web.application import create_app
from provisioner.web.machines import refusals
from tests.access import token_of

THIEF = "10.77.0.9"
NO_TOKEN = "no token was shown"
WRONG = "the service does not know this token"


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(refusals, "LOOK", 3600.0)  # written when the test says so
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client()


def call(
    client: FlaskClient, method: str, path: str, *, token: str | None = None, address: str = THIEF
) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    reply = client.open(path, method=method, headers=headers, environ_base={"REMOTE_ADDR": address})
    client.application.config["REFUSALS"].write()
    return reply.status_code


def said(events: list[Event]) -> list[tuple[str, str, str]]:
    found = [event.data for event in events if isinstance(event.data, RequestRefused)]
    return [(data.what, data.address, data.sentence) for data in found]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/hosts/vc-1"), ("POST", "/hosts/vc-1/lock"), ("POST", "/hosts/vc-1/unlock")],
)
def test_a_call_without_the_token_is_in_the_log_of_the_host_that_it_names(
    site: Site, client: FlaskClient, method: str, path: str
) -> None:
    assert call(client, method, ROOT + path) == 401
    assert call(client, method, ROOT + path, token="wrong") == 401
    wrong, none = said(site.database.events.of_host("vc-1", 10))
    assert none == (f"{method} {ROOT}{path}", THIEF, NO_TOKEN)
    assert wrong == (f"{method} {ROOT}{path}", THIEF, WRONG)


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("verb", ["cancel", "resume"])
def test_one_that_would_change_an_order_is_in_the_orders_log(
    site: Site, client: FlaskClient, verb: str, by_name: bool
) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    path = f"{ROOT}/deployments/{'vc-1' if by_name else row.id}/{verb}"
    for _ in range(3):
        assert call(client, "POST", path) == 401
    [event] = [one for one in site.database.events.of(row.id) if one.kind == RequestRefused.kind]
    assert said([event]) == [(f"POST {path}", THIEF, NO_TOKEN)] and event.describe().endswith("(3 times)")
    assert site.database.deployments.get(row.id) == row


@pytest.mark.parametrize("path", ["/metrics", f"{ROOT}/secrets/bmc", f"{ROOT}/hosts/vc-2", f"{ROOT}/net"])
def test_a_host_that_calls_has_it_in_its_own_log_whatever_it_names(
    site: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(lan, "host_at", lambda _, address: "vc-1" if address == "10.77.0.64" else "")
    method = "PUT" if "secrets" in path else "GET"
    assert call(client, method, path, address="10.77.0.64") == 401
    assert said(site.database.events.of_host("vc-1", 10)) == [(f"{method} {path}", "10.77.0.64", NO_TOKEN)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("GET", f"{ROOT}/net"),
        ("GET", f"{ROOT}/hosts/nobody"),
        ("POST", f"{ROOT}/deployments/d-0/cancel"),
        ("GET", f"{ROOT}/images"),
        ("PUT", f"{ROOT}/secrets/vc-1"),  # a login of that name, not the host
    ],
)
def test_a_strangers_call_that_names_no_host_is_in_the_services_log(
    site: Site, client: FlaskClient, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    with caplog.at_level(logging.WARNING):
        assert call(client, method, path, token="guessed") == 401
    line = f"request refused: nobody known ({THIEF}): {method} {path}: {WRONG}"
    assert line in caplog.messages
    assert "guessed" not in caplog.text
    assert said(site.database.events.of_host("vc-1", 10)) == said(site.database.events.notes(10)) == []


def test_a_call_with_the_token_leaves_nothing(
    site: Site, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert call(client, "GET", f"{ROOT}/hosts/vc-1", token=token_of(site)) == 200
    assert said(site.database.events.of_host("vc-1", 10)) == [] and "refused" not in caplog.text
