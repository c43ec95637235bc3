"""Every sign that the program prints has a form in ASCII, and none is written where it cannot be read."""

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import provisioner
from provisioner.cli import output, signs, streams
from provisioner.system.text import FILLERS, UNREADABLE, escape

PACKAGE = Path(provisioner.__file__).parent
LOCALE = ("LC_ALL", "LC_CTYPE", "LANG", "TERM")


def printed(path: Path) -> Iterator[str]:
    """The letters of its texts beyond ASCII; docstrings of commands are their help, so they count too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (letter for letter in node.value if not letter.isascii())


def test_each_sign_in_the_program_has_a_form() -> None:
    used = {letter for path in PACKAGE.rglob("*.py") for letter in printed(path)}
    without = used - set(map(chr, signs.ASCII)) - FILLERS - {UNREADABLE}
    assert len(used) > 10 and without == set()
    assert all(str(form).isascii() for form in signs.ASCII.values())


def test_letters_that_are_no_signs_are_written_as_python_does() -> None:
    assert signs.plain("✗ Zürich → 時 \x1b") == "x Z\\xfcrich -> \\u6642 \x1b"


class Screen(io.TextIOWrapper):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def stream(encoding: str = "utf-8", *, is_terminal: bool = True) -> io.TextIOWrapper:
    return (Screen if is_terminal else io.TextIOWrapper)(io.BytesIO(), encoding)


@pytest.mark.parametrize(
    ("env", "encoding", "ascii_"),
    [
        ({}, "utf-8", False),
        ({"LANG": "C.UTF-8"}, "utf-8", False),
        ({"LANG": "de_DE.UTF-8", "TERM": "xterm-256color"}, "utf-8", False),
        ({"LC_ALL": "C"}, "utf-8", True),
        ({"LC_ALL": "POSIX", "LANG": "C.UTF-8"}, "utf-8", True),
        ({"LC_CTYPE": "C"}, "utf-8", True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, "utf-8", True),  # as Python has changed it
        ({"LC_ALL": "C.UTF-8", "LANG": "C"}, "utf-8", False),
        ({}, "ascii", True),
        ({}, "latin-1", True),
        ({}, "cp437", True),
        ({"TERM": "dumb"}, "utf-8", True),
        ({"TERM": "linux"}, "utf-8", True),
        ({"TERM": "vt220"}, "utf-8", True),
    ],
)
def test_what_can_be_read_is_known_by_locale_encoding_and_terminal(
    env: dict[str, str], encoding: str, ascii_: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOCALE:
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert signs.is_ascii(stream(encoding)) is ascii_
    if env.get("TERM") in signs.LIMITED:
        assert not signs.is_ascii(stream(encoding, is_terminal=False)), "a file has no letters missing"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "utf-8"])
def test_whatever_is_written_no_encoding_refuses_it(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    bytes_ = io.BytesIO()
    made = streams._output(io.TextIOWrapper(bytes_, encoding))
    made.write("✗ ü → \udcff 時\n")
    made.flush()
    assert made.encoding != "ascii", "click would write past it"
    is_utf8 = encoding == "utf-8"
    assert bytes_.getvalue() == (
        b"\xe2\x9c\x97 \xc3\xbc \xe2\x86\x92 \\udcff \xe6\x99\x82\n"
        if is_utf8
        else b"x \\xfc -> \\udcff \\u6642\n"
    )


def test_lines_are_laid_out_in_the_form_in_which_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two letters for one, after the layout, would be one column too many."""
    made = streams._output(stream("ascii"))
    monkeypatch.setattr("sys.stderr", made)
    assert output.line("✗ → ", ("…", "bold")).plain == "x -> ..."
    assert escape("→") == "→"
