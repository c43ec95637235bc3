"""Signed acceptance reports: which there are, and each as it was signed."""

from provisioner.api.answer import ServiceAnswer
from provisioner.domain.acceptance import Level, VerdictStatus
from provisioner.domain.values import FrozenModel


class CertificateInfo(FrozenModel):
    """One report: of which host and deployment, what it came to; `created` in seconds since 1970."""

    report: str
    host: str
    deployment: str
    created: float
    level: Level
    verdict: VerdictStatus


class CertificateList(ServiceAnswer):
    """Those of a host, the newest first."""

    certificates: tuple[CertificateInfo, ...]


class Certificate(ServiceAnswer):
    """One of them: `body` is the canonical JSON that was signed, `signature` the text of its .minisig."""

    certificate: CertificateInfo
    body: str
    signature: str
