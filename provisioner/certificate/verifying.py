"""Whether a certificate is right: its signature, its data, what it shows, its QR code. Asks no service."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from provisioner.certificate import files, minisig, rendering, signing, statement
from provisioner.certificate.files import Opened
from provisioner.certificate.rendering import SignedReport
from provisioner.certificate.statement import Statement
from provisioner.domain.acceptance import VerdictStatus
from provisioner.domain.values import FrozenModel
from provisioner.errors import CertificateError

ACCEPTED = ("accepted", "accepted_with_warnings")


class VerifiedCertificate(FrozenModel):
    """What is proven: that the key's owner has signed this of this unit. `sha256` is the report's.

    `form` is what was looked at; of a QR code alone no more is known than stands here.
    """

    form: Literal["json", "pdf", "html", "qr"]
    report_id: str
    host: str
    serial: str
    verdict: VerdictStatus
    finished_at: str  # RFC 3339, in UTC
    sha256: str
    signed_by: str
    key_id: str

    @property
    def is_accepted(self) -> bool:
        """Whether the unit was accepted, with or without warnings."""
        return self.verdict in ACCEPTED


def verify(path: Path, keys: Sequence[Path]) -> VerifiedCertificate:
    """Check a file, all of it. The signature comes first: nothing that is not signed is looked at.

    Raises:
        CertificateError: PV-560 no certificate, PV-561 no signature, PV-562 data that were changed, PV-563 an
            unknown key, PV-564 what is shown was changed, PV-565 another release has drawn it.
        InputError: PV-568, no key or none that is one. FileError: PV-150.
    """
    opened = files.read(path)
    signed, signer = _checked(opened, keys)
    _compare(path, opened, files.render(signed, opened.kind))
    said = statement.of_report(signed.report, signed.data)
    return _verified(opened.kind, said, signer)


def open_signed(path: Path, keys: Sequence[Path]) -> SignedReport:
    """The signed report of a file, whatever else the file shows. Raises as `verify` does."""
    return _checked(files.read(path), keys)[0]


def verify_statement(text: str, keys: Sequence[Path]) -> VerifiedCertificate:
    """Check what was scanned. Raises CertificateError (PV-563, PV-566), InputError (PV-568)."""
    said, signature = statement.read(text)
    return _verified("qr", said, signing.check_statement(said, signature, keys))


def require_same(report: VerifiedCertificate, scanned: VerifiedCertificate) -> None:
    """Raises CertificateError (PV-567) where what was scanned is of another report."""
    if report.sha256 != scanned.sha256:
        raise CertificateError(
            f"the scanned text is of report {scanned.report_id} ({scanned.host}, {scanned.verdict},"
            f" SHA-256 {scanned.sha256}), the file is report {report.report_id} ({report.host})",
            hint="both are signed, and they do not belong together: which unit is it? Get both from the site",
            code=567,
        )


def _checked(opened: Opened, keys: Sequence[Path]) -> tuple[SignedReport, signing.SigningKey]:
    """The signed report of a file; its trusted comment must be the signed statement of just this report."""
    signer = signing.check(opened.report, opened.signature, keys)
    signature = minisig.read(opened.signature)
    if signature is None:
        raise files.unsigned("the signature is not written as those of certificates are")
    signed = rendering.signed_report(opened.report, signature)
    said, short = statement.read(signature.comment)
    signing.check_statement(said, short, keys)
    if said != statement.of_report(signed.report, signed.data):
        raise CertificateError(
            f"the signature's own statement is of report {said.report_id}, and the report is another",
            hint="do not rely on it; get the certificate anew from the site",
            code=567,
        )
    return signed, signer


def _compare(path: Path, opened: Opened, wanted: bytes) -> None:
    """Hold a file against what we would write of its data."""
    if opened.whole == wanted:
        return
    remedy = f"provision certificate export {path.name} --to NEW.{opened.kind} shows what was signed"
    ours = {"pdf": rendering.pdf_renderer, "html": rendering.html_renderer}
    if opened.kind in ours and opened.renderer != ours[opened.kind]():
        raise CertificateError(
            f"the data of {path.name} are right, and what it shows is not proven: it says that it was made"
            f" by {opened.renderer or 'nobody'}, which this release cannot compare",
            hint=remedy,
            code=565,
        )
    raise CertificateError(
        f"what {path.name} shows is not what was signed: the file was changed",
        hint=f"do not rely on it; {remedy}",
        code=564,
    )


def _verified(
    form: Literal["json", "pdf", "html", "qr"], said: Statement, signer: signing.SigningKey
) -> VerifiedCertificate:
    told = {"form": form, "report_id": said.report_id, "host": said.host, "serial": said.serial}
    more = {"verdict": said.verdict, "finished_at": said.at, "sha256": said.sha256}
    return VerifiedCertificate.model_validate(
        {**told, **more, "signed_by": signer.name, "key_id": signer.key_id}
    )
