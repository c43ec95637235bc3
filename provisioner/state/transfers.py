"""What each address last fetched by TFTP, or did not get."""

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.state.connection import SqlValue, Table, first_of
from provisioner.state.reading import check_types

SELECT = "SELECT address, time, count, name, result, bytes FROM transfers"


@dataclass(frozen=True, slots=True)
class Transfer:
    """The last transfer of an address: when it ended, how often there was one, which file, how it ended.

    `time` in seconds since 1970; where the client has answered nothing, that of its request. `result` is
    `done`, or begins with `refused`, `aborted`, …; `bytes` were sent.
    """

    address: str
    time: float
    count: int
    name: str
    result: str
    bytes: int


class Transfers(Table):
    """The last transfer of each address; one that cannot be read is as if there had been none."""

    NOUN = "the transfer of"

    def get(self, address: str) -> Transfer | None:
        """The last one of an address; None where it never asked."""
        rows = self._connection.tuples(f"{SELECT} WHERE address = ?", address)
        return next(iter(self._readable(rows, _transfer, first_of)), None)

    def newest(self, limit: int) -> list[Transfer]:
        """The last one of each of so many addresses at most, the newest first."""
        rows = self._connection.tuples(f"{SELECT} ORDER BY time DESC LIMIT ?", limit)
        return self._readable(rows, _transfer, first_of)

    def put(self, transfers: Iterable[Transfer], most: int) -> None:
        """Batched evidence of TFTP: counts are added to what is there, unless that is newer; the newest
        `most` rows stay.
        """
        sql = """INSERT INTO transfers VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT(address) DO UPDATE SET time = excluded.time, count = count + excluded.count,
                 name = excluded.name, result = excluded.result, bytes = excluded.bytes
                 WHERE excluded.time >= transfers.time"""
        forget = """DELETE FROM transfers WHERE address IN (
                    SELECT address FROM transfers ORDER BY time DESC LIMIT -1 OFFSET ?)"""
        rows = [(row.address, row.time, row.count, row.name, row.result, row.bytes) for row in transfers]
        with self._connection.writing() as db:
            db.conn.executemany(sql, rows)
            db.execute(forget, [most])


def _transfer(row: tuple[SqlValue, ...]) -> Transfer:
    check_types(row, (str, (int, float), int, str, str, int))
    address, time, count, name, result, size = row
    return Transfer(str(address), float(time or 0), int(count or 0), str(name), str(result), int(size or 0))
