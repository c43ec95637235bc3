"""A certificate as one HTML page: nothing is fetched, nothing runs, and it prints on A4."""

import base64
from pathlib import Path

from provisioner.certificate import qr
from provisioner.certificate.document import (
    HOW_TO_VERIFY,
    PRODUCT,
    Block,
    Document,
    FindingBlock,
    Items,
    Listing,
)
from provisioner.certificate.qr import QUIET_ZONE
from provisioner.system.text import escape

TEMPLATE = "page.html.j2"


def render(document: Document, files: dict[str, bytes], renderer: str) -> bytes:
    """The page, the same bytes for the same document. `files` are links that save them."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_readable,
    )
    code = qr.of_text(document.qr)
    return (
        environment.get_template(TEMPLATE)
        .render(
            document=document,
            product=PRODUCT,
            how=HOW_TO_VERIFY,
            renderer=renderer,
            kinds=[_kind(block) for block in document.blocks],
            shares=[_shares(block) for block in document.blocks],
            box=code.size + 2 * QUIET_ZONE,
            path=qr.outline(code),
            files=[(name, base64.b64encode(data).decode()) for name, data in files.items()],
        )
        .encode()
    )


def _kind(block: Block) -> str:
    return (
        "items" if isinstance(block, Items) else "findings" if isinstance(block, FindingBlock) else "listing"
    )


def _shares(block: Block) -> list[int]:
    """The columns' widths in percent, rounded up; a browser divides what is there by them."""
    shares = [heading.share for heading in block.headings] if isinstance(block, Listing) else []
    return [-(-100 * share // sum(shares)) for share in shares]


def _readable(value: object) -> object:
    """Texts of machines move no cursor and turn no line round here either; markup is the template's own."""
    return escape(value) if type(value) is str else value
