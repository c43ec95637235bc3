"""What all commands share: how they reach the service, how they print data and errors."""

import functools
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from provisioner.client import Client
from provisioner.errors import ProvisionError

STATE = Path("/var/lib/provisioner")
SCHEMA_VERSION = 1
TIMES = frozenset(
    {
        "time",
        "created",
        "stage_since",
        "deadline",
        "expires",
        "last_event_at",
        "power_on",
        "added",
        "first_seen",
    }
    | {"last_seen", "inventoried"}
)
Row = dict[str, Any]
Column = tuple[str, Callable[[Row], str]]


state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, readable=False),  # whether it is, the errors of ours say better
    default=STATE,
    envvar="PROVISION_STATE",
    help="The service's state folder on this machine.  [env: PROVISION_STATE]",
)


def asks_service(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --state and --server, and calls with a `client`."""

    @state_option
    @click.option(
        "--server",
        default="",
        envvar="PROVISION_SERVER",
        metavar="URL",
        help="A service on another machine; its token is read from PROVISION_TOKEN.  [env: PROVISION_SERVER]",
    )
    @functools.wraps(command)
    def wrapped(*args: Any, state: Path, server: str, **kwargs: Any) -> Any:
        token = os.environ.get("PROVISION_TOKEN", "")
        client = Client(server=server, token=token) if server else Client(socket=state / "api.sock")
        return command(*args, client=client, **kwargs)

    return wrapped


def prints_data(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds -o, handed on as `form`."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["table", "json", "jsonl", "yaml", "name"]),
        default="table",
        help="How data is printed.",
    )(command)


def emit(form: str, kind: str, rows: Sequence[Row], columns: Sequence[Column], *, key: str = "name") -> None:
    """Print rows to stdout: a table for people, else data; `kind` is the plural noun in the data."""
    if form == "table":
        _table(rows, columns)
    elif form == "name":
        for row in rows:
            click.echo(row[key])
    elif form == "jsonl":
        for row in rows:
            click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **_dated(row)}, ensure_ascii=False))
    else:
        _document(form, {kind: [_dated(row) for row in rows]})


def emit_one(form: str, kind: str, row: Row, show: Callable[[], None], *, key: str = "name") -> None:
    """Print one thing: `show()` for people, else data."""
    if form == "table":
        show()
    elif form == "name":
        click.echo(row[key])
    else:
        _document("json" if form == "jsonl" else form, {kind: _dated(row)}, compact=form == "jsonl")


def _document(form: str, body: Row, *, compact: bool = False) -> None:
    body = {"schema_version": SCHEMA_VERSION, **body}
    if form == "yaml":
        import yaml

        click.echo(yaml.safe_dump(body, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(json.dumps(body, ensure_ascii=False, indent=None if compact else 2))


def _dated(value: Any, key: str = "") -> Any:
    """The same data with RFC 3339 times in UTC."""
    if isinstance(value, dict):
        return {name: _dated(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_dated(item) for item in value]
    if key in TIMES and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds") if value else None
    return value


def local_time(seconds: float) -> str:
    """A moment in the reader's own time; empty for never."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def console(*, stderr: bool = False) -> Any:
    """A rich console that is not narrower than its table when nobody looks."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 200
    return Console(stderr=stderr, width=width, highlight=False)


def _table(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for title, _ in columns:
        table.add_column(title)
    for row in rows:
        table.add_row(*(Text(show(row)) for _, show in columns))
    out = console()
    if rows:
        out.print(table)
    else:
        click.echo("none", err=True)


def complain(fault: ProvisionError) -> None:
    """An error for people, to stderr: what, why, what to do, its code."""
    mark = click.style("✗ ", fg="red", bold=True)
    click.echo(f"{mark}{fault} (PV-{fault.code})", err=True, color=_wants_colour())
    if fault.hint:
        click.echo(f"  → {fault.hint}", err=True)


def _wants_colour() -> bool | None:
    """As rich decides it, which click does not; None where it depends on the terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def say(sentence: str) -> None:
    """A line for people, to stderr."""
    click.echo(sentence, err=True)
