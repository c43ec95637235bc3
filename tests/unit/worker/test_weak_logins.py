"""A login that everybody knows is told where a BMC is tested, and in `provision check`."""

from collections.abc import Iterator

import pytest

from provisioner.domain.host import Host
from provisioner.errors import PowerError
from provisioner.power import registry
from provisioner.power.protocol import (
    AccountsResult,
    BmcAccount,
    BmcAddress,
    BootResult,
    PowerDriver,
    PowerResult,
)
from provisioner.site import checks
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.worker import bmc_requests, weak_logins
from tests.logins import put_login

USERS: list[BmcAccount] = []


class Line:
    def __init__(self, bmc: BmcAddress) -> None:
        self.bmc = bmc

    def state(self) -> PowerResult:
        return PowerResult("on")

    on = off = reset = state

    def set_boot(self, device: str, *, uefi: bool = True, once: bool = True) -> BootResult:
        return BootResult(device)

    def get_boot(self) -> BootResult:
        return BootResult("disk")

    def accounts(self) -> AccountsResult:
        if not USERS:
            raise PowerError("it does not show them", code=213)
        return AccountsResult(tuple(USERS))

    def set_password(self, password: str) -> None:
        raise AssertionError(password)


@pytest.fixture
def host(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    driver = PowerDriver(name="relay", title="a board", port=502, connect=Line)  # type: ignore[arg-type]  enough of one
    monkeypatch.setitem(registry.DRIVERS, driver.name, driver)
    bmc = {"driver": "relay", "address": "10.0.0.7", "secret": "rack"}
    made = inventory.make_host(
        {"name": "vc-1", "macs": ["52:54:00:00:00:01"], "profile": "cube", "bmc": bmc}, registry.DRIVERS
    )
    site.database.put_inventory([made], [], site.settings.hosts_range)
    yield made
    USERS.clear()


def asked(site: Site, argument: str = "") -> str:
    number = site.database.requests.ask("vc-1", "test", argument, site.clock())
    bmc_requests.answer(site, number)
    result = site.database.requests.get(number).result
    assert result.error is None and result.state == "on"
    return result.note


def warned(site: Site) -> list[str]:
    lines = [line for line in checks.of_service(site) if line.subject == "BMC logins"]
    return [f"{line.sentence} → {line.hint}" for line in lines if line.state == "warning"]


@pytest.mark.parametrize(
    ("user", "password"),
    [("ADMIN", "ADMIN"), ("root", "calvin"), ("root", "0penBmc"), ("USERID", "PASSW0RD"), ("lab", "LAB")],
)
@pytest.mark.parametrize("argument", ["", "quick"])
def test_a_login_that_it_was_delivered_with_is_told(
    site: Site, host: Host, user: str, password: str, argument: str
) -> None:
    put_login(site, "rack", user, password)
    assert f"user {user} has the password that such BMCs come with" in asked(site, argument)
    [line] = warned(site)
    assert line.startswith(f"the BMC of vc-1: user {user} has") and line.endswith(
        "→ provision bmc rotate vc-1"
    )
    assert password == user or password not in line


def test_what_was_mended_is_told_no_more(site: Site, host: Host) -> None:
    put_login(site, "rack", "ADMIN", "ADMIN")
    assert asked(site) and warned(site)
    put_login(site, "rack", "ADMIN", "w8-Kq.tR2_mNv5xB")
    assert asked(site) == "" and warned(site) == []


def test_users_without_a_name_are_told_and_kept_until_they_are_looked_for_again(
    site: Site, host: Host
) -> None:
    put_login(site, "rack", "ops", "w8-Kq.tR2_mNv5xB")
    USERS[:] = [
        BmcAccount(1, "", True, "administrator"),
        BmcAccount(2, "ops", True, "administrator"),
        BmcAccount(3, "", False),
    ]
    assert "it lets in users without a name (number 1)" in asked(site)
    asked(site, "quick")
    assert len(warned(site)) == 1, "a quick test does not look for them"
    USERS[:] = [BmcAccount(2, "ops", True)]
    assert asked(site) == "" and warned(site) == []


def test_a_bmc_that_does_not_show_its_users_is_tested_all_the_same(site: Site, host: Host) -> None:
    put_login(site, "rack", "ops", "w8-Kq.tR2_mNv5xB")
    assert asked(site) == ""


def test_a_host_that_is_no_more_is_not_told(site: Site, host: Host) -> None:
    put_login(site, "rack", "ADMIN", "ADMIN")
    asked(site)
    with site.database.writing():
        site.database.hosts.remove("vc-1")
    assert warned(site) == []


def test_no_password_at_all_is_told(host: Host) -> None:
    bmc = BmcAddress("relay", "10.0.0.7", 502, user="root")
    assert weak_logins.of_login(bmc, host) == ["user root has no password: provision bmc rotate vc-1"]
