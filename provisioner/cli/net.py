"""`provision net …`: what is on the deployment LAN, and who else answers there."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from provisioner.cli import machines, net_check
from provisioner.cli.live_display import LiveDisplay, can_redraw
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import (
    Column,
    console,
    info,
    line,
    local_time,
    print_rows,
    say,
    table_lines,
    wrapped,
)
from provisioner.cli.polling import poll
from provisioner.system.units import timestamp

if TYPE_CHECKING:
    from rich.console import Group

    from provisioner.api.machines import MachineList
    from provisioner.api.net import AddressLease
    from provisioner.client import Client
    from provisioner.domain.machine import UnknownMachine


@click.group()
def net() -> None:
    """The deployment LAN: who asks there, and who answers."""


@net.command()
@click.option("--once", is_flag=True, help="Print what is known now, and end.")
@output_option
@with_client
def watch(client: "Client", once: bool, output: str) -> None:
    """Follow the machines that nobody knows: a table on a terminal, a line for each news elsewhere.

    Shown are the MACs of one machine (as it named them), the cards' maker, the firmware, the address,
    when it was seen, and what its inventory said. Ctrl-C ends it. Without --once the data is jsonl, one
    machine on each line. Adopt one with: provision host add --from-seen MAC --name NAME.
    """
    if once:
        return _print(output, client.machines().machines)
    if output in ("json", "yaml"):
        raise click.UsageError(f"-o {output} is one document: give --once with it, or -o jsonl")
    try:
        if output == "table" and can_redraw(console()):
            return _redraw(client)
        return _print_lines(client, output)
    except KeyboardInterrupt:
        return None


def _print(output: str, rows: "Sequence[UnknownMachine]") -> None:
    print_rows(output, "machines", rows, machines.COLUMNS, name=lambda machine: machine.mac)


def _updates(client: "Client", warn: Callable[[str], None]) -> "Iterator[tuple[UnknownMachine, ...]]":
    """All machines, whenever one was seen; while the service is away (it is started again) we try on."""
    after = 0.0

    def ask(wait: float) -> "MachineList":
        return client.machines(after, wait)

    for answer in poll(ask, warn):
        if not after or any(machine.changed > after for machine in answer.machines):
            yield answer.machines
        after = max([after, *(machine.changed for machine in answer.machines)])


def _print_lines(client: "Client", output: str) -> None:
    seen: dict[str, float] = {}
    warned = ""

    def warn(sentence: str) -> None:
        nonlocal warned
        if sentence != warned:
            info(sentence)
        warned = sentence

    for rows in _updates(client, warn):
        warned = ""
        for machine in sorted(rows, key=lambda machine: machine.changed):
            key = machine.uuid or machine.mac
            if machine.changed <= seen.get(key, 0.0):
                continue
            _print_line(machine, output, is_new=key not in seen)
            seen[key] = machine.changed


def _print_line(machine: "UnknownMachine", output: str, *, is_new: bool) -> None:
    if output == "table":
        say(f"{timestamp(machine.changed)} {machines.sentence(machine, is_new=is_new)}")
    else:
        _print(output, [machine])


def _redraw(client: "Client") -> None:
    view = _Strangers(console())
    with view:
        for rows in _updates(client, view.warn):
            view.update(rows)


class _Strangers(LiveDisplay):
    """The machines that nobody knows, redrawn in place: who was seen last comes first."""

    _rows: "Sequence[UnknownMachine]" = ()

    def update(self, rows: "Sequence[UnknownMachine]") -> None:
        """Show these."""
        self._rows = sorted(rows, key=lambda machine: machine.changed, reverse=True)
        self.reached(time.time())

    def draw(self) -> "Group":
        """How many there are, and as many as have room."""
        from rich.console import Group

        words = f"{len(self._rows)} unknown machines" if self._rows else "nobody unknown has asked yet"
        top = wrapped(line((f"{words}; Ctrl-C ends it", "dim")), self.width)
        if self._warning:
            top += wrapped(line((self._warning, "yellow")), self.width)
        shown = self._rows[: self.height]
        while (
            len(lines := table_lines(shown, machines.COLUMNS, self.width)) + len(top) > self.height and shown
        ):
            shown = shown[:-1]
        return Group(*top, *(lines if shown else ()))


LEASES: "tuple[Column[AddressLease], ...]" = (
    Column("ADDRESS", lambda lease: lease.address),
    Column("MAC", lambda lease: lease.mac),
    Column("KIND", lambda lease: lease.kind),
    Column("HOST", lambda lease: f"{lease.host} (BMC)" if lease.role == "bmc" else lease.host),
    Column("UNTIL", lambda lease: local_time(lease.expires)),
    Column("LAST SEEN", lambda lease: local_time(lease.last_seen)),
)


@net.command()
@output_option
@with_client
def leases(client: "Client", output: str) -> None:
    """Whose each address is: fixed ones of known cards and BMCs, leases of strangers, when each asked last.

    Where another server gives the addresses, what each MAC was seen with.
    """
    print_rows(output, "leases", client.leases(), LEASES, name=lambda lease: lease.address)


net.add_command(net_check.check)
net.add_command(net_check.print_)
