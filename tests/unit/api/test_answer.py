"""Query strings that nobody would write, and models of which only a part was given."""

import math

import pytest
from pydantic import ValidationError

from provisioner.api.answer import LONGEST_WAIT, EventQuery
from provisioner.api.console import ConsoleQuery
from provisioner.api.hosts import HostDetails, HostStatus, InventoryUpdate
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.errors import InventoryError


@pytest.mark.parametrize(
    ("text", "number"), [("", 0), ("7", 7), ("-7", 0), ("x" * 30, 0), ("9" * 19, 0), ("1.5", 0)]
)
def test_a_number_that_is_none_counts_as_not_given(text: str, number: int) -> None:
    assert EventQuery.model_validate({"after": text}).after == number
    assert ConsoleQuery.model_validate({"offset": text, "unknown": "x"}).offset == number


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 0), ("2.5", 2.5), ("-1", 0), ("nan", 0), ("inf", LONGEST_WAIT), ("1e9", 25)]
)
def test_nobody_waits_for_ever(text: str, seconds: float) -> None:
    wait = EventQuery.model_validate({"wait": text}).wait
    assert wait == seconds and math.isfinite(wait)


def test_a_host_that_was_never_seen_has_no_facts() -> None:
    host = HostStatus(name="vc-1", macs=("52:54:00:00:00:01",), profile="cube")
    details = HostDetails(host=host, facts=HardwareFacts(), seen=())
    assert details.model_dump(mode="json")["facts"] == {} and not details.facts.is_known
    facts = HardwareFacts(serial="S1", disks=(DiskInfo(name="sda", size=1),))
    assert facts.is_known and (facts.serial, facts.disks[0].name) == ("S1", "sda")


@pytest.mark.parametrize(
    ("update", "sentence"),
    [
        ({"hosts": [{"name": "vc-4", "macs": ["zz"], "profile": "p"}]}, r"^vc-4: macs\.0: 'zz' is not a MAC"),
        ({"profiles": [{"name": "p", "memory": 1}]}, r"^profile p: memory: is not a known key"),
    ],
)
def test_a_fault_in_an_inventory_names_its_host_or_profile(
    update: dict[str, list[dict[str, object]]], sentence: str
) -> None:
    with pytest.raises(InventoryError, match=sentence) as refused:
        InventoryUpdate.model_validate(update)
    assert refused.value.code == 110


def test_a_host_that_is_no_object_is_no_request() -> None:
    with pytest.raises(ValidationError, match="valid dictionary"):
        InventoryUpdate.model_validate({"hosts": [1]})
