"""The audit: who did what, as lines that are chained, and its signed heads."""

from provisioner.api.answer import Limit, Query, Seconds, ServiceAnswer, WholeNumber


class AuditQuery(Query):
    """Which lines: a `kind` or the beginning of one, a host, a person, times in seconds since 1970.

    `before`: those with numbers below it, for the next page.
    """

    kind: str = ""
    host: str = ""
    by: str = ""
    since: Seconds = 0
    until: Seconds = 0
    before: WholeNumber = 0
    limit: Limit = 100


class AuditLinesQuery(Query):
    """Lines with numbers above `after`, the oldest first."""

    after: WholeNumber = 0
    limit: Limit = 1000


class AuditLines(ServiceAnswer):
    """Lines as they are kept: each is canonical JSON, and its hash is that of these bytes and a line feed."""

    lines: tuple[str, ...]


class AuditHeads(ServiceAnswer):
    """The newest signed heads, the oldest first, and the public key that signs them now."""

    heads: tuple[str, ...]
    key: str
