"""Every route of both applications, every method, every credential: who gets in is what its row says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask

from provisioner.domain.person import ROOT, Role
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.users import User
from provisioner.web import audience
from provisioner.web.application import create_app
from tests.access import token_of

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
NOBODY = ("none", "empty", "wrong", "expired", "of a user who was removed", "another scheme")
CREDENTIALS = (*NOBODY, *Role)
OPEN_TO_ALL = {"operators_people.log_in"}  # whoever adds one here says why in ARCHITECTURE.md
GUARDED = re.compile(r"operators_|metrics\.")


@dataclass(frozen=True)
class Door:
    """A route of people's application, by one method."""

    name: str
    method: str
    path: str
    wanted: audience.Audience


@pytest.fixture
def people(site: Site) -> Iterator[Flask]:
    with site.database.writing():
        for role in Role:
            site.database.users.put(User(name=f"a-{role}", role=role))
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api")


@pytest.fixture
def machines(site: Site) -> Iterator[Flask]:
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener, "web")


def headers_of(site: Site, credential: str) -> dict[str, str]:
    if credential == "none":
        return {}
    if credential == "another scheme":
        return {"Authorization": f"Basic {token_of(site)}"}
    token = {"empty": "", "wrong": "A" * 43}.get(credential)
    if credential == "expired":
        token = token_of(site, seconds=-1)
    elif credential == "of a user who was removed":
        token = token_of(site, user="gone")
    elif token is None:
        token = token_of(site, user=f"a-{credential}")
    return {"Authorization": f"Bearer {token}"}


def path_of(rule: str) -> str:
    return re.sub(r"<int:\w+>", "1", re.sub(r"<(?!int)[^>]+>", "vc-9", rule))


def doors(app: Flask) -> list[Door]:
    declared = audience.declared(app)
    return [
        Door(rule.endpoint, method, path_of(rule.rule), who)
        for rule in app.url_map.iter_rules()
        for who in [declared[rule.endpoint]]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


@pytest.mark.parametrize("service", ["web", "api"])
def test_every_route_has_a_declared_audience(site: Site, service: str) -> None:
    with Listener(site.settings.state, service) as listener:
        app = create_app(site, listener, service)
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == audience.declared(app).keys()


def test_a_route_that_nobody_declared_is_answered_to_nobody(site: Site, people: Flask) -> None:
    people.add_url_rule("/api/v1/forgotten", "forgotten", lambda: "secret")
    reply = people.test_client().get("/api/v1/forgotten", headers=headers_of(site, Role.ADMIN))
    assert (reply.status_code, reply.data) == (404, b"not found\n")


def test_people_and_machines_have_no_route_in_common(people: Flask, machines: Flask) -> None:
    assert not [each for each in doors(machines) if isinstance(each.wanted, Role)]
    ours = {each.name for each in doors(people)}
    assert {each.name for each in doors(people) if not isinstance(each.wanted, Role)} == OPEN_TO_ALL
    assert all(GUARDED.match(name) for name in ours)


def test_each_credential_opens_what_the_table_says(
    site: Site, people: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    client, lines, wrong = people.test_client(), [], []
    for door in sorted(doors(people), key=lambda each: (each.path, each.method)):
        if door.name in OPEN_TO_ALL:
            continue
        marks = []
        for credential in CREDENTIALS:
            reply = client.open(door.path, method=door.method, headers=headers_of(site, credential), json={})
            code = (reply.get_json(silent=True) or {}).get("error", {}).get("code")
            is_open = reply.status_code not in (401, 403)
            may = credential in tuple(Role) and Role(credential).covers(Role(door.wanted))
            marks.append("yes" if is_open else str(code))
            if is_open != may or (not may and code not in (601, 681, 688)):
                wrong.append(f"{door.method} {door.path} for {credential}: {reply.status_code}, PV-{code}")
        lines.append(f"{door.method:5} {door.path:48} {door.wanted:11} {' '.join(f'{m:>4}' for m in marks)}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert not wrong


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_other_methods_and_paths_tell_nobody_more(site: Site, people: Flask, credential: str) -> None:
    """Without a role a path that is not there looks like one that is."""
    client, known = people.test_client(), {(each.method, each.path) for each in doors(people)}
    paths = {each.path for each in doors(people)} | {"/", "/api/v1/none", "/boot/files/vmlinuz"}
    expected = 401 if credential in NOBODY else 404
    for path in sorted(paths - {"/api/v1/login"}):
        for method in METHODS:
            if (method, path) not in known:
                reply = client.open(path, method=method, headers=headers_of(site, credential))
                assert reply.status_code == expected, (method, path)


@pytest.mark.parametrize("role", Role)
def test_an_admins_token_of_a_lower_role_is_worth_that_role(site: Site, people: Flask, role: Role) -> None:
    headers = {"Authorization": f"Bearer {token_of(site, role, user=ROOT)}"}
    told = people.test_client().get("/api/v1/whoami", headers=headers).get_json()
    assert (told["user"], told["role"]) == (ROOT, role)


def test_without_users_tokens_or_files_nobody_is_let_in(site: Site) -> None:
    """cobbler's CVE-2024-47533: a secret that was missing made everybody an admin."""
    with Listener(site.settings.state, "api") as listener:
        client = create_app(site, listener, "api").test_client()
    for credential in ("none", "empty", "wrong", "of a user who was removed"):
        assert client.get("/api/v1/hosts", headers=headers_of(site, credential)).status_code == 401
    for name in ("", "root", "nobody", "-1", "None"):
        reply = client.post("/api/v1/login", json={"user": name, "password": ""})
        assert (reply.status_code, reply.get_json()["error"]["code"]) == (401, 682)
