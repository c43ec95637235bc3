"""The label of a host: its name and numbers, and the code of its certificate, for a label printer or A4."""

from typing import NamedTuple

from provisioner.api.certificates import CertificateInfo
from provisioner.certificate import minisig, qr
from provisioner.domain.person import Role
from provisioner.errors import ProvisionError
from provisioner.web.operators import certificates, deployments, hosts
from provisioner.web.pages.page import Page, Shown


class CodeOutline(NamedTuple):
    """A QR code as an SVG path in a box of `side` modules."""

    path: str
    side: int


def show(name: str) -> Shown:
    """Of the newest certificate; without one a label has no code."""
    host = hosts.show(name).host
    known = certificates.list_of_host(host.name).certificates
    newest = known[0] if known else None
    values = {
        "host": host,
        "certificate": newest,
        "image": _image(newest),
        "code": _code(newest) if newest else None,
    }
    return Shown("rack_label.html", values)


def _image(certificate: CertificateInfo | None) -> str:
    if certificate is None:
        return ""
    try:
        return deployments.show(certificate.deployment).deployment.image
    except ProvisionError:
        return ""


def _code(certificate: CertificateInfo) -> CodeOutline | None:
    """Of the signed statement, as certificates have it."""
    signature = minisig.read(certificates.show(certificate.report).signature)
    if signature is None:
        return None
    code = qr.of_text(signature.comment)
    return CodeOutline(qr.outline(code), code.size + 2 * qr.QUIET_ZONE)


PAGES = (Page("GET", "/t/host/<name>/label", show, Role.TECHNICIAN),)
