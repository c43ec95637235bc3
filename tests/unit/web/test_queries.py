"""Queries, methods and sizes that people's programs get wrong: told in the API's own form, never a fault."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from provisioner.api import ROOT
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web.application import LARGEST_BODY, create_app
from provisioner.web.operators import authorization
from provisioner.web.operators.endpoints import ENDPOINTS
from tests.unit.conftest import ADMIN

WORDS = ("", "abc", "\0", "-1", "9" * 400, "1e400", "nan", "²", "[]", "true", "\ud7ff", "' OR 1=1")
QUERIES = [
    (endpoint.path, name)
    for endpoint in ENDPOINTS
    if endpoint.query and not endpoint.is_stream
    for name in endpoint.query.model_fields
    if name != "wait"  # it would
]


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(authorization, "_caller", lambda: ADMIN)
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client()


@pytest.mark.parametrize(("path", "name"), QUERIES)
def test_no_words_of_a_query_are_a_fault_of_ours(client: FlaskClient, path: str, name: str) -> None:
    url = ROOT + path.replace("<path:name>", "vc-1").replace("<path:ident>", "vc-1").replace("<ident>", "x")
    for words in WORDS:
        reply = client.get(url, query_string={name: words})
        assert reply.status_code in (200, 400, 404), (words, reply.text)
        assert reply.status_code == 200 or reply.get_json()["error"]["code"] >= 100


def test_a_limit_that_is_no_number_is_refused_in_words(client: FlaskClient) -> None:
    reply = client.get(f"{ROOT}/hosts/vc-1/history", query_string={"limit": "abc"})
    assert reply.status_code == 400
    error = reply.get_json()["error"]
    assert error["code"] == 100 and "limit" in error["message"]


def test_another_method_is_told_which_there_are(client: FlaskClient) -> None:
    reply = client.delete(f"{ROOT}/hosts")
    assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert reply.get_json()["error"]["hint"] == "by GET, HEAD, POST"


def test_of_a_path_within_a_path_its_own_methods_are_told(client: FlaskClient) -> None:
    """`GET /hosts/vc-1/lock` would ask for a host of that name."""
    assert client.delete(f"{ROOT}/hosts/vc-1/lock").headers["Allow"] == "POST"
    assert client.delete(f"{ROOT}/hosts/vc-1").headers["Allow"] == "GET, HEAD"


def test_a_path_that_is_not_there_is_told_in_the_apis_form(client: FlaskClient) -> None:
    reply = client.get(f"{ROOT}/nothing")
    assert (reply.status_code, reply.mimetype) == (404, "application/json")
    assert reply.get_json()["error"]["code"] == 120


def test_a_body_that_is_too_large_is_told_so(client: FlaskClient) -> None:
    reply = client.post(f"{ROOT}/hosts", data=b" " * (LARGEST_BODY + 1), content_type="application/json")
    assert reply.status_code == 413 and "4 MiB" in reply.get_json()["error"]["message"]


def test_a_number_that_no_row_can_have_is_not_found(client: FlaskClient) -> None:
    for number in (1, 1 << 62, 1 << 63, 1 << 64, 10**40):
        assert client.get(f"{ROOT}/bmc/{number}").status_code == 404, number
