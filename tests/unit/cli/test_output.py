"""How commands print: all by one module, which lets nothing through that commands a terminal."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from provisioner import cli
from provisioner.cli import error_output, output
from provisioner.cli.output import Column
from provisioner.errors import RefusedError
from tests.hostile_words import FORGED, WORDS, faults, line_faults

FOLDER = Path(cli.__file__).parent
STORABLE = {name: words for name, words in WORDS.items() if "\ud800" not in words}


class Shelf(BaseModel):
    """A row."""

    name: str
    words: str
    parts: dict[str, str] = {}


PRINTERS = (".echo", ".secho", ".print", "stdout.write", "stderr.write", "print_exc")
COLUMNS = (
    Column[Shelf]("NAME", lambda row: row.name),
    Column[Shelf]("WORDS", lambda row: row.words),
    Column[Shelf]("STYLE", lambda row: (row.words, "red")),
    Column[Shelf]("LINES", lambda row: [row.words, row.words]),
)


def shelf(words: str) -> Shelf:
    return Shelf(name="s1", words=words, parts={words[:100]: words})


def printers(path: Path) -> Iterator[str]:
    """Calls that print, and imports of what rich prints, but for types."""
    tree = ast.parse(path.read_text())
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        place = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ImportFrom) and id(node) not in typing:
            if node.module in ("rich.text", "rich.table", "rich.markup", "rich"):
                yield f"{place} {node.module}"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name == "print" or name.endswith(PRINTERS):
                yield f"{place} {name}"


def test_two_modules_print_and_what_is_asked_for_raw_is_raw() -> None:
    found = [line for path in sorted(FOLDER.glob("*.py")) for line in printers(path)]
    others = [line for line in found if not line.startswith(("output.py", "error_output.py"))]
    assert others == [] and len(found) > 5


@pytest.mark.parametrize("words", STORABLE.values(), ids=STORABLE.keys())
@pytest.mark.parametrize("form", output.FORMATS)
def test_no_form_of_data_commands_a_terminal_or_forges_a_line(
    capsys: pytest.CaptureFixture[str], words: str, form: str
) -> None:
    rows = [shelf(words)]
    output.print_rows(form, "shelves", rows, COLUMNS, name=lambda row: row.words)
    output.print_record(form, "shelf", rows[0], lambda: output.print_fields(rows[0], COLUMNS), name=words)
    printed = capsys.readouterr().out
    assert printed and line_faults(printed, is_table=form == "table") == []


@pytest.mark.parametrize("words", STORABLE.values(), ids=STORABLE.keys())
def test_programs_read_every_character(capsys: pytest.CaptureFixture[str], words: str) -> None:
    for form, load in (("json", json.loads), ("jsonl", json.loads), ("yaml", yaml.safe_load)):
        output.print_record(form, "shelf", shelf(words), lambda: None, name="s1")
        printed = capsys.readouterr().out
        assert printed.isascii() and load(printed)["shelf"]["words"] == words


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_sentences_are_one_line_each(capsys: pytest.CaptureFixture[str], words: str) -> None:
    output.info(f"it says {words}")
    output.say(f"it says {words}")
    output.print_field("Words", words)
    output.print_lines(output.console(), output.line("it says ", (words, "bold")))
    error_output.print_error(RefusedError(f"it says {words}", hint=words, code=139))
    printed = capsys.readouterr()
    assert line_faults(printed.out) == line_faults(printed.err) == []
    assert printed.err.startswith("it says ") and printed.err.count("\n") == 3
    assert printed.out.count("\n") == 3


def test_what_is_laid_out_in_lines_keeps_them(capsys: pytest.CaptureFixture[str]) -> None:
    output.write("subnet {\n\toption \x1b[2J;\n}\n")
    assert capsys.readouterr().out == "subnet {\n\toption \\x1b[2J;\n}\n"


def test_markup_in_words_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_rows("table", "shelves", [shelf("[/] [bold]x :boom:")], COLUMNS, name=lambda row: row.name)
    assert capsys.readouterr().out.count("[/] [bold]x :boom:") == 4


def test_our_own_colours_stay(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    error_output.print_error(RefusedError(f"\x1b[2J{FORGED}", code=139))
    printed = capsys.readouterr().err
    assert printed.startswith("\x1b[31m") and "\\x1b[2J" in printed
    plain = printed.replace("\x1b[31m", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert faults(plain.rstrip("\n")) == []


def test_what_was_found_with_an_error_is_told_too_as_far_as_it_can_be_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fault, others = RefusedError("one", hint="do it", code=139), error_output.MOST_FAULTS + 5
    fault.also = tuple(RefusedError(f"further {number}", code=130) for number in range(others))
    error_output.print_error(fault)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == ["✗ one (PV-139)", "  → do it", "✗ further 0 (PV-130)"]
    assert lines[-1] == "… and 6 more" and len(lines) == error_output.MOST_FAULTS + 2
