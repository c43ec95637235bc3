"""Counts and lists as people read them."""

import pytest

from provisioner.system.units import and_more, counted, first, named


@pytest.mark.parametrize(
    ("names", "most", "text"),
    [
        ([], 2, ""),
        (["a"], 2, "a"),
        (["a", "b"], 2, "a, b"),
        (["a", "b", "c"], 2, "a, b and 1 more"),
        (["a", "b", "c"], 1, "a and 2 more"),
    ],
)
def test_a_long_list_of_names_says_how_many_are_not_there(names: list[str], most: int, text: str) -> None:
    assert named(names, most) == named(iter(names), most) == text


def test_a_sentence_has_ten_names_at_most() -> None:
    assert named(map(str, range(12))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


@pytest.mark.parametrize(
    ("lines", "most", "shown"),
    [
        ([], 2, []),
        (["a", "b"], 2, ["a", "b"]),
        (["a", "b", "c", "d"], 2, ["a", "b", "and 2 more"]),
    ],
)
def test_a_long_list_says_in_its_last_line_how_many_are_not_there(
    lines: list[str], most: int, shown: list[str]
) -> None:
    assert first(lines, most) == shown


def test_what_is_shown_whole_has_no_rest() -> None:
    assert [and_more(5, shown) for shown in (4, 5, 6)] == ["and 1 more", "", ""]


def test_one_thing_is_no_plural() -> None:
    assert [counted(number, "host") for number in (0, 1, 2)] == ["0 hosts", "1 host", "2 hosts"]
