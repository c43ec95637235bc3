"""Signs what the audit has come to: now and then, and when somebody waits for it; forgets what is old."""

import logging

from provisioner.domain.audit import Line
from provisioner.domain.audit_chain import Chain
from provisioner.domain.audit_export import Head, SignedHead, read_head
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
    """Follows the chain from the last head on, so that each line is read once; a part of it at a time."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._chain = Chain()
        self._begun = self._is_broken = False
        self._next = 0.0

    def step(self) -> None:
        """Write down what was counted, forget what is old, sign what is new, where it is time."""
        site, now = self._site, self._site.clock()
        audit.flush(site.database, now)
        if site.opener is None or self._is_broken or not self._is_due(now):
            return
        self._forget(now)
        try:
            is_whole = self._follow()
        except AuditError as fault:  # what is broken is not signed: that would hide it
            log.error("%s (PV-%d): provision audit verify", fault, fault.code)
            self._is_broken = True
            return
        if is_whole:
            self._sign(now)
            self._next = now + EVERY

    def _is_due(self, now: float) -> bool:
        return now >= self._next or self._site.database.audit.wanted_head() > self._chain.number

    def _forget(self, now: float) -> None:
        if days := self._site.settings.retention.audit_days:
            self._site.database.audit.prune(now - days * DAY, AT_ONCE, now)

    def _sign(self, now: float) -> None:
        if not self._chain.count or self._chain.number == self._site.database.audit.signed_until():
            return
        private, public = opened_secrets.audit_key(self._site)
        head = Head.of(self._chain, key=public, now=now)
        signed = SignedHead(head=head, signature=ed25519.sign(private, head.to_bytes()))
        self._site.database.audit.put_head(head.number, signed.to_bytes())

    def _follow(self) -> bool:
        """Read some of what is new; whether that was all. Raises AuditError."""
        lines, chain = self._site.database.audit, self._chain
        if not self._begun:
            self._resume()
        first = lines.first()
        if chain.count and chain.first < first <= chain.number:
            chain.forget(first, Line.model_validate_json(lines.lines(first - 1, 1)[0]).previous)
        found = lines.lines(chain.number, AT_ONCE)
        for line in found:
            chain.add(line)
        return len(found) < AT_ONCE

    def _resume(self) -> None:
        """From the newest head that our own key has signed, else from the first line."""
        self._begun = True
        _, public = opened_secrets.audit_key(self._site)
        for raw in reversed(self._site.database.audit.heads()):
            try:
                signed = read_head(raw)
                signed.require_signed([public])
            except AuditError:
                continue
            head = signed.head
            self._chain.resume(
                first=head.first,
                previous=head.previous,
                number=head.number,
                hash_=head.hash,
                count=head.count,
            )
            return
