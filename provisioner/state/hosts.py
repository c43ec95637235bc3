"""Hosts, and what their last hello said of their hardware."""

from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.domain.values import machine_uuid
from provisioner.errors import NotFoundError
from provisioner.state.connection import Table


class Hosts(Table):
    """Hosts by name."""

    def all(self) -> list[Host]:
        """All hosts by name."""
        rows = self._connection.rows("SELECT body FROM hosts ORDER BY name")
        return [Host.model_validate_json(str(row["body"])) for row in rows]

    def get(self, name: str) -> Host:
        """The host of a name. Raises NotFoundError (PV-121)."""
        row = self._connection.fetch_one("SELECT body FROM hosts WHERE name = ?", name)
        if not row:
            raise NotFoundError(f"no host is called {name!r}", hint="provision host list", code=121)
        return Host.model_validate_json(str(row["body"]))

    def by_mac(self, mac: str) -> Host | None:
        """The host that owns the MAC; not by its BMC's."""
        row = self._connection.fetch_one("SELECT host FROM macs WHERE mac = ? AND role = 'host'", mac)
        return self.get(str(row["host"])) if row else None

    def put(self, host: Host) -> None:
        """Replace what is known of a host whose MACs stay as they are."""
        with self._connection.writing() as db:
            db.table("hosts").upsert({"name": host.name, "body": host.model_dump_json()}, pk="name")

    def hardware(self, name: str) -> HardwareFacts | None:
        """What the host last reported of its hardware; None before the first report."""
        row = self._connection.fetch_one("SELECT facts FROM hosts WHERE name = ?", name)
        return HardwareFacts.model_validate_json(str(row["facts"])) if row and row["facts"] else None

    def hardware_at(self, name: str) -> float:
        """When the hardware was reported, in seconds since 1970; 0 before the first report."""
        row = self._connection.fetch_one("SELECT facts_at FROM hosts WHERE name = ?", name)
        return float(row["facts_at"] or 0) if row else 0.0

    def put_hardware(self, name: str, hardware: HardwareFacts, now: float) -> None:
        """Keep what a host reported of its hardware, at `now` in seconds since 1970."""
        with self._connection.writing() as db:
            body = hardware.model_dump_json()
            db.execute("UPDATE hosts SET facts = ?, facts_at = ? WHERE name = ?", [body, now, name])

    def names_by_uuid(self) -> dict[str, str]:
        """System UUID → host, from the hosts' DHCP packets, their reports, and the inventory, which wins."""
        asked = """SELECT json_extract(s.data, '$.uuid'), m.host FROM sightings s
                   JOIN macs m ON m.mac = s.mac WHERE m.role = 'host'"""
        reported = "SELECT json_extract(NULLIF(facts, ''), '$.uuid'), name FROM hosts"
        written = "SELECT json_extract(body, '$.uuid'), name FROM hosts"
        names: dict[str, str] = {}
        for sql in (asked, reported, written):
            for text, name in self._connection.db.execute(sql):
                if uuid := machine_uuid(text):
                    names[uuid] = name
        return names
