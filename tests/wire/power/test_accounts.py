"""Users of BMCs, and another password for one: over IPMI's simulator and over Redfish."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.domain.host import Bmc
from provisioner.errors import PowerError
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.power import protocol, registry
from provisioner.power.protocol import BmcAddress
from provisioner.site.site import Site
from provisioner.worker import power, rotation
from tests.logins import put_login
from tests.ports import free_port
from tests.unit.conftest import Clock, clock, site
from tests.wire.chassislab import Switched
from tests.wire.power import redfishlab
from tests.wire.power.redfishlab import DONE, HERE, PASSWORD, USER, RedfishBmc, Reply, Request, error
from tests.wire.power.test_redfish import make_certificate

__all__ = ["Clock", "clock", "site"]
ACCOUNTS = "/redfish/v1/AccountService/Accounts"


class WithAccounts(RedfishBmc):
    """Its users are a list, of which ours is the second; a password that it takes holds at once."""

    password = PASSWORD
    shortest, longest = 8, 20

    def root(self, request: Request) -> Reply:
        body = super().root(request).body
        assert isinstance(body, dict)
        return Reply(200, {**body, "AccountService": {"@odata.id": "/redfish/v1/AccountService"}})

    def receive(self, request: Request) -> Reply | None:
        if request.path.endswith("/Sessions"):
            told = request.body
            if (told["UserName"], told["Password"]) != (USER, self.password):
                return error(401, "ResourceAtUriUnauthorized", "wrong user or password")
        return super().receive(request)

    def is_let_in(self, request: Request) -> bool:
        basic = "Basic " + b64encode(f"{USER}:{self.password}".encode()).decode()
        shown = request.headers.get("Authorization")
        return self.token == request.headers.get("X-Auth-Token") or basic == shown

    def get(self, path: str) -> Reply:
        if path == "/redfish/v1/AccountService":
            return Reply(200, {"Accounts": {"@odata.id": ACCOUNTS}})
        if path == ACCOUNTS:
            return Reply(200, {"Members": [{"@odata.id": f"{ACCOUNTS}/{number}"} for number in (1, 2, 3)]})
        if path.startswith(ACCOUNTS):
            names = {"1": "", "2": USER, "3": "root"}
            name = names[path.rpartition("/")[2]]
            return Reply(
                200,
                {"UserName": name, "Enabled": bool(name), "RoleId": "Administrator", "@odata.etag": 'W/"7"'},
            )
        return super().get(path)

    def patch(self, request: Request) -> Reply:
        if not request.path.startswith(ACCOUNTS):
            return super().patch(request)
        if request.headers.get("If-Match") != 'W/"7"':
            return error(412, "PreconditionFailed", "another ETag")
        word = str(request.body["Password"])
        if not self.shortest <= len(word) <= self.longest:
            return error(400, "PropertyValueFormatError", "the password's length does not suit it")
        assert request.path == f"{ACCOUNTS}/2", "no other user's password is changed"
        self.password = word
        return DONE


class Sixteen(WithAccounts):
    """As some firmware: no more than 16 characters."""

    longest = 16


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[BmcAddress]:
    port = free_port()
    bmc = BmcAddress("ipmi", HERE, port, USER, PASSWORD, "vc-1")
    with IpmiSimulator(Switched().chassis, bmc, tmp_path):
        yield bmc


def rotated(site: Site, bmc: Bmc) -> tuple[BmcAddress, BmcAddress]:
    """How to log in before and after vc-1's BMC has got another password."""
    put_login(site, "lab", USER, PASSWORD)
    host = site.database.hosts.get("vc-1").model_copy(update={"bmc": bmc})
    site.database.hosts.put(host)
    before = power.bmc_address(site, host)
    after = rotation.rotate(site, host, before)
    assert power.bmc_address(site, host) == after
    return before, after


def assert_only_the_new_one_holds(before: BmcAddress, after: BmcAddress) -> None:
    assert registry.connect(after).state().confirmed
    with pytest.raises(PowerError) as refused:
        registry.connect(replace(before, patience=0)).state()
    assert refused.value.code == 202


def test_a_simulated_bmc_gets_another_password(site: Site, simulated: BmcAddress) -> None:
    bmc = Bmc(driver="ipmi", address=HERE, port=simulated.port, secret="lab", console="none")  # type: ignore[arg-type]
    before, after = rotated(site, bmc)
    assert len(after.password) in rotation.LENGTHS
    assert_only_the_new_one_holds(before, after)


def test_the_users_of_a_simulated_bmc_are_told(simulated: BmcAddress) -> None:
    driver = registry.connect(simulated)
    assert isinstance(driver, protocol.Accounts)
    found = {one.number: one for one in driver.accounts().accounts}
    assert (found[2].name, found[2].is_enabled, found[2].role) == (USER, True, "administrator")
    assert found[1].name == ""


@pytest.mark.parametrize(("kind", "length"), [(WithAccounts, 20), (Sixteen, 16)])
def test_a_redfish_bmc_gets_another_password(
    site: Site, tmp_path: Path, kind: type[WithAccounts], length: int
) -> None:
    (tmp_path / "tls").mkdir()
    make_certificate(tmp_path / "tls")
    served = kind()
    with redfishlab.serving(served, tmp_path / "tls") as port:
        bmc = Bmc(driver="redfish", address=HERE, port=port, secret="lab", console="none")  # type: ignore[arg-type]
        before, after = rotated(site, bmc)
        assert served.password == after.password and len(after.password) == length
        assert_only_the_new_one_holds(before, after)


def test_the_users_of_a_redfish_bmc_are_told(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    make_certificate(tmp_path / "tls")
    with redfishlab.serving(WithAccounts(), tmp_path / "tls") as port:
        driver = registry.connect(BmcAddress("redfish", HERE, port, USER, PASSWORD, "vc-1", verify=False))
        assert isinstance(driver, protocol.Accounts)
        found = [(one.name, one.is_enabled) for one in driver.accounts().accounts]
    assert found == [(USER, True), ("root", True)], "a place that is empty is no user"
