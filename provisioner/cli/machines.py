"""How machines that nobody knows are printed; `host list --unknown` and `net watch` share it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provisioner.cli.output import Column, local_time
from provisioner.system.units import first, named, size

if TYPE_CHECKING:
    from provisioner.domain.machine import UnknownMachine

MOST = 8  # cards or disks of one machine that are shown


def describe(machine: "UnknownMachine") -> str:
    """What it is, as far as that is known: `Supermicro SYS-421, serial S1, 2 disks, 512.00 GiB`."""
    if machine.host:
        return f"a network card of {machine.host}"
    if not machine.inventoried:
        port = f"port {machine.port}" if machine.port else ""
        return _joined(machine.hostname, port, machine.note)
    model = f"{machine.maker} {machine.product}".strip()
    serial = f"serial {machine.serial}" if machine.serial else ""
    disks = named((f"{disk.model} {size(disk.size)}".strip() for disk in machine.disks), MOST)
    return _joined(model, serial, size(machine.memory), f"disks: {disks or 'none'}")


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


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
    Column("MACHINE", describe),
)


def sentence(machine: "UnknownMachine", *, is_new: bool) -> str:
    """One line about one machine that was seen."""
    often = "first seen" if is_new else f"seen {machine.count} times"
    words = (machine.vendor, machine.architecture, machine.address, describe(machine), often)
    return f"{named(machine.macs, MOST)}: {_joined(*words)}"
