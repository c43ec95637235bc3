"""What each address last fetched by TFTP, or did not get."""

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.state.connection import Table


@dataclass(frozen=True, slots=True)
class Transfer:
    """The last transfer of an address: when it ended, how often there was one, which file, how it ended.

    `time` in seconds since 1970. `result` is `done`, or begins with `refused`, `aborted`, …;
    `bytes` were sent.
    """

    address: str
    time: float
    count: int
    name: str
    result: str
    bytes: int


class Transfers(Table):
    """The last transfer of each address."""

    def get(self, address: str) -> Transfer | None:
        """The last one of an address; None where it never asked."""
        sql = "SELECT address, time, count, name, result, bytes FROM transfers WHERE address = ?"
        row = self._connection.db.execute(sql, [address]).fetchone()
        return Transfer(*row) if row else None

    def put(self, transfers: Iterable[Transfer], most: int) -> None:
        """Batched evidence of TFTP: counts are added to what is there; the newest `most` rows stay."""
        sql = """INSERT INTO transfers VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT(address) DO UPDATE SET time = excluded.time, count = count + excluded.count,
                 name = excluded.name, result = excluded.result, bytes = excluded.bytes"""
        forget = """DELETE FROM transfers WHERE address IN (
                    SELECT address FROM transfers ORDER BY time DESC LIMIT -1 OFFSET ?)"""
        rows = [(row.address, row.time, row.count, row.name, row.result, row.bytes) for row in transfers]
        with self._connection.writing() as db:
            db.conn.executemany(sql, rows)
            db.execute(forget, [most])
