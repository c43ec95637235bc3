"""What becomes of a request's body that is no JSON: it is refused, never taken as an empty order."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from provisioner.api import ROOT
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web.application import create_app
from provisioner.web.operators import authorization
from provisioner.web.operators.endpoints import ENDPOINTS
from tests.unit.conftest import ADMIN

DAMAGED = {
    "latin-1": '{"by": "Müller"}'.encode("latin-1"),
    "cut": b'{"by": "ann"',
    "no json": b"hello",
    "deep": b"[" * 100_000,
    "a space": b" ",
}
NO_OBJECT = {"list": b"[]", "null": b"null", "false": b"false", "nought": b"0", "text": b'""'}
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body]


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(authorization, "_caller", lambda: ADMIN)
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener, "api").test_client()


@pytest.mark.parametrize("body", [*DAMAGED, *NO_OBJECT])
@pytest.mark.parametrize("route", sorted({(each.method, each.path) for each in WITH_BODY}))
def test_a_damaged_body_is_refused_at_every_route(
    client: FlaskClient, route: tuple[str, str], body: str
) -> None:
    method, pattern = route
    target = ROOT + pattern.replace("<int:", "<").replace("<", "").replace(">", "")
    answer = client.open(
        target, method=method, data=(DAMAGED | NO_OBJECT)[body], content_type="application/json"
    )
    assert answer.status_code == 400, answer.text
    assert answer.get_json()["error"]["code"] == 100
    if body in DAMAGED:
        assert "its body is no JSON" in answer.get_json()["error"]["message"]


def exact() -> list[tuple[str, str, str]]:
    return sorted(
        (each.method, each.path, name)
        for each in WITH_BODY
        for name, field in (each.body.model_fields if each.body else {}).items()
        if field.annotation in (bool, int)
    )


@pytest.mark.parametrize("value", ["0.0", '"1"', '"no"', '"true"', "null", "[]"])
@pytest.mark.parametrize(("method", "pattern", "name"), exact())
def test_what_is_no_boolean_and_no_number_is_none(
    client: FlaskClient, site: Site, method: str, pattern: str, name: str, value: str
) -> None:
    """Neither a dry run that 0 made a real one, nor a yes by a word."""
    target = ROOT + pattern.replace("<int:", "<").replace("<", "").replace(">", "")
    before = site.database.events.newest_time()
    answer = client.open(
        target, method=method, data=f'{{"{name}": {value}}}', content_type="application/json"
    )
    assert answer.status_code == 400, answer.text
    assert f"{name}: " in answer.get_json()["error"]["message"]
    assert site.database.events.newest_time() == before


@pytest.mark.parametrize("term", ["erase_foreign", "allow_downgrade"])
@pytest.mark.parametrize("value", [1, "yes", "true"])
@pytest.mark.parametrize("path", ["/deployments", "/runs"])
def test_what_is_given_up_is_said_by_a_boolean(
    client: FlaskClient, path: str, term: str, value: object
) -> None:
    answer = client.post(ROOT + path, json={"host": "vc-1", "arm": True, "yes": True, "terms": {term: value}})
    assert answer.status_code == 400 and f"terms.{term}: " in answer.get_json()["error"]["message"]


def test_there_are_some_that_matter() -> None:
    assert {("POST", "/deployments", "yes"), ("POST", "/hosts", "dry_run")} <= set(exact())
