"""How `--help` is laid out: as wide as the terminal, up to a width that is read easily; no option is cut."""

import re
import sys
from collections.abc import Iterable, Iterator

import click

from provisioner.cli.layout import cells, columns_of

WIDEST = 100  # columns
LEAST = 20  # columns, of a terminal that says it is narrower
PIPED = 80  # columns where nobody looks
NAMES = 30  # columns of options, beside which their texts stand; less where the page is narrow
INDENT = 6  # of what goes on below an option


def width() -> int:
    """Columns of a page on standard output."""
    return max(LEAST, min(columns_of(sys.stdout) or PIPED, WIDEST))


class HelpPage(click.HelpFormatter):
    """A page whose options leave room for their texts, and go on below where they are wider than it."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = NAMES, col_spacing: int = 2) -> None:
        room = self.width - self.current_indent
        folded = [("\n".join(_folded(name, room)), text) for name, text in rows]
        super().write_dl(folded, min(col_max, self.width // 3), col_spacing)


def _folded(name: str, room: int) -> Iterator[str]:
    """An option as lines that end between its words and choices."""
    line = ""
    for piece in re.findall(r"[^ |]+[ |]*", name):
        if line and cells(line + piece.rstrip()) > room:
            yield line.rstrip()
            line = " " * INDENT
        line += piece
    yield line


click.Context.formatter_class = HelpPage  # of every command
