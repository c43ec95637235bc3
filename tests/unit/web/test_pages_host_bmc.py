"""What the worker is asked to do at a host's BMC by its pages, and what came of it."""

from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from provisioner.domain.host import Bmc
from provisioner.domain.person import Role
from provisioner.site.site import Site
from provisioner.state.alive import mark_alive
from provisioner.state.requests import BmcFault, BmcResult, BmcSensor
from tests import pagelab
from tests.unit.web.hosts_lab import NASTY, As, Browser, browsers, change, words

NEW = "vc-0013"
POWERED = Bmc(driver="ipmi", address=IPv4Address("10.77.0.9"), port=623, secret="rack")


@pytest.fixture
def browser(site: Site) -> Iterator[As]:
    pagelab.fill(site)
    change(site, NEW, bmc=POWERED)
    mark_alive(site.settings.state, site.clock())
    with browsers(site) as found:
        yield found


@pytest.fixture
def operator(browser: As) -> Browser:
    return browser(Role.OPERATOR)


def answer(site: Site, result: BmcResult) -> None:
    """As the worker does."""
    (asked,) = site.database.requests.open()
    site.database.requests.answer(asked.id, result)


def ask(browser: Browser, **form: str) -> str:
    """The address of what comes of it."""
    reply = browser.post(f"/hosts/{NEW}/bmc", **form)
    assert reply.status_code == 303, words(reply.text)
    return reply.headers["Location"]


@pytest.mark.parametrize(
    "action, argument",
    [("test", ""), ("sensors", ""), ("identify", "on"), ("power", "state"), ("power", "on")],
)
def test_what_harms_nothing_is_asked_at_once(site: Site, browser: As, action: str, argument: str) -> None:
    technician = browser(Role.TECHNICIAN)
    where = ask(technician, action=action, argument=argument)
    (asked,) = site.database.requests.open()
    assert (asked.host, asked.action, asked.argument) == (NEW, action, argument)
    assert where == f"/hosts/{NEW}/bmc/{asked.id}" and "The worker asks" in technician.see(where)


@pytest.mark.parametrize("argument", ["off", "reset"])
def test_what_ends_all_that_runs_is_confirmed(site: Site, operator: Browser, argument: str) -> None:
    told = {"action": "power", "argument": argument}
    assert "nothing is shut down" in operator.see(f"/hosts/{NEW}/power")
    for typed in ("", "yes", "vc-0014"):
        refused = operator.post(f"/hosts/{NEW}/bmc", **told, confirmation=typed)
        assert refused.status_code == 409 and "PV-133" in refused.text
    assert site.database.requests.open() == []
    ask(operator, **told, confirmation=NEW)
    assert [each.argument for each in site.database.requests.open()] == [argument]


@pytest.mark.parametrize("form", [{}, {"action": "x"}, {"action": "power", "argument": "x"}])
def test_what_no_bmc_does_is_told(site: Site, operator: Browser, form: dict[str, str]) -> None:
    reply = operator.post(f"/hosts/{NEW}/bmc", **form)
    assert reply.status_code == 400 and "PV-100" in reply.text and not site.database.requests.open()


def test_a_host_without_one_is_told_and_offered_no_switch(operator: Browser) -> None:
    assert "/hosts/vc-0014/bmc" not in operator.see("/hosts/vc-0014")
    reply = operator.post("/hosts/vc-0014/bmc", action="identify", argument="on")
    assert reply.status_code == 400 and "PV-204" in reply.text and "Power off" not in reply.text


def test_what_came_of_it_is_told_the_worst_first(site: Site, operator: Browser) -> None:
    where = ask(operator, action="sensors")
    sensors = (
        BmcSensor(name="Fan 1", value=9000, unit="RPM", health="ok"),
        BmcSensor(name=NASTY[0], states=("failed",), health="critical"),
    )
    answer(site, BmcResult(sensors=sensors))
    page = operator.see(where)
    assert words(page).index(NASTY[0]) < words(page).index("Fan 1 9000 RPM") and NASTY[0] not in page


def test_why_nothing_came_of_it_is_told(site: Site, operator: Browser) -> None:
    where = ask(operator, action="test")
    answer(site, BmcResult(error=BmcFault(message="it is silent", hint="its cable?", code=201, exit=5)))
    said = words(operator.see(where))
    assert "not done" in said and "it is silent" in said and "Its cable?" in said and "PV-201" in said
    number = where.rpartition("/")[2]
    assert operator.get(f"/hosts/vc-0014/bmc/{number}").status_code == 404, "it was asked of another"
    assert operator.get(f"/hosts/{NEW}/bmc/99999").status_code == 404


def test_only_an_operator_powers_what_is_locked(site: Site, browser: As) -> None:
    change(site, NEW, locked=True)
    form = {"action": "power", "argument": "on"}
    assert browser(Role.TECHNICIAN).post(f"/hosts/{NEW}/bmc", **form).status_code == 403
    assert site.database.requests.open() == []
    ask(browser(Role.OPERATOR), **form)
