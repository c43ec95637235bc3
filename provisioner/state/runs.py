"""Runs: one order for many hosts."""

from provisioner.domain.run import Run
from provisioner.errors import NotFoundError
from provisioner.state.connection import Table


class Runs(Table):
    """Runs by id."""

    def put(self, run: Run) -> None:
        """Keep a run, or what has become of it."""
        with self._connection.writing() as db:
            row = {"id": run.id, "created": run.created, "body": run.model_dump_json()}
            db.table("runs").upsert(row, pk="id")

    def get(self, ident: str) -> Run:
        """The run of an id. Raises NotFoundError (PV-128)."""
        row = self._connection.fetch_one("SELECT body FROM runs WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no run is called {ident!r}", hint="provision status", code=128)
        return Run.model_validate_json(str(row["body"]))
