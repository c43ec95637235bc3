"""What people do by the API: in whose name it is written down, and what a role may not."""

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from provisioner.api import ROOT as API
from provisioner.deployment import people
from provisioner.domain.person import ROOT, Caller, Role
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.users import UserRow
from provisioner.system import passwords
from provisioner.web.application import create_app
from tests.access import token_of

PASSWORD = "correct horse battery"


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with site.database.writing():
        for role in Role:
            site.database.users.put(UserRow(name=f"a-{role}", role=role))
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client()


def call(client: FlaskClient, method: str, path: str, role: Role, /, **body: Any) -> tuple[int, Any]:
    site = client.application.config["SITE"]
    headers = {"Authorization": f"Bearer {token_of(site, user=f'a-{role}')}"}
    reply = client.open(API + path, method=method, headers=headers, json=body)
    return reply.status_code, reply.get_json()


def test_who_orders_is_who_was_proved(site: Site, client: FlaskClient) -> None:
    order = {"host": "vc-1", "arm": True, "yes": True}
    status, said = call(client, "POST", "/deployments", Role.TECHNICIAN, **order, by="somebody")
    assert (status, said["error"]["code"]) == (400, 100)
    status, said = call(client, "POST", "/deployments", Role.TECHNICIAN, **order)
    assert status == 200, said
    row = site.database.deployments.last_of("vc-1")
    assert row and row.armed_by == "a-technician"
    assert call(client, "POST", f"/deployments/{row.id}/cancel", Role.OPERATOR, by="somebody")[0] == 400
    call(client, "POST", f"/deployments/{row.id}/cancel", Role.OPERATOR)
    assert site.database.events.of(row.id)[-1].data.by == "a-operator"  # type: ignore[attr-defined]


@pytest.mark.parametrize("terms", [{"erase_foreign": True}, {"allow_downgrade": True}])
def test_a_technician_gives_up_nothing_that_he_cannot_judge(
    site: Site, client: FlaskClient, terms: dict[str, bool]
) -> None:
    order = {"host": "vc-1", "arm": True, "yes": True, "terms": terms}
    assert call(client, "POST", "/deployments", Role.TECHNICIAN, **{**order, "arm": False})[0] == 200
    status, said = call(client, "POST", "/deployments", Role.TECHNICIAN, **order)
    assert (status, said["error"]["code"], said["error"]["exit"]) == (403, 701, 6)
    assert "a-operator" in said["error"]["hint"] and site.database.deployments.last_of("vc-1") is None
    assert call(client, "POST", "/deployments", Role.OPERATOR, **order)[0] == 200


def test_a_technician_locks_and_does_not_unlock(client: FlaskClient) -> None:
    assert call(client, "POST", "/hosts/vc-1/lock", Role.TECHNICIAN)[0] == 200
    assert call(client, "POST", "/deployments", Role.TECHNICIAN, host="vc-1", arm=True, yes=True)[0] == 409
    assert call(client, "POST", "/hosts/vc-1/unlock", Role.TECHNICIAN)[0] == 403
    assert call(client, "POST", "/hosts/vc-1/unlock", Role.OPERATOR)[0] == 200


def test_a_user_is_added_logs_in_and_is_removed(site: Site, client: FlaskClient) -> None:
    put = {"role": "operator", "only_new": True}
    assert call(client, "PUT", "/users/ann", Role.ADMIN, **put)[0] == 200
    assert call(client, "PUT", "/users/ann", Role.ADMIN, **put)[0] == 409
    assert call(client, "PUT", "/users/ann/password", Role.ADMIN, password=PASSWORD)[0] == 200
    reply = client.post(f"{API}/login", json={"user": "ann", "password": PASSWORD})
    assert reply.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {reply.get_json()['token']}"}
    who = client.get(f"{API}/whoami", headers=headers).get_json()
    assert (who["user"], who["role"], who["way"]) == ("ann", "operator", "token")
    users = call(client, "GET", "/users", Role.ADMIN)[1]["users"]
    assert [user["has_password"] for user in users if user["name"] == "ann"] == [True]
    assert "argon2" not in str(users)
    assert client.post(f"{API}/logout", headers=headers).status_code == 200
    assert client.get(f"{API}/whoami", headers=headers).status_code == 401
    assert call(client, "POST", "/users/ann/remove", Role.ADMIN)[0] == 200
    assert client.post(f"{API}/login", json={"user": "ann", "password": PASSWORD}).status_code == 401


@pytest.mark.parametrize("name", [ROOT, "nobody", "a b", "ann\n", "..", "-x", "é"])
def test_names_that_are_none_or_taken_are_refused(client: FlaskClient, name: str) -> None:
    status, said = call(client, "PUT", f"/users/{quote(name)}", Role.ADMIN, role="viewer", only_new=True)
    assert status in (400, 404), said


def test_the_eleventh_wrong_password_is_not_looked_at(
    site: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(passwords, "fits", lambda word, _: looked.append(word) is not None)
    with caplog.at_level(logging.WARNING):
        said = [
            client.post(f"{API}/login", json={"user": "ann", "password": f"guess-{number}"})
            for number in range(12)
        ]
    assert [reply.status_code for reply in said] == [401] * 10 + [429] * 2
    assert said[-1].get_json()["error"]["code"] == 703 and len(looked) == 10
    assert "login refused: nobody known (127.0.0.1): as nobody known" in caplog.text
    assert "login throttled: nobody known (127.0.0.1)" in caplog.text
    assert "guess-" not in caplog.text


def test_what_a_stranger_sends_as_a_name_forges_no_line(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        client.post(f"{API}/login", json={"user": "x\nlogin done: root\x1b[2J", "password": "y"})
    assert all("\n" not in line and "\x1b" not in line for line in caplog.messages)


def test_a_lower_token_of_an_admin_says_so(site: Site, client: FlaskClient) -> None:
    token = people.by_token(site, token_of(site, Role.VIEWER, user="a-admin"))
    assert token == Caller(
        name="a-admin", role=Role.VIEWER, way="token", token=token.token, expires=token.expires
    )
    headers = {"Authorization": f"Bearer {token_of(site, Role.VIEWER, user='a-admin')}"}
    reply = client.get(f"{API}/users", headers=headers).get_json()
    assert "a-admin is viewer by this token" in reply["error"]["message"]
