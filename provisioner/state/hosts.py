"""Hosts, and what their last hello said of their hardware."""

import json
from collections.abc import Iterable
from functools import lru_cache

from provisioner.domain.events.inventory import HostRemoved
from provisioner.domain.hardware import HardwareFacts, NeighbourInfo
from provisioner.domain.host import Host
from provisioner.domain.identity import serial as known_serial
from provisioner.domain.identity import uuid_key
from provisioner.errors import NotFoundError, UnreadableError
from provisioner.state.connection import Row, Table, first_of, key_of

SELECT = "SELECT name, body FROM hosts"
PARSED = 8192  # hosts that are kept as they were read: all of them are looked through for many a question
LAST_REMOVAL = f"""SELECT coalesce(max(id), 0) FROM events
                   WHERE host = :before AND kind = '{HostRemoved.kind}'"""  # noqa: S608  ours


class Hosts(Table):
    """Hosts by name; one that cannot be read is left out of lists."""

    NOUN = "the host"
    HINT = "write it anew: provision host apply inventory/"

    def all(self) -> list[Host]:
        """All hosts by name."""
        return self._readable(self._connection.rows(f"{SELECT} ORDER BY name"), _host, first_of)

    def count(self) -> int:
        """How many there are, those included that cannot be read."""
        return key_of(self._connection.tuples("SELECT count(*) FROM hosts")[0][0])

    def known(self, names: Iterable[str]) -> dict[str, Host]:
        """Those of the names that are there and can be read, by one query."""
        sql = f"{SELECT} WHERE name IN (SELECT value FROM json_each(?))"  # noqa: S608  our own words
        rows = self._connection.rows(sql, json.dumps(list(names)))
        return {host.name: host for host in self._readable(rows, _host, first_of)}

    def get(self, name: str) -> Host:
        """The host of a name. Raises NotFoundError (PV-121), UnreadableError (PV-612)."""
        row = self._connection.fetch_one(f"{SELECT} WHERE name = ?", name)
        if not row:
            raise NotFoundError(f"no host is called {name!r}", hint="provision host list", code=121)
        return self._read(row, _host, name)

    def unreadable(self) -> list[UnreadableError]:
        """Why each of those that cannot be read is left out of lists."""
        return self._sift(self._connection.rows(SELECT), _host, first_of)[1]

    def by_mac(self, mac: str) -> Host | None:
        """The host that owns the MAC; not by its BMC's."""
        row = self._connection.fetch_one("SELECT host FROM macs WHERE mac = ? AND role = 'host'", mac)
        return self.get(str(row["host"])) if row else None

    def put(self, host: Host) -> None:
        """Replace what is known of a host whose MACs stay as they are."""
        with self._connection.writing() as db:
            db.table("hosts").upsert({"name": host.name, "body": host.model_dump_json()}, pk="name")

    def set_lock(self, name: str, *, locked: bool) -> Host:
        """Lock a host, or open it, inside the caller's transaction; as it is now. Raises as `get`."""
        self._connection.require_transaction()
        host = self.get(name).model_copy(update={"locked": locked})
        sql = "UPDATE hosts SET body = ? WHERE name = ?"
        self._connection.db.execute(sql, [host.model_dump_json(), name])
        return host

    def remove(self, name: str) -> None:
        """Forget a host, its MACs and its fixed addresses, inside the caller's transaction.

        What it did, and what it asked by DHCP, stays; whoever gets its name has not done that. Raises
        ServiceError where no transaction is open.
        """
        self._connection.require_transaction()
        for table in ("deployments", "acceptance_reports"):
            sql = f"UPDATE {table} SET of_former_host = 1 WHERE host = ?"  # noqa: S608  ours
            self._connection.db.execute(sql, [name])
        self._connection.db.execute("DELETE FROM macs WHERE host = ?", [name])
        self._connection.db.execute("DELETE FROM hosts WHERE name = ?", [name])

    def rename(self, before: str, host: Host) -> None:
        """Call a host otherwise, with its hardware, addresses and history, inside the caller's transaction.

        What a machine did that had its name before stays under that. Raises ServiceError where no transaction
        is open.
        """
        self._connection.require_transaction()
        db = self._connection.db
        body = host.model_dump_json()
        db.execute("UPDATE hosts SET name = ?, body = ? WHERE name = ?", [host.name, body, before])
        own = {"macs": "", "events": f"AND id > ({LAST_REMOVAL})"}
        own |= dict.fromkeys(("deployments", "acceptance_reports"), "AND NOT of_former_host")
        for table, condition in own.items():
            sql = f"UPDATE {table} SET host = :name WHERE host = :before {condition}"  # noqa: S608  ours
            db.execute(sql, {"name": host.name, "before": before})

    def hardware(self, name: str) -> HardwareFacts | None:
        """What the host last reported of its hardware; None before that, or where nobody can read it.

        None, too, where another machine reported it: the inventory has named another one since.
        """
        sql = "SELECT name, body, facts FROM hosts WHERE name = ? AND facts != ''"
        rows = self._connection.rows(sql, name)
        return next((facts for facts in self._readable(rows, _own_hardware, first_of) if facts), None)

    def hardware_at(self, name: str) -> float:
        """When the hardware was reported, in seconds since 1970; 0 before the first report."""
        row = self._connection.fetch_one("SELECT facts_at FROM hosts WHERE name = ?", name)
        return float(row["facts_at"]) if row and isinstance(row["facts_at"], float) else 0.0

    def put_hardware(self, name: str, hardware: HardwareFacts, now: float) -> None:
        """Keep what a host reported of its hardware, at `now` in seconds since 1970."""
        with self._connection.writing() as db:
            body = hardware.model_dump_json()
            db.execute("UPDATE hosts SET facts = ?, facts_at = ? WHERE name = ?", [body, now, name])

    def replace_hardware(self, name: str, hardware: HardwareFacts | None, when: float) -> None:
        """Likewise what another report said, inside the caller's transaction; None: nothing is known."""
        self._connection.require_transaction()
        body = hardware.model_dump_json() if hardware else ""
        sql = "UPDATE hosts SET facts = ?, facts_at = ? WHERE name = ?"
        self._connection.db.execute(sql, [body, when, name])

    def put_neighbours(self, name: str, neighbours: tuple[NeighbourInfo, ...]) -> None:
        """What its agent has heard since its report; nothing changes where it is known, or none was made."""
        with self._connection.writing() as db:
            known = self.hardware(name)
            if known and known.neighbours != neighbours:
                body = known.model_copy(update={"neighbours": neighbours}).model_dump_json()
                db.execute("UPDATE hosts SET facts = ? WHERE name = ?", [body, name])

    def names_by_serial(self, serial: str) -> list[str]:
        """The hosts that have this serial in the inventory: blades may share that of their chassis."""
        sql = """SELECT name FROM hosts
                 WHERE json_valid(body) AND lower(trim(json_extract(body, '$.serial'))) = ? ORDER BY name"""
        wanted = known_serial(serial).lower()
        return [str(name) for (name,) in self._connection.tuples(sql, wanted)] if wanted else []

    def names_by_uuid(self) -> dict[str, str]:
        """System UUID → host, from the hosts' DHCP packets, their reports, and the inventory, which wins.

        The UUID as `domain.identity.uuid_key` has it.
        """
        asked = """SELECT CASE WHEN json_valid(s.data) THEN json_extract(s.data, '$.uuid') END, m.host
                   FROM sightings s JOIN macs m ON m.mac = s.mac WHERE m.role = 'host'"""
        reported = (
            "SELECT CASE WHEN json_valid(facts) THEN json_extract(facts, '$.uuid') END, name FROM hosts"
        )
        written = "SELECT CASE WHEN json_valid(body) THEN json_extract(body, '$.uuid') END, name FROM hosts"
        names: dict[str, str] = {}
        for sql in (asked, reported, written):
            for text, name in self._connection.tuples(sql):
                if isinstance(text, str) and (key := uuid_key(text)):
                    names[key] = str(name)
        return names


def _host(row: Row) -> Host:
    return _parsed(str(row["body"]))


@lru_cache(maxsize=PARSED)
def _parsed(body: str) -> Host:
    """Nothing of a host can be changed, so that one is enough for all who read the same text."""
    return Host.model_validate_json(body)


def _own_hardware(row: Row) -> HardwareFacts | None:
    hardware = HardwareFacts.model_validate_json(str(row["facts"]))
    return hardware if hardware.is_of(_host(row)) else None
