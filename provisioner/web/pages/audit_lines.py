"""Who did what: the lines of the audit, whether any was changed, and the file that proves it elsewhere."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Response, request, stream_with_context
from pydantic import ValidationError

from provisioner.api.audit import AuditHeads, AuditQuery
from provisioner.domain import audit_export
from provisioner.domain.audit import Kind, Line
from provisioner.domain.audit_export import Head, SignedHead
from provisioner.domain.person import Role
from provisioner.errors import AuditError, InputError, ProvisionError
from provisioner.web.operators import audit
from provisioner.web.pages import submitted
from provisioner.web.pages.page import Page, Shown
from provisioner.web.request import the_site

SHOWN = 100  # lines on one page
AT_ONCE = 1000  # lines that are read for a file or a proof
GROUPS = ("audit", "order", "login", "secret")  # kinds whose beginning is one of its own
FILTERS = ("kind", "host", "by", "since", "until")


def list_newest() -> Shown:
    """The newest of a kind, a host, a person or a time."""
    return _lines()


def _lines(fault: ProvisionError | None = None, notice: str = "") -> Shown:
    asked = {name: request.args.get(name, "").strip()[:100] for name in FILTERS}
    try:
        since, until = _seconds(asked["since"], "from"), _seconds(asked["until"], "until")
        values = {**asked, "since": since, "until": until, "before": request.args.get("before", "")}
        query = submitted.model(AuditQuery, **values, limit=SHOWN + 1)
    except InputError as wrong:
        query, fault = AuditQuery(limit=SHOWN + 1), fault or wrong
    found = audit.find(query).lines
    lines = [_read(text) for text in found[:SHOWN]]
    heads = audit.heads()
    older = {**{name: value for name, value in asked.items() if value}, "before": _last(lines)}
    shown = {
        "lines": lines,
        "asked": asked,
        "is_filtered": any(asked.values()),
        "kinds": sorted({*GROUPS, *Kind}),
        "older": urlencode(older) if len(found) > SHOWN else "",
        "is_older": bool(request.args.get("before")),
        "head": _newest(heads),
        "key": heads.key,
        "newest": the_site().database.audit.newest(),
        "fault": fault,
        "notice": notice,
    }
    return Shown("audit.html", shown, submitted.status_with(fault))


def _last(lines: list[Line | str]) -> int:
    return next((line.number for line in reversed(lines) if isinstance(line, Line)), 0)


def _read(text: str) -> Line | str:
    """The line; its text where it is none any more."""
    try:
        return Line.model_validate_json(text)
    except ValidationError:
        return text


def _seconds(text: str, what: str) -> float:
    """Seconds since 1970 of a time in UTC, as a browser's field gives it. Raises InputError (PV-100)."""
    if not text:
        return 0.0
    try:
        found = datetime.fromisoformat(text)
    except ValueError as fault:
        raise InputError(f"{what}: {text!r} is no time", hint="as 2026-11-29, or 2026-11-29T14:00") from fault
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _newest(heads: AuditHeads) -> Head | None:
    return _signed(heads.heads[-1]).head if heads.heads else None


def _signed(text: str) -> SignedHead:
    return audit_export.read_head(text.encode() + b"\n")


def verify() -> Shown:
    """All lines read from the first on, against the heads that were signed."""
    heads = audit.heads()
    head, fault = None, None
    began = time.monotonic()
    try:
        signed = [_signed(text) for text in heads.heads]
        head = audit_export.verify_lines(_all_lines(), signed, (heads.key,))
    except AuditError as wrong:
        fault = wrong
    newest = _newest(heads) if fault is None else None
    values = {
        "head": head,
        "signed": newest.number if newest else 0,
        "heads": len(heads.heads),
        "key": heads.key,
        "fault": fault,
        "seconds": time.monotonic() - began,
    }
    return Shown("audit_verified.html", values)


def _all_lines(until: int = 0) -> Iterator[bytes]:
    """From the oldest on, up to a number where one is given."""
    after = 0
    while True:
        found = the_site().database.audit.lines(after, AT_ONCE)
        for line in found:
            after = max(after + 1, _number(line))
            if until and after > until:
                return
            yield line
        if len(found) < AT_ONCE:
            return


def _number(line: bytes) -> int:
    """Of a line; 0 where it is none any more."""
    found = _read(line.decode(errors="replace"))
    return found.number if isinstance(found, Line) else 0


def sign() -> Shown:
    """Let the worker sign all lines until now."""
    heads, fault = submitted.attempt(audit.sign)
    newest = _newest(heads) if heads else None
    if fault:
        return _lines(fault)
    return _lines(notice=f"Signed up to line {newest.number}." if newest else "")


def export() -> Shown | Response:
    """All lines with a head that was signed for them, as JSON Lines."""
    heads, fault = submitted.attempt(audit.sign)
    if heads is None:
        return _lines(fault)
    signed = _signed(heads.heads[-1])
    lines = audit_export.write(_all_lines(signed.head.number), signed)
    response = Response(stream_with_context(lines), content_type="application/jsonl")
    name = f"audit-{time.strftime('%Y-%m-%d', time.gmtime(the_site().clock()))}-{signed.head.number}.jsonl"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


PAGES = (
    Page("GET", "/admin/audit", list_newest, Role.ADMIN),
    Page("GET", "/admin/audit/verify", verify, Role.ADMIN),
    Page("POST", "/admin/audit/sign", sign, Role.ADMIN),
    Page("POST", "/admin/audit/export", export, Role.ADMIN),
)
