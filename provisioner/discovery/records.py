"""The surveys as rows, one per machine: when it was sent to look, reported, and was given its disk."""

import json
from dataclasses import dataclass, replace
from typing import Any

from provisioner.state.database import Database

MOST = 500  # rows; beyond it the oldest go, first those that never reported
# what makers leave in place of a UUID: two machines that have it are not one
PLACEHOLDERS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
    }
)


@dataclass(frozen=True)
class Record:
    """Times in seconds since 1970, 0 for never; `body` is the inventory, empty before the report."""

    mac: str
    uuid: str = ""
    macs: tuple[str, ...] = ()
    address: str = ""
    served: float = 0.0
    released: float = 0.0
    reported: float = 0.0
    body: dict[str, Any] | None = None

    @property
    def looked(self) -> float:
        """When it was last sent to look, or did."""
        return max(self.served, self.reported)


def usable_uuid(text: object) -> str:
    """A system UUID in lower case; empty for what names no single machine."""
    found = str(text or "").strip().lower()
    return "" if found in PLACEHOLDERS or len(found) != 36 else found


def find(database: Database, mac: str, uuid: str = "") -> Record | None:
    """The record of the machine that has the MAC, or the UUID."""
    sql = """SELECT * FROM surveys WHERE mac = :mac OR instr(macs, :mac) OR (:uuid != '' AND uuid = :uuid)
             ORDER BY reported DESC LIMIT 1"""
    found = list(database.db.query(sql, {"mac": mac, "uuid": usable_uuid(uuid)}))
    return _record(found[0]) if found else None


def every(database: Database) -> list[Record]:
    """All of them, the newest first."""
    return [_record(row) for row in database.db.query("SELECT * FROM surveys ORDER BY reported DESC")]


def _record(row: dict[str, Any]) -> Record:
    body = json.loads(row["body"]) if row["body"] else None
    return Record(**{**row, "macs": tuple(row["macs"].split()), "body": body})


def put(database: Database, record: Record) -> None:
    """Insert or replace; the table stays bounded."""
    row = record.__dict__ | {"macs": " ".join(record.macs), "body": json.dumps(record.body or {})}
    row["body"] = row["body"] if record.body else ""
    with database.writing() as db:
        db.table("surveys").upsert(row, pk="mac")
        db.execute(
            """DELETE FROM surveys WHERE mac NOT IN
               (SELECT mac FROM surveys ORDER BY mac = ? DESC, body != '' DESC,
                max(served, reported) DESC LIMIT ?)""",
            [record.mac, MOST],
        )


def note_served(database: Database, mac: str, uuid: str, address: str, now: float) -> None:
    """A machine is sent to look; called before it is, for what is not noted could go round for ever."""
    known = find(database, mac, uuid) or Record(mac, usable_uuid(uuid))
    put(database, replace(known, served=now, address=address))


def note_released(database: Database, mac: str, uuid: str, now: float) -> None:
    """A machine is given its disk; noted only where it had looked."""
    known = find(database, mac, uuid)
    if known and known.released <= known.looked:
        put(database, replace(known, released=now))


def forget(database: Database, macs: list[str]) -> None:
    """The machine is known now."""
    with database.writing() as db:
        for mac in macs:
            db.execute("DELETE FROM surveys WHERE mac = ? OR instr(macs, ?)", [mac, mac])


def sightings(database: Database, limit: int = 1000) -> list[dict[str, Any]]:
    """Every MAC that asked by DHCP and belongs to no host, the last first."""
    sql = """SELECT s.* FROM sightings s LEFT JOIN macs m ON m.mac = s.mac WHERE m.mac IS NULL
             ORDER BY last_seen DESC LIMIT ?"""
    return [{**row, "data": json.loads(row["data"])} for row in database.db.query(sql, [limit])]


def known_uuids(database: Database) -> dict[str, str]:
    """UUID → host, from the inventory, the hosts' hellos and their DHCP requests."""
    found: dict[str, str] = {}
    asked = """SELECT json_extract(s.data, '$.uuid') AS uuid, m.host AS name FROM sightings s
               JOIN macs m ON m.mac = s.mac WHERE m.role = 'host'"""
    said = "SELECT json_extract(NULLIF(facts, ''), '$.uuid') AS uuid, name FROM hosts"
    written = "SELECT json_extract(body, '$.uuid') AS uuid, name FROM hosts"
    for sql in (asked, said, written):  # the last word is the inventory's
        for row in database.db.query(sql):
            if uuid := usable_uuid(row["uuid"]):
                found[uuid] = row["name"]
    return found
