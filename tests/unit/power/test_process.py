"""What a BMC says comes from its process in words that command no terminal."""

import json
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from provisioner.errors import PowerError
from provisioner.power import process
from provisioner.power.ipmi import IpmiDriver
from provisioner.power.protocol import BmcAddress
from tests.hostile_words import WORDS, faults

BMC = BmcAddress("ipmi", "10.0.0.9", 623, name="vc-1")


def answering(monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]) -> IpmiDriver:
    """A driver whose process prints this."""
    acts = SimpleNamespace(perform=lambda *_: json.dumps(answer).encode())
    monkeypatch.setattr(process, "ACTS", acts)
    return IpmiDriver(BMC)


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_a_bmcs_words_are_made_readable(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    boot = answering(monkeypatch, {"device": words, "confirmed": False, "note": words}).get_boot()
    state = answering(monkeypatch, {"state": words, "confirmed": True, "note": words, "suite": 3}).state()
    assert faults(boot.device + boot.note + state.state + state.note) == [] and state.suite == 3
    with pytest.raises(PowerError) as refused:
        answering(monkeypatch, {"error": f"BMC says {words}", "hint": "test it", "code": 203}).on()
    assert faults(str(refused.value)) == [] and refused.value.code == 203


def late() -> PowerError:
    """What `within` is to raise."""
    return PowerError("late", hint="test it", code=203)


def test_time_without_a_processor_is_not_the_bmcs(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine let us wait for half of it: the BMC has its whole time still."""
    lost = iter([1.0, 1.3, 1.3, 1.3])
    monkeypatch.setattr(process, "seconds_without_processor", lambda: next(lost))
    began = time.monotonic()
    with pytest.raises(PowerError, match="late"), process.within(0.2, late):
        time.sleep(10)
    assert time.monotonic() - began >= 0.5


def test_a_silent_bmc_is_given_up_where_nothing_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "seconds_without_processor", lambda: 7.0)
    began = time.monotonic()
    with pytest.raises(PowerError, match="late"), process.within(0.2, late):
        time.sleep(60)
    assert 0.2 <= time.monotonic() - began < 30


def test_an_outer_limit_holds_once_more_after_an_inner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "seconds_without_processor", lambda: 0.0)
    began = time.monotonic()
    with pytest.raises(PowerError, match="late"), process.within(0.3, late):
        with process.within(0.1, lambda: PowerError("inner", hint="", code=203)), suppress(PowerError):
            time.sleep(60)
        time.sleep(60)
    assert 0.3 <= time.monotonic() - began < 30
