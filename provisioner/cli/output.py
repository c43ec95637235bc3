"""How commands print: data to stdout as a table, JSON or YAML; sentences and errors to stderr.

Everything that a command shows goes through here, and is escaped here (system/text.py): an older row, a BMC's
answer or an image's name may hold what a terminal obeys, or a line feed that would begin a line of its own.
"""

import dataclasses
import errno
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

import click

from provisioner.api import SCHEMA_VERSION
from provisioner.errors import ProvisionError
from provisioner.system.text import escape, escape_lines

if TYPE_CHECKING:
    from pydantic import BaseModel, JsonValue
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    Data = Mapping[str, JsonValue]

FORMATS = ("table", "json", "jsonl", "yaml", "name")
TIMES = frozenset(
    {
        "time",
        "created",
        "stage_since",
        "deadline",
        "expires",
        "consumed",
        "paused",
        "last_event_at",
        "power_on",
        "added",
        "first_seen",
    }
    | {"last_seen", "inventoried", "seen_at"}
)
MOST_FAULTS = 50  # that are shown of one command
WIDTH = 1 << 20  # YAML is not folded: the rest of a text would begin a line of its own
Row = TypeVar("Row")
Part = str | tuple[str, str]  # text, or text and its style
Cell = Part | list[str]  # or lines


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a table: its title, and the text of a row's cell."""

    title: str
    text: Callable[[Row], Cell]


def print_rows(
    output: str,
    kind: str,
    rows: Sequence[Row],
    columns: Sequence[Column[Row]],
    *,
    name: Callable[[Row], str],
) -> None:
    """Print models (or dataclasses) in one of FORMATS; `kind` is the plural noun that is the data's key."""
    if output == "table":
        _print_table(rows, columns)
    elif output == "name":
        for row in rows:
            say(name(row))
    elif output == "jsonl":
        for row in rows:
            print_json({"schema_version": SCHEMA_VERSION, **_plain(row)})
    else:
        _print_document(output, {kind: [_plain(row) for row in rows]})


def print_record(
    output: str,
    kind: str,
    record: "BaseModel",
    show: Callable[[], None],
    *,
    name: str,
    also: Mapping[str, object] | None = None,
) -> None:
    """Print one model in one of FORMATS: `show()` for people, else data; `also` are further keys of it.

    Their values are texts, models, or sequences of models.
    """
    if output == "table":
        show()
    elif output == "name":
        say(name)
    else:
        more = {key: _plain_value(value) for key, value in (also or {}).items()}
        body: dict[str, JsonValue] = {kind: {**more, **_plain(record)}}
        _print_document("json" if output == "jsonl" else output, body, compact=output == "jsonl")


def _plain_value(value: object) -> "JsonValue":
    if isinstance(value, str):
        return value
    return [_plain(item) for item in value] if isinstance(value, Sequence) else _plain(value)


def _plain(row: object) -> "dict[str, JsonValue]":
    """As JSON has it, with RFC 3339 times in UTC; of a model what was set, so what the service said."""
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return _with_dates(dataclasses.asdict(row))
    model: BaseModel = row  # type: ignore[assignment]  # every row is one or the other
    return _with_dates(model.model_dump(mode="json", by_alias=True, exclude_unset=True))


def _with_dates(record: "Data") -> "dict[str, JsonValue]":
    return {key: _dated(value, key) for key, value in record.items()}


def _dated(value: "JsonValue", key: str = "") -> "JsonValue":
    if isinstance(value, dict):
        return _with_dates(value)
    if isinstance(value, list):
        return [_dated(item) for item in value]
    if key in TIMES and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds") if value else None
    return value


def _print_document(output: str, body: "Data", *, compact: bool = False) -> None:
    document = {"schema_version": SCHEMA_VERSION, **body}
    if output == "yaml":
        _print_yaml(document)
    else:
        print_json(document, indent=None if compact else 2)


def print_json(document: "Data", *, indent: int | None = None) -> None:
    """Data as JSON in ASCII: what may not reach a terminal is escaped as JSON has it, which programs undo."""
    click.echo(json.dumps(document, indent=indent))


def _print_yaml(document: "Data") -> None:
    """In ASCII likewise; a text with line feeds stands in quotes, on one line."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes what cannot stand on a line."""

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = None if text.isprintable() else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent)
    click.echo(yaml.dump(document, Dumper=Dumper, sort_keys=False, width=WIDTH), nl=False)


def local_time(seconds: float) -> str:
    """A moment in the reader's own time; empty for never."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def timestamp(seconds: float) -> str:
    """A moment as RFC 3339, in the reader's own time zone."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def console(*, stderr: bool = False) -> "Console":
    """A rich console that is not narrower than its table when nobody looks."""
    from rich.console import Console

    class PipeConsole(Console):
        """Lets a broken pipe be the error that it is elsewhere; rich would end the process."""

        def on_broken_pipe(self) -> None:
            self.quiet = True  # what it still draws while it ends
            raise BrokenPipeError(errno.EPIPE, "")

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 200
    return PipeConsole(stderr=stderr, width=width, highlight=False)


def make_table(rows: Sequence[Row], columns: Sequence[Column[Row]], *, caption: str | None = None) -> "Table":
    """The rows as a rich table without lines."""
    from rich.table import Table

    shown = None if caption is None else line(caption)
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False, caption=shown)
    for column in columns:
        table.add_column(column.title)
    for row in rows:
        table.add_row(*(_text(column.text(row)) for column in columns))
    return table


def _text(cell: Cell) -> "Text":
    """A cell as rich text; only a list has several lines."""
    if isinstance(cell, list):
        from rich.text import Text

        return Text("\n").join(map(line, cell))
    return line(cell)


def line(*parts: Part, is_cut: bool = False) -> "Text":
    """A line of rich text; with `is_cut` it ends with `…` where the terminal does."""
    from rich.text import Text

    texts = [escape(part) if isinstance(part, str) else (escape(part[0]), part[1]) for part in parts]
    return Text.assemble(*texts, no_wrap=is_cut or None, overflow="ellipsis" if is_cut else None)


def print_lines(out: "Console", *lines: "Text") -> None:
    """Lines that `line` has made."""
    for each in lines:
        out.print(each, soft_wrap=True)


def print_table(out: "Console", table: "Table") -> None:
    """A table that `make_table` has made."""
    out.print(table)


def _print_table(rows: Sequence[Row], columns: Sequence[Column[Row]]) -> None:
    if rows:
        print_table(console(), make_table(rows, columns))
    else:
        info("none")


def print_fields(record: Row, columns: Sequence[Column[Row]]) -> None:
    """One row as lines of title and text, for people."""
    for column in columns:
        print_field(column.title.capitalize(), ", ".join(_words(column.text(record))))


def _words(cell: Cell) -> list[str]:
    if isinstance(cell, list):
        return cell
    return [cell if isinstance(cell, str) else cell[0]]


def print_field(title: str, text: str) -> None:
    """One line of title and text, for people."""
    say(f"{title:<10}{text}".rstrip())


def print_error(fault: ProvisionError) -> None:
    """An error for people, to stderr: what, why, what to do, its code; and all that were found with it."""
    faults = (fault, *fault.also)
    for one in faults[:MOST_FAULTS]:
        _print_fault(one)
    if len(faults) > MOST_FAULTS:
        info(f"… and {len(faults) - MOST_FAULTS} more")


def _print_fault(fault: ProvisionError) -> None:
    mark = click.style("✗ ", fg="red", bold=True)
    click.echo(f"{mark}{escape(str(fault))} (PV-{fault.code})", err=True, color=_wants_colour())
    if fault.hint:
        info(f"  → {fault.hint}")


def _wants_colour() -> bool | None:
    """As rich decides it, which click does not; None where it depends on the terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def info(sentence: str) -> None:
    """A line for people, to stderr. That nobody can read it any more ends nothing."""
    with suppress(OSError):
        click.echo(escape(sentence), err=True)


def say(sentence: str) -> None:
    """A line that was asked for, to stdout."""
    click.echo(escape(sentence))


def write(text: str) -> None:
    """Text that is laid out in lines, to stdout."""
    click.echo(escape_lines(text), nl=False)
    sys.stdout.flush()
