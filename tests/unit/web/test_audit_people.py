"""Who comes in, who is refused and what is changed about people is a line of the audit, each once."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from pydantic import BaseModel

from provisioner.api import ROOT
from provisioner.deployment.order import arm
from provisioner.domain.audit import Kind, Line
from provisioner.domain.person import Role
from provisioner.errors import DiskFullError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.state.notify import Listener
from provisioner.state.users import UserRow
from provisioner.system import passwords
from provisioner.web.application import create_app
from provisioner.web.login_limit import MOST_WRONG
from provisioner.web.machines import refusals
from provisioner.web.operators.endpoints import ENDPOINTS
from tests.access import token_of
from tests.unit.conftest import MAC

THIEF = "10.77.0.9"
RIGHT, WRONG = "correct horse battery", "Canary-that-is-wrong"
Told = list[tuple[str, str, str, str, str]]


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(refusals, "LOOK", 3600.0)  # written when the test says so
    with site.database.writing():
        site.database.users.put(UserRow(name="ann", role=Role.ADMIN, password=passwords.hashed(RIGHT)))
        site.database.users.put(UserRow(name="tim", role=Role.TECHNICIAN))
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client()


def ask(client: FlaskClient, method: str, path: str, *, token: str = "", **body: object) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    reply = client.open(
        ROOT + path, method=method, json=body, headers=headers, environ_base={"REMOTE_ADDR": THIEF}
    )
    return reply.status_code


def lines(site: Site, client: FlaskClient) -> list[Line]:
    client.application.config["REFUSALS"].write()
    return [Line.model_validate_json(raw) for raw in site.database.audit.lines(1, 1000)]


def told(site: Site, client: FlaskClient) -> Told:
    found = lines(site, client)
    assert {line.address for line in found} <= {THIEF}
    return [(line.kind.value, line.by, line.door, line.what, line.result) for line in found]


def test_logins_right_and_wrong_and_the_logout(site: Site, client: FlaskClient) -> None:
    assert ask(client, "POST", "/login", user="ann", password=WRONG) == 401
    assert ask(client, "POST", "/login", user=RIGHT, password="ann") == 401
    reply = client.post(
        f"{ROOT}/login", json={"user": "ann", "password": RIGHT}, environ_base={"REMOTE_ADDR": THIEF}
    )
    token = reply.get_json()["token"]
    [kept] = site.database.access_tokens.all("ann")
    assert ask(client, "POST", "/logout", token=token) == 200
    assert sorted(told(site, client)) == sorted(
        [
            ("login.refused", "", "https", "as ann", "refused"),
            ("login.refused", "", "https", "as nobody known", "refused"),
            ("login", "ann", "https", kept.id, "done"),
            ("logout", "ann", "token", kept.id, "done"),
        ]
    )
    written = b"".join(site.database.audit.lines(0, 100)).decode()
    assert not [word for word in (RIGHT, WRONG, token) if word in written]


def test_a_throttled_login_is_a_line_and_a_flood_of_them_is_one(
    site: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "fits", lambda word, _: False)
    for number in range(MOST_WRONG + 200):
        ask(client, "POST", "/login", user="ann", password=f"guess {number}")
    assert told(site, client) == [
        ("login.refused", "", "https", "as ann", "refused"),
        ("login.throttled", "", "https", "as ann", "refused"),
    ]
    site.clock.now += audit.WINDOW  # type: ignore[attr-defined]
    audit.flush(site.database, site.clock())
    assert [line.count for line in lines(site, client)] == [1, 1, MOST_WRONG - 1, 199]


def test_names_that_a_stranger_makes_up_are_no_lines(site: Site, client: FlaskClient) -> None:
    """He varies them, and the path, as he likes; of paths so many are told apart, and counted beyond."""
    for number in range(MOST_WRONG):
        ask(client, "POST", "/login", user=f"name-{number}", password=WRONG)
    assert told(site, client) == [("login.refused", "", "https", "as nobody known", "refused")]
    for number in range(1000):
        ask(client, "GET", f"/hosts/vc-{number}")
        if number % 50 == 0:
            client.application.config["REFUSALS"].write()
    found = [line for line in lines(site, client) if line.kind is Kind.ACCESS_REFUSED]
    assert len(found) <= audit.MOST_APART + 1


@pytest.mark.parametrize("name", ["ann", "nobodys", "ann\n2026 root: all is well\x1b[2J"])
def test_who_only_says_a_name_has_done_nothing_under_it(site: Site, client: FlaskClient, name: str) -> None:
    assert ask(client, "POST", "/login", user=name, password="guess-1") == 401
    [line] = lines(site, client)
    assert (line.kind, line.by) == (Kind.LOGIN_REFUSED, "")
    assert line.what == ("as ann" if name == "ann" else "as nobody known"), "it may be a password"
    assert "guess-1" not in line.to_bytes().decode()


def test_a_minute_of_guesses_is_ten_that_were_heard(site: Site, client: FlaskClient) -> None:
    codes = [ask(client, "POST", "/login", user="ann", password=f"guess-{number}") for number in range(40)]
    assert codes == [401] * MOST_WRONG + [429] * (40 - MOST_WRONG)


def test_a_stolen_token_guesses_no_password(site: Site, client: FlaskClient) -> None:
    token = token_of(site, user="ann")
    change = {"password": "another one is longer", "current": WRONG}
    codes = [ask(client, "PUT", "/users/ann/password", token=token, **change) for _ in range(12)]
    assert codes == [401] * MOST_WRONG + [429] * 2
    assert {line.kind for line in lines(site, client)} == {Kind.LOGIN_REFUSED, Kind.LOGIN_THROTTLED}
    right = {**change, "current": RIGHT}
    assert ask(client, "PUT", "/users/ann/password", token=token, **right) == 429


def test_a_password_that_is_too_short_is_no_guess(site: Site, client: FlaskClient) -> None:
    token = token_of(site, user="ann")
    short = {"password": "short", "current": RIGHT}
    assert {ask(client, "PUT", "/users/ann/password", token=token, **short) for _ in range(12)} == {400}
    assert (
        ask(client, "PUT", "/users/ann/password", token=token, password="a longer one is", current=RIGHT)
        == 200
    )


@pytest.mark.parametrize("token", ["", "wrong"])
def test_requests_of_strangers_are_counted(site: Site, client: FlaskClient, token: str) -> None:
    for number in range(300):
        ask(client, "GET", f"/hosts/vc-{number % 3}", token=token)
    found = lines(site, client)
    assert sorted(line.what for line in found) == [f"GET {ROOT}/hosts/vc-{number}" for number in range(3)]
    assert {(line.by, line.address) for line in found} == {("", THIEF)}
    rows = site.database.rows("SELECT sum(count) AS more FROM audit_repeats")
    assert rows[0]["more"] == 297


@pytest.mark.parametrize(
    ("role", "method", "path", "code"),
    [
        (None, "GET", "/hosts/vc-1", 601),
        (Role.TECHNICIAN, "GET", "/audit", 701),
        (Role.TECHNICIAN, "POST", "/hosts/vc-1/unlock", 701),
        (Role.VIEWER, "POST", "/hosts/vc-1/lock", 701),
    ],
)
def test_who_may_not_is_told_once_whether_a_host_is_meant_or_not(
    site: Site, client: FlaskClient, role: Role | None, method: str, path: str, code: int
) -> None:
    token = token_of(site, role, user="tim") if role else "nobody's"
    assert ask(client, method, path, token=token) == (401 if code == 601 else 403)
    who = ("tim", "token") if role else ("", "https")
    assert told(site, client) == [("access.refused", *who, f"{method} {ROOT}{path}", "refused")]
    is_of_a_host = "vc-1" in path
    noted = [one.kind for one in site.database.events.of_host("vc-1", 10)]
    assert noted == (["request.refused"] if is_of_a_host else [])


def test_what_a_view_refuses_a_role_is_told_once(site: Site, client: FlaskClient) -> None:
    """The route is a technician's, the terms an operator's."""
    token = token_of(site, Role.TECHNICIAN, user="tim")
    order = {"host": "vc-1", "arm": True, "yes": True, "terms": {"erase_foreign": True}}
    assert ask(client, "POST", "/deployments", token=token, **order) == 403
    assert told(site, client) == [
        ("access.refused", "tim", "token", f"POST {ROOT}/deployments", "refused"),
    ]


def test_an_order_that_is_refused_is_told_once_with_who_gave_it(site: Site, client: FlaskClient) -> None:
    """The host is named as the inventory has it, however the order said it."""
    arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ben")
    token = token_of(site, Role.TECHNICIAN, user="tim")
    before = len(lines(site, client))
    for named in ("vc-1", MAC.upper()):
        assert ask(client, "POST", "/deployments", token=token, host=named, arm=True, yes=True) == 409
    assert ask(client, "POST", "/hosts/vc-1/remove", token=token_of(site, user="ann")) == 409
    after = lines(site, client)[before:]
    assert [(line.kind.value, line.by, line.what, line.host, line.result) for line in after] == [
        ("order.refused", "tim", "deployments.order", "vc-1", "refused"),
        ("order.refused", "ann", "hosts.remove vc-1", "vc-1", "refused"),
    ]
    assert "PV-" in after[0].sentence


def test_changes_of_people_are_lines_by_who_made_them(site: Site, client: FlaskClient) -> None:
    token = token_of(site, user="ann")
    assert ask(client, "PUT", "/users/eve", token=token, role="operator", only_new=True) == 200
    assert ask(client, "PUT", "/users/eve", token=token, role="viewer") == 200
    assert ask(client, "PUT", "/users/eve/password", token=token, password=RIGHT) == 200
    assert ask(client, "POST", "/tokens", token=token, user="eve", days=1) == 200
    [made] = site.database.access_tokens.all("eve")
    assert ask(client, "POST", f"/tokens/{made.id}/revoke", token=token) == 200
    assert ask(client, "POST", "/users/eve/remove", token=token) == 200
    whats = ["user.put eve"] * 3 + [f"token.create {made.id}", f"token.revoke {made.id}", "user.remove eve"]
    assert told(site, client) == [("people", "ann", "token", what, "done") for what in whats]
    assert RIGHT not in str(site.database.audit.lines(0, 100))


def test_a_change_whose_line_cannot_be_written_is_not_made(
    site: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFullError("no room", hint="make room")

    token = token_of(site, user="ann")
    monkeypatch.setattr(audit, "append", full)
    assert ask(client, "PUT", "/users/eve", token=token, role="operator", only_new=True) >= 400
    assert ask(client, "POST", "/tokens", token=token, days=1) >= 400
    assert site.database.users.find("eve") is None
    assert [one.note for one in site.database.access_tokens.all("ann")] == [""], "that of this test alone"
    assert ask(client, "GET", "/hosts/vc-1", token="wrong") == 401, "evidence never changes an answer"
    monkeypatch.undo()


def test_a_host_that_asks_where_people_come_in_is_one_line(
    site: Site, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lan, "host_at", lambda _, address: "vc-1" if address == THIEF else "")
    assert ask(client, "GET", "/net") == 401
    assert [line.kind for line in lines(site, client)] == [Kind.ACCESS_REFUSED]
    assert [one.kind for one in site.database.events.of_host("vc-1", 10)] == ["request.refused"]


# who it was is proved, and never said by who asks

CLAIMS = ("by", "caller", "armed_by", "created_by", "operator")


def bodies() -> list[type[BaseModel]]:
    return [endpoint.body for endpoint in ENDPOINTS if endpoint.body]


def test_no_body_says_who_asks_and_none_takes_what_it_does_not_know() -> None:
    assert len(bodies()) > 15
    for model in bodies():
        assert not set(CLAIMS) & set(model.model_fields), model
        assert model.model_config.get("extra") == "forbid", model


@pytest.mark.parametrize(
    ("method", "path"),
    sorted({(one.method, one.path) for one in ENDPOINTS if one.method != "GET" and one.path != "/login"}),
)
def test_whoever_says_who_he_is_is_refused(site: Site, client: FlaskClient, method: str, path: str) -> None:
    """But for the login, which asks for it, and believes the password alone."""
    for word in ("<path:name>", "<name>", "<ident>", "<path:ident>", "<int:ident>"):
        path = path.replace(word, "1" if "int" in word else "vc-1")
    before = site.database.events.newest_time()
    assert ask(client, method, path, token=token_of(site, user="ann"), by="somebody") == 400
    assert site.database.events.newest_time() == before
