"""Calls about the audit."""

import json
from collections.abc import Iterator

from provisioner.api.audit import AuditHeads, AuditLines, AuditLinesQuery, AuditQuery
from provisioner.client.transport import LONG, Transport


class AuditCalls(Transport):
    """Of `Client`: the audit. A line is given as its bytes, with its line feed."""

    def audit(self, query: AuditQuery) -> list[bytes]:
        """The newest lines that are wanted, the newest first."""
        return _raw(self.get(AuditLines, "/audit", query))

    def audit_lines(self, until: int = 0) -> Iterator[bytes]:
        """All lines, the oldest first; unless it is 0, up to the number `until`."""
        after = 0
        while page := self.get(AuditLines, "/audit/lines", AuditLinesQuery(after=after)):
            raw = _raw(page)
            for line in raw:
                if until and after >= until:
                    return
                after = _number(line, after)
                yield line
            if not raw:
                return

    def audit_heads(self) -> AuditHeads:
        """The heads that were signed, and the key."""
        return self.get(AuditHeads, "/audit/heads")

    def sign_audit(self) -> AuditHeads:
        """Likewise, after all until now was signed."""
        return self.post(AuditHeads, "/audit/heads", patience=LONG)


def _raw(answer: AuditLines) -> list[bytes]:
    return [line.encode() + b"\n" for line in answer.lines]


def _number(line: bytes, before: int) -> int:
    """Of a line that may be damaged: then it stands where the next number belongs."""
    try:
        found = json.loads(line)["number"]
    except (ValueError, KeyError, TypeError):
        return before + 1
    return found if isinstance(found, int) and found > before else before + 1
