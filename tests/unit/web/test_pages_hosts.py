"""The table of hosts, what is ordered of many of them, and a list of hosts that is imported."""

import io
import re
from collections.abc import Callable, Iterator
from html import unescape

import pytest

from provisioner.domain.person import Role
from provisioner.site.site import Site
from tests import pagelab
from tests.hostile_words import WORDS
from tests.unit.web.hosts_lab import NASTY, As, Browser, browsers, field, words

HEADINGS = "name,mac,serial,rack,profile,bmc\n"


@pytest.fixture
def browser(site: Site) -> Iterator[As]:
    with browsers(site) as found:
        yield found


@pytest.fixture
def filled(site: Site) -> Site:
    pagelab.fill(site)
    return site


def names(page: str) -> list[str]:
    return re.findall(r'<tr id="h-([\w-]+)">', page)


def counts(page: str) -> dict[str, int]:
    found = re.findall(r'id="kind-([\w-]+)".*?class="count">(\d+)<', page, flags=re.DOTALL)
    return {kind: int(number) for kind, number in found}


def statements(site: Site, act: Callable[[], object]) -> list[str]:
    """What SQLite is asked meanwhile by this thread."""
    told: list[str] = []
    site.database.db.conn.set_trace_callback(told.append)
    act()
    site.database.db.conn.set_trace_callback(None)
    return told


def test_every_host_is_there_with_what_it_is_known_by(browser: As, filled: Site) -> None:
    page = browser(Role.VIEWER).see("/hosts")
    assert len(names(page)) == 15
    row = page.split('id="h-vc-0009"')[1].split("</tr>")[0]
    for told in ("rejected", "vc-0009", "B1/U38", "vault-os@2026.11.2", "S210009", "ac:1f:6b:0a:00:09"):
        assert told in row
    assert "never deployed" in page.split('id="h-vc-1"')[1].split("</tr>")[0]
    assert page.count('scope="col"') == 8 and page.count('scope="row"') == 15


@pytest.mark.parametrize(
    "query, wanted",
    [
        ("text=vc-0003", ["vc-0003"]),
        ("text=S210004", ["vc-0004"]),
        ("text=ac1f6b0a0005", ["vc-0005"]),
        ("text=AC-1F-6B-0A-00-06", ["vc-0006"]),
        ("text=b2+vc-0012", ["vc-0012"]),
        ("state=failed", ["vc-0010"]),
        ("state=unsuccessful", ["vc-0009", "vc-0010"]),
        ("state=never", ["vc-1", "vc-0013", "vc-0014"]),
        ("rack=B2&state=cancelled", ["vc-0011"]),
        ("image=vault-os@2026.11.2&state=ready", ["vc-0008"]),
        ("profile=cube&text=vc-0014", ["vc-0014"]),
        ("select=state%3Dready%7Crejected", ["vc-0008", "vc-0009"]),
        ("select=name%3Dvc-000*,state!%3Dready&state=writing", ["vc-0004"]),
        ("text=nobody", []),
    ],
)
def test_the_address_says_which_hosts_are_shown(
    browser: As, filled: Site, query: str, wanted: list[str]
) -> None:
    page = browser(Role.VIEWER).see(f"/hosts?{query}")
    assert names(page) == wanted
    assert ("No host matches." in page) == (not wanted)


def test_what_is_asked_for_stays_in_the_form(browser: As, filled: Site) -> None:
    page = browser(Role.VIEWER).see("/hosts?text=vc&rack=B2&select=state%21%3Dready&state=never&sort=-rack")
    assert field(page, "text") == "vc" and field(page, "select") == "state!=ready"
    assert '<option value="B2" selected>B2</option>' in page and field(page, "state") == "never"
    assert '<option value="-rack" selected>' in page
    assert "/hosts?text=vc&amp;rack=B2" in page, "a link to another state keeps the rest"


@pytest.mark.parametrize(
    ("query", "is_open"), [("", False), ("text=vc", False), ("rack=B1", True), ("select=rack%3DB1/*", True)]
)
def test_filters_are_open_where_one_is_set(browser: As, filled: Site, query: str, is_open: bool) -> None:
    page = browser(Role.VIEWER).see(f"/hosts?{query}")
    assert ('<details class="folded" open>' in page) == is_open and '<details class="folded' in page


@pytest.mark.parametrize(
    "column", ["state", "name", "rack", "address", "image", "serial", "changed", "locked"]
)
def test_each_column_sorts_both_ways(browser: As, filled: Site, column: str) -> None:
    viewer = browser(Role.VIEWER)
    up, down = viewer.see(f"/hosts?sort={column}"), viewer.see(f"/hosts?sort=-{column}")
    assert sorted(names(up)) == sorted(names(down))
    assert up.count('aria-sort="ascending"') == 1 and down.count('aria-sort="descending"') == 1


def test_numbers_in_names_sort_as_numbers(browser: As, filled: Site) -> None:
    viewer = browser(Role.VIEWER)
    assert names(viewer.see("/hosts?sort=name"))[-1] == "vc-0014"
    racks = re.findall(r'class="place">([^<]*)<', viewer.see("/hosts?sort=rack"))
    assert racks[:3] == ["B1/U6", "B1/U10", "B1/U14"] and racks[-1] == ""
    assert names(viewer.see("/hosts?sort=changed"))[0] == "vc-0001"


def test_hosts_are_counted_by_state_whatever_state_is_shown(browser: As, filled: Site) -> None:
    viewer = browser(Role.VIEWER)
    wanted = {
        "all": 15,
        "stuck": 1,
        "under-way": 8,
        "unsuccessful": 2,
        "ready": 1,
        "cancelled": 1,
        "never": 3,
        "locked": 0,
    }
    assert counts(viewer.see("/hosts")) == counts(viewer.see("/hosts?state=ready")) == wanted
    assert counts(viewer.see("/hosts?rack=B2"))["all"] == 5


def test_a_wrong_selection_is_told_and_shows_nobody(browser: As, filled: Site) -> None:
    page = browser(Role.OPERATOR).see("/hosts?select=colour%3Dred")
    assert "&#39;colour&#39; is none of name, rack" in page and "PV-103" in page
    assert names(page) == [] and 'id="chosen"' not in page


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "page=99999999999", "sort=x", "state=x"])
def test_nonsense_in_the_address_counts_as_not_said(browser: As, filled: Site, query: str) -> None:
    assert len(names(browser(Role.VIEWER).see(f"/hosts?{query}"))) == 15


def test_many_hosts_are_shown_a_hundred_at_a_time(browser: As, site: Site) -> None:
    pagelab.fill(site, 180)
    viewer = browser(Role.VIEWER)
    first, second = viewer.see("/hosts"), viewer.see("/hosts?page=2")
    assert (len(names(first)), len(names(second))) == (100, 81)
    assert not set(names(first)) & set(names(second))
    assert "1 to 100 of 181" in first and 'rel="next"' in first and 'rel="prev"' in second
    assert names(viewer.see("/hosts?page=77")) == names(second)


@pytest.mark.parametrize("path", ["/hosts", "/hosts?state=ready&sort=rack"])
def test_the_table_takes_as_many_statements_for_many_hosts_as_for_few(
    site: Site, browser: As, path: str
) -> None:
    viewer = browser(Role.VIEWER)
    pagelab.fill(site, 14)
    for _ in range(2):  # at first what hinders those under way is looked for, some at a time
        viewer.see_anew(path)
    few = statements(site, lambda: viewer.see_anew(path))
    pagelab.fill(site, 160, first=15)
    for _ in range(10):
        viewer.see_anew(path)
    many = statements(site, lambda: viewer.see_anew(path))
    assert len(many) == len(few) < 20 and any("FROM deployments" in each for each in few), few


def test_who_waits_for_the_first_that_matches_can_order_it_then(browser: As, filled: Site) -> None:
    page = browser(Role.OPERATOR).see("/hosts?text=nobody-yet")
    assert "No host matches." in page and 'id="chosen"' in page, "only the table is drawn anew"


def test_who_may_not_order_has_nothing_to_choose(browser: As, filled: Site) -> None:
    for role in (Role.VIEWER, Role.TECHNICIAN):
        page = browser(role).see("/hosts")
        assert 'type="checkbox"' not in page and "/hosts/import" not in page and 'id="chosen"' not in page
        assert browser(role).post("/hosts/preflight", host="vc-0013").status_code == 403
        assert browser(role).post("/hosts/order", host="vc-0013").status_code == 403
        assert browser(role).get("/hosts/import").status_code == 403
    assert 'id="c-vc-0013"' in browser(Role.OPERATOR).see("/hosts")


def test_without_a_host_it_says_what_comes_first(browser: As, site: Site) -> None:
    with site.database.writing():
        site.database.hosts.remove("vc-1")
    page = browser(Role.OPERATOR).see("/hosts")
    assert "No host is known yet." in page and 'href="/network"' in page and 'href="/hosts/import"' in page
    assert "<table" not in page


def test_only_who_is_logged_in_sees_hosts(site: Site, browser: As) -> None:
    viewer = browser(Role.VIEWER)
    viewer.log_out()
    reply = viewer.get("/hosts")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/login?next=%2Fhosts")


def test_whatever_is_asked_for_is_only_text(browser: As, filled: Site) -> None:
    operator = browser(Role.OPERATOR)
    for typed in (*NASTY, *[text for text in WORDS.values() if "\ud800" not in text]):
        reply = operator.get("/hosts", text=typed, rack=typed, select=typed)
        assert reply.status_code == 200, typed
        for part in ("<script>alert", "<img", 'href="javascript'):
            assert part not in reply.text, typed


class TestOrdersOfMany:
    """Chosen in the table, shown, confirmed by their number."""

    def plan(self, operator: Browser, *hosts: str, **more: object) -> str:
        reply = operator.post("/hosts/preflight", host=list(hosts), **more)
        assert reply.status_code == 200, reply.text
        return reply.text

    def test_each_plan_is_shown_and_who_is_left_out(self, browser: As, filled: Site) -> None:
        filled.database.hosts.put(filled.database.hosts.get("vc-0014").model_copy(update={"locked": True}))
        page = self.plan(browser(Role.OPERATOR), "vc-0013", "vc-0014", "vc-0004", image="vault-os@2026.11.2")
        erased, left = page.split('id="left"')
        assert "vc-0013" in erased and "vault-os@2026.11.2" in erased
        assert "vc-0014 is locked" in left and "vc-0004 is being deployed already" in left
        assert "All that is on this disk" in page and "2 hosts are left out" in page
        assert len(field(page, "shown")) == 64

    def test_the_right_number_orders_a_run(self, browser: As, filled: Site) -> None:
        operator = browser(Role.OPERATOR)
        page = self.plan(operator, "vc-0013", "vc-0014", canary="1", max_parallel="2", until="writing")
        told = {name: field(page, name) for name in ("hosts", "shown")}
        carried = {"canary": "1", "max_parallel": "2", "until": "writing"}
        for name, value in carried.items():
            assert f'<input type="hidden" name="{name}" value="{value}">' in page
        reply = operator.post("/hosts/order", **told, **carried, expect_count="2")
        assert reply.status_code == 303
        run = filled.database.runs.get(reply.headers["Location"].removeprefix("/runs/"))
        assert (run.canary, run.max_parallel, run.until, run.by) == (1, 2, "writing", "a-operator")
        assert run.select == "vc-0013, vc-0014"
        assert {row.host for row in filled.database.deployments.of_run(run.id)} == {"vc-0013", "vc-0014"}

    def test_its_button_says_what_it_does(self, browser: As, filled: Site) -> None:
        terms = {"canary": "1", "stop_after": "3", "image": "vault-os@2026.11.2"}
        page = self.plan(browser(Role.OPERATOR), "vc-0013", "vc-0014", **terms)
        assert "Erase 2 disks and write vault-os@2026.11.2</button>" in page
        confirmed = words(page)
        assert "Canaries 1 host first" in confirmed and "Gives up after 3 failures" in confirmed
        assert "data-replan" in page, "what is changed above is shown before it is ordered"

    @pytest.mark.parametrize("count", ["", "1", "3", "two", "-2", "2.0", "99999999999"])
    def test_a_wrong_number_orders_nothing(self, browser: As, filled: Site, count: str) -> None:
        operator = browser(Role.OPERATOR)
        shown = field(self.plan(operator, "vc-0013", "vc-0014"), "shown")
        reply = operator.post("/hosts/order", hosts="vc-0013 vc-0014", shown=shown, expect_count=count)
        assert reply.status_code in (400, 409) and 'role="alert"' in reply.text
        assert filled.database.deployments.last_of("vc-0013") is None
        assert field(reply.text, "shown") == shown, "it can be confirmed again"

    def test_what_is_otherwise_than_shown_is_not_ordered(self, browser: As, filled: Site) -> None:
        operator = browser(Role.OPERATOR)
        shown = field(self.plan(operator, "vc-0013", "vc-0014"), "shown")
        filled.database.hosts.put(filled.database.hosts.get("vc-0014").model_copy(update={"serial": "X1"}))
        reply = operator.post("/hosts/order", hosts="vc-0013 vc-0014", shown=shown, expect_count="2")
        assert reply.status_code == 409 and "PV-146" in reply.text
        assert filled.database.deployments.last_of("vc-0013") is None
        assert field(reply.text, "shown") != shown

    def test_who_was_shown_nothing_orders_nothing(self, browser: As, filled: Site) -> None:
        reply = browser(Role.OPERATOR).post("/hosts/order", hosts="vc-0013 vc-0014", expect_count="2")
        assert reply.status_code == 409 and "PV-146" in reply.text
        assert filled.database.deployments.last_of("vc-0013") is None

    def test_all_that_fit_the_filter_are_meant(self, browser: As, filled: Site) -> None:
        operator = browser(Role.OPERATOR)
        page = self.plan(
            operator, "vc-0001", scope="fitting", **{"filter-state": "never", "filter-rack": "B2"}
        )
        assert field(page, "hosts") == "vc-0013 vc-0014"

    def test_nothing_chosen_is_told(self, browser: As, filled: Site) -> None:
        operator = browser(Role.OPERATOR)
        reply = operator.post("/hosts/preflight")
        assert reply.status_code == 400 and "No host was chosen." in reply.text
        assert operator.get("/hosts/preflight").headers["Location"] == "/hosts"

    def test_a_host_that_is_gone_is_told(self, browser: As, filled: Site) -> None:
        reply = browser(Role.OPERATOR).post("/hosts/preflight", host=["vc-0013", "gone-1"])
        assert reply.status_code == 200 and "it cannot be read: gone-1." in reply.text
        assert field(reply.text, "hosts") == "vc-0013"

    @pytest.mark.parametrize(
        "fields", [{"canary": "x"}, {"max_parallel": "1001"}, {"write_mode": "x"}, {"until": "x"}]
    )
    def test_each_wrong_option_is_told(self, browser: As, filled: Site, fields: dict[str, str]) -> None:
        reply = browser(Role.OPERATOR).post("/hosts/preflight", host="vc-0013", **fields)
        assert reply.status_code == 400 and next(iter(fields)) in reply.text.split("banner failed")[1]


class TestImport:
    """A table out of a spreadsheet."""

    ROWS = "vc-0013,ac:1f:6b:0a:00:0d,S210013,C9/U1,cube,\nnew-1,aa:bb:cc:00:00:01,N1,C9/U2,cube,10.77.1.9\n"

    def test_what_would_change_is_shown_and_then_taken(self, browser: As, filled: Site) -> None:
        operator = browser(Role.OPERATOR)
        page = operator.post("/hosts/import", table=HEADINGS + self.ROWS).text
        assert "B2/U14" in page and "C9/U1" in page and '<tr class="added"><td class="sign">+</td>' in page
        assert filled.database.hosts.get("vc-0013").rack == "B2/U14", "shown, not done"
        reply = operator.post(
            "/hosts/import", step="apply", table=HEADINGS + self.ROWS, shown=field(page, "shown")
        )
        assert reply.status_code == 303
        assert filled.database.hosts.get("vc-0013").rack == "C9/U1"
        assert filled.database.hosts.get("new-1").serial == "N1"

    def test_another_edit_of_the_meantime_is_not_written_over(self, browser: As, filled: Site) -> None:
        operator = browser(Role.OPERATOR)
        shown = field(operator.post("/hosts/import", table=HEADINGS + self.ROWS).text, "shown")
        filled.database.hosts.put(filled.database.hosts.get("vc-0013").model_copy(update={"serial": "other"}))
        reply = operator.post("/hosts/import", step="apply", table=HEADINGS + self.ROWS, shown=shown)
        assert reply.status_code == 409 and "PV-146" in reply.text
        assert filled.database.hosts.get("vc-0013").serial == "other"
        assert not filled.database.hosts.known(["new-1"])

    def test_every_fault_is_told_with_its_line(self, browser: As, filled: Site) -> None:
        wrong = "a-1,nonsense,,,cube,\n,aa:bb:cc:00:00:01,,,cube,\na-2,aa:bb:cc:00:00:02,,,cube,no-address\n"
        reply = browser(Role.OPERATOR).post("/hosts/import", table=HEADINGS + wrong)
        assert reply.status_code == 400
        for line in (2, 3, 4):
            assert f"line {line}" in reply.text
        assert "nonsense" in reply.text.split("<textarea")[1], "what was typed is still there"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
    def test_a_file_is_read_as_spreadsheets_write_it(self, browser: As, filled: Site, encoding: str) -> None:
        data = (HEADINGS + self.ROWS).replace(",", ";").encode(encoding)
        reply = browser(Role.OPERATOR).post("/hosts/import", file=(io.BytesIO(data), "hosts.csv"))
        assert (
            reply.status_code == 200 and "new-1" in reply.text and 'name="step" value="apply"' in reply.text
        )

    def test_a_profile_is_given_to_those_without_one(self, browser: As, filled: Site) -> None:
        operator, table = browser(Role.OPERATOR), "name,mac\nnew-1,aa:bb:cc:00:00:01\n"
        assert operator.post("/hosts/import", table=table).status_code == 400
        assert operator.post("/hosts/import", table=table, profile="cube").status_code == 200

    def test_what_is_so_already_has_nothing_to_take(self, browser: As, filled: Site) -> None:
        same = "name,mac\nvc-0013,ac:1f:6b:0a:00:0d\n"
        page = browser(Role.OPERATOR).post("/hosts/import", table=same).text
        assert "there is nothing to apply" in page and 'value="apply"' not in page

    @pytest.mark.parametrize("table", ["", "   ", "name,mac\n"])
    def test_an_empty_table_is_told(self, browser: As, filled: Site, table: str) -> None:
        assert browser(Role.OPERATOR).post("/hosts/import", table=table).status_code == 400

    def test_a_long_table_can_be_pasted(self, browser: As, filled: Site) -> None:
        rows = "".join(
            f"n-{number},02:00:00:00:{number >> 8:02x}:{number & 255:02x},,{'r' * 150},cube,\n"
            for number in range(40)
        )
        page = browser(Role.OPERATOR).post("/hosts/import", table=HEADINGS + rows + "\n" * 600_000)
        assert page.status_code == 200, page.text[-500:]

    def test_what_is_taken_is_what_was_pasted_to_the_letter(self, browser: As, filled: Site) -> None:
        operator = browser(Role.OPERATOR)
        before = filled.database.hosts.get("vc-0013").model_copy(update={"serial": "N\u00ad\u200b1"})
        filled.database.hosts.put(before)
        table = "name,mac,rack\r\nvc-0013,ac:1f:6b:0a:00:0d,B\u200b3/U1\r\n"
        page = operator.post("/hosts/import", table=table).text
        carried = unescape(page.split('name="table"', 1)[1].split(">", 1)[1].split("</textarea>")[0])
        assert carried == table
        reply = operator.post("/hosts/import", step="apply", table=carried, shown=field(page, "shown"))
        assert reply.status_code == 303, reply.text

    @pytest.mark.parametrize("words", NASTY)
    def test_what_a_table_says_is_only_text(self, browser: As, filled: Site, words: str) -> None:
        table = (
            f'name,mac,rack,profile\nnew-1,aa:bb:cc:00:00:01,"{words.replace(chr(34), chr(34) * 2)}",cube\n'
        )
        page = browser(Role.OPERATOR).post("/hosts/import", table=table).text
        assert "<script>alert" not in page and "<img" not in page
