"""`provision net …`: what is on the deployment LAN, and who else answers there."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from provisioner.cli import machines, net_check
from provisioner.cli.common import asks_service, console, emit, prints_data, say
from provisioner.cli.new_events import PATIENCE
from provisioner.client import WAIT, Client
from provisioner.errors import UnreachableError

Row = dict[str, Any]
PAUSE = 1.0  # seconds between two tries to reach it


@click.group()
def net() -> None:
    """The deployment LAN: who asks there, and who answers."""


@net.command()
@click.option("--once", is_flag=True, help="Print what is known now, and end.")
@prints_data
@asks_service
def watch(client: Client, once: bool, form: str) -> None:
    """Follow the machines that nobody knows: a table on a terminal, a line for each news elsewhere.

    Shown are the MACs of one machine (joined by its UUID), the cards' maker, the firmware, the address,
    when it was seen, and what its inventory said. Ctrl-C ends it. Without --once the data is jsonl, one
    machine on each line. Adopt one with: provision host add --from-seen MAC --name NAME.
    """
    if once:
        return emit(form, "machines", client.machines()["machines"], machines.COLUMNS, key="mac")
    if form in ("json", "yaml"):
        raise click.UsageError(f"-o {form} is one document: give --once with it, or -o jsonl")
    try:
        if form == "table" and console().file.isatty():
            return _live(client)
        return _lines(client, form)
    except KeyboardInterrupt:
        return None


def _news(client: Client) -> Iterator[list[Row]]:
    """All machines, whenever one was seen; while the service is away (it is started again) we try on."""
    after, heard, warned = 0.0, time.monotonic(), False
    while True:
        try:
            rows: list[Row] = client.machines(after, WAIT)["machines"]
        except UnreachableError as fault:
            if time.monotonic() - heard > PATIENCE:
                raise
            if not warned:
                say(f"{fault}; trying again")
            warned = True
            time.sleep(PAUSE)  # there is nobody who could wake us
            continue
        heard, warned = time.monotonic(), False
        if not after or any(_stamp(row) > after for row in rows):
            yield rows
        after = max([after, *map(_stamp, rows)])


def _stamp(row: Row) -> float:
    return float(max(row["last_seen"], row["inventoried"]))


def _lines(client: Client, form: str) -> None:
    seen: dict[str, float] = {}
    for rows in _news(client):
        for row in sorted(rows, key=_stamp):
            key = row["uuid"] or row["mac"]
            if _stamp(row) <= seen.get(key, 0.0):
                continue
            _line(row, form, is_new=key not in seen)
            seen[key] = _stamp(row)


def _line(row: Row, form: str, *, is_new: bool) -> None:
    if form == "table":
        stamp = datetime.fromtimestamp(_stamp(row)).astimezone().isoformat(timespec="seconds")
        click.echo(f"{stamp} {machines.sentence(row, is_new=is_new)}")
    else:
        emit(form, "machines", [row], machines.COLUMNS, key="mac")


def _live(client: Client) -> None:
    from rich.live import Live

    with Live(console=console(), auto_refresh=False) as live:
        for rows in _news(client):
            live.update(_table(rows), refresh=True)


def _table(rows: list[Row]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", caption="Ctrl-C ends it")
    for title, _ in machines.COLUMNS:
        table.add_column(title)
    for row in rows:
        table.add_row(*(Text(show(row)) for _, show in machines.COLUMNS))
    return table if rows else Text("nobody unknown has asked yet")


net.add_command(net_check.check)
net.add_command(net_check.print_)
