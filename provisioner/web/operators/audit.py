"""The audit: its lines and its signed heads. The worker alone signs; who exports waits for it."""

from provisioner.api.audit import AuditHeads, AuditLines, AuditLinesQuery, AuditQuery
from provisioner.domain.audit import Kind
from provisioner.errors import WorkerError
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.state.audit import Filter
from provisioner.state.sealed_secrets import AUDIT_KEY, SITE
from provisioner.web.request import await_change, the_caller, the_site

SIGNED_WITHIN = 10.0  # seconds


def find(query: AuditQuery) -> AuditLines:
    """The newest lines of a kind, a host, a person or a time; the newest first."""
    wanted = Filter(query.kind, query.host, query.by, query.since, query.until)
    return _lines(the_site().database.audit.find(wanted, query.limit, query.before))


def lines(query: AuditLinesQuery) -> AuditLines:
    """All lines as they are kept, the oldest first."""
    return _lines(the_site().database.audit.lines(query.after, query.limit))


def _lines(raw: list[bytes]) -> AuditLines:
    return AuditLines(lines=tuple(line.decode(errors="replace").removesuffix("\n") for line in raw))


def heads() -> AuditHeads:
    """The heads that were signed, and the key."""
    return _heads(the_site())


def sign() -> AuditHeads:
    """Let the worker sign all lines until now, that of this export too. Raises WorkerError (PV-674)."""
    site = the_site()
    with site.database.writing():
        audit.append(site.database, the_caller().origin.entry(Kind.EXPORTED, site.clock()))
        number, _ = audit.tip(site.database)
        site.database.audit.ask_for_head(number)
    signed = await_change(site.database.audit.signed_until, lambda until: until >= number, SIGNED_WITHIN)
    if signed < number:
        raise WorkerError(
            "the audit was not signed: the worker does nothing, or a line was changed",
            hint="provision audit verify; provision check; is worker among the services?",
        )
    return _heads(site)


def _heads(site: Site) -> AuditHeads:
    found = tuple(head.decode().removesuffix("\n") for head in site.database.audit.heads())
    return AuditHeads(heads=found, key=site.database.secrets.public(AUDIT_KEY, SITE))
