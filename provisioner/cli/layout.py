"""Lines that fit a terminal: nothing of a text is cut, and what is read or typed as one stays on one line."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

Part = tuple[str, str]  # text, and its style
Line = tuple[Part, ...]

GAP = 2  # columns between two cells
INDENT = "    "  # of what goes on below
PROSE = 30  # columns that sentences need to be read beside others
_TIME = r"(?:\d+ h )?(?:\d+ m )?\d+ [sm]\b(?: left| ago)?"
_AMOUNT = r"\d[\d.]* (?:%|[kMGT]?i?B(?:/s)?)"
_COMMAND = r"\b(?:provision|ping)(?: [^\s;,()]+)+"  # as far as sentences have it
_PIECE = re.compile(rf" *(?:{_COMMAND}|\(?(?:{_TIME}|{_AMOUNT})[^\s]*|[^ ]+)")


def terminal_size(stream: IO[str]) -> os.terminal_size | None:
    """Columns and lines of the terminal that it is; None for what is none, or does not know its size."""
    if not stream.isatty():
        return None
    try:
        size = os.get_terminal_size(stream.fileno())
    except OSError:
        return None
    asked = [os.environ.get(name, "") for name in ("COLUMNS", "LINES")]
    columns, rows = (int(word) if word.isdecimal() else own for word, own in zip(asked, size, strict=True))
    return os.terminal_size((columns, rows)) if columns and rows else None


def columns_of(stream: IO[str]) -> int | None:
    """Columns of the terminal that it is, if it knows them."""
    size = terminal_size(stream)
    return size.columns if size else None


def cells(text: str) -> int:
    """How many columns a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def indented(text: str) -> str:
    """The blanks behind which a sentence goes on below: two more than it begins with."""
    return " " * (len(text) - len(text.lstrip(" ")) + 2)


def wrap(text: str, width: int | None, *, first: str = "", rest: str = INDENT) -> list[str]:
    """The text as lines of at most `width` columns, none where that is None, behind `first` and `rest`.

    Lines end between words; a command, a duration or an amount goes whole to the next one where it fits
    there. Only a word that is wider than a line is continued on the next one.
    """
    if width is None or cells(first + text) <= width:
        return [first + text]
    lines, current, is_empty = [], first, True
    for piece in _pieces(text, width - cells(rest)):
        if is_empty or cells(current + piece) <= width:
            current += piece
        else:
            lines.append(current)
            current = rest + piece.lstrip(" ")
        is_empty = False
        while cells(current) > width and len(current) > len(rest) + 1:
            head, current = _split(current, width, rest)
            lines.append(head)
    return [*lines, current]


def _pieces(text: str, room: int) -> Iterator[str]:
    """The words, each with the blanks before it; several as one where they belong together and have room."""
    for match in _PIECE.finditer(text):
        piece = match[0]
        if cells(piece.lstrip(" ")) <= room:
            yield piece
        else:
            yield from re.findall(r" *[^ ]+", piece)


def _split(text: str, width: int, rest: str) -> tuple[str, str]:
    """What fits of a word that is wider than the line, and what goes on below."""
    end = min(len(text), width)
    while cells(text[:end]) > width:
        end -= 1
    end = max(end, len(rest) + 1)
    return text[:end], rest + text[end:]


@dataclass(frozen=True)
class Table:
    """Rows of cells, each cell the lines that it has; `titles` above them, empty for none."""

    titles: Sequence[str]
    rows: Sequence[Sequence[Sequence[Part]]]

    def lines(self, width: int | None) -> list[Line]:
        """The table as lines that fit, with its titles where it has columns."""
        if not self._has_columns(width) and self._empty:
            return self._without_empty().lines(width)
        rows = [line for row in self.row_lines(width) for line in row]
        has_titles = any(self.titles) and self._has_columns(width)
        titles = [[(title, "bold")] for title in self.titles]
        return [*(self._aligned(titles, None) if has_titles else ()), *rows]

    def row_lines(self, width: int | None) -> list[list[Line]]:
        """The lines of each row: beside each other, with the last cell below, or as a block of its own."""
        if not self._has_columns(width):
            return [list(self._block(row, width)) for row in self.rows]
        if width is None or self._least <= width:
            room = None if width is None else max(width - self._lead, 0)
            return [self._aligned(row, room) for row in self.rows]
        return [self._above(row, width) for row in self.rows]

    @property
    def _empty(self) -> set[int]:
        """The columns in which no row has anything."""
        columns = range(len(self.titles))
        return {one for one in columns if not any(text for row in self.rows for text, _ in row[one])}

    def _without_empty(self) -> "Table":
        kept = [one for one in range(len(self.titles)) if one not in self._empty]
        return Table([self.titles[one] for one in kept], [[row[one] for one in kept] for row in self.rows])

    @property
    def _widths(self) -> list[int]:
        columns = zip(self.titles, zip(*self.rows, strict=True), strict=True) if self.rows else ()
        return [
            max(cells(title), *(cells(text) for cell in column for text, _ in cell), 0)
            for title, column in columns
        ] or [cells(title) for title in self.titles]

    @property
    def _lead(self) -> int:
        """The columns of all cells but the last, and of their gaps."""
        return sum(width + GAP for width in self._widths[:-1])

    @property
    def _least(self) -> int:
        """The columns that are needed for all cells beside each other."""
        last = self._widths[-1]
        return self._lead + min(last, self._prose) if last else self._lead - GAP

    @property
    def _prose(self) -> int:
        """The columns that the last cell needs beside the others; one without a title can go below them.

        It does where a command would be broken otherwise: it is there to be copied.
        """
        if self.titles[-1]:
            return PROSE
        texts = (text for row in self.rows for text, _ in row[-1])
        return max(PROSE, *(cells(each) for text in texts for each in re.findall(_COMMAND, text)), 0)

    def _has_columns(self, width: int | None) -> bool:
        if width is None or self._least <= width:
            return True
        return not self.titles[-1] and self._lead - GAP <= width

    def _aligned(self, row: Sequence[Sequence[Part]], room: int | None) -> list[Line]:
        """Cells beside each other; the last has `room` columns, and is wrapped there."""
        *lead, last = row
        rest = "" if lead else INDENT
        wrapped = [(words, style) for text, style in last for words in wrap(text, room, rest=rest)]
        cells_of = [*lead, wrapped]
        return [
            _joined([cell[number] if number < len(cell) else ("", "") for cell in cells_of], self._widths)
            for number in range(max(map(len, cells_of), default=0))
        ]

    def _above(self, row: Sequence[Sequence[Part]], width: int | None) -> list[Line]:
        """All cells but the last, which follows below."""
        *lead, last = row
        lines = self._aligned([*lead, []], None)
        return [*lines, *_below(last, width)]

    def _block(self, row: Sequence[Sequence[Part]], width: int | None) -> Iterator[Line]:
        """The first cell, the second beside it; below them the others, each behind its title."""
        (head, style), number = _words(row[0]), 1
        second = _words(row[1]) if len(row) > 2 else ("", "")
        if second[0] and (width is None or cells(head + second[0]) + GAP <= width):
            yield (head, style or "bold"), (" " * GAP, ""), second
            number = 2
        else:
            yield from (((words, style or "bold"),) for words in wrap(head, width))
        items = [
            (title.lower(), cell)
            for title, cell in zip(self.titles[number:], row[number:], strict=True)
            if any(text for text, _ in cell)
        ]
        yield from _packed([(title, _words(cell)) for title, cell in items if title], width)
        for _, cell in (item for item in items if not item[0]):
            yield from _below(cell, width)


def _below(cell: Sequence[Part], width: int | None) -> Iterator[Line]:
    for text, style in cell:
        if text:
            yield from (((words, style),) for words in wrap(text, width, first=INDENT))


def _words(cell: Sequence[Part]) -> Part:
    return ", ".join(text for text, _ in cell), next((style for _, style in cell if style), "")


def _packed(items: Sequence[tuple[str, Part]], width: int | None) -> Iterator[Line]:
    """Titles and values, as many on a line as fit whole."""
    line: list[Part] = []
    used = 0
    for title, (text, style) in items:
        wide = cells(f"{title} {text}")
        if line and width is not None and used + 3 + wide > width:
            yield tuple(line)
            line, used = [], 0
        if width is not None and len(INDENT) + wide > width:
            words = wrap(text, width, first=f"{INDENT}{title} ", rest=f"{INDENT}  ")
            yield ((f"{INDENT}{title} ", "dim"), (words[0][len(INDENT) + len(title) + 1 :], style))
            yield from (((each, style),) for each in words[1:])
            continue
        line += [("   " if line else INDENT, ""), (f"{title} ", "dim"), (text, style)]
        used = sum(cells(part) for part, _ in line)
    if line:
        yield tuple(line)


def _joined(row: Sequence[Part], widths: Sequence[int]) -> Line:
    """One line of cells, none of them with blanks at its end."""
    while row and not row[-1][0]:
        row = row[:-1]
    padded = [
        (text + " " * (width + GAP - cells(text)), style)
        for (text, style), width in zip(row[:-1], widths, strict=False)
    ]
    return (*padded, *row[-1:])
