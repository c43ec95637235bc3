"""Signed acceptance reports of hosts."""

from provisioner.api.certificates import Certificate, CertificateInfo, CertificateList
from provisioner.deployment import plan
from provisioner.state.acceptance_reports import StoredReport
from provisioner.web.request import the_site


def list_of_host(name: str) -> CertificateList:
    """The acceptance reports of a host, the newest first."""
    site = the_site()
    host = plan.find_host(site, name)
    stored = site.database.acceptance_reports.of_host(host.name)
    return CertificateList(certificates=tuple(_info(one) for one in stored))


def show(ident: str) -> Certificate:
    """One acceptance report as it was signed, with its signature."""
    stored = the_site().database.acceptance_reports.get(ident)
    return Certificate(certificate=_info(stored), body=stored.body, signature=stored.signature)


def _info(stored: StoredReport) -> CertificateInfo:
    return CertificateInfo(
        report=stored.id,
        host=stored.host,
        deployment=stored.deployment,
        created=stored.created,
        level=stored.level,
        verdict=stored.verdict,
    )
