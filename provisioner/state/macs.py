"""MAC addresses: whose each is, and which fixed address it has."""

import socket
from ipaddress import IPv4Address
from typing import Literal, NamedTuple

from provisioner.domain.host import Host
from provisioner.errors import RefusedError, UnreadableError
from provisioner.settings import AddressRange
from provisioner.state.connection import SqlValue, Table, first_of


class MacRow(NamedTuple):
    """A known MAC: that of a card of `host`, or of its BMC, with its fixed IPv4 address.

    A tuple, for DHCP and DNS read all of them after each change, and a dataclass takes longer to make.
    """

    mac: str
    host: str
    address: str
    role: Literal["host", "bmc"]


SELECT = "SELECT mac, host, address, role FROM macs"
ROLES = ("host", "bmc")


class Macs(Table):
    """MACs of hosts and their BMCs; one that cannot be read is a stranger's, which boots its disk."""

    NOUN = "the MAC"
    HINT = "write it anew: provision host apply inventory/"

    def get(self, mac: str) -> MacRow | None:
        """A known MAC, BMCs included; None for any other."""
        rows = self._connection.tuples(f"{SELECT} WHERE mac = ?", mac)
        return next(iter(self._readable(rows, _mac_row, first_of)), None)

    def all(self) -> list[MacRow]:
        """Every known MAC, BMCs included, by host and MAC."""
        rows = self._connection.tuples(f"{SELECT} ORDER BY host, mac")
        return self._readable(rows, _mac_row, first_of)

    def addresses(self) -> dict[str, str]:
        """The fixed address of every known MAC."""
        return {row.mac: row.address for row in self.all()}

    def unreadable(self) -> list[UnreadableError]:
        """Why each of those that cannot be read is a stranger's."""
        return self._sift(self._connection.tuples(SELECT), _mac_row, first_of)[1]

    def at(self, address: str) -> list[MacRow]:
        """The known MACs, at most one, that have this fixed address."""
        rows = self._connection.tuples(f"{SELECT} WHERE address = ?", address)
        return self._readable(rows, _mac_row, first_of)

    def is_reserved(self, address: str) -> bool:
        """Whether the address belongs to a known MAC."""
        return self._connection.fetch_one("SELECT 1 FROM macs WHERE address = ?", address) is not None

    def put(self, host: Host, pool: AddressRange) -> None:
        """Give each MAC of a host its fixed address of `pool`, inside the caller's transaction.

        MACs that the host no longer has are forgotten. Raises RefusedError (PV-614): no address is free;
        ServiceError (PV-600): no transaction is open.
        """
        self._connection.require_transaction()
        wanted: dict[str, Literal["host", "bmc"]] = dict.fromkeys(host.macs, "host")
        if host.bmc.mac:
            wanted[host.bmc.mac] = "bmc"
        db = self._connection.db
        marks = ", ".join("?" for _ in wanted)
        db.execute(f"DELETE FROM macs WHERE host = ? AND mac NOT IN ({marks})", [host.name, *wanted])  # noqa: S608  marks only
        for mac, role in wanted.items():
            known = self.get(mac)
            address = known.address if known else self._free_address(pool)
            db.execute(
                """INSERT INTO macs VALUES (?, ?, ?, ?) ON CONFLICT(mac)
                   DO UPDATE SET host = excluded.host, address = excluded.address, role = excluded.role""",
                [mac, host.name, address, role],
            )

    def _free_address(self, pool: AddressRange) -> str:
        taken = {address for (address,) in self._connection.db.execute("SELECT address FROM macs")}
        for number in range(int(pool.first), int(pool.last) + 1):
            address = str(IPv4Address(number))
            if address not in taken:
                return address
        raise RefusedError(
            f"no address is free in {pool.first}-{pool.last}", hint="enlarge dhcp.hosts", code=614
        )


def _mac_row(row: tuple[SqlValue, ...]) -> MacRow:
    mac, host, address, role = row
    if not isinstance(mac, str) or not isinstance(host, str) or role not in ROLES:
        raise TypeError("its text cannot be read")
    try:
        socket.inet_pton(socket.AF_INET, str(address))  # quicker than to make an IPv4Address
    except (OSError, ValueError) as fault:
        raise ValueError(f"{address!r:.40} is no address") from fault
    return MacRow(mac, host, str(address), "bmc" if role == "bmc" else "host")
