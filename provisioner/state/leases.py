"""Leases of the DHCP service."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from provisioner.state.connection import SqlValue, Table, first_of
from provisioner.state.reading import check_types


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """Which MAC has an address; `expires` in seconds since 1970. What is not `bound` was only offered."""

    mac: str
    address: str
    expires: float
    bound: bool


SELECT = "SELECT mac, address, expires, bound FROM leases"
KINDS = (str, str, (int, float), int)


class Leases(Table):
    """Leases by MAC: each has one at most. One that cannot be read is as if it had never been given."""

    NOUN = "the lease of"

    def get(self, mac: str) -> LeaseRow | None:
        """The lease of one MAC, expired or not; None where it never had one."""
        return next(iter(self._list(f"{SELECT} WHERE mac = ?", mac)), None)

    def all(self) -> list[LeaseRow]:
        """Every lease, expired or not."""
        return self._list(SELECT)

    def _list(self, sql: str, *parameters: str) -> list[LeaseRow]:
        return self._readable(self._connection.tuples(sql, *parameters), _lease, first_of)

    def put(self, rows: Iterable[LeaseRow], gone: Iterable[str] = ()) -> None:
        """Write-behind of the DHCP service's memory; `gone` are MACs whose leases are forgotten."""
        given = [(row.mac, row.address, row.expires, int(row.bound)) for row in rows]
        forgotten = [(mac,) for mac in gone]
        with self._connection.writing() as db:
            db.conn.executemany("DELETE FROM leases WHERE mac = ?", forgotten)
            db.conn.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", given)


def _lease(row: tuple[SqlValue, ...]) -> LeaseRow:
    check_types(row, KINDS)
    mac, address, expires, bound = row
    return LeaseRow(str(mac), str(IPv4Address(str(address))), float(expires or 0), bool(bound))
