"""What has changed between a page and what somebody presses on it, and what a page says of it."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from provisioner.deployment import removal, verification_order
from provisioner.deployment.order import arm
from provisioner.domain.audit import Line
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Bmc, Host
from provisioner.domain.person import Role
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state import alive
from provisioner.state.recording import Recording, RecordingWriter
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.verifications import Verification
from provisioner.web.pages import now
from tests import pagelab
from tests.unit.web.hosts_lab import As, Browser, browsers, field, words

NEW, READY, WRITING = "vc-0013", "vc-0008", "vc-0004"


@pytest.fixture
def browser(site: Site) -> Iterator[As]:
    pagelab.fill(site)
    alive.mark_alive(site.settings.state, site.clock())
    with browsers(site) as found:
        yield found


@pytest.fixture
def operator(browser: As) -> Browser:
    return browser(Role.OPERATOR)


def ordered(site: Site, name: str, stage: Stage = Stage.WRITING, **values: object) -> Deployment:
    host, image = site.database.hosts.get(name), site.database.images.all()[0]
    row = arm(site, host, image, by="ann").changed(stage=stage, **values)
    with site.database.writing():
        site.database.deployments.put(row)
    return row


def see(site: Site, name: str) -> str:
    """It has asked for an address just now; its MAC."""
    mac = site.database.hosts.get(name).macs[0]
    packet = ClientPacket(mac, when=site.clock() - 5, arch=7, boots=True)
    site.database.sightings.put([NewSighting(mac, site.clock() - 5, 1, "10.77.0.140", packet)])
    return mac


class TestVerified:
    """A host that is verified is not called ready, wherever it is looked at."""

    @pytest.mark.parametrize("by", ["ramdisk", "ssh"])
    def test_it_is_verified_on_each_page(self, site: Site, operator: Browser, by: str) -> None:
        see(site, READY)
        if by == "ramdisk":
            verification_order.arm(site, site.database.hosts.get(READY), by="ann")
        else:
            last = site.database.deployments.last_of(READY)
            assert last
            values = {"deployment": last.id, "created": site.clock(), "user": "core", "by": "ann"}
            with site.database.writing():
                site.database.verifications.add(Verification(id="v-1", host=READY, **values))  # type: ignore[arg-type]
        here = words(operator.see_anew("/t")).split(READY)[1]
        assert here.split()[0] == "verifying"
        page = operator.see_anew(f"/t/host/{READY}")
        said, button = words(page), page.split('class="thumb"')[1]
        assert "verifying" in said and " ready" not in said.split("Serial")[0]
        assert "Follow" in button and "Certificate and label" not in button
        standing = operator.see_anew(f"/hosts/{READY}").split('id="standing"')[1].split("</div>")[0]
        assert "verifying" in standing


def test_one_host_that_cannot_be_read_leaves_the_others_on_the_list(site: Site, browser: As) -> None:
    mac = see(site, READY)
    see(site, NEW)
    site.database.db.execute(f"UPDATE hosts SET body = '{{' WHERE name = '{READY}'")
    said = words(browser(Role.TECHNICIAN).see("/t"))
    assert f"{mac} unreadable what is known of it cannot be read" in said and NEW in said


class TestWrittenDown:
    """What is refused at the rack is written down as everywhere, with its host."""

    def refused(self, site: Site) -> list[tuple[str, str, str]]:
        found = [Line.model_validate_json(raw) for raw in site.database.audit.lines(1, 100)]
        return [(each.by, each.what, each.host) for each in found if each.kind == "order.refused"]

    def test_an_order_with_another_machines_digits(self, site: Site, browser: As) -> None:
        technician, path = browser(Role.TECHNICIAN), f"/t/host/{NEW}/deploy"
        page = technician.see(path)
        sent = {"shown": field(page, "shown"), "image": field(page, "image"), "confirmation": "9999"}
        assert technician.post(path, **sent).status_code == 409
        technician.write_down()
        assert self.refused(site) == [("a-technician", f"pages.rack_deploy_order {NEW}", NEW)]

    def test_a_stranger_that_would_become_a_host_that_has_a_machine(
        self, site: Site, operator: Browser
    ) -> None:
        mac = "ac:1f:6b:0a:42:12"
        packet = ClientPacket(mac, when=site.clock(), arch=7, boots=True)
        site.database.sightings.put([NewSighting(mac, site.clock(), 1, "10.77.0.140", packet)])
        see(site, READY)
        assert operator.post(f"/t/machine/{mac}/known", host=READY).status_code == 409
        operator.write_down()
        assert self.refused(site) == [("a-operator", f"pages.rack_machine_assign {mac}", READY)]


def test_who_mistypes_the_other_host_of_a_move_keeps_the_form(operator: Browser) -> None:
    for reply in (
        operator.get(f"/hosts/{NEW}/move", to="vc-0O14"),
        operator.post(f"/hosts/{NEW}/move", to="vc-0O14", confirmation="vc-0O14", source="{}", target="{}"),
    ):
        assert field(reply.text, "to") == "vc-0O14" and "Show what would change" in words(reply.text)
    missing = operator.get(f"/hosts/{NEW}/move", to="vc-0O14")
    assert missing.status_code == 404 and "no host has the name or serial vc-0O14" in words(missing.text)
    for tail in ("move", "rename"):
        assert operator.post(f"/hosts/vc-99/{tail}", to=NEW).status_code == 404


class TestChosen:
    """Hosts that were chosen together, of which one is removed before they are ordered."""

    OTHER = "vc-0014"

    def forget(self, site: Site, name: str) -> None:
        removal.remove_host(site, name, by="ben")

    def test_the_others_are_planned_without_it(self, site: Site, operator: Browser) -> None:
        self.forget(site, self.OTHER)
        reply = operator.post("/hosts/preflight", host=[NEW, self.OTHER])
        assert reply.status_code == 200 and field(reply.text, "hosts") == NEW
        assert f"it cannot be read: {self.OTHER}." in words(reply.text)
        assert "Would be erased 1" in words(reply.text)

    def test_what_was_shown_with_it_is_not_ordered_without_it(self, site: Site, operator: Browser) -> None:
        page = operator.post("/hosts/preflight", host=[NEW, self.OTHER]).text
        self.forget(site, self.OTHER)
        sent = {"hosts": field(page, "hosts"), "shown": field(page, "shown"), "expect_count": "2"}
        reply = operator.post("/hosts/order", **sent)
        assert reply.status_code == 409 and "PV-146" in words(reply.text)
        assert field(reply.text, "hosts") == NEW and site.database.deployments.last_of(NEW) is None
        again = {"hosts": NEW, "shown": field(reply.text, "shown"), "expect_count": "1"}
        assert operator.post("/hosts/order", **again).headers["Location"].startswith("/runs/r-")

    def test_where_all_are_gone_that_is_said(self, site: Site, operator: Browser) -> None:
        self.forget(site, NEW)
        reply = operator.post("/hosts/order", hosts=NEW, shown="0" * 64, expect_count="1")
        assert reply.status_code == 400
        assert f"read: {NEW}." in words(reply.text) and "No host was chosen" in words(reply.text)


def test_the_console_of_a_host_that_was_removed_is_read_all_the_same(site: Site, operator: Browser) -> None:
    row = site.database.deployments.last_of(READY)
    never = site.database.deployments.last_of("vc-0010")
    assert row and never
    Recording(site.settings.state, row.id).log.parent.mkdir(parents=True, exist_ok=True)
    RecordingWriter(Recording(site.settings.state, row.id)).add(b"Linux version 6.12\r\n")
    for name in (READY, "vc-0010"):
        removal.remove_host(site, name, by="ben")
    for change in (None, READY):  # and one who has its name now has nothing to do with it
        if change:
            host = Host(name=READY, macs=("ac:1f:6b:0a:77:77",), profile="cube", bmc=Bmc(driver="manual"))
            site.database.put_inventory([host], [], site.settings.hosts_range)
        assert "Linux version 6.12" in words(operator.see_anew(f"/deployments/{row.id}/console"))
        assert operator.get(f"/deployments/{row.id}/console/output").status_code == 200
    assert "was not recorded" in words(operator.see(f"/deployments/{never.id}/console"))


def test_more_that_needs_attention_is_listed_with_what_was_rejected(
    site: Site, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(now, "MOST_TROUBLE", 1)
    page = operator.see("/")
    assert '<a href="/hosts?state=unsuccessful">and ' in page
    listed = words(operator.see("/hosts?state=unsuccessful"))
    assert "vc-0009" in listed and "vc-0010" in listed


class TestTwice:
    """Who presses a button twice is shown what came of the first time, and no fault."""

    def there(self, browser: Browser, path: str, **form: object) -> list[str]:
        replies = [browser.post(path, **form) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [303, 303], replies[1].text[-800:]
        return [reply.headers["Location"].partition("&at=")[0] for reply in replies]

    def test_a_host_is_renamed_once(self, operator: Browser) -> None:
        assert self.there(operator, f"/hosts/{NEW}/rename", name="vc-77") == ["/hosts/vc-77?told=renamed"] * 2

    def test_a_host_is_removed_once(self, operator: Browser) -> None:
        led = self.there(operator, f"/hosts/{NEW}/remove", confirmation=NEW)
        assert led == [f"/hosts?told=removed&of={NEW}"] * 2
        there = operator.post(f"/hosts/{NEW}/remove", confirmation=NEW).headers["Location"]
        assert f"{NEW} is removed." in words(operator.see(there))
        assert f"{READY} is removed." not in words(operator.see(there.replace(NEW, READY)))
        assert operator.post("/hosts/vc-99/remove", confirmation="vc-99").status_code == 404

    @pytest.mark.parametrize("act", ["cancel", "resume"])
    def test_a_deployment_is_cancelled_or_resumed_once(self, site: Site, operator: Browser, act: str) -> None:
        row = ordered(site, NEW, paused=site.clock(), reason="the disk is another")
        led = self.there(operator, f"/deployments/{row.id}/{act}", paused=str(row.paused))
        assert led == [f"/deployments/{row.id}"] * 2

    @pytest.mark.parametrize("act", ["pause", "resume", "cancel"])
    def test_a_run_is_paused_resumed_or_cancelled_once(self, site: Site, operator: Browser, act: str) -> None:
        page = operator.post("/hosts/preflight", host=[NEW, "vc-0014"]).text
        sent = {"hosts": field(page, "hosts"), "shown": field(page, "shown"), "expect_count": "2"}
        run = operator.post("/hosts/order", **sent).headers["Location"]
        if act == "resume":
            operator.post(f"{run}/pause")
        rows = site.database.deployments.of_run(run.removeprefix("/runs/"))
        assert self.there(operator, f"{run}/{act}", paused=str(rows[0].paused)) == [run, run]

    def test_a_run_that_is_ordered_twice_leads_to_the_first_one(self, operator: Browser) -> None:
        page = operator.post("/hosts/preflight", host=[NEW, "vc-0014"]).text
        sent = {"hosts": field(page, "hosts"), "shown": field(page, "shown"), "expect_count": "2"}
        run = operator.post("/hosts/order", **sent).headers["Location"]
        again = operator.post("/hosts/order", **sent)
        assert again.status_code == 409 and f'under way already: <a href="{run}">' in again.text

    def test_a_stranger_becomes_a_host_once(self, site: Site, operator: Browser) -> None:
        macs = ("ac:1f:6b:0a:42:12", "ac:1f:6b:0a:42:13")
        for mac in macs:
            packet = ClientPacket(mac, when=site.clock(), arch=7, boots=True)
            site.database.sightings.put([NewSighting(mac, site.clock(), 1, "10.77.0.140", packet)])
        first, second = macs
        at_rack = self.there(operator, f"/t/machine/{first}/new", name="vc-77")
        assert at_rack == ["/t/host/vc-77", f"/t/machine/{quote(first)}"]
        assert "It is vc-77 now" in words(operator.see(at_rack[1]))
        for tail in ("new", "known"):
            assert operator.get(f"/t/machine/{first}/{tail}").status_code == 303
        path = f"/network/machines/{second}"
        assert self.there(operator, f"{path}/adopt", name="vc-78", profile="cube") == ["/hosts/vc-78"] * 2
        assert operator.get(path).headers["Location"] == "/hosts/vc-78"
        assert operator.get("/network/machines/ac:1f:6b:0a:42:99").status_code == 404


def test_an_order_that_ends_early_names_no_steps_behind_its_end(site: Site, operator: Browser) -> None:
    ordered(site, NEW, stop_after="writing")
    page = operator.see(f"/t/host/{NEW}/steps")
    assert 'id="s-writing"' in page
    assert not any(f'id="s-{stage}"' in page for stage in ("restarting", "verifying", "sealing", "ready"))
