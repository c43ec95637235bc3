"""Lines that fit a terminal: nothing is lost, and what is read or typed as one is not torn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.cli import layout
from provisioner.cli.layout import Table, cells, wrap

WIDTHS = st.integers(8, 200)
TEXTS = st.text(st.sampled_from("abc  :.-→ü時·"), max_size=300)
MAC, ADDRESS, COMMAND = "ac:1f:6b:0a:42:10", "10.20.0.142", "provision host edit vc-0043 --mac AC:1F:6B"


@given(TEXTS, WIDTHS)
def test_no_letter_is_lost_and_no_line_is_too_long(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrap(text, None) == [text]


@given(
    st.lists(st.sampled_from(["a", "word", MAC, ADDRESS, "5 m 43 s", "290.1 MB", "34 s left"]), max_size=30),
    WIDTHS,
)
def test_what_is_one_thing_stays_on_one_line(words: list[str], width: int) -> None:
    lines = wrap(", ".join(words), width)
    if width >= len(MAC) + 5:
        for word in set(words):
            assert sum(line.count(word) for line in lines) >= words.count(word), lines


@pytest.mark.parametrize("width", range(len(COMMAND) + 4, 100))
@pytest.mark.parametrize("before", ["do this: ", "is the address right at all, so far as you see? ", ""])
def test_a_command_is_not_torn_where_it_has_room(before: str, width: int) -> None:
    lines = wrap(f"{before}{COMMAND}; then wait", width)
    assert any(COMMAND in line for line in lines), lines


def test_a_command_longer_than_the_line_is_continued() -> None:
    assert wrap(COMMAND, 20, rest="  ") == ["provision host edit", "  vc-0043 --mac", "  AC:1F:6B"]


def test_a_word_longer_than_the_line_is_continued_below() -> None:
    assert wrap("x" * 25, 10, rest="  ") == ["x" * 10, "  " + "x" * 8, "  " + "x" * 7]
    assert wrap("時" * 6, 7, rest="") == ["時時時", "時時時"]


def cell(text: str) -> list[tuple[str, str]]:
    return [(text, "")]


def plain(lines: list[layout.Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


SILENT = f"the BMC at {ADDRESS} does not answer on UDP port 623"
HOSTS = Table(
    ["HOST", "MAC", "STATE", ""],
    [
        [cell("vc-0001"), [(MAC, ""), ("ac:1f:6b:0a:42:11", "")], cell("ready"), cell("")],
        [
            cell("vc-2"),
            cell(MAC),
            cell("failed"),
            cell(f"the BMC at {ADDRESS} does not answer on UDP port 623"),
        ],
    ],
)


def test_a_table_that_fits_is_a_table() -> None:
    assert (
        plain(HOSTS.lines(None))
        == plain(HOSTS.lines(97))
        == [
            "HOST     MAC                STATE",
            "vc-0001  ac:1f:6b:0a:42:10  ready",
            "         ac:1f:6b:0a:42:11",
            "vc-2     ac:1f:6b:0a:42:10  failed  the BMC at 10.20.0.142 does not answer on UDP port 623",
        ]
    )


def test_a_last_column_is_wrapped_beside_the_others_or_stands_below_them() -> None:
    assert plain(HOSTS.lines(70))[3:] == [
        "vc-2     ac:1f:6b:0a:42:10  failed  the BMC at 10.20.0.142 does not",
        "                                    answer on UDP port 623",
    ]
    assert plain(HOSTS.lines(50))[3:] == [
        "vc-2     ac:1f:6b:0a:42:10  failed",
        "    the BMC at 10.20.0.142 does not answer on UDP",
        "    port 623",
    ]


def test_a_table_that_does_not_fit_is_a_block_for_each_row() -> None:
    assert plain(HOSTS.lines(30)) == [
        "vc-0001",
        "    mac ac:1f:6b:0a:42:10,",
        "      ac:1f:6b:0a:42:11",
        "    state ready",
        "vc-2  ac:1f:6b:0a:42:10",
        "    state failed",
        "    the BMC at 10.20.0.142",
        "    does not answer on UDP",
        "    port 623",
    ]


WORDS = st.text(st.sampled_from("abcdefgh時 "), max_size=60).map(str.strip)
ROWS = st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), min_size=1, max_size=4)


@given(
    ROWS, WIDTHS, st.sampled_from([["A", "B", "C", "D"], ["A", "B", "C", ""], ["", "B", "", "D"], [""] * 4])
)
def test_no_cell_of_a_table_is_cut_at_any_width(
    rows: list[tuple[str, ...]], width: int, titles: list[str]
) -> None:
    table = Table(titles, [[cell(text) for text in row] for row in rows])
    for row, lines in zip(rows, table.row_lines(width), strict=True):
        shown = plain(lines)
        assert all(cells(line) <= width for line in shown)
        have, want = "".join(shown), "".join(row)
        assert all(have.count(letter) >= want.count(letter) for letter in set(want) - {" "})


@pytest.mark.parametrize(("text", "blanks"), [("a", 2), ("  → a", 4), ("    a", 6), ("", 2)])
def test_what_goes_on_below_is_indented(text: str, blanks: int) -> None:
    assert layout.indented(text) == " " * blanks
