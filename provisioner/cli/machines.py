"""How machines that nobody knows are printed; `host list --unknown` and `net watch` share it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provisioner.cli.output import Column, local_time
from provisioner.system.units import first, named

if TYPE_CHECKING:
    from provisioner.domain.machine import UnknownMachine

MOST = 8  # cards of one machine that are shown


def _lines(words: Sequence[str]) -> list[str]:
    """A machine may say that it has hundreds; all of them are in the data."""
    return first([word for word in words if word], MOST)


COLUMNS: "tuple[Column[UnknownMachine], ...]" = (
    Column("MAC", lambda machine: _lines(machine.macs)),
    Column("VENDOR", lambda machine: machine.vendor),
    Column("FIRMWARE", lambda machine: machine.architecture),
    Column("ADDRESS", lambda machine: machine.address),
    Column("FIRST SEEN", lambda machine: local_time(machine.first_seen)),
    Column("LAST SEEN", lambda machine: local_time(machine.last_seen)),
    Column("COUNT", lambda machine: str(machine.count)),
    Column("MACHINE", lambda machine: machine.describe()),
)


def sentence(machine: "UnknownMachine", *, is_new: bool) -> str:
    """One line about one machine that was seen."""
    often = "first seen" if is_new else f"seen {machine.count} times"
    words = (machine.vendor, machine.architecture, machine.address, machine.describe(), often)
    return f"{named(machine.macs, MOST)}: {', '.join(filter(None, words))}"
