"""A certificate as PDF: A4, black on white, with the report and its signature as embedded files."""

from provisioner.certificate import pdf_blocks, qr
from provisioner.certificate.document import HOW_TO_VERIFY, PRODUCT, Document
from provisioner.certificate.pdf_blocks import SMALL, TITLE_WIDTH
from provisioner.certificate.qr import QUIET_ZONE
from provisioner.certificate.sheet import LEFT, RIGHT, TOP, Face, Sheet, printable

HOW = (SMALL, Face("code", 5.8, 70))
CODE_SIZE = 44.0  # mm of the QR code with its quiet zone
QUIET = 2.0  # mm of quiet zone beside the QR code, about


def render(document: Document, files: dict[str, bytes], made: float, renderer: str) -> bytes:
    """The file, the same bytes for the same document; `made` is the time that it says it was made at."""
    pages = _draw(document, made, 0).pdf.pages_count
    sheet = _draw(document, made, pages)
    for name, data in files.items():
        sheet.pdf.embed_file(bytes=data, basename=name, mime_type="application/octet-stream")
    return pdf_blocks.written(sheet, renderer, document.verdict)


def _draw(document: Document, made: float, pages: int) -> Sheet:
    """The pages, each of which says that there are so many."""
    title = f"{document.title}: {document.host}"
    sheet = Sheet(printable(title), made, lambda sheet: pdf_blocks.foot(sheet, document.foot, pages))
    _head(sheet, document)
    pdf_blocks.draw(sheet, document.blocks)
    sheet.end_page()
    return sheet


def _head(sheet: Sheet, document: Document) -> None:
    """Product, title, verdict and what identifies report and unit; beside them the QR code."""
    left = RIGHT - CODE_SIZE
    _code(sheet, document.qr, left, TOP)
    width = left - LEFT - 5
    pdf_blocks.title(sheet, PRODUCT, document.title)
    pdf_blocks.verdict(sheet, document.verdict, document.sentence, width, is_good=document.is_accepted)
    lowest, page = _how(sheet, left + QUIET, TOP + CODE_SIZE), sheet.pdf.page
    for item in document.facts:
        pdf_blocks.draw_item(sheet, item, LEFT, TITLE_WIDTH, width)
    if sheet.pdf.page == page:
        sheet.y = max(sheet.y, lowest)


def _how(sheet: Sheet, x: float, y: float) -> float:
    """Below the QR code, how it and the file are verified; where that ends."""
    for face, text in ((face, text) for how in HOW_TO_VERIFY for face, text in zip(HOW, how, strict=True)):
        for line in sheet.wrap(text, face, CODE_SIZE - 2 * QUIET):
            sheet.text(x, y, line, face)
            y += SMALL.line
    return y


def _code(sheet: Sheet, text: str, x: float, y: float) -> None:
    """The QR code in its square, with its quiet zone."""
    code = qr.of_text(text)
    module = CODE_SIZE / (code.size + 2 * QUIET_ZONE)
    left, top = x + QUIET_ZONE * module, y + QUIET_ZONE * module
    sheet.shape(
        (left + column * module, top + row * module, length * module, module)
        for row, column, length in code.runs
    )
