"""The short statement of a report, small enough for a QR code: what it says, and its text.

    vaultcube.gpu-statement/1;REPORT;HOST;SERIAL;VERDICT;TIME;SHA256;SIGNATURE

Values are in percent-encoding (RFC 3986, 2.1), so that the text is ASCII and has a `;` only between two of
them. Signed is the text before the last `;` with a line feed. SIGNATURE is base64 of the two signatures of a
minisign file: the statement's own (74 bytes with algorithm and key id), then the one of the trusted comment
(64), which is always the format's name.
"""

import base64
import hashlib
import re
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

from provisioner.certificate import minisig
from provisioner.certificate.minisig import Signature
from provisioner.domain.acceptance import AcceptanceReport
from provisioner.errors import CertificateError
from provisioner.system.text import escape

FORMAT = "vaultcube.gpu-statement/1"
MOST_NAMES = 1200  # characters of host and serial, as they are encoded
LONGEST = 2331  # characters: the largest QR code with errors corrected at level M
VERDICTS = ("accepted", "accepted_with_warnings", "rejected", "incomplete")
FORMS = {  # of the values that have one
    "verdict": re.compile("|".join(VERDICTS)),
    "at": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
}


class Statement(NamedTuple):
    """What a report comes to. `at` is when it was finished, RFC 3339 in UTC; `sha256` that of its bytes."""

    report_id: str
    host: str
    serial: str
    verdict: str
    at: str
    sha256: str

    def text(self) -> str:
        """The statement without a signature."""
        return ";".join((FORMAT, *(quote(value, safe=":") for value in self)))

    def signed_bytes(self) -> bytes:
        """What its signature is of."""
        return f"{self.text()}\n".encode()


def of_report(report: AcceptanceReport, data: bytes) -> Statement:
    """The statement of a report, of which `data` is the rendering.

    Raises CertificateError (PV-560) where its end is no time, or its names have no room in a QR code.
    """
    subject = report.subject
    try:
        finished = datetime.fromtimestamp(report.finished_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as fault:
        raise CertificateError(f"the report's end, {report.finished_at}, is no time", code=560) from fault
    if len(quote(subject.name + subject.serial)) > MOST_NAMES:
        raise CertificateError("host and serial are too long for a certificate's QR code", code=560)
    digest = hashlib.sha256(data).hexdigest()
    return Statement(report.report_id, subject.name, subject.serial, report.verdict.status, finished, digest)


def write(statement: Statement, signature: Signature) -> str:
    """The text of a QR code."""
    signed = base64.b64encode(signature.value + signature.comment_value).decode()
    return f"{statement.text()};{signed}"


def read(text: str) -> tuple[Statement, Signature]:
    """What a QR code says, and by which signature. Raises CertificateError (PV-566) for anything else."""
    words = text.strip()
    name, *values = words.split(";")
    if len(words) > LONGEST or name != FORMAT or len(values) != len(Statement._fields) + 1:
        raise _refused("it is no statement of a certificate, or not all of it")
    *quoted, signed = values
    statement = Statement(*map(unquote, quoted))
    signature = minisig.of_values(_decoded(signed), FORMAT)
    if signature is None or write(statement, signature) != words:
        raise _refused("it is not written as statements are")
    for field, form in FORMS.items():
        if not form.fullmatch(getattr(statement, field)):
            raise _refused(f"its {field} is none")
    if any(escape(value) != value for value in statement):
        raise _refused("it holds what cannot be shown")
    return statement, signature


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _refused(why: str) -> CertificateError:
    return CertificateError(
        f"the scanned text cannot be used: {why}",
        hint="scan it again, and give all of it in single quotes: --qr 'TEXT'",
        code=566,
    )
