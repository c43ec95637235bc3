"""What every page has: its session, its policy, its files, its live part; and the first page."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from provisioner.deployment.order import arm
from provisioner.deployment.people import put_user, set_password
from provisioner.deployment.record import record
from provisioner.domain.audit import Kind
from provisioner.domain.event import Event
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.events.service import ServiceReplaced
from provisioner.domain.person import ROOT, Caller, Role
from provisioner.domain.stage import Stage
from provisioner.site import checks
from provisioner.site.site import Site
from provisioner.state import alive
from provisioner.state.notify import Listener
from provisioner.state.values import RogueServer
from provisioner.web import pages, session
from provisioner.web.application import create_app
from provisioner.web.pages import advice, live, look, rendering, static_files
from provisioner.web.pages.routes import PAGES
from tests import pagelab
from tests.access import token_of
from tests.event_stream import EventStreamReader, Message
from tests.hostile_words import WORDS

PASSWORD = "several words together"
OURS = {"Sec-Fetch-Site": "same-origin"}
TEMPLATES = sorted((Path(pages.__file__).parent / "templates").rglob("*.html"))
SCRIPTED = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>' onmouseover='alert(1)"


@pytest.fixture
def app(site: Site) -> Iterator[Flask]:
    alive.mark_alive(site.settings.state, site.clock())
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api")


@pytest.fixture
def browser(site: Site, app: Flask) -> FlaskClient:
    """Somebody who may do all."""
    client = app.test_client()
    client.set_cookie(session.COOKIE, token_of(site))
    return client


@pytest.fixture
def ann(site: Site) -> str:
    root = Caller(name=ROOT, role=Role.ADMIN, way="socket")
    put_user(site, root, "ann", Role.TECHNICIAN, is_new=True)
    set_password(site, root, "ann", PASSWORD, "")
    return "ann"


def log_in(app: Flask, name: str, password: str, **more: str) -> Any:
    return app.test_client().post("/login", data={"user": name, "password": password, **more}, headers=OURS)


def text_of(client: FlaskClient, path: str = "/") -> str:
    reply = client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.text


# --- coming in ---


def test_a_login_gives_a_cookie_that_no_script_reads_and_no_other_site_sends(app: Flask, ann: str) -> None:
    reply = log_in(app, ann, PASSWORD)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/")
    [cookie] = reply.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-provision=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert 0 < int(re.search(r"Max-Age=(\d+)", cookie)[1]) <= 12 * 3600  # type: ignore[index]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/hosts?state=failed", "/hosts?state=failed"),
        *[
            (each, "/")
            for each in ("", "//evil/", "https://evil/", "/\\evil", "/a\nb", "javascript:alert(1)")
        ],
    ],
)
def test_after_it_one_is_where_one_wanted_to_be_and_never_elsewhere(
    app: Flask, ann: str, wanted: str, path: str
) -> None:
    assert log_in(app, ann, PASSWORD, next=wanted).headers["Location"] == path


def test_who_is_not_known_is_asked_and_comes_back(app: Flask) -> None:
    reply = app.test_client().get("/hosts?state=failed")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/login?next=%2Fhosts%3Fstate%3Dfailed")
    assert 'value="/hosts?state=failed"' in app.test_client().get(reply.headers["Location"]).text


def test_a_wrong_password_is_told_counted_and_written_down(site: Site, app: Flask, ann: str) -> None:
    replies = [log_in(app, ann, f"guess {number}") for number in range(11)]
    assert [reply.status_code for reply in replies] == [401] * 10 + [429]
    assert "user or password is wrong" in replies[0].text and "too many wrong logins" in replies[-1].text
    assert 'value="ann"' in replies[0].text and "guess" not in replies[0].text
    app.config["REFUSALS"].write()
    told = b"".join(site.database.audit.lines(0, 100))
    assert Kind.LOGIN_REFUSED.encode() in told and Kind.LOGIN_THROTTLED.encode() in told


@pytest.mark.parametrize("form", [{}, {"user": "ann"}, {"user": "x" * 65, "password": "y"}])
def test_half_a_login_is_a_wrong_one(app: Flask, form: dict[str, str]) -> None:
    reply = app.test_client().post("/login", data=form, headers=OURS)
    assert reply.status_code == 401 and "user or password is wrong" in reply.text


def test_who_has_logged_out_is_out(site: Site, app: Flask, browser: FlaskClient) -> None:
    token = browser.get_cookie(session.COOKIE)
    assert token and browser.post("/logout", headers=OURS).headers["Location"] == "/login"
    other = app.test_client()
    other.set_cookie(session.COOKIE, token.value)
    assert other.get("/").status_code == 303 and browser.get_cookie(session.COOKIE) is None


FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "https://evil"},
    {"Origin": "null"},
    {"Origin": "https://localhost.evil"},
)


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_page_of_another_site_changes_anything(
    app: Flask, browser: FlaskClient, ann: str, headers: dict[str, str]
) -> None:
    reply = browser.post("/logout", headers=headers)
    assert reply.status_code == 403 and "PV-711" in reply.text
    assert browser.get("/").status_code == 200, "nobody was logged out"
    form = {"user": ann, "password": PASSWORD}
    assert app.test_client().post("/login", data=form, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [OURS, {"Sec-Fetch-Site": "none"}, {"Origin": "https://localhost"}, {}])
def test_our_own_pages_do(browser: FlaskClient, headers: dict[str, str]) -> None:
    assert browser.post("/logout", headers=headers).status_code == 303


# --- every page ---


def test_each_page_has_the_policy_and_is_kept_nowhere(app: Flask, browser: FlaskClient) -> None:
    answers = [
        browser.get("/"),
        app.test_client().get("/login"),
        browser.get("/nothing-here"),
        browser.post("/"),
    ]
    assert [reply.status_code for reply in answers] == [200, 200, 404, 405]
    for reply in answers:
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'self'; base-uri 'none'")
        assert "unsafe" not in reply.headers["Content-Security-Policy"]
        assert reply.headers["Cache-Control"] == "no-store" and reply.mimetype == "text/html"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_what_the_policy_forbids_or_gives_escaping_up(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    assert not re.findall(r"\|\s*safe|autoescape|Markup|<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.findall(r"<script(?![^>]*(?:\ssrc=|application/json))", text)
    assert not re.findall(r"(?:src|href|action)=\"(?:https?:)?//", text), "another origin"


def test_what_is_not_ours_is_listed_with_its_licence_and_unchanged() -> None:
    listed = static_files.vendored()
    folder = static_files.FOLDER
    vendored = {
        path.name for path in folder.iterdir() if ".min." in path.name or path.name.startswith("xterm")
    }
    assert vendored <= set(listed)
    for name, about in listed.items():
        assert sha256((folder / name).read_bytes()).hexdigest() == about["sha256"], name
        assert (folder.parent / "licences" / about["text"]).read_text().strip(), name
        assert about["licence"] in ("0BSD", "MIT") and about["package"] and about["version"]


def test_a_file_is_kept_for_ever_by_an_address_that_changes_with_it(app: Flask) -> None:
    client, address = app.test_client(), ""
    with app.app_context():
        address = static_files.address("style.css")
    reply = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert (
        reply.headers["Cache-Control"].endswith("immutable") and reply.headers["Content-Encoding"] == "gzip"
    )
    plain = client.get(address)
    assert plain.data == (static_files.FOLDER / "style.css").read_bytes() and plain.mimetype == "text/css"
    name = address.rpartition("/")[2]
    assert [client.get(f"/static/{wrong}").status_code for wrong in (f"0/{name}", "0/vendored.json")] == [
        404,
        404,
    ]


def test_each_stage_looks_like_something_that_is_drawn() -> None:
    drawn = set(re.findall(r'id="(\w+)"', (static_files.FOLDER / "icons.svg").read_text()))
    tones = set(
        re.findall(r"^\.(\w+) \{ color", (static_files.FOLDER / "style.css").read_text(), re.MULTILINE)
    )
    assert set(look.STAGES) == set(Stage)
    known = [*look.STAGES.values(), *look.VERDICTS.values(), *look.CHECKS.values()]
    known += [look.NEW, look.PAUSED, look.STUCK, look.HELD, look.UNREADABLE]
    assert {each.icon for each in known} <= drawn and {each.tone for each in known} <= tones


def test_the_plain_address_leads_to_the_pages(site: Site) -> None:
    with Listener(site.settings.state, "web") as listener:
        client = create_app(site, listener, "web").test_client()
        for asked, told in (("10.77.0.1", "10.77.0.1"), ("localhost", "localhost"), ("evil", "10.77.0.1")):
            reply = client.get("/", headers={"Host": f"{asked}:80"})
            assert (reply.status_code, reply.headers["Location"]) == (303, f"https://{told}/")
        assert client.get("/t", headers={"Host": "10.77.0.1"}).headers["Location"] == "https://10.77.0.1/t"
        assert client.get("/hosts").status_code == 404
        assert client.get("/", environ_overrides={"PATH_INFO": "//"}).status_code == 404


# --- the first page ---


def test_it_says_what_needs_somebody_first(site: Site, browser: FlaskClient) -> None:
    rows = {row.stage: row for row in pagelab.fill(site)}
    text = text_of(browser)
    attention, rest = text.split('id="progress"')
    failed, rejected = rows[Stage.FAILED], rows[Stage.REJECTED]
    assert advice.sentence(failed.reason) in attention and "PV-210" in attention
    assert advice.sentence(failed.hint) in attention and f"/deployments/{failed.id}/retry" in attention
    assert rejected.host in attention and rows[Stage.NETBOOTING].host in rest
    done = rest.split('id="done"')[1]
    assert rows[Stage.READY].host in done and rows[Stage.CANCELLED].host not in text


def test_a_host_that_was_deployed_again_needs_nobody(site: Site, browser: FlaskClient) -> None:
    failed = next(row for row in pagelab.fill(site) if row.stage is Stage.FAILED)
    reason = advice.sentence(failed.reason)
    assert reason in text_of(browser)
    arm(site, site.database.hosts.get(failed.host), pagelab.image(), by="ann")
    assert reason not in text_of(browser)


def test_what_failed_alike_is_told_once(site: Site, browser: FlaskClient) -> None:
    rows = pagelab.fill(site, 30)
    failed = [row for row in rows if row.stage is Stage.FAILED]
    attention = text_of(browser).split('id="progress"')[0]
    assert len(failed) > 1 and attention.count(advice.sentence(failed[0].reason)) == 1
    assert all(f'href="/deployments/{row.id}">{row.host}</a>' in attention for row in failed)
    count = re.search(r'<a href="#attention">(\d+) need', attention)
    assert count and int(count[1]) == attention.count('id="t-')


def test_what_hinders_all_hosts_is_told_once_and_of_none(site: Site, browser: FlaskClient) -> None:
    rows = pagelab.fill(site)
    alive.mark_alive(site.settings.state, site.clock() - 600)
    text = text_of(browser)
    attention, rest = text.split('id="progress"')
    assert "The worker has not been heard for 10 m 00 s" in attention and "PV-674" not in text
    netbooting = next(row for row in rows if row.stage is Stage.NETBOOTING)
    assert netbooting.host in rest and f"t-{netbooting.id}" not in attention


def test_banners_name_what_concerns_everything(
    site: Site, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'class="banner"' not in text_of(browser)
    database, now = site.database, site.clock()
    database.values.put_rogue_servers(
        [RogueServer("10.77.0.9", "52:54:00:00:00:09", "lan0", offer="10.77.0.99")]
    )
    database.events.note(Event.of_network(ServiceReplaced(service="dhcp"), source="service", now=now))
    monkeypatch.setattr(checks, "LITTLE", 1e18)
    alive.mark_alive(site.settings.state, now - 600)
    text = text_of(browser)
    for told in (
        "10.77.0.9 (52:54:00:00:00:09)",
        "dhcp was started again",
        "are left on the disk",
        "for 10 m 00 s",
    ):
        assert told in text


def test_an_empty_site_says_what_to_do_first(site: Site, browser: FlaskClient) -> None:
    with site.database.writing():
        site.database.hosts.remove("vc-1")
    assert "Power a machine on" in text_of(browser)


def test_no_words_of_a_machine_become_a_part_of_the_page(site: Site, browser: FlaskClient) -> None:
    row = pagelab.fill(site)[9]
    for words in (SCRIPTED, *WORDS.values()):
        plain = words.encode("utf-8", "replace").decode()
        with site.database.writing():
            hurt = {"reason": plain, "hint": plain, "image": plain}
            site.database.deployments.put(row.model_copy(update=hurt))
        browser.application.extensions["live_parts"].forget()
        text = text_of(browser)
        assert "<script>alert" not in text and "<img" not in text, words
        assert not re.findall(r"<[^>]*\son\w+=", text), words


# --- what goes on by itself ---


def follow(client: FlaskClient, path: str = "/", seen: str = "") -> Any:
    return client.get(path, headers={"Accept": "text/event-stream", "Last-Event-ID": seen})


def first_of(reply: Any) -> Message:
    reader = EventStreamReader()
    return next(message for part in reply.iter_encoded() for message in reader.feed(part))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSE", 0.0)
    monkeypatch.setattr(live, "FRESH", 0.0)
    monkeypatch.setattr(live, "STALE", 0.0)


def test_the_live_part_is_sent_whole_and_only_when_it_says_something_else(
    site: Site, browser: FlaskClient
) -> None:
    row = pagelab.fill(site)[1]
    before = first_of(follow(browser))
    assert row.host in before.data and "<html" not in before.data and before.last_event_id
    site.clock.now += 30  # type: ignore[attr-defined]
    again = follow(browser, seen=before.last_event_id)
    parts = again.iter_encoded()
    assert next(parts).startswith(b"retry:")
    record(site, row.id, OrderCancelled(by="mia"), source="operator")
    reader = EventStreamReader()
    after = next(message for part in parts for message in reader.feed(part))
    assert after.last_event_id != before.last_event_id and row.id not in after.data
    again.close()


def test_times_alone_are_no_change() -> None:
    early, late = '<p><time datetime="x">1 s ago</time></p>', '<p><time datetime="x">9 s ago</time></p>'
    assert live.digest_of(early) == live.digest_of(late) != live.digest_of(late.replace('"x"', '"y"'))


def test_who_is_let_in_no_more_is_told_no_more(site: Site, app: Flask, ann: str) -> None:
    client = app.test_client()
    client.set_cookie(session.COOKIE, token_of(site, Role.TECHNICIAN, user=ann))
    parts = follow(client).iter_encoded()
    assert [b"retry" in next(parts), b"id:" in next(parts)] == [True, True]
    with site.database.writing():
        site.database.access_tokens.remove_of(ann)
    assert list(parts) == []


def test_many_look_at_what_is_rendered_once(
    site: Site, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    monkeypatch.setattr(live, "STALE", 60.0)
    make = rendering.live_part
    monkeypatch.setattr(rendering, "live_part", lambda shown: rendered.append("x") or make(shown))
    replies = [follow(browser) for _ in range(20)]
    assert len({first_of(reply).last_event_id for reply in replies}) == 1 and len(rendered) == 1


@pytest.mark.timeout(30)
def test_what_happens_between_a_page_and_its_stream_is_not_missed(
    site: Site, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FRESH", 0.5)
    monkeypatch.setattr(live, "STALE", 3600.0)
    row = pagelab.fill(site)[1]
    seen = first_of(follow(browser)).last_event_id
    record(site, row.id, OrderCancelled(by="mia"), source="operator")  # sooner than anything is rendered anew
    assert row.id not in first_of(follow(browser, seen=seen)).data


def test_what_is_not_there_is_not_followed(browser: FlaskClient) -> None:
    assert follow(browser, "/hosts/vc-9999").status_code == 404


def test_what_nobody_looks_at_any_more_is_forgotten(site: Site, browser: FlaskClient) -> None:
    for number in range(3 * live.KEPT):
        browser.get(f"/?n={number}")
    assert len(browser.application.extensions["live_parts"]._kept) == live.KEPT


def test_so_many_may_be_followed(site: Site, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST", 2)
    kept = [follow(browser) for _ in range(2)]
    refused = follow(browser)
    assert refused.status_code == 429 and "PV-710" in refused.text
    kept[0].close()
    assert follow(browser).status_code == 200


def test_the_table_has_each_page_once() -> None:
    keys = [(page.method, page.path) for page in PAGES]
    assert len(keys) == len(set(keys)) and len({page.name for page in PAGES}) == len(PAGES)
    assert json.dumps([page.name for page in PAGES]).isascii()
