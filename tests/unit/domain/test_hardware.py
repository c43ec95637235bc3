"""Whose the reported hardware is."""

import pytest

from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host

ONE, TWO, NEW = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
BOARD = "4c4c4544-0042-3510-8054-b4c04f4d3533"
SWAPPED = "44454c4c-4200-1035-8054-b4c04f4d3533"
ELSE = "4c4c4544-0042-3510-8054-b4c04f4d3534"
FACTS = HardwareFacts(mac=ONE, macs=(ONE, TWO), serial="BOARD-1", uuid=BOARD)


def host(*macs: str, serial: str = "", uuid: str = "") -> Host:
    return Host(name="vc-1", macs=macs, profile="cube", serial=serial, uuid=uuid)


@pytest.mark.parametrize(
    "same",
    [
        host(ONE),
        host(ONE, TWO, serial="BOARD-1", uuid=BOARD),
        host(NEW, TWO, serial="board-1 "),  # one of two cards was changed
        host(TWO),  # it boots from its other card
        host(ONE, serial="To be filled by O.E.M."),
        host(ONE, uuid=SWAPPED),  # the same UUID in the other byte order
    ],
    ids=str,
)
def test_facts_are_of_the_host_that_has_a_card_and_no_other_number(same: Host) -> None:
    assert FACTS.is_of(same)


@pytest.mark.parametrize(
    "other",
    [
        host(NEW),
        host(NEW, serial="BOARD-1"),
        host(ONE, serial="BOARD-2"),
        host(ONE, TWO, serial="BOARD-1", uuid=ELSE),
        host(ONE, uuid=ELSE),
    ],
    ids=str,
)
def test_facts_are_not_of_a_host_that_is_another_machine(other: Host) -> None:
    assert not FACTS.is_of(other)


def test_what_names_no_machine_speaks_against_none() -> None:
    silent = HardwareFacts(serial="Default string", uuid="03000200-0400-0500-0006-000700080009")
    assert silent.is_of(host(ONE, serial="BOARD-1", uuid=BOARD))
    assert HardwareFacts(mac=ONE).is_of(host(ONE)) and not HardwareFacts(mac=ONE).is_of(host(NEW))
