"""Pages as Chromium shows them: by keyboard alone, live, without JavaScript, on a phone, for everybody."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, get_args

import pytest
from playwright.sync_api import expect

from provisioner.deployment.people import put_user, set_password
from provisioner.deployment.record import record
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.person import ROOT, Caller, Role
from provisioner.domain.progress import Progress
from provisioner.domain.stage import Stage
from provisioner.errors import RefusedError
from provisioner.web import event_stream
from provisioner.web.pages import live
from provisioner.web.pages.routes import PAGES
from tests.wire.web.pages import every_page
from tests.wire.web.pages.browserlab import Theme, window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Route

    from provisioner.state.notify import Listener
    from provisioner.web.pages.live import LivePart
    from tests.wire.web.pages.conftest import Served

PASSWORD = "several words together"
MOST_SHIFT = 0.02  # of the layout, by itself
THEMES: tuple[Theme, ...] = get_args(Theme)
FIRST_BYTES = 150_000  # of the first page with all that it needs
ALL = sorted(page.path for page in PAGES if page.method == "GET" and page.path not in every_page.NO_PAGES)
SHORT = ["/", "/hosts", "/t"]
SAYS = "([id, words]) => document.getElementById(id).textContent.includes(words)"
DAY, WARM = 5000, 500  # changes: of a busy day, and after which memory is first looked at


def test_a_first_login_by_keyboard_alone(browser: Browser, served: Served) -> None:
    root = Caller(name=ROOT, role=Role.ADMIN, way="socket")
    put_user(served.site, root, "theo", Role.TECHNICIAN, is_new=True)
    set_password(served.site, root, "theo", PASSWORD, "")
    with window(browser, served.url) as made:
        page = made.open("/")
        assert page.url.endswith("/login")
        page.keyboard.type("theo")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(served.url + "/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        names = []
        for _ in range(12):
            page.keyboard.press("Tab")
            names.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert "Hosts" in names and "Admin" not in names, names
        assert made.complaints == []


def test_what_changes_is_seen_and_nothing_moves_away(browser: Browser, served: Served) -> None:
    row = next(row for row in served.rows if row.stage is Stage.NETBOOTING)
    with window(browser, served.url, served.site) as made:
        page = made.open("/")
        there = page.locator(f"#m-{row.id}, #t-{row.id}")
        expect(there).to_have_count(1)
        record(served.site, row.id, OrderCancelled(by="mia"), source="operator")
        expect(there).to_have_count(0)
        assert made.shift() <= MOST_SHIFT and made.complaints == []


def test_what_a_reader_has_opened_stays_open(browser: Browser, served: Served) -> None:
    row = next(row for row in served.rows if row.stage is Stage.POWERING)
    with window(browser, served.url, served.site) as made:
        page = made.open("/")
        others = page.locator(f"#live article:not(:has(#t-{row.id})):has(details)")
        about = page.locator(f"#{others.first.get_attribute('id')} details").first
        about.locator("summary").press("Enter")
        expect(about).to_have_attribute("open", "")
        record(served.site, row.id, OrderCancelled(by="mia"), source="operator")
        expect(page.locator(f"#m-{row.id}, #t-{row.id}")).to_have_count(0)
        expect(about).to_have_attribute("open", "")
        about.locator("summary").click()
        expect(about).not_to_have_attribute("open", "")
        assert made.complaints == []


def test_times_go_on_by_themselves(browser: Browser, served: Served) -> None:
    with window(browser, served.url, served.site) as made:
        page = made.open("/")
        first = page.locator("time").first.text_content()
        page.wait_for_function("before => document.querySelector('time').textContent !== before", arg=first)


def test_a_page_whose_stream_is_refused_keeps_what_it_shows_and_goes_on_later(
    browser: Browser, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = next(row for row in served.rows if row.stage is Stage.SEALING)

    def refuse(*_: object) -> None:
        raise RefusedError("too many", code=710)

    monkeypatch.setattr("provisioner.web.pages.live.slots_of", refuse)
    with window(browser, served.url, served.site) as made:
        page = made.open(f"/deployments/{row.id}")
        expect(page.locator("#lost")).to_contain_text("Too many pages are open")
        stands = page.locator("#live .state").first
        expect(stands).not_to_have_text("cancelled")
        monkeypatch.setattr("provisioner.web.pages.live.slots_of", event_stream.slots_of)
        record(served.site, row.id, OrderCancelled(by="mia"), source="operator")
        expect(stands).to_have_text("cancelled")
        expect(page.locator("#lost")).to_be_hidden()


def test_a_page_goes_on_by_itself_however_late_its_scripts_come(browser: Browser, served: Served) -> None:
    row = next(row for row in served.rows if row.stage is Stage.VERIFYING)
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    with window(browser, served.url, served.site) as made:
        made.page.route("**/hx-sse.min.js", hold)
        with made.page.expect_request("**/hx-sse.min.js"):
            page = made.open(f"/deployments/{row.id}", until="commit")
        page.wait_for_function("() => 'htmx' in window")
        page.evaluate("() => new Promise(done => setTimeout(done, 100))")  # what htmx has put off is done
        late.pop().continue_()
        record(served.site, row.id, OrderCancelled(by="mia"), source="operator")
        expect(page.locator("#live .state").first).to_have_text("cancelled")
        assert made.complaints == []


def test_a_page_that_never_goes_on_by_itself_says_so(browser: Browser, served: Served) -> None:
    with window(browser, served.url, served.site) as made:
        made.page.route("**/hx-sse.min.js", lambda route: route.abort())
        page = made.open("/hosts")
        expect(page.locator("#lost")).to_be_visible()


def test_a_page_of_what_is_gone_says_so(browser: Browser, served: Served) -> None:
    with window(browser, served.url, served.site) as made:
        page = made.open("/hosts/vc-0014")
        with served.site.database.writing():
            served.site.database.hosts.remove("vc-0014")
        expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible(timeout=20_000)


def test_a_second_click_is_not_a_second_order(browser: Browser, served: Served) -> None:
    with window(browser, served.url, served.site) as made:
        page = made.open("/t/host/vc-0013/deploy")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.method))
        page.evaluate("""() => {
            const form = document.querySelector("form.confirm");
            form.querySelector("#confirmation").value = "9999";
            form.requestSubmit(); form.requestSubmit();
        }""")
        expect(page.locator("#wrong")).to_be_visible()
        assert asked.count("POST") == 1
        page.locator("#confirmation").fill("9998")
        page.get_by_role("button", name="Erase and deploy").click()
        expect(page.locator("#wrong")).to_be_visible()
        assert asked.count("POST") == 2, "a new page is a new form"


def test_the_plan_is_always_of_what_is_chosen(browser: Browser, served: Served) -> None:
    with window(browser, served.url, served.site) as made:
        page = made.open("/hosts/vc-0013/deploy")
        page.locator("select[name=write_mode]").select_option("wipe")
        expect(page.locator("form.confirm [name=write_mode]")).to_have_value("wipe")
        expect(page.locator("select[name=write_mode]")).to_be_focused()
        page.locator("select[name=write_mode]").select_option("full")
        page.locator("form.confirm button").click()
        expect(page.locator("form.confirm [name=write_mode]")).to_have_value("full")
        assert made.complaints == []


def test_reading_needs_no_script(browser: Browser, served: Served) -> None:
    with window(browser, served.url, served.site, script=False) as made:
        page = made.open("/")
        assert "No DHCP packet from its MAC since power-on" in (page.text_content("main") or "")
        page.click("nav >> text=Now")
        assert page.title().startswith("Now")


def test_the_first_page_is_small_and_quick_to_be_used(browser: Browser, served: Served) -> None:
    with window(browser, served.url, served.site) as made:
        page = made.open("/")
        received: list[int] = page.evaluate("""() => [
            ...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")
        ].map(each => each.transferSize)""")
        assert len(received) > 5 and sum(received) <= FIRST_BYTES, received
        interactive: float = page.evaluate(
            "() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        )
        print(f"measured: {sum(received)} bytes; usable after {interactive:.0f} ms")


@pytest.mark.parametrize("path", SHORT)
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_everybody_can_use_it(browser: Browser, served: Served, path: str, phone: bool) -> None:
    _judge(browser, served, path, phone)


@pytest.mark.long
@pytest.mark.parametrize("path", sorted(set(ALL) - set(SHORT)))
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_everybody_can_use_each_page(browser: Browser, served: Served, path: str, phone: bool) -> None:
    _judge(browser, served, path, phone)


def _judge(browser: Browser, served: Served, path: str, phone: bool) -> None:
    """axe-core finds nothing in either theme, nobody scrolls sideways, nothing moves, nobody complains."""
    site = None if path == "/login" else served.site
    with window(browser, served.url, site, phone=phone) as made:
        page = made.open(every_page.path_of(path))
        page.wait_for_timeout(300)  # what would move by itself has moved by then
        assert made.shift() <= MOST_SHIFT
        found = [one for theme in THEMES for one in made.violations(theme)]
        assert not found, "\n".join(found)
        assert made.is_within_its_width() and made.complaints == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_page_that_is_left_open_for_a_day_keeps_its_memory(
    browser: Browser, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAUSE", 0.0)  # a day in minutes
    monkeypatch.setattr(live, "FRESH", 0.0)
    sent: SimpleQueue[bytes] = SimpleQueue()
    messages = live._messages

    def noted(look: Callable[[], LivePart], listener: Listener, seen: str) -> Iterator[bytes]:
        for each in messages(look, listener, seen):
            if each.startswith(b"id:"):
                sent.put(each[:40])
            yield each

    monkeypatch.setattr(live, "_messages", noted)
    with window(browser, served.url, served.site) as made:
        page = made.open("/")
        tools = page.context.new_cdp_session(page)
        seen: list[tuple[int, int, int]] = []
        row = next(row for row in served.rows if page.locator(f"#m-{row.id}").count())
        sent.get(timeout=30)  # what was there already
        for number in range(DAY):
            now = served.site.clock()
            moved = Progress(phase="writing", done=number << 20, total=DAY << 20, reported=now, moved=now)
            update = {"stage": Stage.WRITING, "stage_since": now, "last_event_at": now, "progress": moved}
            with served.site.database.writing():
                served.site.database.deployments.put(row.model_copy(update=update))
            sent.get(timeout=30)
            if number in (WARM, DAY - 1):
                page.wait_for_function(SAYS, arg=[f"m-{row.id}", moved.summary(now).split(",")[0]])
                tools.send("HeapProfiler.collectGarbage")
                heap = tools.send("Runtime.getHeapUsage")["usedSize"]
                dom = tools.send("Memory.getDOMCounters")
                seen.append((heap, dom["nodes"], dom["jsEventListeners"]))
        print(f"measured: {DAY} changes; heap, nodes, listeners: {seen}")
        (heap, nodes, listeners), (later, more_nodes, more_listeners) = seen
        assert later <= heap + (1 << 20), seen
        assert more_nodes <= 1.2 * nodes and more_listeners <= 1.2 * listeners, seen
