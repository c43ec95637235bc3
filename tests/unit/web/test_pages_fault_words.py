"""What a page says of a refusal: sentences, and no advice for a command line that it is not."""

from collections.abc import Iterator

import pytest

from provisioner.domain.person import Role
from provisioner.errors import InputError, RefusedError
from provisioner.site.site import Site
from provisioner.web.pages import fault_words
from tests import pagelab
from tests.unit.web.hosts_lab import As, Browser, browsers, change, field, words

NAME = "vc-0013"


@pytest.fixture
def browser(site: Site) -> Iterator[As]:
    pagelab.fill(site)
    with browsers(site) as found:
        yield found


@pytest.fixture
def operator(browser: As) -> Browser:
    return browser(Role.OPERATOR)


def test_a_wrong_confirmation_says_what_to_type(operator: Browser) -> None:
    shown = field(operator.see(f"/hosts/{NAME}/deploy").split('class="confirm"')[1], "shown")
    said = words(operator.post(f"/hosts/{NAME}/deploy", confirmation="nope", shown=shown).text)
    assert f"{NAME}: not confirmed, nothing was changed. Type the last 4 of the serial" in said
    assert "--yes" not in said


def test_what_has_changed_meanwhile_is_looked_at_on_the_page(site: Site, operator: Browser) -> None:
    shown = field(operator.see(f"/hosts/{NAME}/deploy").split('class="confirm"')[1], "shown")
    change(site, NAME, serial="S-other-0013")
    said = words(operator.post(f"/hosts/{NAME}/deploy", confirmation="0013", shown=shown).text)
    assert "nothing was ordered. Look at how it is now, then decide once more. PV-146" in said
    assert "--dry-run" not in said


def test_each_fault_is_a_sentence_with_its_advice() -> None:
    fault = InputError("the rack is not as racks are", hint="write it as B3/U12")
    fault.also = (RefusedError("is it this one?", code=142), InputError("x", hint="provision host list"))
    assert [(each.what, each.advice, each.code) for each in fault_words.told(fault)] == [
        ("the rack is not as racks are.", "Write it as B3/U12.", 100),
        ("is it this one?", "", 142),
        ("x.", "provision host list.", 100),
    ]


@pytest.mark.parametrize("number", ["9" * 5000, "９" * 9, "-1", "1e9", "²"])
def test_no_number_that_somebody_sends_breaks_a_page(site: Site, browser: As, number: str) -> None:
    operator = browser(Role.OPERATOR)
    page = operator.see(f"/hosts/{NAME}/edit")
    sent = {"shown": field(page, "shown"), "macs": "ac:1f:6b:0a:00:0d", "profile": "cube"}
    bmc = {"bmc.driver": "ipmi", "bmc.address": "10.77.0.9", "bmc.secret": "rack", "bmc.port": number}
    reply = operator.post(f"/hosts/{NAME}/edit", **sent, **bmc)
    assert reply.status_code == 400 and "port" in words(reply.text)
    for path in (f"/t/host/{NAME}?light={number}", f"/reports?page={number}", f"/hosts?page={number}"):
        assert operator.get(path).status_code == 200, path
    row = site.database.deployments.newest()[0]
    assert operator.get(f"/deployments/{row.id}/console/output?offset={number}").status_code in (200, 404)
    assert browser(Role.ADMIN).get(f"/admin/audit?before={number}").status_code in (200, 400)
    for form in ({"canary": number}, {"expect_count": number}):
        reply = operator.post("/hosts/order", hosts=NAME, shown="0" * 64, **form)
        assert reply.status_code in (400, 409)
