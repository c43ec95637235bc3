"""What a worker that does nothing is told as, to who waits for a BMC's answer."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from provisioner.api import ROOT
from provisioner.site.site import Site
from provisioner.state.alive import mark_alive
from provisioner.state.notify import Listener
from provisioner.state.requests import BmcResult
from provisioner.web.application import create_app
from provisioner.web.operators import authorization
from provisioner.web.operators.bmc import WORKER_GONE
from tests.unit.conftest import ADMIN, Clock


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setattr(authorization, "_caller", lambda: ADMIN)
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener, "api").test_client()


@pytest.fixture
def number(site: Site) -> int:
    return site.database.requests.ask("vc-1", "test", "quick", site.clock())


def test_a_worker_that_lives_is_waited_for(
    site: Site, clock: Clock, client: FlaskClient, number: int
) -> None:
    clock.now += 100
    mark_alive(site.settings.state, clock.now - WORKER_GONE + 1)
    answer = client.get(f"{ROOT}/bmc/{number}")
    assert answer.status_code == 200 and answer.get_json()["request"]["state"] == "open"


@pytest.mark.parametrize("was_ever_there", [True, False])
def test_one_that_does_nothing_is_said(
    site: Site, clock: Clock, client: FlaskClient, number: int, was_ever_there: bool
) -> None:
    if was_ever_there:
        mark_alive(site.settings.state, clock.now)
    clock.now += WORKER_GONE + 1
    answer = client.get(f"{ROOT}/bmc/{number}")
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"], error["exit"]) == (502, 674, 5)
    assert "vc-1" in error["message"] and "provision check" in error["hint"]


def test_a_request_that_was_just_made_is_given_time(site: Site, clock: Clock, client: FlaskClient) -> None:
    """The machine may have slept: the worker had no chance to look since."""
    mark_alive(site.settings.state, clock.now - 1000)
    number = site.database.requests.ask("vc-1", "test", "quick", clock.now)
    assert client.get(f"{ROOT}/bmc/{number}").status_code == 200


def test_what_was_answered_before_is_still_told(
    site: Site, clock: Clock, client: FlaskClient, number: int
) -> None:
    site.database.requests.answer(number, BmcResult(state="on", boot="disk"))
    clock.now += 1000
    assert client.get(f"{ROOT}/bmc/{number}").get_json()["request"]["result"]["state"] == "on"
