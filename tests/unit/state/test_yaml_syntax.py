"""A slip of YAML's syntax is told in our words, where it is, and with what to do."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import InventoryError
from provisioner.state import yaml_file, yaml_syntax

CLOSE = "separate by commas, close by"
SLIPS = {
    "a: b: c\n": (1, "a second colon in one line (column 5)", "in quotes"),
    "a: b\n  c: d\n": (2, "a key where none can stand: the line above has a value", "in one column"),
    "a:\n  b: c\n   d: e\n": (3, "a key where none can stand", "in one column"),
    "a: 1\nb\nc: 2\n": (2, "'b' is a key without a colon (column 1)", "KEY: VALUE"),
    "a:\n  b: c\n d: e\n": (
        3,
        "indented as nothing above it: the keys of line 1 begin in column 1",
        "column",
    ),
    "a:\n  c: d\n  - b\n": (3, "an item of a list among the keys of line 2", "a key of its own"),
    "a:\n  - b\n  c: d\n": (3, "no item of the list that begins in line 2", "items begin with -"),
    "a: - b\n": (1, "a list cannot begin in the line of its key", "in the next line"),
    "a: [b, c\nd: e\n": (2, "the [ of line 1 is not closed by ], or a comma is missing", f"{CLOSE} ]"),
    "a: [b}\n": (1, "the [ is not closed by ]", f"{CLOSE} ]"),
    "a: {b: 1 c: 2}\n": (1, "the { is not closed by }, or a comma is missing (column 11)", f"{CLOSE} }}"),
    "a: ]\n": (1, "']' stands where a value is expected", "in quotes"),
    'a: 1\nb: "c\nd: e\n': (2, 'the quote " is not closed (column 4)', 'is written \\"'),
    "b: 'c\nd: e\n": (1, "the quote ' is not closed", "is written ''"),
    'a: "x\n---\ny"\n': (1, 'the quote " is not closed', "where the text ends"),
    'a: "b" c\n': (1, "'c' stands behind a value that has ended", "whole value in quotes"),
    "a: {{ b }}/c\n": (1, "'/c' stands behind a value that has ended", "whole value in quotes"),
    'a: "C:\\dir"\n': (1, "\\d begins no sign that there is within double quotes", "single quotes"),
    'a: "\\x4"\n': (1, "\\x begins no sign that there is within double quotes", "single quotes"),
    "a: @b\n": (1, "no text begins with @ (column 4)", "in quotes"),
    "a: `b`\n": (1, "no text begins with `", "in quotes"),
    "a: *.example\n": (1, "* begins an alias, and no name follows", "in quotes"),
    "a: & b\n": (1, "& begins an anchor, and no name follows", "in quotes"),
    "a: [*b]\n": (1, "the alias *b means nothing: there is no &b above it", "in quotes"),
    "a: 1\n---\nb: 2\n": (2, "a second document begins here", "one document"),
    "{a: 1}\n}\n": (2, "'}' stands behind the end of the document", "one mapping"),
    "a: > b\n": (1, "> begins a text that stands in the lines below", "in the next line"),
    "a: !{} x\n": (1, "! begins a tag, and this is none", "in quotes"),
    "a: !x!y z\n": (1, "! begins a tag, and this is none", "in quotes"),
    "a: &x 1\nb: &x 2\n": (2, "this anchor is there twice, first in line 1", "another name"),
    "%YAML 3.0\n---\na: 1\n": (1, "%YAML names a version", "leave the line out"),
    "a: |\n\tb\n": (2, "a tab where blanks are expected", "never with a tab"),
    "a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> x\n": (2, "a merge left its marks", "one side"),
}


@pytest.mark.parametrize("text", SLIPS, ids=repr)
def test_a_slip_is_told_with_its_line_and_what_to_do(tmp_path: Path, text: str) -> None:
    line, words, hint = SLIPS[text]
    (tmp_path / "hosts.yml").write_text(text)
    with pytest.raises(InventoryError) as caught:
        yaml_file.load(tmp_path / "hosts.yml")
    assert str(caught.value).startswith(f"hosts.yml: line {line}: not YAML: {words}"), str(caught.value)
    assert hint in caught.value.hint and caught.value.code == 110


@given(st.text(alphabet="ab:-[]{}\"'\\&*!|>%@`#,?\n\t ", max_size=40))
def test_whatever_is_no_yaml_is_told_within_the_file(text: str) -> None:
    try:
        yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as fault:
        told = yaml_syntax.explain(fault, text, "hosts.yml")
        assert 1 <= told.place.line <= text.count("\n") + 2 and "not YAML: " in str(told)
        assert not set(told.sentence.split()) & {"scalar", "token", "scanning", "parsing"}, str(told)
