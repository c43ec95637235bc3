"""MAC addresses: whose each is, and which fixed address it has."""

from ipaddress import IPv4Address
from typing import Any

from provisioner.domain.host import Host
from provisioner.errors import ServiceError
from provisioner.settings import AddressRange
from provisioner.state.connection import Table


class Macs(Table):
    """MACs of hosts and their BMCs."""

    def get(self, mac: str) -> dict[str, Any] | None:
        """`{mac, host, address, role}` of a known MAC, BMCs included."""
        return self._connection.one("SELECT * FROM macs WHERE mac = ?", mac)

    def all(self) -> list[dict[str, Any]]:
        """`{mac, host, address, role}` of every known MAC, BMCs included."""
        return self._connection.rows("SELECT * FROM macs ORDER BY host, mac")

    def is_reserved(self, address: str) -> bool:
        """Whether the address belongs to a known MAC."""
        return self._connection.one("SELECT 1 FROM macs WHERE address = ?", address) is not None

    def put(self, host: Host, pool: AddressRange) -> None:
        """Give each MAC of a host its fixed address of `pool`, inside the caller's transaction."""
        db = self._connection.db
        wanted = dict.fromkeys(host.macs, "host")
        if host.bmc.mac:
            wanted[host.bmc.mac] = "bmc"
        for row in list(db.query("SELECT * FROM macs WHERE host = ?", [host.name])):
            if row["mac"] not in wanted:
                db.execute("DELETE FROM macs WHERE mac = ?", [row["mac"]])
        for mac, role in wanted.items():
            known = self.get(mac)
            address = known["address"] if known else self._free_address(pool)
            db.table("macs").upsert(
                {"mac": mac, "host": host.name, "address": address, "role": role}, pk="mac"
            )

    def _free_address(self, pool: AddressRange) -> str:
        taken = {row["address"] for row in self._connection.db.query("SELECT address FROM macs")}
        for number in range(int(pool.first), int(pool.last) + 1):
            address = str(IPv4Address(number))
            if address not in taken:
                return address
        raise ServiceError(
            f"no address is free in {pool.first}-{pool.last}", hint="enlarge dhcp.hosts", code=614
        )
