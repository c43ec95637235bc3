"""How commands print: data to stdout as a table, JSON or YAML; sentences and errors to stderr.

Everything that a command shows goes through here, and is escaped here (system/text.py): an older row, a BMC's
answer or an image's name may hold what a terminal obeys, or a line feed that would begin a line of its own.
"""

import dataclasses
import errno
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

import click

from provisioner.api import SCHEMA_VERSION
from provisioner.cli import layout
from provisioner.cli.layout import columns_of, terminal_size
from provisioner.cli.signs import shown
from provisioner.system.text import escape, escape_lines

if TYPE_CHECKING:
    from pydantic import BaseModel, JsonValue
    from rich.console import Console, RenderableType
    from rich.text import Text

    Data = Mapping[str, JsonValue]

FORMATS = ("table", "json", "jsonl", "yaml", "name")
TIMES = frozenset(
    {"time", "created", "stage_since", "deadline", "served", "expires", "consumed", "paused", "last_event_at"}
    | {"power_on", "added", "first_seen", "last_seen", "inventoried", "seen_at", "began", "ended"}
    | {"reported", "moved", "steady"}
)
FIELD = 10  # columns of a field's title
MARK = "✗"  # of what is wrong
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
    also: Mapping[str, "BaseModel"] | None = None,
) -> None:
    """Print models (or dataclasses) in one of FORMATS; `kind` is the plural noun that is the data's key.

    A document has the models of `also` beside them, by their keys.
    """
    if output == "table":
        _print_table(kind, rows, columns)
    elif output == "name":
        for row in rows:
            _print_name(name(row))
    elif output == "jsonl":
        for row in rows:
            print_json({"schema_version": SCHEMA_VERSION, **_plain(row)})
    else:
        beside = {key: _plain(model) for key, model in (also or {}).items()}
        _print_document(output, {**beside, kind: [_plain(row) for row in rows]})


def print_record(
    output: str,
    kind: str,
    record: object,
    show: Callable[[], None],
    *,
    name: str,
    also: Mapping[str, object] | None = None,
) -> None:
    """Print one model (or dataclass) in one of FORMATS: `show()` for people, else data.

    `also` are further keys beside it, as the API's answer has them: texts, models, or sequences of models.
    """
    if output == "table":
        show()
    elif output == "name":
        _print_name(name)
    else:
        more = {key: _plain_value(value) for key, value in (also or {}).items()}
        body: dict[str, JsonValue] = {kind: _plain(record), **more}
        _print_document("json" if output == "jsonl" else output, body, compact=output == "jsonl")


def print_change(output: str, kind: str, record: object, sentence: str, *, name: str) -> None:
    """What a command has done: a sentence for people, else the record as it is now, in one of FORMATS."""
    print_record(output, kind, record, lambda: info(sentence), name=name)


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
    """A moment in the reader's own time, with its zone; empty for never."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if seconds else ""


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


def table_lines(rows: Sequence[Row], columns: Sequence[Column[Row]], width: int | None) -> "list[Text]":
    """The rows as lines of at most `width` columns: a table, or where that is too wide a block for each."""
    cells = [[cell_lines(column.text(row)) for column in columns] for row in rows]
    table = layout.Table([column.title for column in columns], cells)
    return [line(*parts) for parts in table.lines(width)]


def cell_lines(cell: Cell) -> list[tuple[str, str]]:
    """The lines of a cell with their styles; only a list has several."""
    if isinstance(cell, list):
        return [(shown(each), "") for each in cell]
    text, style = cell if isinstance(cell, tuple) else (cell, "")
    return [(shown(text), style)]


def line(*parts: Part) -> "Text":
    """A line of rich text."""
    from rich.text import Text

    return Text.assemble(
        *(shown(part) if isinstance(part, str) else (shown(part[0]), part[1]) for part in parts)
    )


def wrapped(text: "Text", width: int | None) -> "list[Text]":
    """A line as lines of at most `width` columns, with its styles; what goes on below is indented."""
    rest = layout.indented(text.plain)
    lines, end = [], 0
    for number, words in enumerate(layout.wrap(text.plain, width, rest=rest)):
        body = words[len(rest) :] if number else words
        begin = text.plain.index(body, end)
        end = begin + len(body)
        lines.append(line(rest).append_text(text[begin:end]) if number else text[begin:end])
    return lines


def print_lines(out: "Console", *lines: "Text") -> None:
    """Lines that `line` has made; on a terminal none is broken within a word."""
    for each in lines:
        for part in wrapped(each, columns_of(out.file)):
            out.print(part, soft_wrap=True)


def page_lines(out: "Console", *lines: "Text") -> bool:
    """Likewise; by the reader's pager where they are more than the terminal shows. Whether that was so."""
    size = terminal_size(out.file)
    shown_lines = [part for each in lines for part in wrapped(each, size and size.columns)]
    is_seen = all(terminal_size(stream) for stream in (sys.stdin, sys.stdout))
    if size is None or len(shown_lines) < size.lines or not is_seen:
        print_lines(out, *lines)
        return False
    click.echo_via_pager("\n".join(drawn_lines(out, *shown_lines)))
    return True


def drawn_lines(out: "Console", *drawn: "RenderableType") -> list[str]:
    """What would be printed, colours and all, a line each."""
    with out.capture() as printed:
        for each in drawn:
            out.print(each, soft_wrap=True)
    return printed.get().splitlines()


def print_table(out: "Console", rows: Sequence[Row], columns: Sequence[Column[Row]]) -> int:
    """The rows, as they fit what they are printed to; how many lines that were."""
    lines = table_lines(rows, columns, columns_of(out.file))
    print_lines(out, *lines)
    return len(lines)


def _print_table(kind: str, rows: Sequence[Row], columns: Sequence[Column[Row]]) -> None:
    if not rows:
        return info("none")
    out = console()
    count, size = print_table(out, rows, columns), terminal_size(out.file)
    if size and count >= size.lines:
        info(f"{len(rows)} {kind}")
    return None


def print_fields(
    record: Row, columns: Sequence[Column[Row]], tell: Callable[[str, str], None] | None = None
) -> None:
    """One row as lines of title and text, for people."""
    for column in columns:
        (tell or print_field)(column.title.capitalize(), ", ".join(_words(column.text(record))))


def _words(cell: Cell) -> list[str]:
    if isinstance(cell, list):
        return cell
    return [cell if isinstance(cell, str) else cell[0]]


def print_field(title: str, text: str) -> None:
    """One line of title and text, for people."""
    _print_sentence(_field(title, text), rest=" " * FIELD)


def info_field(title: str, text: str) -> None:
    """Likewise, to stderr: for whoever is asked something."""
    info(_field(title, text), rest=" " * FIELD)


def _field(title: str, text: str) -> str:
    return f"{title:<{FIELD}}{text}".rstrip()


def _print_name(name: str) -> None:
    click.echo(escape(name))


def info(sentence: str, *, rest: str = "") -> None:
    """A line for people, to stderr. That nobody can read it any more ends nothing."""
    with suppress(OSError):
        _print_sentence(sentence, rest=rest, is_error=True)


def write_prompt(text: str) -> None:
    """What stands before what is typed, to stderr."""
    click.echo(shown(text), nl=False, err=True)


def say(sentence: str) -> None:
    """A line that was asked for, to stdout."""
    _print_sentence(sentence)


def _print_sentence(sentence: str, *, rest: str = "", is_error: bool = False) -> None:
    """One line; on a terminal as many as keep its words whole."""
    text, width = shown(sentence), columns_of(sys.stderr if is_error else sys.stdout)
    for each in layout.wrap(text, width, rest=rest or layout.indented(text)):
        click.echo(each, err=is_error)


def write(text: str) -> None:
    """Text that is laid out in lines, to stdout."""
    click.echo(escape_lines(text), nl=False)
    sys.stdout.flush()
