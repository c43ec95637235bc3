"""What the worker is asked to do at a BMC, and its answers."""

import json
from typing import Any

from provisioner.errors import NotFoundError
from provisioner.state.connection import Table, key_of
from provisioner.state.redaction import redact


class Requests(Table):
    """Requests by number."""

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
        with self._connection.writing() as db:
            return key_of(db.table("requests").insert(row).last_pk)

    def get(self, ident: int) -> dict[str, Any]:
        """Raises NotFoundError."""
        row = self._connection.one("SELECT * FROM requests WHERE id = ?", ident)
        if not row:
            raise NotFoundError(f"no request {ident}", code=124)
        return {**row, "result": json.loads(row["result"])}

    def open(self) -> list[dict[str, Any]]:
        """What the worker has not answered yet, oldest first."""
        return self._connection.rows("SELECT * FROM requests WHERE state = 'open' ORDER BY id")

    def answer(self, ident: int, result: dict[str, Any]) -> None:
        """The worker's answer to a request."""
        with self._connection.writing() as db:
            db.table("requests").update(ident, {"state": "done", "result": json.dumps(redact(result))})
