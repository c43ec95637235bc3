"""What the service remembers: rows in and out, the append-only event log."""

import json
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

from sqlite_utils import Database

from provisioner.database import Connected
from provisioner.errors import NotFoundError, ServiceError
from provisioner.lifecycle import RESTING
from provisioner.model import Deployment, Event, Host, Image, Profile, Run, Stage
from provisioner.redaction import redact
from provisioner.settings import AddressRange

JSON_COLUMNS = ("progress", "disk", "host_keys", "verdict")


class Store(Connected):
    """The one door to the database."""

    # hosts and profiles

    def put_inventory(self, hosts: list[Host], profiles: list[Profile], pool: AddressRange) -> None:
        """Add or replace hosts and profiles in one transaction; each MAC gets a fixed address of `pool`."""
        with self.writing() as db:
            for profile in profiles:
                db.table("profiles").upsert(
                    {"name": profile.name, "body": profile.model_dump_json()}, pk="name"
                )
            for host in hosts:
                db.table("hosts").upsert({"name": host.name, "body": host.model_dump_json()}, pk="name")
                self._put_macs(db, host, pool)

    def _put_macs(self, db: Database, host: Host, pool: AddressRange) -> None:
        wanted = dict.fromkeys(host.macs, "host")
        if host.bmc.mac:
            wanted[host.bmc.mac] = "bmc"
        for row in list(db.query("SELECT * FROM macs WHERE host = ?", [host.name])):
            if row["mac"] not in wanted:
                db.execute("DELETE FROM macs WHERE mac = ?", [row["mac"]])
        for mac, role in wanted.items():
            known = self.mac_row(mac)
            address = known["address"] if known else self._free_address(db, pool)
            db.table("macs").upsert(
                {"mac": mac, "host": host.name, "address": address, "role": role}, pk="mac"
            )

    def _free_address(self, db: Database, pool: AddressRange) -> str:
        taken = {row["address"] for row in db.query("SELECT address FROM macs")}
        for number in range(int(pool.first), int(pool.last) + 1):
            address = str(IPv4Address(number))
            if address not in taken:
                return address
        raise ServiceError(
            f"no address is free in {pool.first}-{pool.last}", hint="enlarge dhcp.hosts", code=614
        )

    def hosts(self) -> list[Host]:
        """All hosts by name."""
        return [
            Host.model_validate_json(row["body"]) for row in self.rows("SELECT * FROM hosts ORDER BY name")
        ]

    def host(self, name: str) -> Host:
        """Raises NotFoundError."""
        row = self.one("SELECT * FROM hosts WHERE name = ?", name)
        if not row:
            raise NotFoundError(f"no host is called {name!r}", hint="provision host list", code=121)
        return Host.model_validate_json(row["body"])

    def host_by_mac(self, mac: str) -> Host | None:
        """The host that owns the MAC; not by its BMC's."""
        row = self.one("SELECT host FROM macs WHERE mac = ? AND role = 'host'", mac)
        return self.host(row["host"]) if row else None

    def mac_row(self, mac: str) -> dict[str, Any] | None:
        """`{mac, host, address, role}` of a known MAC, BMCs included."""
        return self.one("SELECT * FROM macs WHERE mac = ?", mac)

    def mac_rows(self) -> list[dict[str, Any]]:
        """`{mac, host, address, role}` of every known MAC, BMCs included."""
        return self.rows("SELECT * FROM macs ORDER BY host, mac")

    def is_reserved(self, address: str) -> bool:
        """Whether the address belongs to a known MAC."""
        return self.one("SELECT 1 FROM macs WHERE address = ?", address) is not None

    def profile(self, name: str) -> Profile:
        """Raises NotFoundError."""
        row = self.one("SELECT * FROM profiles WHERE name = ?", name)
        if not row:
            raise NotFoundError(
                f"no profile is called {name!r}", hint="provision host apply inventory/", code=122
            )
        return Profile.model_validate_json(row["body"])

    def profiles(self) -> list[Profile]:
        """All profiles by name."""
        rows = self.rows("SELECT * FROM profiles ORDER BY name")
        return [Profile.model_validate_json(row["body"]) for row in rows]

    def put_host(self, host: Host) -> None:
        """Replace what is known of a host whose MACs stay as they are."""
        with self.writing() as db:
            db.table("hosts").upsert({"name": host.name, "body": host.model_dump_json()}, pk="name")

    def facts(self, name: str) -> dict[str, Any]:
        """What the host's last hello said of its hardware; empty before the first."""
        row = self.one("SELECT facts FROM hosts WHERE name = ?", name)
        return json.loads(row["facts"]) if row and row["facts"] else {}

    def put_facts(self, name: str, facts: dict[str, Any], now: float) -> None:
        """Keep what a hello said of the hardware."""
        with self.writing() as db:
            body = json.dumps(redact(facts))
            db.execute("UPDATE hosts SET facts = ?, facts_at = ? WHERE name = ?", [body, now, name])

    # images

    def put_image(self, image: Image) -> None:
        """Add an image to the catalogue, or replace what is known of it."""
        with self.writing() as db:
            db.table("images").upsert({"id": image.id, "body": image.model_dump_json()}, pk="id")

    def images(self) -> list[Image]:
        """All images by id."""
        rows = self.rows("SELECT * FROM images ORDER BY id")
        return [Image.model_validate_json(row["body"]) for row in rows]

    # deployments and events

    def deployment(self, ident: str) -> Deployment:
        """Raises NotFoundError."""
        row = self.one("SELECT * FROM deployments WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no deployment is called {ident!r}", hint="provision status", code=123)
        return to_deployment(row)

    def has_deployment(self, ident: str) -> bool:
        """Whether this id is taken."""
        return self.one("SELECT 1 FROM deployments WHERE id = ?", ident) is not None

    def last_deployment(self, host: str) -> Deployment | None:
        """The newest deployment of a host."""
        row = self.one("SELECT * FROM deployments WHERE host = ? ORDER BY created DESC LIMIT 1", host)
        return to_deployment(row) if row else None

    def last_written(self, host: str) -> Deployment | None:
        """The newest deployment of a host that has written its disk to the end."""
        which = "host = ? AND disk NOT IN ('', '{}')"
        row = self.one(f"SELECT * FROM deployments WHERE {which} ORDER BY created DESC LIMIT 1", host)  # noqa: S608
        return to_deployment(row) if row else None

    def deployment_by_token(self, token_hash: str) -> Deployment | None:
        """The deployment that an agent's token belongs to."""
        row = self.one("SELECT * FROM deployments WHERE token_hash = ?", token_hash)
        return to_deployment(row) if row else None

    def under_way(self) -> list[Deployment]:
        """All deployments that are not at rest, oldest first."""
        marks = ", ".join("?" for _ in RESTING)
        sql = f"SELECT * FROM deployments WHERE stage NOT IN ({marks}) ORDER BY created"  # noqa: S608  marks only
        return [to_deployment(row) for row in self.rows(sql, *RESTING)]

    def orders(self) -> list[tuple[str, str, Stage]]:
        """MAC, id and stage of all deployments that are not at rest: quick enough to ask all the time."""
        marks = ", ".join("?" for _ in RESTING)
        sql = f"SELECT mac, id, stage FROM deployments WHERE stage NOT IN ({marks}) ORDER BY created"  # noqa: S608  marks only
        return [(mac, ident, Stage(stage)) for mac, ident, stage in self.db.execute(sql, [*RESTING])]

    def deployments(self, limit: int = 100) -> list[Deployment]:
        """The newest first."""
        return [
            to_deployment(row)
            for row in self.rows("SELECT * FROM deployments ORDER BY created DESC LIMIT ?", limit)
        ]

    def events(self, deployment: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """The deployment's events with an id above `after`, oldest first."""
        sql = "SELECT * FROM events WHERE deployment = ? AND id > ? ORDER BY id LIMIT ?"
        return [_event(row) for row in self.rows(sql, deployment, after, limit)]

    def last_event(self, ident: str) -> Event | None:
        """The newest event of a deployment."""
        row = self.one("SELECT * FROM events WHERE deployment = ? ORDER BY id DESC LIMIT 1", ident)
        return _event(row) if row else None

    def add_event(self, db: Database, event: Event) -> int:
        """Append, inside the caller's transaction; secrets are taken out here."""
        row = event.model_dump(exclude={"id"}) | {"data": json.dumps(redact(event.data))}
        sql = f"INSERT INTO events ({', '.join(row)}) VALUES ({_marks(row)})"  # noqa: S608  our own columns
        return _key(db.conn.execute(sql, row).lastrowid)

    def put_deployment(self, db: Database, row: Deployment) -> None:
        """Insert or update, inside the caller's transaction."""
        body = row.model_dump(mode="json")
        for name in JSON_COLUMNS:
            body[name] = json.dumps(body[name])
        # a table's upsert asks the schema first, many times; a storm of machines comes through here
        changes = ", ".join(f"{name} = excluded.{name}" for name in body if name != "id")
        sql = f"INSERT INTO deployments ({', '.join(body)}) VALUES ({_marks(body)})"  # noqa: S608  our own columns
        db.conn.execute(f"{sql} ON CONFLICT(id) DO UPDATE SET {changes}", body)

    # runs

    def put_run(self, run: Run) -> None:
        """Keep a run, or what has become of it."""
        with self.writing() as db:
            row = {"id": run.id, "created": run.created, "body": run.model_dump_json()}
            db.table("runs").upsert(row, pk="id")

    def run(self, ident: str) -> Run:
        """Raises NotFoundError."""
        row = self.one("SELECT body FROM runs WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no run is called {ident!r}", hint="provision status", code=128)
        return Run.model_validate_json(row["body"])

    def run_rows(self, ident: str) -> list[Deployment]:
        """The deployments of a run, in the order in which they were armed."""
        rows = self.rows("SELECT * FROM deployments WHERE run = ? ORDER BY created, rowid", ident)
        return [to_deployment(row) for row in rows]

    def run_events(self, ident: str, after: int = 0, limit: int = 5000) -> list[Event]:
        """The events of all deployments of a run with an id above `after`, oldest first."""
        sql = (
            "SELECT events.* FROM events JOIN deployments ON deployments.id = events.deployment "
            "WHERE deployments.run = ? AND events.id > ? ORDER BY events.id LIMIT ?"
        )
        return [_event(row) for row in self.rows(sql, ident, after, limit)]

    # evidence, leases, requests, service

    def put_sightings(self, rows: list[dict[str, Any]]) -> None:
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
        with self.writing() as db:  # no other work between BEGIN and COMMIT: others wait to write
            db.conn.executemany(sql, written)

    def put_transfers(self, rows: list[dict[str, Any]], most: int) -> None:
        """Batched evidence of TFTP, `{address, time, count, name, result, bytes}`; so many are kept."""
        sql = """INSERT INTO transfers VALUES (:address, :time, :count, :name, :result, :bytes)
                 ON CONFLICT(address) DO UPDATE SET time = :time, count = count + :count, name = :name,
                 result = :result, bytes = :bytes"""
        forget = """DELETE FROM transfers WHERE address IN (
                    SELECT address FROM transfers ORDER BY time DESC LIMIT -1 OFFSET ?)"""
        with self.writing() as db:
            db.conn.executemany(sql, rows)
            db.execute(forget, [most])

    def transfer(self, address: str) -> dict[str, Any] | None:
        """The last one of an address."""
        return self.one("SELECT * FROM transfers WHERE address = ?", address)

    def sightings(self) -> list[dict[str, Any]]:
        """Every MAC that asked, the last first, with the host that owns it or null."""
        sql = """SELECT s.*, m.host, m.role FROM sightings s LEFT JOIN macs m ON m.mac = s.mac
                 ORDER BY last_seen DESC LIMIT 500"""
        return [{**row, "data": json.loads(row["data"])} for row in self.rows(sql)]

    def put_leases(self, rows: Sequence[dict[str, Any]], gone: list[str] | None = None) -> None:
        """Write-behind of the DHCP service's memory; `gone` are MACs whose leases are forgotten."""
        with self.writing() as db:
            db.conn.executemany("DELETE FROM leases WHERE mac = ?", [(mac,) for mac in gone or ()])
            sql = "INSERT OR REPLACE INTO leases VALUES (:mac, :address, :expires, :bound)"
            db.conn.executemany(sql, rows)

    def prune_sightings(self, most: int) -> None:
        """Forget strangers, those first that were seen longest ago: a flood fills no disk."""
        sql = """DELETE FROM sightings WHERE mac IN (
                 SELECT s.mac FROM sightings s LEFT JOIN macs m ON m.mac = s.mac WHERE m.mac IS NULL
                 ORDER BY s.last_seen DESC LIMIT -1 OFFSET ?)"""
        with self.writing() as db:
            db.execute(sql, [most])

    def sighting(self, mac: str) -> dict[str, Any] | None:
        """How the MAC asked by DHCP last; None if it never did."""
        row = self.one("SELECT * FROM sightings WHERE mac = ?", mac)
        return {**row, "data": json.loads(row["data"])} if row else None

    def lease(self, mac: str) -> dict[str, Any] | None:
        """`{mac, address, expires, bound}` of one MAC."""
        return self.one("SELECT * FROM leases WHERE mac = ?", mac)

    def data_version(self) -> int:
        """Changes when another connection has written (sqlite.org/pragma.html)."""
        return int(self.db.conn.execute("PRAGMA data_version").fetchone()[0])

    def note(self, event: Event) -> None:
        """Append an event that belongs to no deployment."""
        with self.writing() as db:
            self.add_event(db, event)

    def last_notes(self, limit: int) -> list[Event]:
        """The newest events that belong to no deployment, newest first."""
        sql = "SELECT * FROM events WHERE deployment = '' ORDER BY id DESC LIMIT ?"
        return [_event(row) for row in self.rows(sql, limit)]

    def leases(self) -> list[dict[str, Any]]:
        """`{mac, address, expires, bound}` of every lease."""
        return self.rows("SELECT * FROM leases")

    def ask(self, host: str, action: str, argument: str, now: float) -> int:
        """Put a request to the worker; its id."""
        row = {
            "created": now,
            "host": host,
            "action": action,
            "argument": argument,
            "state": "open",
            "result": "{}",
        }
        with self.writing() as db:
            return _key(db.table("requests").insert(row).last_pk)

    def request(self, ident: int) -> dict[str, Any]:
        """Raises NotFoundError."""
        row = self.one("SELECT * FROM requests WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no request {ident}", code=124)
        return {**row, "result": json.loads(row["result"])}

    def open_requests(self) -> list[dict[str, Any]]:
        """What the worker has not answered yet, oldest first."""
        return self.rows("SELECT * FROM requests WHERE state = 'open' ORDER BY id")

    def answer(self, ident: int, result: dict[str, Any]) -> None:
        """The worker's answer to a request."""
        with self.writing() as db:
            db.table("requests").update(ident, {"state": "done", "result": json.dumps(redact(result))})

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the service itself."""
        row = self.one("SELECT value FROM service WHERE key = ?", key)
        return json.loads(row["value"]) if row else default

    def set(self, key: str, value: Any) -> None:
        """Keep a value of the service itself."""
        with self.writing() as db:
            db.table("service").upsert({"key": key, "value": json.dumps(value)}, pk="key")


def _marks(row: dict[str, Any]) -> str:
    return ", ".join(f":{name}" for name in row)


def _key(value: Any) -> int:
    return int(value)


def _event(row: dict[str, Any]) -> Event:
    return Event(**{**row, "data": json.loads(row["data"])})


def to_deployment(row: dict[str, Any]) -> Deployment:
    """A row as the model has it."""
    values = {key: value for key, value in row.items() if value is not None}
    for name in JSON_COLUMNS:
        if name in values:
            values[name] = json.loads(values[name])
    return Deployment.model_validate(values)
