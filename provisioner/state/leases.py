"""Leases of the DHCP service."""

from collections.abc import Sequence
from typing import Any

from provisioner.state.connection import Table


class Leases(Table):
    """Leases by MAC."""

    def get(self, mac: str) -> dict[str, Any] | None:
        """`{mac, address, expires, bound}` of one MAC."""
        return self._connection.one("SELECT * FROM leases WHERE mac = ?", mac)

    def all(self) -> list[dict[str, Any]]:
        """`{mac, address, expires, bound}` of every lease."""
        return self._connection.rows("SELECT * FROM leases")

    def put(self, rows: Sequence[dict[str, Any]], gone: list[str] | None = None) -> None:
        """Write-behind of the DHCP service's memory; `gone` are MACs whose leases are forgotten."""
        with self._connection.writing() as db:
            db.conn.executemany("DELETE FROM leases WHERE mac = ?", [(mac,) for mac in gone or ()])
            sql = "INSERT OR REPLACE INTO leases VALUES (:mac, :address, :expires, :bound)"
            db.conn.executemany(sql, rows)
