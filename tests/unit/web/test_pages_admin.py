"""Pages of the service itself: people, tokens, audit, settings, BMC logins, and one's own account."""

import html
import re
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from provisioner.deployment import logins, people
from provisioner.domain.audit import Entry, Kind, Origin
from provisioner.domain.host import Bmc
from provisioner.domain.person import Caller, Role
from provisioner.setting_sections import Webhook
from provisioner.settings import Settings
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.state.notify import Listener
from provisioner.state.users import UserRow
from provisioner.web.application import create_app
from provisioner.web.operators import audit as audit_of_api
from provisioner.web.session import COOKIE
from tests.access import token_of
from tests.hostile_words import WORDS

PASSWORD, ANOTHER = "correct horse battery", "staple of another kind"
MARKUP = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)")
OF_ADMINS = ("", "/users", "/users/a-viewer", "/tokens", "/audit", "/audit/verify", "/settings")
ROOT_CALLER = Caller(name="root", role=Role.ADMIN, way="socket")
Ask = Callable[..., TestResponse]


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with site.database.writing():
        for role in Role:
            site.database.users.put(UserRow(name=f"a-{role}", role=role))
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client()


@pytest.fixture
def ask(site: Site, client: FlaskClient) -> Ask:
    """A page as somebody of a role sees it; with fields, a form that he has sent."""
    tokens = {role: token_of(site, user=f"a-{role}") for role in Role}

    def asked(path: str, role: Role = Role.ADMIN, form: dict[str, str] | None = None) -> TestResponse:
        client.set_cookie(COOKIE, tokens[role], domain="localhost", secure=True)
        headers = {"Sec-Fetch-Site": "same-origin"}
        at = {"base_url": "https://localhost", "headers": headers}
        return client.get(path, **at) if form is None else client.post(path, data=form, **at)

    return asked


def words(reply: TestResponse) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", reply.get_data(as_text=True))).split())


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TECHNICIAN, Role.OPERATOR])
@pytest.mark.parametrize("path", OF_ADMINS)
def test_only_an_admin_sees_the_pages_of_admins(ask: Ask, role: Role, path: str) -> None:
    reply = ask(f"/admin{path}", role)
    assert reply.status_code == 403 and "needs the role admin" in words(reply)
    assert ask(f"/admin{path}").status_code == 200


def test_an_operator_sees_bmc_logins_and_a_technician_does_not(ask: Ask) -> None:
    reply = ask("/admin/logins", Role.OPERATOR)
    assert reply.status_code == 200 and "/admin/users" not in reply.text and "/account" in reply.text
    assert ask("/admin/logins", Role.TECHNICIAN).status_code == 403
    assert 'href="/admin/logins"' in ask("/account", Role.OPERATOR).text
    assert 'href="/admin/logins"' not in ask("/account", Role.TECHNICIAN).text


def test_health_tells_what_is_wrong_first(ask: Ask) -> None:
    said = words(ask("/admin"))
    assert said.index("Needs attention") < said.index("vmlinuz is missing") < said.index("Checked")
    assert said.count("provision ramdisk build") == 1, "the same advice is given once"
    assert "provisioner.db" in said and "nothing waits for it" in said


def test_a_user_is_added_changed_and_removed(site: Site, ask: Ask) -> None:
    assert ask("/admin/users", form={"name": "mia", "role": "technician"}).status_code == 303
    assert ask("/admin/users/mia/role", form={"role": "operator"}).status_code == 303
    assert site.database.users.get("mia").role is Role.OPERATOR
    typed = {"password": PASSWORD, "again": PASSWORD}
    assert ask("/admin/users/mia/password", form=typed).status_code == 303
    assert people.log_in(site, "mia", PASSWORD)[0].user == "mia"
    for wrong in ("", "mi", "Mia", "a-viewer"):
        reply = ask("/admin/users/mia/remove", form={"confirmation": wrong})
        assert reply.status_code == 409 and "not confirmed" in words(reply) and "Type mia." in words(reply)
    assert site.database.users.find("mia")
    assert ask("/admin/users/mia/remove", form={"confirmation": "mia"}).status_code == 303
    assert site.database.users.find("mia") is None
    assert ask("/admin/users/mia").status_code == 404
    done = [line.decode() for line in site.database.audit.find(audit.Filter(kind="people"), 10)]
    assert sum('"by":"a-admin"' in line for line in done) == 4, "each is in the audit with who did it"


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"name": "a b", "role": "viewer"}, "is no name of a user"),
        ({"name": "root", "role": "viewer"}, "root cannot be given a role"),
        ({"name": "a-viewer", "role": "viewer"}, "a-viewer is known already"),
        ({"name": "mia", "role": "emperor"}, "is none of"),
        ({"name": "", "role": ""}, "is none of"),
    ],
)
def test_whom_nobody_can_be_is_said_above_the_form(ask: Ask, form: dict[str, str], fault: str) -> None:
    reply = ask("/admin/users", form=form)
    assert reply.status_code in (400, 409) and fault in words(reply)
    assert f'value="{form["name"]}"' in reply.text, "what was typed is kept"


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"password": "short", "again": "short"}, "12 characters at least"),
        ({"password": PASSWORD, "again": ANOTHER}, "was not typed the same both times"),
        ({}, "12 characters at least"),
    ],
)
def test_a_password_that_cannot_be_is_refused(ask: Ask, form: dict[str, str], fault: str) -> None:
    reply = ask("/admin/users/a-viewer/password", form=form)
    assert reply.status_code == 400 and fault in words(reply)
    assert PASSWORD not in reply.text and ANOTHER not in reply.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TECHNICIAN, Role.OPERATOR])
def test_what_admins_do_is_refused_to_others(site: Site, ask: Ask, role: Role) -> None:
    assert ask("/admin/users", role, form={"name": "mia", "role": "admin"}).status_code == 403
    assert ask("/admin/users/a-viewer/role", role, form={"role": "admin"}).status_code == 403
    assert ask("/admin/users/a-viewer/remove", role, form={"confirmation": "a-viewer"}).status_code == 403
    assert ask("/admin/audit/sign", role, form={}).status_code == 403
    assert ask("/admin/tokens", role, form={"note": "x", "days": "1"}).status_code == 403
    assert site.database.users.find("mia") is None
    assert site.database.users.get("a-viewer").role is Role.VIEWER


def shown_token(reply: TestResponse) -> str:
    found = re.search(r'<pre id="token"><code>([^<]+)</code>', reply.text)
    assert found, reply.text
    return found[1]


@pytest.mark.parametrize("path", ["/account", "/admin"])
def test_the_text_of_a_token_is_shown_once_and_never_again(ask: Ask, client: FlaskClient, path: str) -> None:
    reply = ask(f"{path}/tokens", form={"note": "Prometheus", "days": "30", "role": "viewer"})
    text = shown_token(reply)
    assert reply.headers["Cache-Control"] == "no-store" and 'data-copy="token"' in reply.text
    told = client.get("/api/v1/whoami", headers={"Authorization": f"Bearer {text}"}).get_json()
    assert (told["user"], told["role"]) == ("a-admin", "viewer")
    for again in ("/account", "/admin/tokens", "/admin/audit", "/admin/users/a-admin"):
        seen = ask(again)
        assert seen.status_code == 200 and text not in seen.text
    assert "Prometheus" in ask("/account").text


def test_a_token_is_no_more_than_its_maker(ask: Ask) -> None:
    reply = ask("/account/tokens", Role.OPERATOR, form={"note": "x", "days": "30", "role": "admin"})
    assert reply.status_code == 403 and "cannot have the role admin" in words(reply)
    reply = ask("/account/tokens", Role.OPERATOR, form={"note": "x", "days": "0", "role": ""})
    assert reply.status_code == 400 and "days" in words(reply) and "<pre id=" not in reply.text
    assert "admin</option>" not in ask("/account", Role.OPERATOR).text


def test_a_token_is_revoked_by_its_owner_or_an_admin(site: Site, ask: Ask) -> None:
    token, _ = people.create_token(site, ROOT_CALLER, user="a-viewer", role=None, days=9, note="for mon-1")
    assert ask(f"/account/tokens/{token.id}/revoke", Role.OPERATOR, form={}).status_code == 403
    assert ask(f"/account/tokens/{token.id}/revoke", Role.VIEWER, form={}).status_code == 303
    token, _ = people.create_token(site, ROOT_CALLER, user="a-viewer", role=None, days=9, note="for mon-1")
    assert "for mon-1" in ask("/admin/tokens").text
    assert ask(f"/admin/tokens/{token.id}/revoke", form={}).status_code == 303
    assert "for mon-1" not in ask("/admin/tokens").text


def test_ones_own_password_needs_the_current_one(site: Site, ask: Ask) -> None:
    people.set_password(site, ROOT_CALLER, "a-viewer", PASSWORD, "")
    typed = {"password": ANOTHER, "again": ANOTHER}
    reply = ask("/account/password", Role.VIEWER, form={**typed, "current": "what I guess it is"})
    assert reply.status_code == 401 and "the current password is wrong" in words(reply)
    reply = ask("/account/password", Role.VIEWER, form={**typed, "current": PASSWORD})
    told = words(ask(reply.headers["Location"], Role.VIEWER))
    assert reply.status_code == 303 and "has been changed" in told
    assert people.log_in(site, "a-viewer", ANOTHER)
    assert ANOTHER not in reply.text and PASSWORD not in reply.text


def test_an_account_says_who_one_is_and_until_when(ask: Ask) -> None:
    said = words(ask("/account", Role.TECHNICIAN))
    assert "a-technician technician" in said and "which expires in 1 h 00 m" in said and "locks hosts" in said


def test_logins_are_names_alone(site: Site, ask: Ask) -> None:
    empty = words(ask("/admin/logins", Role.OPERATOR))
    assert "There is no BMC login yet" in empty and "under the name that the inventory uses" in empty
    form = {"name": "rack-b", "user": "admin", "password": "S3cret-of-bmc"}
    reply = ask("/admin/logins", Role.OPERATOR, form=form)
    told = ask(reply.headers["Location"], Role.OPERATOR)
    assert reply.status_code == 303 and "The login rack-b was kept" in words(told)
    assert "S3cret-of-bmc" not in told.text + ask("/admin/logins").text
    assert site.database.audit.find(audit.Filter(kind="secret.written", by="a-operator"), 1)
    wrong = {**form, "password": "x" * 21, "user": ""}
    reply = ask("/admin/logins", Role.OPERATOR, form=wrong)
    assert reply.status_code == 400 and "user" in words(reply) and "password" in words(reply)
    assert "x" * 21 not in reply.text


def test_a_login_that_a_host_needs_stays_and_one_that_is_missing_is_told(site: Site, ask: Ask) -> None:
    host = site.database.hosts.get("vc-1")
    bmc = Bmc.model_validate({"driver": "ipmi", "address": "10.20.0.1", "secret": "rack-b"})
    site.database.hosts.put(host.model_copy(update={"bmc": bmc}))
    assert "the BMC of vc-1 cannot be asked without it" in words(ask("/admin/logins"))
    for name in ("rack-b", "old"):
        logins.put(site, name, "admin", "secret", Origin(by="mia"))
    form = {"name": "old", "confirmation": "ol"}
    assert ask("/admin/logins/remove", Role.OPERATOR, form=form).status_code == 409
    assert (
        ask("/admin/logins/remove", Role.OPERATOR, form={"name": "old", "confirmation": "old"}).status_code
        == 303
    )
    reply = ask("/admin/logins/remove", Role.OPERATOR, form={"name": "rack-b", "confirmation": "rack-b"})
    assert reply.status_code == 409 and logins.names(site) == ["rack-b"]


def note(site: Site, sentence: str, **more: str) -> None:
    with site.database.writing():
        audit.append(
            site.database,
            Entry.model_validate({"kind": Kind.PEOPLE, "time": site.clock(), **more, "sentence": sentence}),
        )


def test_the_audit_is_filtered_by_the_address_of_its_page(site: Site, ask: Ask) -> None:
    note(site, "of ann", by="ann", host="vc-1")
    note(site, "of bea", by="bea")
    assert "of ann" in words(ask("/admin/audit")) and "of bea" in words(ask("/admin/audit"))
    said = words(ask("/admin/audit?by=ann&host=vc-1&kind=people"))
    assert "of ann" in said and "of bea" not in said
    assert "No line matches" in words(ask("/admin/audit?kind=login.throttled"))
    assert "No line matches" in words(ask("/admin/audit?until=2001-01-01T00:00"))
    assert "of ann" in words(ask("/admin/audit?since=2001-01-01"))
    reply = ask("/admin/audit?since=tomorrow")
    assert reply.status_code == 400 and "is no time" in words(reply)


def test_the_audit_tells_the_exact_time_and_the_way_in_once(site: Site, ask: Ask) -> None:
    note(site, "one", by="worker", door="worker")
    note(site, "two", by="ann", door="https", address="10.77.0.9")
    said = words(ask("/admin/audit"))
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(site.clock()))
    assert "When, in UTC" in said and f"{moment} people worker one" in said
    assert f"{moment} people ann https 10.77.0.9 two" in said


def test_the_audit_has_pages(site: Site, ask: Ask) -> None:
    for number in range(120):
        note(site, f"number {number}.", by="ann")
    reply = ask("/admin/audit?by=ann")
    older = re.search(r'href="(/admin/audit\?by=ann&amp;before=\d+)"', reply.text)
    assert older and "number 119." in reply.text and "number 19." not in reply.text
    assert "number 19." in ask(html.unescape(older[1])).text


def test_a_changed_line_is_found(site: Site, ask: Ask) -> None:
    note(site, "as it was", by="ann")
    note(site, "the next", by="ann")
    assert "The audit is intact" in words(ask("/admin/audit/verify"))
    with site.database.writing() as db:
        db.execute("UPDATE audit SET body = replace(body, 'as it was', 'as it is')")
    assert "The audit is damaged" in words(ask("/admin/audit/verify"))


def test_without_a_worker_nothing_is_signed_and_that_is_said(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_of_api, "SIGNED_WITHIN", 0.0)
    for act in ("sign", "export"):
        reply = ask(f"/admin/audit/{act}", form={})
        assert reply.status_code >= 400 and "the audit was not signed" in words(reply)


def test_settings_tell_value_default_and_meaning_and_no_secret(site: Site, ask: Ask) -> None:
    hook = Webhook.model_validate(
        {"name": "chat", "url": "https://chat.example/T0KEN-IN-PATH", "secret_file": "/etc/provisioner/chat"}
    )
    assert isinstance(site.settings, Settings)
    site.settings = site.settings.model_copy(update={"webhooks": (hook,)})
    reply = ask("/admin/settings")
    said = words(reply)
    assert "10.77.0.1/24" in said and "80 default of machines" in said
    assert "deployments between powering and sealing at one time" in said
    assert "https://chat.example/" in said and "T0KEN" not in reply.text


def test_hostile_words_are_words_on_every_page(site: Site, ask: Ask) -> None:
    for hostile in (*WORDS.values(), *MARKUP):
        note(site, hostile, by=hostile, host=hostile, what=hostile)
        text = hostile.encode(errors="replace").decode()
        replies = [
            ask("/admin/audit"),
            ask(f"/admin/audit?host={quote(text)}&by={quote(text)}&since={quote(text)}"),
            ask("/admin/users", form={"name": text, "role": text}),
            ask("/account/tokens", form={"note": text, "days": text, "role": text}),
            ask("/admin/logins", form={"name": text, "user": text, "password": text, "host": text}),
            ask(f"/admin/users/{quote(text, safe='')}"),
        ]
        for reply in replies:
            assert reply.status_code < 500, (hostile, reply.text)
            assert markup_of_others(reply.text) == []


def markup_of_others(page: str) -> list[str]:
    """Elements and attributes that no template of ours has, as a browser's parser finds them."""
    found: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            values = dict(attrs)
            is_script = tag == "script" and not (values.get("src") or "").startswith("/static/")
            is_link = (values.get("href") or "").strip().lower().startswith("javascript:")
            if (
                is_script
                or is_link
                or tag in ("img", "iframe", "object")
                or any(n.startswith("on") for n in values)
            ):
                found.append(f"{tag} {values}")

    Parser().feed(page)
    return found


def test_markup_of_others_would_be_found() -> None:
    for text in MARKUP[:2]:
        assert markup_of_others(f'<p title="{text}">{text}</p>')
    assert markup_of_others(f'<a href="{MARKUP[2]}">x</a>')


def test_what_another_site_sends_is_refused(site: Site, client: FlaskClient) -> None:
    client.set_cookie(COOKIE, token_of(site, user="a-admin"), domain="localhost", secure=True)
    for path in ("/admin/users", "/account/tokens", "/admin/logins", "/admin/audit/sign"):
        reply = client.post(
            path,
            data={"name": "mia", "role": "admin"},
            base_url="https://localhost",
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        assert reply.status_code == 403
    assert site.database.users.find("mia") is None
