"""The pages of one host: how it stands, what is ordered of it, and what the inventory says of it."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from provisioner.deployment import rendering
from provisioner.domain.deployment import Deployment
from provisioner.domain.person import Role
from provisioner.domain.profile import Hints, Profile
from provisioner.domain.purpose import Purpose
from provisioner.site.site import Site
from tests import pagelab
from tests.unit.web.hosts_lab import NASTY, As, Browser, browsers, change, field, words

NEW, READY, WRITING = "vc-0013", "vc-0008", "vc-0004"
TYPED = {"confirmation": "0013"}  # the last four of its serial


@pytest.fixture
def browser(site: Site) -> Iterator[As]:
    pagelab.fill(site)
    with browsers(site) as found:
        yield found


@pytest.fixture
def operator(browser: As) -> Browser:
    return browser(Role.OPERATOR)


def last(site: Site, name: str = NEW) -> Deployment | None:
    return site.database.deployments.last_of(name)


class TestHost:
    """The page of one host."""

    def test_it_says_what_it_is_and_how_it_stands(self, browser: As) -> None:
        said = words(browser(Role.VIEWER).see("/hosts/vc-0010"))
        for told in ("vc-0010", "failed", "S210010", "ac:1f:6b:0a:00:0a", "no DHCP packet", "PV-210"):
            assert told in said
        assert "It was never deployed" in words(browser(Role.VIEWER).see(f"/hosts/{NEW}"))

    def test_a_start_by_kexec_is_no_start_by_the_firmware(self, site: Site, browser: As) -> None:
        viewer, row = browser(Role.VIEWER), last(site, READY)
        assert row
        pages = (f"/hosts/{READY}", f"/deployments/{row.id}")
        for changed, told in (
            (row.changed(started_by="kexec"), "its firmware was not seen yet to start this disk"),
            (row.changed(started_by="kexec", firmware_boot=1.8e9 - 60), "was seen to start this disk"),
        ):
            with site.database.writing():
                site.database.deployments.put(changed)
            for page in pages:
                said = words(viewer.see_anew(page))
                assert told in said, page
                assert (f"prove-boot {READY}" in said) == changed.lacks_firmware_boot

    def test_nobody_is_shown_what_he_may_not_do(self, browser: As) -> None:
        wanted = {Role.VIEWER: (False, False), Role.TECHNICIAN: (True, False), Role.OPERATOR: (True, True)}
        for role, may in wanted.items():
            page = browser(role).see(f"/hosts/{NEW}")
            assert (f"{NEW}/deploy" in page, f"{NEW}/remove" in page) == may
            assert (f"{NEW}/lock" in page, f"{NEW}/edit" in page) == may

    @pytest.mark.parametrize(("name", "first"), [(NEW, "Deploy…"), (WRITING, "Open the deployment")])
    def test_what_is_done_first_depends_on_how_it_stands(self, browser: As, name: str, first: str) -> None:
        page = browser(Role.TECHNICIAN).see(f"/hosts/{name}")
        buttons = page.partition('id="actions"')[2].partition("</div>")[0]
        assert page.index('id="standing"') < page.index('id="actions"')
        assert re.findall(r'<a role="button" href="[^"]*">([^<]*)</a>', buttons) == [first]

    @pytest.mark.parametrize("tail", ["deploy", "verify", "power", "rename", "remove", "move", "edit"])
    def test_what_changes_it_is_refused_to_who_only_looks(self, browser: As, tail: str) -> None:
        viewer = browser(Role.VIEWER)
        assert viewer.get(f"/hosts/{NEW}/{tail}").status_code == 403
        posted = "bmc" if tail == "power" else tail
        assert viewer.post(f"/hosts/{NEW}/{posted}", **TYPED).status_code == 403

    @pytest.mark.parametrize("known_by", ["S210013", "AC-1F-6B-0A-00-0D"])
    def test_its_serial_and_its_mac_lead_to_it(self, operator: Browser, known_by: str) -> None:
        for tail in ("", "/deploy", "/edit"):
            assert operator.get(f"/hosts/{known_by}{tail}").headers["Location"] == f"/hosts/{NEW}{tail}"

    @pytest.mark.parametrize("tail", ["", "/deploy", "/verify", "/edit", "/remove", "/move", "/render"])
    def test_one_that_is_not_there_is_told(self, operator: Browser, tail: str) -> None:
        reply = operator.get(f"/hosts/vc-99{tail}")
        assert reply.status_code == 404 and "vc-99" in words(reply.text)

    @pytest.mark.parametrize("text", NASTY)
    @pytest.mark.parametrize("tail", ["", "/deploy", "/edit", "/remove", "/move?to=vc-1"])
    def test_what_an_inventory_says_is_only_text(
        self, site: Site, operator: Browser, text: str, tail: str
    ) -> None:
        change(site, NEW, rack=text, serial=text)
        page = operator.see(f"/hosts/{NEW}{tail}")
        assert "<script>alert" not in page and "<img" not in page and 'href="javascript' not in page
        assert text in unescape(page)


class TestDeploy:
    """What is erased is shown, and confirmed as it was shown."""

    def shown(self, browser: Browser) -> str:
        return field(browser.see(f"/hosts/{NEW}/deploy"), "shown")

    def test_the_right_answer_orders_it_as_was_chosen(self, site: Site, browser: As) -> None:
        technician = browser(Role.TECHNICIAN)
        page = technician.see(f"/hosts/{NEW}/deploy?write_mode=wipe&stop_after=writing")
        assert "last 4 of the serial" in page and "vault-os@2026.11.2" in page
        assert page.count('type="hidden" name="write_mode" value="wipe"') == 1
        image = page.split("<dt>Image</dt><dd>")[1].split(",")[0]
        assert f"Erase and write {image}</button>" in page and "data-replan" in page
        assert "Writes zeros everywhere, then the image Stops after writing" in words(page)
        reply = technician.post(
            f"/hosts/{NEW}/deploy",
            shown=field(page, "shown"),
            **TYPED,
            write_mode="wipe",
            stop_after="writing",
        )
        row = last(site)
        assert row and reply.headers["Location"] == f"/deployments/{row.id}"
        assert (row.armed_by, row.stop_after, row.write_mode) == ("a-technician", "writing", "wipe")

    @pytest.mark.parametrize("typed", ["", "0014", "vc-0013", "yes"])
    def test_a_wrong_answer_orders_nothing(self, site: Site, operator: Browser, typed: str) -> None:
        shown = self.shown(operator)
        reply = operator.post(f"/hosts/{NEW}/deploy", shown=shown, confirmation=typed)
        assert reply.status_code == 409 and "PV-133" in reply.text and 'aria-invalid="true"' in reply.text
        assert field(reply.text, "shown") == shown and last(site) is None

    def test_what_is_otherwise_than_shown_is_shown_anew(self, site: Site, operator: Browser) -> None:
        shown = self.shown(operator)
        change(site, NEW, serial="S990013")
        reply = operator.post(f"/hosts/{NEW}/deploy", shown=shown, **TYPED)
        assert reply.status_code == 409 and "PV-146" in reply.text and last(site) is None
        assert (
            operator.post(f"/hosts/{NEW}/deploy", shown=field(reply.text, "shown"), **TYPED).status_code
            == 303
        )

    @pytest.mark.parametrize("shown", ["", "x", "0" * 64])
    def test_who_was_shown_nothing_orders_nothing(self, site: Site, operator: Browser, shown: str) -> None:
        reply = operator.post(f"/hosts/{NEW}/deploy", shown=shown, **TYPED)
        assert reply.status_code == 409 and "PV-146" in reply.text and last(site) is None

    def test_what_stands_against_it_is_told_instead_of_the_question(
        self, site: Site, operator: Browser
    ) -> None:
        shown = self.shown(operator)
        change(site, NEW, locked=True)
        page = operator.see(f"/hosts/{NEW}/deploy")
        assert "It cannot be deployed now" in page and "PV-131" in page and 'name="confirmation"' not in page
        assert operator.post(f"/hosts/{NEW}/deploy", shown=shown, **TYPED).status_code == 409
        assert last(site) is None

    def test_only_an_operator_gives_up_what_is_not_ours(self, site: Site, browser: As) -> None:
        technician = browser(Role.TECHNICIAN)
        assert 'name="erase_foreign"' not in technician.see(f"/hosts/{NEW}/deploy")
        assert 'name="erase_foreign"' in browser(Role.OPERATOR).see(f"/hosts/{NEW}/deploy")
        shown = field(technician.see(f"/hosts/{NEW}/deploy?erase_foreign=on"), "shown")
        reply = technician.post(f"/hosts/{NEW}/deploy", shown=shown, **TYPED, erase_foreign="on")
        assert reply.status_code == 403 and last(site) is None

    def test_each_wrong_option_is_told(self, operator: Browser) -> None:
        for query in ("write_mode=x", "stop_after=x", "image=nothing@9"):
            page = operator.see(f"/hosts/{NEW}/deploy?{query}")
            assert 'role="alert"' in page and 'name="confirmation"' not in page, query


def test_a_verification_is_confirmed_by_the_hosts_name(site: Site, browser: As) -> None:
    technician, before = browser(Role.TECHNICIAN), last(site, READY)
    refused = technician.post(f"/hosts/{READY}/verify", confirmation="yes")
    assert refused.status_code == 409 and "PV-133" in refused.text and last(site, READY) == before
    reply = technician.post(f"/hosts/{READY}/verify", confirmation=READY)
    ordered = {row.id: row for row in site.database.deployments.newest(100)}
    row = ordered[reply.headers["Location"].removeprefix("/deployments/")]
    assert (row.host, row.purpose, row.armed_by) == (READY, Purpose.VERIFY, "a-technician")


def test_what_was_never_deployed_cannot_be_verified(operator: Browser) -> None:
    reply = operator.post(f"/hosts/{NEW}/verify", confirmation=NEW)
    assert reply.status_code == 404 and "PV-577" in reply.text


def test_a_technician_locks_and_an_operator_unlocks(site: Site, browser: As) -> None:
    technician, operator = browser(Role.TECHNICIAN), browser(Role.OPERATOR)
    assert "It is locked" in technician.see(technician.post(f"/hosts/{NEW}/lock").headers["Location"])
    assert site.database.hosts.get(NEW).locked and f"{NEW}/unlock" not in technician.see(f"/hosts/{NEW}")
    assert technician.post(f"/hosts/{NEW}/unlock").status_code == 403
    assert f"{NEW}/unlock" in operator.see(f"/hosts/{NEW}")
    assert "It is unlocked" in operator.see(operator.post(f"/hosts/{NEW}/unlock").headers["Location"])
    assert not site.database.hosts.get(NEW).locked


def test_a_host_is_renamed(site: Site, operator: Browser) -> None:
    reply = operator.post(f"/hosts/{NEW}/rename", name=" vc-77 ")
    assert "It has its new name" in operator.see(reply.headers["Location"])
    assert site.database.hosts.get("vc-77").serial == "S210013" and not site.database.hosts.known([NEW])


@pytest.mark.parametrize(
    "host, name, code",
    [(NEW, "vc-1", 144), (NEW, "", 100), (NEW, "a b", 100), (NEW, "S210008", 100), (WRITING, "vc-77", 132)],
)
def test_a_name_that_cannot_be_is_told(
    site: Site, operator: Browser, host: str, name: str, code: int
) -> None:
    reply = operator.post(f"/hosts/{host}/rename", name=name)
    assert reply.status_code in (400, 409) and f"PV-{code}" in reply.text
    assert field(reply.text, "name") == (name or host) and site.database.hosts.known([host])


class TestRemoval:
    """What would be forgotten is tried first."""

    def test_it_is_shown_and_then_confirmed_by_its_name(self, site: Site, operator: Browser) -> None:
        assert "S210013" in operator.see(f"/hosts/{NEW}/remove") and site.database.hosts.known([NEW])
        reply = operator.post(f"/hosts/{NEW}/remove", confirmation="vc-0014")
        assert reply.status_code == 409 and "PV-133" in reply.text and site.database.hosts.known([NEW])
        there = operator.post(f"/hosts/{NEW}/remove", confirmation=NEW).headers["Location"]
        assert there.startswith(f"/hosts?told=removed&of={NEW}&")
        assert not site.database.hosts.known([NEW])

    def test_why_it_cannot_be_is_told_before_it_is_asked(self, site: Site, operator: Browser) -> None:
        change(site, NEW, locked=True)
        for host, code in ((NEW, 131), (WRITING, 132)):
            page = operator.see(f"/hosts/{host}/remove")
            assert f"PV-{code}" in page and 'name="confirmation"' not in page
            assert operator.post(f"/hosts/{host}/remove", confirmation=host).status_code == 409
            assert site.database.hosts.known([host])


class TestMove:
    """After a mainboard was moved."""

    def told(self, operator: Browser) -> dict[str, str]:
        page = operator.see(f"/hosts/{NEW}/move?to=vc-0014")
        assert "S210013" in page and "S210014" in page
        return {name: field(page.split("<form")[-1], name) for name in ("to", "source", "target")}

    def test_what_both_are_is_shown_and_then_confirmed(self, site: Site, operator: Browser) -> None:
        told = self.told(operator)
        refused = operator.post(f"/hosts/{NEW}/move", **told, confirmation=NEW)
        assert refused.status_code == 409 and "PV-133" in refused.text and site.database.hosts.known([NEW])
        reply = operator.post(f"/hosts/{NEW}/move", **told, confirmation="vc-0014")
        assert reply.headers["Location"].startswith("/hosts/vc-0014?told=moved&")
        assert site.database.hosts.get("vc-0014").serial == "S210013" and not site.database.hosts.known([NEW])

    def test_another_edit_of_the_meantime_holds_it_up(self, site: Site, operator: Browser) -> None:
        told = self.told(operator)
        change(site, "vc-0014", rack="C1/U1")
        reply = operator.post(f"/hosts/{NEW}/move", **told, confirmation="vc-0014")
        assert reply.status_code == 409 and "rack was changed" in reply.text
        assert site.database.hosts.known([NEW])

    @pytest.mark.parametrize("to", [NEW, WRITING, "vc-99"])
    def test_where_it_cannot_go_is_told(self, operator: Browser, to: str) -> None:
        reply = operator.get(f"/hosts/{NEW}/move", to=to)
        assert reply.status_code in (400, 404, 409) and to in words(reply.text)
        assert 'name="confirmation"' not in reply.text


class TestEdit:
    """The form keeps what it does not show, and writes over nobody's edit."""

    def form(self, operator: Browser, **changes: str) -> dict[str, str]:
        page = operator.see(f"/hosts/{NEW}/edit")
        names = ("shown", "serial", "uuid", "rack")
        macs = unescape(page.split("<textarea")[1].split(">", 1)[1].split("</textarea>")[0])
        told = {name: field(page, name) for name in names}
        return {**told, "macs": macs, "profile": "cube", "bmc.driver": "manual", **changes}

    def test_what_is_typed_is_kept_and_the_rest_stays(self, site: Site, operator: Browser) -> None:
        change(site, NEW, disk=Hints(serial="S64"), locked=True)
        form = self.form(operator, rack="C1/U1", macs="02:00:00:00:00:0a\nac:1f:6b:0a:00:0d")
        form |= {"bmc.driver": "redfish", "bmc.address": "10.77.0.9", "bmc.secret": "rack"}
        assert "is kept" in operator.see(operator.post(f"/hosts/{NEW}/edit", **form).headers["Location"])
        host = site.database.hosts.get(NEW)
        assert (host.rack, host.serial, host.locked) == ("C1/U1", "S210013", True)
        assert host.macs == ("02:00:00:00:00:0a", "ac:1f:6b:0a:00:0d") and host.disk == Hints(serial="S64")
        assert (host.bmc.driver, host.bmc.port, host.bmc.verify) == ("redfish", 443, False)

    def test_another_edit_of_the_meantime_is_not_written_over(self, site: Site, operator: Browser) -> None:
        form = self.form(operator, rack="C1/U1")
        change(site, NEW, serial="S99")
        for _ in range(2):
            reply = operator.post(f"/hosts/{NEW}/edit", **form)
            assert reply.status_code == 409 and "serial of vc-0013 was changed" in reply.text
            assert field(reply.text, "rack") == "C1/U1" and "Start again" in reply.text
            form["shown"] = field(reply.text, "shown")
        assert site.database.hosts.get(NEW).rack == "B2/U14"

    @pytest.mark.parametrize(
        "changes",
        [
            {"macs": "nonsense"},
            {"macs": "ac:1f:6b:0a:00:08"},
            {"serial": "S210008"},
            {"profile": "none"},
            {"bmc.driver": "x"},
            {"bmc.driver": "ipmi", "bmc.address": "x"},
            {"bmc.driver": "ipmi", "bmc.address": "10.77.0.9", "bmc.port": "0"},
            {"shown": "{}"},
        ],
    )
    def test_what_cannot_be_is_told_and_stays_typed(
        self, site: Site, operator: Browser, changes: dict[str, str]
    ) -> None:
        before = site.database.hosts.get(NEW)
        reply = operator.post(f"/hosts/{NEW}/edit", **self.form(operator, **{"rack": "C1/U1", **changes}))
        assert reply.status_code in (400, 409) and 'role="alert"' in reply.text
        assert field(reply.text, "rack") == "C1/U1" and site.database.hosts.get(NEW) == before

    def test_the_form_of_another_host_changes_neither(self, site: Site, operator: Browser) -> None:
        other = site.database.hosts.get("vc-0014")
        form = self.form(operator, shown=other.model_dump_json(), macs=other.macs[0], rack="C1/U1")
        assert operator.post(f"/hosts/{NEW}/edit", **form).status_code == 400
        assert site.database.hosts.get("vc-0014") == other


class TestRendering:
    """Boot script and seed, beside those of the last time."""

    def test_a_text_that_was_never_served_is_all_new(self, browser: As) -> None:
        page = browser(Role.VIEWER).see(f"/hosts/{NEW}/render")
        assert "never served" in page and "#!ipxe" in page and "boot.ipxe" in page
        assert '<td class="sign">+' not in page, "nothing to compare it with"

    def test_what_is_otherwise_than_the_last_time_is_marked(self, site: Site, browser: As) -> None:
        known = {file.name: file.text for file in rendering.of_host(site, site.database.hosts.get(NEW))}
        folder = site.settings.state / rendering.FOLDER / NEW
        for name, text in known.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        (folder / "boot.ipxe").write_text(f"{known['boot.ipxe']}echo <b>gone</b>\n")
        page = browser(Role.VIEWER).see(f"/hosts/{NEW}/render")
        assert page.count('<tr class="removed">') == 1 and '<tr class="added">' not in page
        assert "echo &lt;b&gt;gone&lt;/b&gt;" in page and "0 added, 1 removed" in page
        assert page.count("same as last time") == len(known) - 1

    def test_where_none_can_be_made_it_is_told_why(self, site: Site, operator: Browser) -> None:
        site.database.put_inventory([], [Profile(name="cube", image="none")], site.settings.hosts_range)
        said = words(operator.see(f"/hosts/{NEW}/render"))
        assert "no image is called 'none'" in said and "PV-125" in said
