"""Signs what the audit has come to: now and then, and when somebody waits for it; forgets what is old."""

import logging

from provisioner.domain.audit import Line
from provisioner.domain.audit_chain import Chain
from provisioner.domain.audit_export import Head, SignedHead
from provisioner.errors import AuditError
from provisioner.site import opened_secrets
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.system import ed25519

log = logging.getLogger(__name__)
EVERY = 300.0  # seconds between two heads, where there are new lines
AT_ONCE = 5000  # lines that are read at one time
DAY = 86400.0


class AuditSigning:
    """Follows the chain, so that each line is read and checked once in the life of this process."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._chain = Chain()
        self._next = 0.0
        self._is_broken = False

    def step(self) -> None:
        """Write down what was counted, forget what is old, sign what is new, where it is time."""
        site, now = self._site, self._site.clock()
        audit.flush(site.database, now)
        if site.opener is None or not self._is_due(now):
            return
        self._forget(now)
        number, _ = audit.tip(site.database)
        if number and number != site.database.audit.signed_until():
            self._sign(now)
        self._next = now + EVERY

    def _is_due(self, now: float) -> bool:
        return now >= self._next or self._site.database.audit.wanted_head() > self._chain.number

    def _forget(self, now: float) -> None:
        if days := self._site.settings.retention.audit_days:
            self._site.database.audit.prune(now - days * DAY, AT_ONCE, now)

    def _sign(self, now: float) -> None:
        """A chain that is broken is not signed any more: `provision check` and the log say so."""
        try:
            self._follow()
        except AuditError as fault:
            if not self._is_broken:
                log.error("%s (PV-%d): provision audit verify", fault, fault.code)
            self._is_broken = True
            return
        private, public = opened_secrets.audit_key(self._site)
        head = Head.of(self._chain, key=public, now=now)
        signed = SignedHead(head=head, signature=ed25519.sign(private, head.to_bytes()))
        self._site.database.audit.put_head(head.number, signed.to_bytes())

    def _follow(self) -> None:
        """Read what is new; lines may have been forgotten since."""
        lines, chain = self._site.database.audit, self._chain
        first = lines.first()
        if chain.count and chain.first < first <= chain.number:
            chain.forget(first, Line.model_validate_json(lines.lines(first - 1, 1)[0]).previous)
        while raw := lines.lines(self._chain.number, AT_ONCE):
            for line in raw:
                self._chain.add(line)
