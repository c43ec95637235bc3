"""Signed acceptance reports in a site's database, for tests that look at what is shown of them."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from provisioner.certificate import canonical, signing
from provisioner.domain.acceptance import AcceptanceReport
from provisioner.site.site import Site
from provisioner.state.acceptance_reports import StoredReport
from tests import certificates


@cache
def key() -> Path:
    """A secret key of the tests."""
    return certificates.make_key(Path(mkdtemp(prefix="key-")))[0]


def put(site: Site, report: AcceptanceReport, host: str, ident: str, *, created: float) -> StoredReport:
    """Keep a report of a host, signed; its subject is called like the host."""
    subject = report.subject.model_copy(update={"name": host})
    named = report.model_copy(update={"report_id": ident, "subject": subject})
    body = canonical.render(named)
    stored = StoredReport(
        id=ident,
        host=host,
        deployment=named.subject.deployment,
        created=created,
        level=named.level,
        verdict=named.verdict.status,
        body=body.decode(),
        signature=signing.sign(body, key()),
    )
    with site.database.writing():
        site.database.acceptance_reports.add(stored)
    return stored
