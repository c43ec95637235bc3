"""The service's clock in the database: its anchor, and the move of all times to another one."""

import json
from dataclasses import asdict

from pydantic import TypeAdapter, ValidationError

from provisioner.domain.stage import RESTING
from provisioner.state.connection import Table
from provisioner.system.clock import ClockAnchor

_ANCHOR = TypeAdapter(ClockAnchor)
KEY = "clock"
# Times that are compared with the clock; of what is over they are history, and stay as they were written.
COLUMNS = {
    "deployments": (
        "stage_since",
        "deadline",
        "created",
        "expires",
        "consumed",
        "paused",
        "power_on",
        "last_event_at",
    ),
    "leases": ("expires",),
    "sightings": ("first_seen", "last_seen"),
    "surveys": ("served", "released", "reported"),
    "transfers": ("time",),
}


class ClockTable(Table):
    """The anchor of the clock that all processes of the service share."""

    def anchor(self) -> ClockAnchor | None:
        """None where none was written, or it cannot be read."""
        row = self._connection.fetch_one("SELECT value FROM service WHERE key = ?", KEY)
        try:
            return _ANCHOR.validate_json(str(row["value"])) if row else None
        except ValidationError:
            return None

    def put(self, anchor: ClockAnchor) -> None:
        """Replace it, inside the caller's transaction. Raises ServiceError where none is open."""
        self._connection.require_transaction()
        values = [KEY, json.dumps(asdict(anchor))]
        self._connection.db.execute("INSERT OR REPLACE INTO service VALUES (?, ?)", values)

    def shift(self, seconds: float) -> None:
        """Move what is compared with the clock, inside the caller's transaction; a time of 0 is none."""
        self._connection.require_transaction()
        for table, columns in COLUMNS.items():
            for column in columns:
                which = f"{column} > 0" + (
                    f" AND stage NOT IN ({_RESTING})" if table == "deployments" else ""
                )
                sql = f"UPDATE {table} SET {column} = {column} + ? WHERE {which}"  # noqa: S608  our own names
                self._connection.db.execute(sql, [seconds])


_RESTING = ", ".join(f"'{stage}'" for stage in sorted(RESTING))
