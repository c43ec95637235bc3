"""What a BMC says comes from its process in words that command no terminal."""

import json
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
    done = SimpleNamespace(stdout=json.dumps(answer).encode() + b"\n", stderr=b"", returncode=0)
    monkeypatch.setattr(process.run, "run", lambda *_, **__: done)
    return IpmiDriver(BMC)


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_a_bmcs_words_are_made_readable(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    boot = answering(monkeypatch, {"device": words, "confirmed": False, "note": words}).get_boot()
    state = answering(monkeypatch, {"state": words, "confirmed": True, "note": words, "suite": 3}).state()
    assert faults(boot.device + boot.note + state.state + state.note) == [] and state.suite == 3
    with pytest.raises(PowerError) as refused:
        answering(monkeypatch, {"error": f"BMC says {words}", "hint": "test it", "code": 203}).on()
    assert faults(str(refused.value)) == [] and refused.value.code == 203
