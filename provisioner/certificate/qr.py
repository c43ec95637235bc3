"""The QR code of a statement as rows of dark runs, which PDF and HTML draw alike."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

QUIET_ZONE = 4  # modules of white around a code (ISO/IEC 18004, 9.1)


class Run(NamedTuple):
    """So many dark modules beside each other, from a column of a row on."""

    row: int
    column: int
    length: int


class Code(NamedTuple):
    """A code of `size` modules a side, without its quiet zone."""

    size: int
    runs: tuple[Run, ...]


def of_text(text: str) -> Code:
    """The code of an ASCII text, with errors corrected at level M."""
    import segno

    matrix = segno.make_qr(text, error="m", boost_error=False).matrix
    return Code(len(matrix), tuple(run for row, modules in enumerate(matrix) for run in _runs(row, modules)))


def outline(code: Code) -> str:
    """The path of an SVG whose box is `code.size + 2 * QUIET_ZONE` a side."""
    return "".join(map(_drawn, code.runs))


def _drawn(run: Run) -> str:
    """A run of dark modules as a piece of the path."""
    return f"M{run.column + QUIET_ZONE} {run.row + QUIET_ZONE}h{run.length}v1h-{run.length}z"


def _runs(row: int, modules: bytes | bytearray) -> Iterator[Run]:
    column = 0
    for is_dark, same in groupby(modules, key=bool):
        length = len(list(same))
        if is_dark:
            yield Run(row, column, length)
        column += length
