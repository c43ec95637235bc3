"""The append-only log of events."""

import json

from provisioner.domain.event import Event
from provisioner.domain.events.payload import Unknown
from provisioner.state.connection import Row, Table, key_of, placeholders
from provisioner.state.redaction import redact

LONGEST_UNREADABLE = 200  # characters of damaged data that are shown


class Events(Table):
    """Events, oldest first."""

    def of(self, deployment: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """The deployment's events with an id above `after`, oldest first."""
        sql = "SELECT * FROM events WHERE deployment = ? AND id > ? ORDER BY id LIMIT ?"
        return [to_event(row) for row in self._connection.rows(sql, deployment, after, limit)]

    def last_of(self, ident: str) -> Event | None:
        """The newest event of a deployment."""
        row = self._connection.fetch_one(
            "SELECT * FROM events WHERE deployment = ? ORDER BY id DESC LIMIT 1", ident
        )
        return to_event(row) if row else None

    def of_run(self, ident: str, after: int = 0, limit: int = 5000) -> list[Event]:
        """The events of all deployments of a run with an id above `after`, oldest first."""
        sql = (
            "SELECT events.* FROM events JOIN deployments ON deployments.id = events.deployment "
            "WHERE deployments.run = ? AND events.id > ? ORDER BY events.id LIMIT ?"
        )
        return [to_event(row) for row in self._connection.rows(sql, ident, after, limit)]

    def add(self, event: Event) -> int:
        """Append, inside the caller's transaction; the event's id. Secrets are taken out here.

        Raises ServiceError where no transaction is open: an event and what it changes are one.
        """
        self._connection.require_transaction()
        data = event.data.model_dump(mode="json", exclude_unset=True)
        row = event.model_dump(exclude={"id", "data"}) | {"data": json.dumps(redact(data))}
        sql = f"INSERT INTO events ({', '.join(row)}) VALUES ({placeholders(row)})"  # noqa: S608  our own columns
        return key_of(self._connection.db.conn.execute(sql, row).lastrowid)

    def note(self, event: Event) -> None:
        """Append an event that belongs to no deployment."""
        with self._connection.writing():
            self.add(event)

    def notes(self, limit: int) -> list[Event]:
        """The newest events that belong to no deployment, newest first."""
        sql = "SELECT * FROM events WHERE deployment = '' ORDER BY id DESC LIMIT ?"
        return [to_event(row) for row in self._connection.rows(sql, limit)]


def to_event(row: Row) -> Event:
    """A row of the table as the model; `Unknown` where its data is no JSON object of ours."""
    text = str(row["data"])
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # a damaged row hides neither the others nor its own kind
        data = None
    if isinstance(data, dict) and "\\ud" not in text:  # half characters cannot be answered as JSON
        return Event.model_validate({**row, "data": data})
    return Event.model_validate({**row, "data": Unknown(unreadable=text[:LONGEST_UNREADABLE])})
