"""Who asked by DHCP, and what each address last fetched by TFTP."""

import json
from typing import Any

from provisioner.state.connection import Table


class Sightings(Table):
    """MACs that asked by DHCP."""

    def all(self) -> list[dict[str, Any]]:
        """Every MAC that asked, the last first, with the host that owns it or null."""
        sql = """SELECT s.*, m.host, m.role FROM sightings s LEFT JOIN macs m ON m.mac = s.mac
                 ORDER BY last_seen DESC LIMIT 500"""
        return [{**row, "data": json.loads(row["data"])} for row in self._connection.rows(sql)]

    def get(self, mac: str) -> dict[str, Any] | None:
        """How the MAC asked by DHCP last; None if it never did."""
        row = self._connection.one("SELECT * FROM sightings WHERE mac = ?", mac)
        return {**row, "data": json.loads(row["data"])} if row else None

    def put(self, rows: list[dict[str, Any]]) -> None:
        """Batched evidence of DHCP, `{mac, time, count, address, data}` per MAC.

        What a firmware said of itself stays when its system asks later.
        """
        sql = """INSERT INTO sightings VALUES (:mac, :time, :time, :count, :address, :data)
                 ON CONFLICT(mac) DO UPDATE SET last_seen = :time, count = count + :count,
                 data = CASE WHEN json_extract(data, '$.boots') AND NOT :boots
                 THEN json_set(data, '$.hostname', :hostname) ELSE :data END,
                 address = CASE WHEN :address = '' THEN address ELSE :address END"""
        written = [
            {
                **row,
                "boots": bool(row["data"].get("boots")),
                "hostname": row["data"].get("hostname", ""),
                "data": json.dumps(row["data"]),
            }
            for row in rows
        ]
        with self._connection.writing() as db:  # no other work between BEGIN and COMMIT: others wait to write
            db.conn.executemany(sql, written)

    def prune(self, most: int) -> None:
        """Forget strangers, those first that were seen longest ago: a flood fills no disk."""
        sql = """DELETE FROM sightings WHERE mac IN (
                 SELECT s.mac FROM sightings s LEFT JOIN macs m ON m.mac = s.mac WHERE m.mac IS NULL
                 ORDER BY s.last_seen DESC LIMIT -1 OFFSET ?)"""
        with self._connection.writing() as db:
            db.execute(sql, [most])


class Transfers(Table):
    """What each address last fetched by TFTP, or did not get."""

    def get(self, address: str) -> dict[str, Any] | None:
        """The last one of an address."""
        return self._connection.one("SELECT * FROM transfers WHERE address = ?", address)

    def put(self, rows: list[dict[str, Any]], most: int) -> None:
        """Batched evidence of TFTP, `{address, time, count, name, result, bytes}`; so many are kept."""
        sql = """INSERT INTO transfers VALUES (:address, :time, :count, :name, :result, :bytes)
                 ON CONFLICT(address) DO UPDATE SET time = :time, count = count + :count, name = :name,
                 result = :result, bytes = :bytes"""
        forget = """DELETE FROM transfers WHERE address IN (
                    SELECT address FROM transfers ORDER BY time DESC LIMIT -1 OFFSET ?)"""
        with self._connection.writing() as db:
            db.conn.executemany(sql, rows)
            db.execute(forget, [most])
