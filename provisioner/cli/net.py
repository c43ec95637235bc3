"""`provision net …`: what is on the deployment LAN, and who else answers there."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from provisioner.cli import machines, net_check
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import console, info, line, make_table, print_rows, say, timestamp
from provisioner.cli.polling import poll

if TYPE_CHECKING:
    from provisioner.api.machines import MachineList
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
        if output == "table" and console().file.isatty():
            return _redraw(client)
        return _print_lines(client, output)
    except KeyboardInterrupt:
        return None


def _print(output: str, rows: "Sequence[UnknownMachine]") -> None:
    print_rows(output, "machines", rows, machines.COLUMNS, name=lambda machine: machine.mac)


def _updates(client: "Client") -> "Iterator[tuple[UnknownMachine, ...]]":
    """All machines, whenever one was seen; while the service is away (it is started again) we try on."""
    after, warned = 0.0, False

    def ask(wait: float) -> "MachineList":
        nonlocal warned
        answer = client.machines(after, wait)
        warned = False
        return answer

    def warn(sentence: str) -> None:
        nonlocal warned
        if not warned:
            info(sentence)
        warned = True

    for answer in poll(ask, warn):
        if not after or any(machine.changed > after for machine in answer.machines):
            yield answer.machines
        after = max([after, *(machine.changed for machine in answer.machines)])


def _print_lines(client: "Client", output: str) -> None:
    seen: dict[str, float] = {}
    for rows in _updates(client):
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
    from rich.live import Live

    with Live(console=console(), auto_refresh=False) as live:
        for rows in _updates(client):
            table = make_table(rows, machines.COLUMNS, caption="Ctrl-C ends it")
            live.update(table if rows else line("nobody unknown has asked yet"), refresh=True)


net.add_command(net_check.check)
net.add_command(net_check.print_)
