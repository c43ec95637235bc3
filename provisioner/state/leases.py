"""Leases of the DHCP service."""

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.state.connection import Table


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Which MAC has an address; `expires` in seconds since 1970. What is not `bound` was only offered."""

    mac: str
    address: str
    expires: float
    bound: bool


SELECT = "SELECT mac, address, expires, bound FROM leases"


class Leases(Table):
    """Leases by MAC: each has one at most."""

    def get(self, mac: str) -> LeaseRow | None:
        """The lease of one MAC, expired or not; None where it never had one."""
        row = self._connection.db.execute(f"{SELECT} WHERE mac = ?", [mac]).fetchone()
        return _lease(*row) if row else None

    def all(self) -> list[LeaseRow]:
        """Every lease, expired or not."""
        return [_lease(*row) for row in self._connection.db.execute(SELECT)]

    def put(self, rows: Iterable[LeaseRow], gone: Iterable[str] = ()) -> None:
        """Write-behind of the DHCP service's memory; `gone` are MACs whose leases are forgotten."""
        given = [(row.mac, row.address, row.expires, int(row.bound)) for row in rows]
        forgotten = [(mac,) for mac in gone]
        with self._connection.writing() as db:
            db.conn.executemany("DELETE FROM leases WHERE mac = ?", forgotten)
            db.conn.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", given)


def _lease(mac: str, address: str, expires: float, bound: int) -> LeaseRow:
    return LeaseRow(mac, address, expires, bool(bound))
