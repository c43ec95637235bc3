"""Runs: one order for many hosts."""

from collections.abc import Iterable

from provisioner.domain.run import Run
from provisioner.errors import NotFoundError, UnreadableError
from provisioner.state.connection import Row, Table, first_of, insertion, key_of

SELECT = "SELECT id, body FROM runs"
UPSERT = f"{insertion('runs', ('id', 'created', 'body'))} ON CONFLICT(id) DO UPDATE SET"


class Runs(Table):
    """Runs by id."""

    NOUN = "the run"
    HINT = "restore a backup, or end it: provision cancel {}"

    def put(self, run: Run) -> None:
        """Keep a run, inside the caller's transaction. Raises ServiceError where none is open."""
        self._connection.require_transaction()
        row = {"id": run.id, "created": run.created, "body": run.model_dump_json()}
        self._connection.db.conn.execute(f"{UPSERT} body = excluded.body", row)

    def get(self, ident: str) -> Run:
        """The run of an id. Raises NotFoundError (PV-128), UnreadableError (PV-612)."""
        row = self._connection.fetch_one(f"{SELECT} WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no run is called {ident!r}", hint="provision status", code=128)
        return self._read(row, _run, ident)

    def newest(self, limit: int) -> list[Run]:
        """The newest that can be read, the newest first."""
        rows = self._connection.rows(f"{SELECT} ORDER BY created DESC, rowid DESC LIMIT ?", limit)
        return self._readable(rows, _run, first_of)

    def count(self) -> int:
        """How many there are, those included that cannot be read."""
        return key_of(self._connection.tuples("SELECT count(*) FROM runs")[0][0])

    def known(self, idents: Iterable[str]) -> dict[str, Run]:
        """Those of the ids that are there and can be read."""
        found = [self._connection.rows(f"{SELECT} WHERE id = ?", ident) for ident in idents]
        return {
            run.id: run for run in self._readable((row for rows in found for row in rows), _run, first_of)
        }

    def unreadable(self) -> list[UnreadableError]:
        """Why each of those that cannot be read is left out of lists."""
        return self._sift(self._connection.rows(SELECT), _run, first_of)[1]


def _run(row: Row) -> Run:
    return Run.model_validate_json(str(row["body"]))
