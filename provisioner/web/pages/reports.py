"""Acceptance reports: of all hosts, one of them, and as the files that are handed over."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from flask import Response, request

from provisioner.api.certificates import Certificate
from provisioner.certificate import checks, files, minisig, rendering
from provisioner.certificate.document import Document, Items, Listing, of_report
from provisioner.certificate.rendering import SignedReport
from provisioner.certificate.values import expectation
from provisioner.deployment import racks
from provisioner.domain.acceptance import AcceptanceReport, CheckResult, CheckStage
from provisioner.domain.person import Role
from provisioner.state.acceptance_reports import ReportFilter
from provisioner.web.operators import certificates
from provisioner.web.pages import look, submitted
from provisioner.web.pages.downloads import download
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site

SHOWN = 50  # reports on one page
KEPT = 16  # drawn files that are remembered: a PDF takes a second
CHECKS, COMPARED = "Checks", "Compared with before and with units of its kind"  # shown in the page's own way
# the page of a certificate has its own style within it, and may do nothing else
STYLED = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; sandbox allow-downloads"
)


class CheckGroup(NamedTuple):
    """The checks of one stage, the worst first."""

    stage: CheckStage
    rows: tuple["ReportedCheck", ...]


class ReportedCheck(NamedTuple):
    """One check, or one of several GPUs that came to the same."""

    look: look.Look
    title: str
    ident: str
    where: str
    observed: str
    expected: str
    is_advisory: bool
    reason: str
    action: str


def list_newest() -> Shown:
    """Those of all hosts, the newest first."""
    site, asked = the_site(), request.args
    host, verdict, rack = (asked.get(name, "").strip() for name in ("host", "verdict", "rack"))
    page = max(1, submitted.whole(asked.get("page", ""), 1))
    hosts = racks.hosts_of(site, rack) if rack else None
    wanted = ReportFilter(host, verdict if verdict in look.VERDICTS else "", hosts)
    found = site.database.acceptance_reports.newest(wanted, SHOWN + 1, (page - 1) * SHOWN)
    known = site.database.hosts.known({one.host for one in found})
    values = {
        "rows": [(one, racks.name_of(known[one.host]) if one.host in known else "") for one in found[:SHOWN]],
        "asked": {"host": host, "verdict": wanted.verdict, "rack": rack},
        "is_filtered": bool(host or wanted.verdict or rack),
        "racks": racks.names(site),
        "verdicts": look.VERDICTS,
        "page": page,
        "has_more": len(found) > SHOWN,
        "known": known,
    }
    return Shown("reports.html", values)


def show(ident: str) -> Shown:
    """One report: what it comes to, what was measured, whose signature it has."""
    found = certificates.show(ident)
    signed = _signed(found)
    document = of_report(*signed)
    report = signed.report
    values = {
        "one": found.certificate,
        "report": report,
        "document": document,
        "groups": list(_groups(report)),
        "findings": checks.findings(report),
        "measured": _measured(document),
        "facts": [block for block in document.blocks if isinstance(block, Items) and block.title != COMPARED],
        "verdict": look.of_verdict(found.certificate.verdict),
        "counts": [
            (look.OF_REPORTS[status], report.verdict.counts.get(status, 0))
            for status in checks.WORST
            if report.verdict.counts.get(status)
        ],
    }
    return Shown("report.html", values)


def _signed(found: Certificate) -> SignedReport:
    """As it was signed. Raises CertificateError (PV-560, PV-561)."""
    signature = minisig.read(found.signature)
    if signature is None:
        raise files.unsigned(f"the signature of {found.certificate.report} cannot be read")
    return rendering.signed_report(found.body.encode(), signature)


def _groups(report: AcceptanceReport) -> Iterator[CheckGroup]:
    places = checks.Places(report)
    for stage, groups in checks.stages(report):
        yield CheckGroup(stage, tuple(_reported(each, places) for each in groups))


def _reported(group: list[CheckResult], places: checks.Places) -> ReportedCheck:
    first = group[0]
    return ReportedCheck(
        look.OF_REPORTS[first.status],
        first.title,
        first.id,
        places.short([check.scope for check in group]),
        checks.observed([check.observed for check in group], first.unit),
        expectation(first.operator, first.expected, first.unit),
        first.severity == "advisory",
        first.reason,
        first.action,
    )


def _measured(document: Document) -> list[Listing]:
    """The tables of the certificate, but for that of the checks."""
    tables = [block for block in document.blocks if isinstance(block, Listing)]
    return [table for table in tables if not table.title.startswith(CHECKS)]


def pdf(ident: str) -> Response:
    """The certificate as PDF."""
    return _file(ident, "pdf", "application/pdf")


def html(ident: str) -> Response:
    """The certificate as one page that needs no network."""
    response = _file(ident, "html", "text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = STYLED
    return response


def signed_json(ident: str) -> Response:
    """What was signed, byte by byte."""
    found = certificates.show(ident)
    return download(found.body.encode(), f"{_stem(found)}.json", "application/json")


def minisig_of(ident: str) -> Response:
    """The signature, to lie beside the JSON."""
    found = certificates.show(ident)
    return download(found.signature.encode(), f"{_stem(found)}.json.minisig", "text/plain; charset=utf-8")


def _file(ident: str, kind: files.Kind, media_type: str) -> Response:
    found = certificates.show(ident)
    return download(_drawn(found.body, found.signature, kind), f"{_stem(found)}.{kind}", media_type)


@lru_cache(KEPT)
def _drawn(body: str, signature: str, kind: files.Kind) -> bytes:
    read = minisig.read(signature)
    if read is None:
        raise files.unsigned("the signature of this report cannot be read")
    return files.render(rendering.signed_report(body.encode(), read), kind)


def _stem(found: Certificate) -> str:
    return f"{found.certificate.host}-{found.certificate.report}"


PAGES = (
    Page("GET", "/reports", list_newest, Role.VIEWER),
    Page("GET", "/reports/<ident>", show, Role.VIEWER),
    Page("GET", "/reports/<ident>.pdf", pdf, Role.VIEWER),
    Page("GET", "/reports/<ident>.html", html, Role.VIEWER),
    Page("GET", "/reports/<ident>.json", signed_json, Role.VIEWER),
    Page("GET", "/reports/<ident>.json.minisig", minisig_of, Role.VIEWER),
)
