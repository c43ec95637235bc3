"""The files that are handed over: JSON with its signature beside it, PDF, HTML; written and read.

Of a PDF and a page only the data is looked for, in the one form in which we write them: nothing is
unpacked, so nothing can grow. That all the rest is as we write it is found by writing it again.
"""

import base64
import re
from pathlib import Path
from typing import Literal, NamedTuple

from provisioner.certificate import minisig, rendering
from provisioner.certificate.rendering import SignedReport
from provisioner.errors import CertificateError, InputError
from provisioner.system import file_fault, outputs

Kind = Literal["json", "pdf", "html"]
SUFFIXES: dict[str, Kind] = {".json": "json", ".pdf": "pdf", ".html": "html", ".htm": "html"}
LARGEST = 64 << 20  # bytes of a file: base64 of the largest report, and what is shown of it
MINISIG = ".minisig"
WANTED = 2  # embedded files: the report and its signature
BEGINNINGS: dict[bytes, Kind] = {b"{": "json", b"%PDF-": "pdf", b"<!DOCTYPE html>": "html"}
_EMBEDDED = re.compile(  # as fpdf2 writes an embedded file
    rb"/Length (\d{1,9})\n/Params <</Size \d{1,9}>>\n/Subtype /application#2Foctet-stream\n"
    rb"/Type /EmbeddedFile\n>>\nstream\n"
)
_STREAM_END = b"\nendstream\n"
_LINK = re.compile(
    rb'<a download="[a-z0-9.-]{1,80}" href="data:application/octet-stream;base64,([0-9A-Za-z+/=]+)">'
)
_RENDERERS: dict[str, re.Pattern[bytes]] = {
    "pdf": re.compile(rb"/Producer \(([^()\n]{1,200})\)"),
    "html": re.compile(rb'<meta name="generator" content="([^"\n]{1,200})">'),
}


class Opened(NamedTuple):
    """A file as it was read: what is in it, and what it says that it was made by; nothing is checked."""

    kind: Kind
    whole: bytes
    report: bytes
    signature: str
    renderer: str


def write(report: bytes, signature: str, target: Path) -> None:
    """Write a signed report as the target's suffix says: .json (and .json.minisig), .pdf or .html.

    Who has signed is not asked. Raises CertificateError (PV-560, PV-561): they are none; InputError: another
    suffix; FileError (PV-150, PV-151): then all is as it was before.
    """
    kind = kind_of(target)
    found = minisig.read(signature)
    if found is None:
        raise unsigned("the signature is none of a certificate's")
    signed = rendering.signed_report(report, found)
    if kind == "json":
        with outputs.staging(target.parent, target.name, target.name + MINISIG) as stage:
            (stage / target.name).write_bytes(report)
            (stage / (target.name + MINISIG)).write_text(signature)
    else:
        outputs.write(target, render(signed, kind))


def render(signed: SignedReport, kind: Kind) -> bytes:
    """The file of a signed report."""
    if kind == "json":
        return signed.data
    return rendering.as_pdf(signed) if kind == "pdf" else rendering.as_html(signed)


def read(path: Path) -> Opened:
    """What is in a file. Raises CertificateError (PV-560, PV-561), FileError (PV-150)."""
    whole = _bytes_of(path)
    kind = next((kind for start, kind in BEGINNINGS.items() if whole.startswith(start)), None)
    if kind is None:
        raise not_one(f"{path.name} is neither a report (JSON), nor a PDF or HTML that we wrote")
    if kind == "json":
        return Opened(kind, whole, whole, _signature_beside(path), "")
    files = _embedded(whole) if kind == "pdf" else _linked(whole)
    if len(files) != WANTED:
        raise not_one(f"{path.name} does not hold a report and its signature, or not all of them")
    made_by = _RENDERERS[kind].search(whole)
    renderer = made_by[1].decode(errors="replace") if made_by else ""
    return Opened(kind, whole, files[0], files[1].decode(errors="replace"), renderer)


def not_one(why: str) -> CertificateError:
    """What is given is no certificate (PV-560)."""
    hint = "take the file as it was handed over: not printed again, converted or cut short on its way"
    return CertificateError(why, hint=hint, code=560)


def unsigned(why: str) -> CertificateError:
    """There is no signature, or none that is written as ours are (PV-561)."""
    hint = "a report FILE.json needs FILE.json.minisig beside it, as both were written"
    return CertificateError(why, hint=hint, code=561)


def kind_of(target: Path) -> Kind:
    """By its suffix. Raises InputError: another."""
    kind = SUFFIXES.get(target.suffix.lower())
    if kind is None:
        raise InputError(
            f"{target.name}: a certificate is no such file", hint=f"give a name in {', '.join(SUFFIXES)}"
        )
    return kind


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as fault:
        raise file_fault.explained(fault, path) from fault
    if len(data) > LARGEST:
        raise not_one(f"{path.name} is larger than any certificate")
    return data


def _signature_beside(path: Path) -> str:
    beside = path.with_name(path.name + MINISIG)
    try:
        with beside.open("rb") as file:
            data = file.read(minisig.LONGEST + 1)
    except FileNotFoundError as fault:
        raise unsigned(f"{path.name} has no signature: {beside.name} is not there") from fault
    except OSError as fault:
        raise file_fault.explained(fault, beside) from fault
    return data.decode(errors="replace")


def _embedded(whole: bytes) -> list[bytes]:
    """The embedded files of a PDF: streams that are stored as they are, each as long as it says.

    Streams may lie in one another in a file that was made to be read so: of more than wanted none is kept.
    """
    found: list[bytes] = []
    for match in _EMBEDDED.finditer(whole):
        end = match.end() + int(match[1])
        if whole[end : end + len(_STREAM_END)] == _STREAM_END:
            found.append(whole[match.end() : end])
        if len(found) > WANTED:
            break
    return found


def _linked(whole: bytes) -> list[bytes]:
    """What the links of a page save."""
    found: list[bytes] = []
    for match in _LINK.finditer(whole):
        try:
            found.append(base64.b64decode(match[1], validate=True))
        except ValueError:
            return []
        if len(found) > WANTED:
            break
    return found
