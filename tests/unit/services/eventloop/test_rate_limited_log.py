"""What comes again and again is said once and counted."""

import logging

import pytest

from provisioner.services.eventloop.rate_limited_log import Seldom

log = logging.getLogger("seldom")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def test_the_same_is_said_once_and_counted(said: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    seldom = Seldom(log, period=60, clock=lambda: now[0])
    heard = [seldom.say("10.0.0.9", "refused", "%s: refused %s", "10.0.0.9", name) for name in "abc"]
    assert heard == [True, False, False]
    assert seldom.say("10.0.0.8", "refused", "another client")
    now[0] = 61
    seldom.flush()
    seldom.flush()
    assert [record.message for record in said.records] == [
        "10.0.0.9: refused a",
        "another client",
        "2 more of what was said before, or of too many kinds to say",
    ]
    assert seldom.say("10.0.0.9", "refused", "again"), "a new period"


def test_whoever_invents_addresses_fills_neither_disk_nor_memory(said: pytest.LogCaptureFixture) -> None:
    seldom = Seldom(log, most=20)
    for number in range(10_000):
        seldom.say(str(number), "refused", "%s", number)
    assert len(said.records) == 20
