"""A real machine by the pages alone, in Chromium: people log in, adopt it, deploy it by phone, certify it."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.domain.host import Host
from provisioner.domain.person import Role
from provisioner.domain.profile import Hints
from provisioner.domain.stage import Stage
from provisioner.lab import inventory, network
from tests.rehearsal import strangerlab
from tests.rehearsal.strangerlab import DISK_SERIAL, MAC, NAME, SERIAL, USER, Found
from tests.wire.web.pages import browserlab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.wire.web.pages.browserlab import Window

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

URL = "https://10.77.0.1"
PASSWORD = "several words together"
READY_LIMIT = 1200.0  # seconds, emulated on a busy machine
ACCEPTED = ("accepted", "accepted_with_warnings")


def prepare(lab: Found) -> None:
    """What is there before anybody opens a page: an image, a profile, and the first admin."""
    site = lab.site
    site.provision("image", "add", str(site.supplies.pack))
    image = site.supplies.image.partition("@")[0]
    site.client.apply([], [inventory.profile(image, Hints(), 1, inventory.DEADLINES)])
    site.provision("user", "add", "ann", "--role", Role.ADMIN)
    (site.folder / "password").write_text(PASSWORD + "\n")
    site.provision("user", "password", "ann", "--password-file", str(site.folder / "password"))


def log_in(page: Page, name: str) -> None:
    page.goto(f"{URL}/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{URL}/")


def let_in(page: Page, name: str, role: Role) -> None:
    """The admin lets somebody use the service, with a first password."""
    page.goto(f"{URL}/admin/users")
    page.get_by_label("Name").fill(name)
    page.get_by_label(f"{role} ").check()
    page.get_by_role("button", name="Add", exact=True).click()
    page.goto(f"{URL}/admin/users/{name}")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Repeat it").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()


def adopt(page: Page, bmc: str) -> None:
    """The operator makes the stranger that asks a host, and says where its BMC is."""
    page.goto(f"{URL}/network")
    page.locator("tr", has_text=MAC).first.get_by_text("Adopt").click()
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Rack").fill("B3/U12")
    page.get_by_label("Serial").fill(SERIAL)
    page.get_by_role("button", name="Make it a host").click()
    page.get_by_role("heading", name=NAME).wait_for()
    page.goto(f"{URL}/hosts/{NAME}/edit")
    page.locator("[name='bmc.driver']").select_option("ipmi")
    page.locator("[name='bmc.secret']").fill(USER)
    page.locator("[name='bmc.address']").fill(bmc)
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile(rf"/hosts/{NAME}\?told=edited"))


def deploy(window: Window) -> None:
    """The technician with a phone: which machine, what is erased, and step after step to the certificate."""
    page = window.page
    page.goto(f"{URL}/t")
    page.get_by_label("Scan or type").fill(SERIAL)
    page.get_by_role("button", name="Find").tap()
    page.get_by_role("button", name="Light on").tap()
    page.get_by_role("status").filter(has_text="light").filter(has_not_text="Asking").first.wait_for()
    page.get_by_role("button", name="Deploy").tap()
    page.get_by_role("heading", name=f"This erases a disk of {NAME}").wait_for()
    assert DISK_SERIAL[-4:] in page.locator(".erased").inner_text(), "the disk that it showed itself"
    page.locator("#confirmation").fill(SERIAL[-4:])
    page.get_by_role("button", name="Erase and deploy").tap()
    began, seen = time.monotonic(), list[str]()
    while time.monotonic() - began < READY_LIMIT:  # what is shown to him, by itself
        shown = page.locator("[aria-current=step] .title").first.inner_text()
        if shown not in seen:
            seen.append(shown)
            print(f"measured: {time.monotonic() - began:.0f} s: {shown}")
        if page.get_by_role("button", name="Certificate").is_visible():
            break
        page.wait_for_timeout(500)
    else:
        raise AssertionError(page.locator("main").inner_text())
    assert len(seen) >= 4, seen
    assert window.shift() <= 0.02 and window.is_within_its_width()


def check_certificate(lab: Found, window: Window) -> None:
    """It is taken by the browser, and proved without the service."""
    page, folder = window.page, lab.site.folder
    page.get_by_role("button", name="Certificate").tap()
    page.get_by_role("heading", name=NAME).wait_for()
    path = page.get_by_role("button", name="PDF").get_attribute("href")
    reply = window.context.request.get(f"{URL}{path}")
    assert reply.status == 200
    (folder / "found-1.pdf").write_bytes(reply.body())
    (folder / "site.pub").write_text(lab.site.provision("certificate", "key"))
    argv: list[str | Path] = [sys.executable, "-m", "provisioner", "certificate", "verify"]
    done = run.run([*argv, folder / "found-1.pdf", "--key", folder / "site.pub", "-o", "json"])
    assert json.loads(done.stdout)["certificate"]["verdict"] in ACCEPTED


def play(lab: Found, browser: Browser) -> None:
    with browserlab.window(browser, URL) as made:
        log_in(made.page, "ann")
        let_in(made.page, "olga", Role.OPERATOR)
        let_in(made.page, "theo", Role.TECHNICIAN)
        assert made.complaints == []
    with browserlab.window(browser, URL) as made:
        log_in(made.page, "olga")
        adopt(made.page, lab.machine.bmc_address)
        assert made.complaints == []
    host = lab.site.client.host(NAME).host
    assert isinstance(host, Host) and host.macs == (MAC,) and host.bmc.driver == "ipmi"
    with browserlab.window(browser, URL, phone=True) as made:
        log_in(made.page, "theo")
        deploy(made)
        check_certificate(lab, made)
        assert made.complaints == []


def test_a_stranger_is_adopted_deployed_and_certified_by_the_pages_alone() -> None:
    if not network.inside():
        return strangerlab.again_inside(__file__)
    with strangerlab.started() as lab, browserlab.started() as browser:
        prepare(lab)
        lab.look()
        play(lab, browser)
        row = lab.site.client.host(NAME).host.deployment
        assert row is not None and row.stage == Stage.READY and lab.machine.faults == []
        print("measured: adopted, deployed, certified, by the pages alone")
    return None
