"""Every route of both applications, every method, every credential: who gets in is what its row says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from provisioner.domain.person import ROOT, Role
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.users import UserRow
from provisioner.system.checksum import sha256_text
from provisioner.web import audience, session
from provisioner.web.application import create_app
from provisioner.web.operators import audit
from tests.access import token_of

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
NOBODY = ("none", "empty", "wrong", "expired", "revoked", "of a user who was removed", "another scheme")
CREDENTIALS = (*NOBODY, *Role)
# whoever adds one here says why in ARCHITECTURE.md
OPEN_TO_ALL = {"operators_people.log_in", "pages.login_ask", "pages.login_log_in", "pages.static_file"}
GUARDED = re.compile(r"operators_|metrics\.|pages\.")
PROGRAMS = re.compile(r"/(api/|metrics)")  # everything else is for browsers


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
            site.database.users.put(UserRow(name=f"a-{role}", role=role))
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
    elif credential == "revoked":
        token = token_of(site)
        with site.database.writing():
            kept = site.database.access_tokens.by_hash(sha256_text(token))
            assert kept
            site.database.access_tokens.remove(kept.id)
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
    assert reply.status_code == 404 and b"secret" not in reply.data


def test_people_and_machines_have_no_route_in_common(people: Flask, machines: Flask) -> None:
    assert not [each for each in doors(machines) if isinstance(each.wanted, Role)]
    ours = {each.name for each in doors(people)}
    assert {each.name for each in doors(people) if not isinstance(each.wanted, Role)} == OPEN_TO_ALL
    assert all(GUARDED.match(name) for name in ours)


@dataclass(frozen=True)
class Answer:
    """What one credential is told by one method on one path."""

    credential: str
    status: int
    code: int | None
    is_right: bool

    @property
    def mark(self) -> str:
        """As the table shows it: `in` for whoever was let in, else the code of the refusal."""
        return (
            str(self.code or self.status)
            if self.status in (401, 403)
            else "log"
            if self.status == 303
            else "in"
        )


def answer_of(reply: TestResponse, method: str, wanted: audience.Audience | None, credential: str) -> Answer:
    """`wanted` is whom the route is for; None where there is no such route."""
    code = code_of(reply)
    known = Role(credential) if credential in tuple(Role) else None
    if known is None and method in ("GET", "HEAD") and not PROGRAMS.match(reply.request.path):
        is_right = reply.status_code == 303 and reply.headers["Location"].startswith("/login")
    elif known is None:
        is_right = reply.status_code == 401 and (method == "HEAD" or code in (601, 708))
    elif wanted is None:
        is_right = reply.status_code in (404, 405)
    elif known.covers(Role(wanted)):
        is_right = reply.status_code not in (401, 403)
    else:
        is_right = reply.status_code == 403 and (method == "HEAD" or code == 701)
    return Answer(credential, reply.status_code, code, is_right)


def code_of(reply: TestResponse) -> int | None:
    """The PV code that the answer names, as JSON or on a page."""
    if reply.mimetype == "text/html":
        found = re.search(r'href="/explain/PV-(\d+)"', reply.text)
        return int(found[1]) if found else None
    code: int | None = ((reply.get_json(silent=True) or {}).get("error") or {}).get("code")
    return code


def wanted_by(app: Flask, path: str, method: str) -> audience.Audience | None:
    """For whom it is by the map of URLs: the name of a secret may end like another route."""
    try:
        name, _ = app.url_map.bind("10.77.0.1").match(path, method)
    except HTTPException:
        return None
    return audience.declared(app)[name]


@pytest.mark.timeout(600)
def test_each_credential_opens_what_the_table_says(
    site: Site, people: Flask, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every path by every method: without a role one that is not there looks like one that is."""
    monkeypatch.setattr(audit, "SIGNED_WITHIN", 0.0)  # no worker is there to sign
    client, lines, wrong, count = people.test_client(), [], [], 0
    shown = {credential: headers_of(site, credential) for credential in CREDENTIALS}
    known = {each.path for each in doors(people)} - {
        each.path for each in doors(people) if each.name in OPEN_TO_ALL
    }
    closed = {"/", "/api/v1/none", "/boot/files/vmlinuz", "/boot/52-54-00-00-00-01/boot.ipxe"}
    for path in sorted(known | closed):
        for method in METHODS:
            wanted = wanted_by(people, path, method)
            cells = []
            is_spent = path.endswith("/logout")  # each token is worth nothing afterwards
            for credential in CREDENTIALS:
                headers = headers_of(site, credential) if is_spent else shown[credential]
                reply = client.open(path, method=method, headers=headers, json={})
                cells.append(answer_of(reply, method, wanted, credential))
            count += len(cells)
            wrong += [f"{method} {path}: {each}" for each in cells if not each.is_right]
            if wanted:
                lines.append(
                    f"{method:5} {path:42} {wanted:11}{''.join(f'{each.mark:>5}' for each in cells)}"
                )
    with capsys.disabled():
        print(f"\n{'':60}" + " ".join(f"{name[:4]:>4}" for name in CREDENTIALS))
        print("\n".join(lines))
        print(f"{count} answers, {len(wrong)} wrong")
    assert not wrong and count == len(known | closed) * len(METHODS) * len(CREDENTIALS)
    assert len(lines) > len(known), "each path has a method by which it is answered"


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
        assert (reply.status_code, reply.get_json()["error"]["code"]) == (401, 702)


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_browsers_cookie_is_worth_its_token_for_pages_and_nothing_for_the_api(
    site: Site, people: Flask, credential: str
) -> None:
    client, token = people.test_client(), headers_of(site, credential).get("Authorization", " ").split()[-1:]
    client.set_cookie(session.COOKIE, token[0] if token else "", domain="localhost")
    is_known = credential in tuple(Role) or credential == "another scheme"
    assert client.get("/").status_code == (200 if is_known else 303)
    assert client.get("/api/v1/whoami").status_code == 401
