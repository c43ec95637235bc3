"""Hosts, and what their last hello said of their hardware."""

import json
from typing import Any

from provisioner.domain.host import Host
from provisioner.errors import NotFoundError
from provisioner.state.connection import Table
from provisioner.state.redaction import redact


class Hosts(Table):
    """Hosts by name."""

    def all(self) -> list[Host]:
        """All hosts by name."""
        return [
            Host.model_validate_json(row["body"])
            for row in self._connection.rows("SELECT * FROM hosts ORDER BY name")
        ]

    def get(self, name: str) -> Host:
        """Raises NotFoundError."""
        row = self._connection.one("SELECT * FROM hosts WHERE name = ?", name)
        if not row:
            raise NotFoundError(f"no host is called {name!r}", hint="provision host list", code=121)
        return Host.model_validate_json(row["body"])

    def by_mac(self, mac: str) -> Host | None:
        """The host that owns the MAC; not by its BMC's."""
        row = self._connection.one("SELECT host FROM macs WHERE mac = ? AND role = 'host'", mac)
        return self.get(row["host"]) if row else None

    def put(self, host: Host) -> None:
        """Replace what is known of a host whose MACs stay as they are."""
        with self._connection.writing() as db:
            db.table("hosts").upsert({"name": host.name, "body": host.model_dump_json()}, pk="name")

    def facts(self, name: str) -> dict[str, Any]:
        """What the host's last hello said of its hardware; empty before the first."""
        row = self._connection.one("SELECT facts FROM hosts WHERE name = ?", name)
        return json.loads(row["facts"]) if row and row["facts"] else {}

    def put_facts(self, name: str, facts: dict[str, Any], now: float) -> None:
        """Keep what a hello said of the hardware."""
        with self._connection.writing() as db:
            body = json.dumps(redact(facts))
            db.execute("UPDATE hosts SET facts = ?, facts_at = ? WHERE name = ?", [body, now, name])
