"""Values of the service itself."""

import json
from typing import Any

from provisioner.state.connection import Table


class Values(Table):
    """Values by key."""

    def get(self, key: str, default: Any = None) -> Any:
        """A value of the service itself."""
        row = self._connection.one("SELECT value FROM service WHERE key = ?", key)
        return json.loads(row["value"]) if row else default

    def set(self, key: str, value: Any) -> None:
        """Keep a value of the service itself."""
        with self._connection.writing() as db:
            db.table("service").upsert({"key": key, "value": json.dumps(value)}, pk="key")
