"""Deployments: their rows."""

import json

from provisioner.domain.deployment import Deployment
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import NotFoundError
from provisioner.state.connection import Row, Table, placeholders

MODEL_COLUMNS = ("progress", "disk", "verdict", "target")
JSON_COLUMNS = (*MODEL_COLUMNS, "host_keys", "hints")


class Deployments(Table):
    """Deployments by id; their order is that in which they were armed, whatever a clock said."""

    def get(self, ident: str) -> Deployment:
        """The deployment of an id. Raises NotFoundError (PV-123)."""
        row = self._connection.fetch_one("SELECT * FROM deployments WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no deployment is called {ident!r}", hint="provision status", code=123)
        return to_deployment(row)

    def has(self, ident: str) -> bool:
        """Whether this id is taken."""
        return self._connection.fetch_one("SELECT 1 FROM deployments WHERE id = ?", ident) is not None

    def last_of(self, host: str) -> Deployment | None:
        """The newest deployment of a host."""
        sql = "SELECT * FROM deployments WHERE host = ? ORDER BY rowid DESC LIMIT 1"
        row = self._connection.fetch_one(sql, host)
        return to_deployment(row) if row else None

    def last_written(self, host: str) -> Deployment | None:
        """The newest deployment of a host that has written its disk to the end."""
        which = "host = ? AND disk NOT IN ('', '{}')"
        sql = f"SELECT * FROM deployments WHERE {which} ORDER BY rowid DESC LIMIT 1"  # noqa: S608  ours
        row = self._connection.fetch_one(sql, host)
        return to_deployment(row) if row else None

    def by_token(self, token_hash: str) -> Deployment | None:
        """The deployment that an agent's token belongs to."""
        row = self._connection.fetch_one("SELECT * FROM deployments WHERE token_hash = ?", token_hash)
        return to_deployment(row) if row else None

    def by_nonce(self, nonce_hash: str) -> Deployment | None:
        """The deployment whose present boot has this nonce."""
        row = self._connection.fetch_one("SELECT * FROM deployments WHERE nonce_hash = ?", nonce_hash)
        return to_deployment(row) if row else None

    def under_way(self) -> list[Deployment]:
        """All deployments that are not at rest, oldest first."""
        marks = ", ".join("?" for _ in RESTING)
        sql = f"SELECT * FROM deployments WHERE stage NOT IN ({marks}) ORDER BY rowid"  # noqa: S608  marks only
        return [to_deployment(row) for row in self._connection.rows(sql, *RESTING)]

    def orders(self) -> list[tuple[str, str, Stage]]:
        """MAC, id and stage of all deployments that are not at rest: quick enough to ask all the time."""
        marks = ", ".join("?" for _ in RESTING)
        sql = f"SELECT mac, id, stage FROM deployments WHERE stage NOT IN ({marks}) ORDER BY rowid"  # noqa: S608  marks only
        return [
            (mac, ident, Stage(stage)) for mac, ident, stage in self._connection.db.execute(sql, [*RESTING])
        ]

    def newest(self, limit: int = 100) -> list[Deployment]:
        """The `limit` newest, the newest first."""
        return [
            to_deployment(row)
            for row in self._connection.rows("SELECT * FROM deployments ORDER BY rowid DESC LIMIT ?", limit)
        ]

    def of_run(self, ident: str) -> list[Deployment]:
        """The deployments of a run, in the order in which they were armed."""
        rows = self._connection.rows("SELECT * FROM deployments WHERE run = ? ORDER BY rowid", ident)
        return [to_deployment(row) for row in rows]

    def put(self, row: Deployment) -> None:
        """Insert or update, inside the caller's transaction. Raises ServiceError where none is open."""
        self._connection.require_transaction()
        body = row.model_dump(mode="json", exclude=set(JSON_COLUMNS))
        body["host_keys"] = json.dumps(row.host_keys)
        body["hints"] = row.hints.model_dump_json(exclude_defaults=True) if row.hints else None
        for name in MODEL_COLUMNS:
            body[name] = getattr(row, name).model_dump_json(exclude_defaults=True)
        # a table's upsert asks the schema first, many times; a storm of machines comes through here
        changes = ", ".join(f"{name} = excluded.{name}" for name in body if name != "id")
        sql = f"INSERT INTO deployments ({', '.join(body)}) VALUES ({placeholders(body)})"  # noqa: S608  our own columns
        self._connection.db.conn.execute(f"{sql} ON CONFLICT(id) DO UPDATE SET {changes}", body)


def to_deployment(row: Row) -> Deployment:
    """A row of the table as the model; null columns have the model's defaults."""
    values: dict[str, object] = {key: value for key, value in row.items() if value is not None}
    for name in JSON_COLUMNS:
        if name in values:
            values[name] = json.loads(str(values[name]))
    return Deployment.model_validate(values)
