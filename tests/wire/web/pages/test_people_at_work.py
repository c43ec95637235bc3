"""People in Chromium and the running service: a technician with a phone, an operator with a rack of eight.

The machines are scripted: they ask, report and fail as real ones do, over the network.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from provisioner.deployment.people import put_user, set_password
from provisioner.deployment.record import record
from provisioner.domain.events.power import PowerFailed
from provisioner.domain.person import ROOT, Caller, Role
from provisioner.state.leases import LeaseRow
from provisioner.state.sightings import ClientPacket, NewSighting
from tests.wire.web.pages import browserlab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.wire.conftest import World

URL = "https://10.77.0.1"
PASSWORD = "several words together"
ROOT_CALLER = Caller(name=ROOT, role=Role.ADMIN, way="socket")
STRANGER = "52:54:00:e5:00:01"
RACK = 8


@pytest.fixture(scope="module")
def lan_browser(fleet: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium in the service's own network."""
    program = tmp_path_factory.mktemp("browser") / "chromium"
    words = " ".join(fleet.lan.argv(browserlab.CHROMIUM))
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    with browserlab.started(program) as made:
        yield made


def log_in(page: Page, world: World, role: Role) -> None:
    """Somebody new, by name and password, as the first thing that he does."""
    name = f"a-{role}"
    if world.site.database.users.find(name) is None:
        put_user(world.site, ROOT_CALLER, name, role, is_new=True)
        set_password(world.site, ROOT_CALLER, name, PASSWORD, "")
    page.goto(f"{URL}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{URL}/")


def test_a_technician_deploys_by_phone(fleet: World, lan_browser: Browser) -> None:
    puppet = fleet.add_host(serial="S21-0042", rack="B3/U12")
    with browserlab.window(lan_browser, URL, phone=True) as made:
        page = made.page
        log_in(page, fleet, Role.TECHNICIAN)
        page.goto(f"{URL}/t")
        page.get_by_label("Scan or type").fill(puppet.mac.upper().replace(":", "-"))
        page.get_by_role("button", name="Find").tap()
        expect(page.get_by_role("heading", name=puppet.name)).to_be_visible()
        page.get_by_role("button", name="Deploy").tap()
        expect(page.get_by_role("heading", name=f"This erases a disk of {puppet.name}")).to_be_visible()
        page.locator("#confirmation").fill("9999")
        page.get_by_role("button", name="Erase and deploy").tap()
        expect(page.locator("#wrong")).to_contain_text("Nothing was done")
        assert puppet.row is None
        page.locator("#confirmation").fill("0042")
        page.get_by_role("button", name="Erase and deploy").tap()
        now = page.locator("[aria-current=step]")
        expect(now).to_contain_text("Press the power button now")
        fleet.await_event(puppet.row.id, "power.asked")
        assert puppet.hello(serial="S21-0042").status == 200
        expect(now).to_contain_text("Write the disk")
        puppet.tell("progress")
        expect(now.locator("progress")).to_be_visible()
        assert puppet.tell("written").json == {"do": "continue"}
        expect(now).to_contain_text("Restart")
        page.get_by_text("Stop it", exact=True).tap()
        page.get_by_role("button", name="Stop it now").tap()
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        assert made.shift() <= 0.02 and made.is_within_its_width()


def test_a_stranger_is_adopted(fleet: World, lan_browser: Browser) -> None:
    with browserlab.window(lan_browser, URL) as made:
        page = made.page
        log_in(page, fleet, Role.OPERATOR)
        page.goto(f"{URL}/network")
        packet = ClientPacket(STRANGER, uuid="5f3e7a10-0000-4000-8000-0000000000e5", arch=7, boots=True)
        database, now = fleet.site.database, time.time()
        database.sightings.put([NewSighting(STRANGER, now, 1, "10.77.0.215", packet)])
        database.leases.put([LeaseRow(STRANGER, "10.77.0.215", now + 600, bound=True)])
        row = page.locator("tr", has_text=STRANGER).first
        expect(row).to_be_visible()  # by itself
        row.get_by_text("Adopt").click()
        page.get_by_label("Name").fill("vc-new")
        page.get_by_role("button", name="Make it a host").click()
        expect(page.get_by_role("heading", name="vc-new")).to_be_visible()
        assert fleet.client.host("vc-new").host.macs == (STRANGER,)
        assert made.complaints == []


@pytest.mark.long
def test_a_canary_that_fails_stops_a_rack_of_eight(
    fleet: World, lan_browser: Browser, tmp_path: Path
) -> None:
    table = tmp_path / "hosts.csv"
    rows = [f"rk-{n},52:54:00:e6:00:{n:02x},C1/U{n}" for n in range(1, RACK + 1)]
    table.write_text("name,mac,rack\n" + "\n".join(rows) + "\n")
    with browserlab.window(lan_browser, URL) as made:
        page = made.page
        log_in(page, fleet, Role.OPERATOR)
        page.goto(f"{URL}/hosts/import")
        page.locator("input[type=file]").set_input_files(table)
        page.get_by_label("Profile").select_option("cube")
        page.get_by_role("button", name="Show what would change").click()
        page.get_by_role("button", name="Apply 8 changes").click()
        page.goto(f"{URL}/hosts?rack=C1")
        page.get_by_role("button", name="Deploy all that match").click()
        page.get_by_label("Canaries first").fill("1")
        page.get_by_label("Canaries first").blur()  # the plan is shown anew by itself
        expect(page.locator("form.confirm")).to_contain_text("1 host first")
        page.get_by_label("Type how many hosts").fill("7")
        page.get_by_role("button", name="Erase 8 disks").click()
        expect(page.get_by_text("8 hosts would be erased, not 7")).to_be_visible()
        page.get_by_label("Type how many hosts").fill(str(RACK))
        page.get_by_role("button", name="Erase 8 disks").click()
        page.wait_for_url(f"{URL}/runs/*")
        expect(page.locator("#gate")).to_contain_text("0 of 1")
        row = fleet.site.database.deployments.last_of("rk-1")
        assert row is not None
        fleet.await_event(row.id, "power.asked")
        failure = PowerFailed(code=201, sentence="the BMC does not answer", hint="look at its cable")
        record(fleet.site, row.id, failure, source="test")
        expect(page.get_by_text("The gate stays closed.")).to_be_visible()
        expect(page.get_by_text("the BMC does not answer").first).to_be_visible()
        assert [one for one in made.complaints if "409" not in one] == [], "that of the wrong count is ours"
    for number in range(2, RACK + 1):
        last = fleet.site.database.deployments.last_of(f"rk-{number}")
        assert last is not None and "slot.given" not in fleet.kinds(last.id)
