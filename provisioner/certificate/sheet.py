"""Pages of A4 that are filled from top to bottom: text that is wrapped and never cut, rules, boxes.

In mm from the top left corner. The fonts travel with the program, so a text gives the same bytes anywhere.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from fpdf import FPDF
from fpdf.enums import PathPaintRule

from provisioner.system.text import escape

FONTS = Path(__file__).parent / "font"
FILES = {"sans": "OpenSans-Regular.ttf", "strong": "OpenSans-Semibold.ttf", "code": "DejaVuSansMono.ttf"}
SPARE = "code"  # has the signs that the others lack
WIDTH, HEIGHT = 210.0, 297.0
LEFT, RIGHT, TOP, BOTTOM = 17.0, 193.0, 15.0, 280.0
POINT = 25.4 / 72  # mm
LEADING = 1.32  # from line to line, in sizes of the font
BREAKS = "-/:;,.="  # behind these a word that is wider than its line is continued on the next one


class Face(NamedTuple):
    """How text is set: a font of FILES, its size in points, its grey from 0 (black) to 255."""

    font: str
    points: float
    grey: int = 0

    @property
    def line(self) -> float:
        """The height of a line in mm."""
        return self.points * POINT * LEADING


@cache
def signs(font: str) -> frozenset[int]:
    """The characters that a font has."""
    from fontTools.ttLib import TTFont

    with TTFont(FONTS / FILES[font]) as opened:
        return frozenset(opened.getBestCmap())


def printable(text: str) -> str:
    """The text with an escape for whatever would not be seen: what moves or hides, what no font has."""
    known = signs("sans") | signs(SPARE)
    return "".join(letter if ord(letter) in known else _code(letter) for letter in escape(text))


def _code(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


class Sheet:
    """The pages. `y` is where the next line begins."""

    def __init__(self, title: str, made: float, foot: "Callable[[Sheet], None]") -> None:
        """With a title, the time that the file says it was made at, and what draws the foot of a page."""
        self._foot = foot
        self.pdf = FPDF(format="A4")
        self.pdf.set_auto_page_break(False)
        self.pdf.set_compression(False)
        self.pdf.alias_nb_pages("")  # for which fpdf2 would write the number of pages, wherever it stood
        self.pdf.set_creation_date(datetime.fromtimestamp(made, UTC))
        self.pdf.set_title(title)
        self.pdf.set_lang("en")
        for name, file in FILES.items():
            self.pdf.add_font(name, fname=FONTS / file)
        self._widths: dict[tuple[str, str], float] = {}
        self.y = TOP
        self.pdf.add_page()

    def width(self, text: str, face: Face) -> float:
        """How wide a text is."""
        return sum(self._width(letter, face.font) for letter in text) * face.points

    def _width(self, letter: str, font: str) -> float:
        """Of a letter, for each point of size; without kerning a text is as wide as its letters."""
        known = self._widths.get((font, letter))
        if known is None:
            self.pdf.set_font(_font_of(letter, font), size=100)
            known = self._widths[font, letter] = self.pdf.get_string_width(letter) / 100
        return known

    def wrap(self, text: str, face: Face, width: float) -> list[str]:
        """The text as lines of at most that width, broken between words where that is possible."""
        lines, line = [], ""
        for word in printable(text).split(" "):
            joined = f"{line} {word}" if line else word
            if self._end(joined, face, width) == len(joined):
                line = joined
                continue
            lines += [line] if line else []
            *full, line = [*self._parts(word, face, width)] or [""]
            lines += full
        return [*lines, line]

    def _parts(self, word: str, face: Face, width: float) -> Iterator[str]:
        """A word in parts that fit; broken behind one of its signs, if there is one."""
        begin = 0
        while begin < len(word):
            end = self._end(word, face, width, begin)
            sign = max(word.rfind(each, begin, end) for each in BREAKS) + 1
            if begin + end < 2 * sign and end < len(word):
                end = sign
            yield word[begin:end]
            begin = end

    def _end(self, text: str, face: Face, width: float, begin: int = 0) -> int:
        """Up to where a text has room, from a letter on; at least one is taken."""
        room = width / face.points
        for end in range(begin, len(text)):
            room -= self._width(text[end], face.font)
            if room < 0:
                return max(end, begin + 1)
        return len(text)

    def text(self, x: float, y: float, text: str, face: Face) -> None:
        """One line, of which (x, y) is the top left corner."""
        self.pdf.set_text_color(face.grey)
        baseline = y + face.points * POINT * 1.05
        for font, letters in groupby(text, key=lambda letter: _font_of(letter, face.font)):
            part = "".join(letters)
            self.pdf.set_font(font, size=face.points)
            self.pdf.text(x, baseline, part)
            x += self.width(part, face)

    def end_page(self) -> None:
        """Draw the foot of this page."""
        self._foot(self)

    def need(self, height: float) -> bool:
        """A new page where this one has no room for so much; whether it came to that."""
        if self.y + height <= BOTTOM or self.y <= TOP:
            return False
        self.new_page()
        return True

    def new_page(self) -> None:
        """End this page, begin another."""
        self.end_page()
        self.pdf.add_page()
        self.y = TOP

    def rule(self, y: float, *, thick: float = 0.2, grey: int = 0, left: float = LEFT) -> None:
        """A line across the page."""
        self.pdf.set_draw_color(grey)
        self.pdf.set_line_width(thick)
        self.pdf.line(left, y, RIGHT, y)

    def box(self, x: float, y: float, width: float, height: float, *, grey: int) -> None:
        """A filled box."""
        self.pdf.set_fill_color(grey)
        self.pdf.rect(x, y, width, height, style="F")

    def shape(self, boxes: Iterable[tuple[float, float, float, float]]) -> None:
        """Black boxes (x, y, width, height) as one shape: no viewer leaves a gap where two of them meet."""
        with self.pdf.new_path(paint_rule=PathPaintRule.FILL_NONZERO) as path:
            path.style.fill_color = "#000000"
            for box in boxes:
                path.rectangle(*box)

    def frame(self, x: float, y: float, width: float, height: float, *, thick: float) -> None:
        """The outline of a box."""
        self.pdf.set_draw_color(0)
        self.pdf.set_line_width(thick)
        self.pdf.rect(x, y, width, height)


def _font_of(letter: str, font: str) -> str:
    return font if ord(letter) in signs(font) else SPARE if ord(letter) in signs(SPARE) else "sans"
