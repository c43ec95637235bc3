"""Blocks of a document on a sheet: titles, verdicts, tables, findings; and the file that comes of it."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from fpdf.output import OutputProducer
from fpdf.syntax import Name, PDFContentStream, PDFObject

from provisioner.certificate.document import Block, FindingBlock, Heading, Item, Items, Listing
from provisioner.certificate.sheet import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, Face, Sheet

SMALL = Face("sans", 7, 70)
BODY, STRONG, CODE = Face("sans", 8.2), Face("strong", 8.2), Face("code", 7.2)
CELL, CELL_STRONG, CELL_CODE = Face("sans", 7.4), Face("strong", 7.4), Face("code", 6.3)
SECTION = Face("strong", 10)
ITEM, HEAD = Face("sans", 7.2, 70), Face("strong", 6.8, 70)
WHOLE, PAGE = RIGHT - LEFT, BOTTOM - TOP - 20  # the width of all columns; the height of a table's rows
TITLE_WIDTH = 28.0  # of an item's title
GAP = 2.0  # between columns
ROOM = 1.2  # between rows
SHORTEST_RUN, LONGEST_RUN = 3, 128  # bytes, of RunLengthDecode (ISO 32000-1, 7.4.5)


def draw(sheet: Sheet, blocks: Iterable[Block]) -> None:
    """The blocks, one below the other."""
    for block in blocks:
        if isinstance(block, Items):
            _items(sheet, block)
        elif isinstance(block, Listing):
            _listing(sheet, block)
        else:
            _findings(sheet, block)


def written(sheet: Sheet, renderer: str, subject: str) -> bytes:
    """The file of a sheet, which says by what it was made and what it comes to."""
    sheet.pdf.set_producer(renderer)
    sheet.pdf.set_subject(subject)
    return bytes(sheet.pdf.output(output_producer_class=_Plain))


class _Plain(OutputProducer):
    """Writes what fpdf2 compresses by zlib in a way of our own: zlib's releases and builds differ."""

    def _add_pdf_obj(self, pdf_obj: PDFObject, trace_label: str | None = None) -> int:
        if isinstance(pdf_obj, PDFContentStream) and pdf_obj.filter is not None:
            pdf_obj._contents = run_lengths(zlib.decompress(pdf_obj._contents))
            pdf_obj.filter = Name("RunLengthDecode")
            pdf_obj.length = len(pdf_obj._contents)
        return super()._add_pdf_obj(pdf_obj, trace_label)


def run_lengths(data: bytes) -> bytes:
    """For RunLengthDecode: a length less one and bytes, or 257 less a length and the byte to repeat."""
    out, loose = bytearray(), bytearray()
    for byte, same in groupby(data):
        length = sum(1 for _ in same)
        if length < SHORTEST_RUN:
            loose += bytes((byte,)) * length
            continue
        out += _literal(loose)
        loose.clear()
        for first in range(0, length, LONGEST_RUN):
            take = min(length - first, LONGEST_RUN)
            out += bytes((257 - take, byte)) if take > 1 else bytes((0, byte))
    return bytes(out + _literal(loose) + b"\x80")


def _literal(data: bytearray) -> bytes:
    parts = (data[first : first + LONGEST_RUN] for first in range(0, len(data), LONGEST_RUN))
    return b"".join(bytes((len(part) - 1,)) + part for part in parts)


def title(sheet: Sheet, product: str, words: str) -> None:
    """What a page is, above all else."""
    sheet.text(LEFT, sheet.y, product.upper(), Face("strong", 8, 70))
    sheet.text(LEFT, sheet.y + 4.5, words, Face("strong", 19))
    sheet.y += 16


def verdict(sheet: Sheet, words: str, sentence: str, width: float, *, is_good: bool) -> None:
    """Large, in a frame where it is good, white on black where it is not."""
    points = 22.0
    while sheet.width(words, Face("strong", points)) > width - 8:
        points -= 0.5
    face = Face("strong", points)
    if is_good:
        sheet.frame(LEFT, sheet.y, width, 13, thick=0.9)
    else:
        sheet.box(LEFT, sheet.y, width, 13, grey=0)
        face = face._replace(grey=255)
    sheet.text(LEFT + 4, sheet.y + 6.5 - face.points * 0.245, words, face)
    sheet.y += 14.5
    for line in sheet.wrap(sentence, BODY, width):
        sheet.text(LEFT, sheet.y, line, BODY)
        sheet.y += BODY.line
    sheet.y += 1.5


def _section(sheet: Sheet, title: str, first: float) -> None:
    """A title with its rule, on the page on which the first lines below it have room."""
    sheet.y += 2.6
    sheet.need(first + 8)
    sheet.text(LEFT, sheet.y, title, SECTION)
    sheet.y += SECTION.line + 0.4
    sheet.rule(sheet.y, thick=0.3)
    sheet.y += 1


def _items(sheet: Sheet, block: Items) -> None:
    """Two beside each other where both have room, a long one over the whole width."""
    _section(sheet, block.title, 2 * BODY.line)
    half = (WHOLE - 5) / 2
    for pair in _pairs(sheet, block.items, half):
        sheet.need(2 * BODY.line)
        begun = ended = sheet.y
        for x, item in zip((LEFT, RIGHT - half), pair, strict=False):
            sheet.y = begun
            draw_item(sheet, item, x, TITLE_WIDTH, half if _fits(sheet, item, half) else WHOLE)
            ended = max(ended, sheet.y)
        sheet.y = ended if len(pair) > 1 else sheet.y


def _pairs(sheet: Sheet, items: Sequence[Item], half: float) -> Iterator[tuple[Item, ...]]:
    """The items line by line: two that fit, or one."""
    waiting: tuple[Item, ...] = ()
    for item in items:
        if not _fits(sheet, item, half):
            yield from filter(None, (waiting, (item,)))
            waiting = ()
        elif waiting:
            yield (*waiting, item)
            waiting = ()
        else:
            waiting = (item,)
    yield from filter(None, (waiting,))


def _fits(sheet: Sheet, item: Item, width: float) -> bool:
    return sheet.width(item.text, CODE if item.is_code else BODY) <= width - TITLE_WIDTH


def draw_item(sheet: Sheet, item: Item, x: float, lead: float, width: float) -> None:
    """A title and its value, on as many lines as either needs."""
    face = CODE if item.is_code else BODY
    titles, lines = sheet.wrap(item.title, ITEM, lead - GAP), sheet.wrap(item.text, face, width - lead)
    for number in range(max(len(titles), len(lines))):
        sheet.need(BODY.line)
        if number < len(titles):
            sheet.text(x, sheet.y + (BODY.points - ITEM.points) * 0.37, titles[number], ITEM)
        if number < len(lines):
            sheet.text(x + lead, sheet.y + (BODY.points - face.points) * 0.37, lines[number], face)
        sheet.y += BODY.line


def _findings(sheet: Sheet, block: FindingBlock) -> None:
    """Each with a bar at its side: what, why, and what to do."""
    _section(sheet, block.title, 4 * BODY.line)
    for finding in block.findings:
        action = f"→ {finding.action}" if finding.action else ""
        parts = [(finding.head, STRONG), (finding.reason, BODY), (action, STRONG)]
        lines = [(line, face) for text, face in parts if text for line in sheet.wrap(text, face, WHOLE - 4)]
        sheet.need(min(len(lines), 6) * BODY.line)
        for line, face in lines:
            sheet.need(BODY.line)
            sheet.box(LEFT, sheet.y, 1, BODY.line, grey=0)
            sheet.text(LEFT + 4, sheet.y, line, face)
            sheet.y += BODY.line
        sheet.y += 1.4


def _listing(sheet: Sheet, block: Listing) -> None:
    """A table; its headings stand on each page, and a row on one page where it has room on one."""
    _section(sheet, block.title, 8 * CELL.line)
    widths = _widths(block.headings)
    _headings(sheet, block.headings, widths)
    for number, row in enumerate(block.rows):
        if not any(row[1:]):
            _subheading(sheet, block, widths, row[0])
            continue
        is_strong = number in block.strong
        faces = [_face(heading, is_strong) for heading in block.headings]
        cells = [sheet.wrap(*each) for each in zip(row, faces, widths, strict=True)]
        height = max(map(len, cells))
        if height * CELL.line < PAGE and sheet.need(height * CELL.line + ROOM):
            _headings(sheet, block.headings, widths)
        for line in range(height):
            if sheet.need(CELL.line):
                _headings(sheet, block.headings, widths)
            if is_strong:
                sheet.box(LEFT - 2, sheet.y, 1, CELL.line, grey=0)
            _line(sheet, [cell[line] if line < len(cell) else "" for cell in cells], faces, widths)
        sheet.y += ROOM / 2
        sheet.rule(sheet.y, thick=0.1, grey=170)
        sheet.y += ROOM / 2


def _widths(headings: tuple[Heading, ...]) -> list[float]:
    """The columns in mm, less the gap that follows each."""
    unit = (WHOLE + GAP) / sum(heading.share for heading in headings)
    return [heading.share * unit - GAP for heading in headings]


def _face(heading: Heading, is_strong: bool) -> Face:
    return CELL_CODE if heading.is_code else CELL_STRONG if is_strong else CELL


def _headings(sheet: Sheet, headings: tuple[Heading, ...], widths: list[float]) -> None:
    cells = [sheet.wrap(heading.title, HEAD, width) for heading, width in zip(headings, widths, strict=True)]
    for line in range(max(map(len, cells))):
        words = [cell[line] if line < len(cell) else "" for cell in cells]
        _line(sheet, words, [HEAD] * len(words), widths)
    sheet.rule(sheet.y + ROOM / 2, thick=0.2)
    sheet.y += ROOM


def _subheading(sheet: Sheet, block: Listing, widths: list[float], title: str) -> None:
    if sheet.need(4 * CELL.line):
        _headings(sheet, block.headings, widths)
    sheet.box(LEFT, sheet.y, WHOLE, CELL.line + ROOM / 2, grey=232)
    sheet.text(LEFT + 1, sheet.y + ROOM / 4, title, CELL_STRONG)
    sheet.y += CELL.line + ROOM


def _line(sheet: Sheet, words: list[str], faces: list[Face], widths: list[float]) -> None:
    x = LEFT
    for text, face, width in zip(words, faces, widths, strict=True):
        sheet.text(x, sheet.y + (CELL.points - face.points) * 0.37, text, face)
        x += width + GAP
    sheet.y += CELL.line


def foot(sheet: Sheet, text: str, pages: int) -> None:
    """What every page belongs to, and which of how many it is."""
    number = f"Page {sheet.pdf.page} of {pages}"
    sheet.rule(HEIGHT - 13, thick=0.2)
    for line, words in enumerate(sheet.wrap(text, SMALL, WHOLE - 26)):
        sheet.text(LEFT, HEIGHT - 12 + line * SMALL.line, words, SMALL)
    sheet.text(RIGHT - sheet.width(number, SMALL), HEIGHT - 12, number, SMALL)
