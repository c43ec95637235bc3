"""A signed report as the file that is handed over, PDF or HTML: the same bytes for the same data."""

from importlib.metadata import version
from typing import NamedTuple

from provisioner.certificate import canonical, document, html, statement
from provisioner.certificate.minisig import Signature
from provisioner.domain.acceptance import AcceptanceReport

# Raise it with every change of what is shown or how: a file that an older release wrote is then known as one
# that cannot be compared, not taken for one that was changed. A test holds it against the bytes of a sample.
RENDERING = 1


class SignedReport(NamedTuple):
    """A report, the bytes that were signed, and their signature; all of it was checked."""

    report: AcceptanceReport
    data: bytes
    signature: Signature

    @property
    def names(self) -> tuple[str, str]:
        """The files' names within the certificate."""
        return f"{self.report.report_id}.json", f"{self.report.report_id}.json.minisig"

    @property
    def files(self) -> dict[str, bytes]:
        """What is within the certificate, by its names."""
        return dict(zip(self.names, (self.data, self.signature.text().encode()), strict=True))


def signed_report(data: bytes, signature: Signature) -> SignedReport:
    """From what was signed, and from nothing else: so that whoever draws it has the same to draw.

    Raises CertificateError (PV-560): it is no report, or one that no certificate can be of.
    """
    report = canonical.read(data)
    statement.of_report(report, data)
    return SignedReport(report, data, signature)


def pdf_renderer() -> str:
    """What a PDF says that it was made by."""
    return f"vaultcube-certificate {RENDERING}, fpdf2 {version('fpdf2')}, fonttools {version('fonttools')}"


def html_renderer() -> str:
    """Likewise, an HTML page."""
    return f"vaultcube-certificate {RENDERING}"


def as_pdf(signed: SignedReport) -> bytes:
    """The certificate as PDF."""
    from provisioner.certificate import pdf  # takes a while to import

    shown = document.of_report(*signed)
    return pdf.render(shown, signed.files, signed.report.finished_at, pdf_renderer())


def as_html(signed: SignedReport) -> bytes:
    """The certificate as one HTML page."""
    return html.render(document.of_report(*signed), signed.files, html_renderer())
