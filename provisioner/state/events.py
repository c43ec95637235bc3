"""The log of events. It only grows; but what a machine repeats is kept as first, last and how many."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from provisioner.domain import audit_events
from provisioner.domain.event import Event
from provisioner.domain.events.payload import Evidence, Unknown
from provisioner.domain.events.registry import LASTING
from provisioner.domain.stage import RESTING
from provisioner.state import audit
from provisioner.state.connection import Row, SqlValue, Table, insertion, key_of
from provisioner.state.reading import FAULTS
from provisioner.state.redaction import redact

LONGEST_UNREADABLE = 200  # characters of damaged data that are shown
LOOKED_THROUGH = 20_000  # events among which the newest of some kinds are looked for
LOOKED_BACK = 16  # events of one kind among which a repeated one is looked for
MOST_OF_A_KIND = (
    500  # repeatable events of one attempt; what comes after them counts as the last of them again
)
COLUMNS = tuple(name for name in Event.model_fields if name not in ("id", "data"))
INSERT = insertion("events", (*COLUMNS, "data"))
NOTHING: dict[str, SqlValue] = {
    "id": 0,
    "time": 0.0,
    "host": "",
    "deployment": "",
    "attempt": 0,
    "kind": "unreadable",
}


class Move(NamedTuple):
    """That an event of a kind that leads from stage to stage happened, in seconds since 1970."""

    deployment: str
    kind: str
    time: float


class Events(Table):
    """Events, oldest first."""

    def of(self, deployment: str, after: int = 0, limit: int = 1000, kind: str | None = None) -> list[Event]:
        """The deployment's events with an id above `after`, oldest first; of one kind, or of all."""
        sql = (
            "SELECT * FROM events WHERE deployment = ? AND id > ? AND kind = coalesce(?, kind) "
            "ORDER BY id LIMIT ?"
        )
        return [to_event(row) for row in self._connection.rows(sql, deployment, after, kind, limit)]

    def last_of(self, ident: str, kind: str | None = None) -> Event | None:
        """The newest event of a deployment, or the newest of one kind."""
        where = "deployment = ? AND kind = coalesce(?, kind)"
        row = self._connection.fetch_one(
            f"SELECT * FROM events WHERE {where} ORDER BY id DESC LIMIT 1",  # noqa: S608  our own words
            ident,
            kind,
        )
        return to_event(row) if row else None

    def of_run(self, ident: str, after: int = 0, limit: int = 5000) -> list[Event]:
        """The events of all deployments of a run with an id above `after`, oldest first."""
        sql = (
            "SELECT events.* FROM events JOIN deployments ON deployments.id = events.deployment "
            "WHERE deployments.run = ? AND events.id > ? ORDER BY events.id LIMIT ?"
        )
        return [to_event(row) for row in self._connection.rows(sql, ident, after, limit)]

    def after(self, ident: int, limit: int) -> list[Event]:
        """All events with an id above this one, oldest first."""
        sql = "SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?"
        return [to_event(row) for row in self._connection.rows(sql, ident, limit)]

    def newest(self) -> int:
        """The id of the newest one; 0 for none. A restored log may have a lower one than was seen before."""
        return key_of(self._connection.tuples("SELECT coalesce(max(id), 0) FROM events")[0][0])

    def moves(self, idents: Sequence[str]) -> list[Move]:
        """What led these deployments from stage to stage, one deployment after the other, oldest first."""
        marks, kinds = ", ".join("?" for _ in idents), ", ".join("?" for _ in LASTING)
        sql = f"""SELECT deployment, kind, CAST(time AS REAL) FROM events
                  WHERE deployment IN ({marks}) AND kind IN ({kinds}) ORDER BY deployment, id"""  # noqa: S608  marks only
        found = self._connection.tuples(sql, *idents, *LASTING)
        return [Move(str(ident), str(kind), float(time or 0)) for ident, kind, time in found]

    def add(self, event: Event, *, repeatable: bool = False) -> int:
        """Append, inside the caller's transaction; the event's id. Secrets are taken out here.

        Where it is `repeatable` (it leads to no other stage) and says what an earlier one of its attempt has
        said, it takes that one's place: under a new id, so that whoever follows the log sees it.

        What of it belongs to the audit is written there, too. Raises ServiceError where no transaction is
        open: an event and what it changes are one.
        """
        self._connection.require_transaction()
        if entry := audit_events.entry_of(event):
            audit.record(self._connection, entry, count=_count(event))
        if not repeatable or not isinstance(event.data, Evidence):
            return self._insert(event)
        earlier = self._repeated(event, event.data)
        if earlier is None:
            return self._insert(event.model_copy(update={"data": event.data.beginning(event.time)}))
        ident, before = earlier
        new = self._insert(event.model_copy(update={"data": event.data.after(before)}))
        self._connection.db.conn.execute("DELETE FROM events WHERE id = ?", [ident])
        return new

    def _insert(self, event: Event) -> int:
        data = json.dumps(redact(event.data.model_dump(mode="json", exclude_unset=True)))
        row = {name: getattr(event, name) for name in COLUMNS} | {"data": data}
        return key_of(self._connection.db.conn.execute(INSERT, row).lastrowid)

    def _repeated(self, event: Event, data: Evidence) -> tuple[int, Evidence] | None:
        """Id and data of the one that it repeats; None where it says something new."""
        mine = "deployment = ? AND host = ? AND kind = ? AND attempt = ?"
        owner = (event.deployment, event.host, event.kind, event.attempt)
        sql = f"SELECT * FROM events WHERE {mine} ORDER BY id DESC LIMIT ?"  # noqa: S608  our own words
        found = [to_event(row) for row in self._connection.rows(sql, *owner, LOOKED_BACK)]
        counted = [
            (old.id, old.data) for old in found if isinstance(old.data, Evidence) and old.data.is_counted
        ]
        same = next(((ident, old) for ident, old in counted if data.repeats(old)), None)
        if same or len(found) < LOOKED_BACK or not counted:
            return same
        total = self._connection.tuples(f"SELECT count(*) FROM events WHERE {mine}", *owner)[0][0]  # noqa: S608
        return counted[0] if key_of(total) >= MOST_OF_A_KIND else None

    def note(self, event: Event) -> None:
        """Append an event that belongs to no deployment."""
        with self._connection.writing():
            self.add(event, repeatable=True)

    def notes(self, limit: int) -> list[Event]:
        """The newest events of the network, which belong to no deployment and no host, newest first."""
        sql = "SELECT * FROM events WHERE deployment = '' AND host = '' ORDER BY id DESC LIMIT ?"
        return [to_event(row) for row in self._connection.rows(sql, limit)]

    def newest_of(self, kinds: Sequence[str], limit: int) -> list[Event]:
        """The newest events of these kinds, of whatever host, newest first; among the LOOKED_THROUGH last."""
        marks = ", ".join("?" for _ in kinds)
        sql = f"""SELECT * FROM events WHERE id > (SELECT coalesce(max(id), 0) FROM events) - ?
                  AND kind IN ({marks}) ORDER BY id DESC LIMIT ?"""  # noqa: S608  marks only
        return [to_event(row) for row in self._connection.rows(sql, LOOKED_THROUGH, *kinds, limit)]

    def of_host(self, name: str, limit: int) -> list[Event]:
        """The newest events of a host that belong to no deployment, newest first."""
        sql = "SELECT * FROM events WHERE deployment = '' AND host = ? ORDER BY id DESC LIMIT ?"
        return [to_event(row) for row in self._connection.rows(sql, name, limit)]

    def history(self, name: str, limit: int) -> list[Event]:
        """The newest events that are a host's history, newest first: its orders, and what is of none."""
        sql = """SELECT * FROM events WHERE host = ? AND (deployment = '' OR kind = 'order.armed')
                 ORDER BY id DESC LIMIT ?"""
        return [to_event(row) for row in self._connection.rows(sql, name, limit)]

    def renamed_to(self, name: str) -> str:
        """What the host that was called so last is called now; empty where none was."""
        sql = """SELECT host FROM events WHERE kind = 'host.renamed' AND json_valid(data)
                 AND json_extract(data, '$.before') = ? ORDER BY id DESC LIMIT 1"""
        found = self._connection.tuples(sql, name)
        return str(found[0][0]) if found else ""

    def newest_time(self) -> float:
        """When the newest one was written, in seconds since 1970; 0 for none."""
        found = self._connection.tuples("SELECT CAST(time AS REAL) FROM events ORDER BY id DESC LIMIT 1")
        return float(found[0][0] or 0) if found else 0.0

    def prune(self, before: float, most: int) -> int:
        """Forget at most so many from before then (seconds since 1970); how many.

        What an order, its verdict and its way from stage to stage were stays for ever, as does all of a
        deployment that is not at rest.
        """
        kinds, stages = (", ".join("?" for _ in words) for words in (LASTING, RESTING))
        is_counted = "CASE WHEN json_valid(data) THEN json_extract(data, '$.count') END IS NOT NULL"
        sql = f"""SELECT id FROM events WHERE time < ? AND (kind NOT IN ({kinds}) OR {is_counted})
                  AND deployment NOT IN (
                  SELECT id FROM deployments WHERE stage_since >= ? OR stage NOT IN ({stages}))
                  ORDER BY id LIMIT ?"""  # noqa: S608  marks only
        found = self._connection.tuples(sql, before, *LASTING, before, *RESTING, most)
        return self._forget("events", found)


def _count(event: Event) -> int:
    """How many it stands for."""
    return event.data.count if isinstance(event.data, Evidence) else 1


def to_event(row: Row) -> Event:
    """A row of the table as the model; `Unknown` where its data is no JSON object of ours."""
    text = str(row["data"])
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # a damaged row hides neither the others nor its own kind
        data = None
    unreadable = Unknown(unreadable=text[:LONGEST_UNREADABLE].encode(errors="replace").decode())
    try:
        if isinstance(data, dict) and ("\\ud" not in text or _is_whole(data)):
            return Event.model_validate({**row, "data": data})
        return Event.model_validate({**row, "data": unreadable})
    except FAULTS:  # a column that holds something else than it should
        return Event.model_validate({**_readable_columns(row), "data": unreadable})


def _is_whole(data: object) -> bool:
    """Whether no half character is in it, which cannot be answered as JSON; two halves are one."""
    try:
        return bool(json.dumps(data, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        return False


def _readable_columns(row: Row) -> dict[str, SqlValue]:
    """Each column, or nothing in its place where it is not of its kind."""
    whole = {**NOTHING, "source": "", "version": 1}
    return {
        name: row[name] if isinstance(row.get(name), type(nothing)) else nothing
        for name, nothing in whole.items()
    }
