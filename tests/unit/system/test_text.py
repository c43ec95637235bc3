"""Words of strangers: nothing in them reaches a terminal that would do more than show a sign."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provisioner.system.text import LONGEST, MOST_MARKS, clean, escape, escape_lines, is_identifier
from tests.hostile_words import ANY, LOOKALIKE, WORDS, faults


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_what_no_machine_should_say_is_shown_and_does_nothing(words: str) -> None:
    assert faults(clean(words)) == faults(escape(words)) == []
    assert clean(words) and len(clean(words)) <= LONGEST and "\n" not in escape(words)


@given(ANY)
@example("\u0301" * 3)
@example("a" * 4 * LONGEST + "b")
def test_any_words_become_a_line_that_stays_as_it_is(words: str) -> None:
    line = clean(words)
    assert faults(line) == [] and len(line) <= LONGEST
    assert clean(line) == line == escape(line)
    assert "  " not in line and line == line.strip()


@given(ANY, st.integers(1, 40))
def test_words_are_cut_where_it_is_said(words: str, longest: int) -> None:
    line = clean(words, longest)
    assert len(line) <= longest and clean(line, longest) == line


@given(ANY)
def test_what_is_escaped_twice_is_escaped_once(words: str) -> None:
    assert faults(escape(words)) == [] and escape(escape(words)) == escape(words)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("PM9A3 \x1b[2J\n", "PM9A3 \\x1b[2J"),
        ("a\tb\r\n c\u2028d\u00a0\u3000e", "a b c d e"),
        ("\u202eS1\u2066", "\\u202eS1\\u2066"),
        ("\ud800\x00\x9b\U000e0001", "\\ud800\\x00\\x9b\\U000e0001"),
        ("\x1f\x1c", "\\x1f\\x1c"),
        ("S\u3164", "S\\u3164"),
        ("ê\u0323 Tiê\u0301ng", "ê\u0323 Tiê\u0301ng"),
        ("e\u0301\u0323\u0300", "e\u0301\u0323\\u0300"),
        ("\u0301S", "\\u0301S"),
        (LOOKALIKE, LOOKALIKE),
        ("", ""),
    ],
)
def test_what_is_taken_out_is_seen(words: str, shown: str) -> None:
    assert clean(words) == shown


def test_what_is_too_long_ends_with_its_sign() -> None:
    assert clean("x" * LONGEST) == "x" * LONGEST
    assert clean("x" * (LONGEST + 1)) == "x" * (LONGEST - 1) + "…"
    assert clean(" " * 100_000 + "x") == "…", "nobody looks through a flood of blanks"
    assert clean("\x00" * 10, 8) == "\\x00\\x0…"


def test_a_flood_costs_no_more_than_what_is_kept_of_it() -> None:
    flood = "\u202e" * (10 << 20)
    assert clean(flood) == clean(flood[: 8 * LONGEST])


def test_marks_are_counted_on_each_letter() -> None:
    marked = ("a" + "\u0301" * MOST_MARKS) * 30
    assert escape("x" + marked) == "x" + marked


def test_lines_stay_lines_and_tabs_stay_tabs() -> None:
    assert escape_lines("a\tb\x1b[1m\n\u2028c\n") == "a\tb\\x1b[1m\n\\u2028c\n"


@pytest.mark.parametrize("words", ["S5XX", "eui.0025388a", "WD-WCC4 E1", "ＳＮ１", "a\\x07", ""])
def test_what_can_be_read_identifies(words: str) -> None:
    assert is_identifier(words)


HARD_TO_READ = ("S1\x07", "S1\n", "S\u200b1", "S\ufffd1", "\u0301S", "S1\ud800", "S\u00a01")


@pytest.mark.parametrize("words", HARD_TO_READ)
def test_what_cannot_be_told_from_another_by_its_look_identifies_nothing(words: str) -> None:
    assert not is_identifier(words)


@given(ANY, ANY)
def test_two_that_differ_still_differ_where_nothing_is_collapsed(one: str, other: str) -> None:
    if is_identifier(one) and is_identifier(other):
        assert (escape(one) == escape(other)) == (one == other)
