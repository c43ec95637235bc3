"""The audit: lines that are only ever added, each chained to the one before it (domain/audit.py).

    with database.writing():
        …                       # what is told of, in the same transaction
        audit.record(database, Entry(kind=Kind.LOGIN, time=site.clock(), by="mia", door="token", …))

What a stranger can repeat for ever (`REPEATED`) makes no line each time: the first of them is a line at once,
those that follow within WINDOW are counted, and become one line when it is over. Of each kind MOST_APART are
told apart; beyond them they count as one. So a flood of a day is some hundred lines, whatever it varies.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from provisioner.domain.audit import NOTHING, REPEATED, Entry, Forgotten, Kind, Line, hash_of
from provisioner.state.connection import Connection, Row, SqlValue, Table, key_of
from provisioner.state.redaction import redact_text
from provisioner.system.checksum import sha256_text

WINDOW = 6 * 3600.0  # seconds for which the same is counted
MOST_APART = 64  # of one kind; what belongs to orders and logins of ours is bounded by their number besides
MOST_KNOWN = 4096  # of those kinds, and of what was refused to somebody who was proved
OURS = frozenset({Kind.CONFIG_READ, Kind.SECRET_READ})
MOST_HEADS = 500
WANTED = "audit.wanted"  # a value of the service
OTHERS = "more than can be told apart"
WORDS = ("what", "sentence")  # texts that may have a stranger's words in them


class Filter(NamedTuple):
    """Which lines are wanted: all where nothing is said. Times in seconds since 1970."""

    kind: str = ""  # or the beginning of one: `order` is `order.given` too
    host: str = ""
    by: str = ""
    since: float = 0
    until: float = 0


def record(connection: Connection, entry: Entry, *, count: int = 1) -> None:
    """Write one line, inside the caller's transaction. Raises ServiceError where none is open.

    `count` is of the same that were gathered since the last call; it is for the kinds of `REPEATED` alone.
    """
    connection.require_transaction()
    entry = entry.model_copy(update={name: redact_text(getattr(entry, name)) for name in WORDS})
    if entry.kind in REPEATED:
        _count(connection, entry, count)
    else:
        append(connection, entry)


def append(
    connection: Connection,
    entry: Entry,
    *,
    first: float = 0,
    count: int = 1,
    forgotten: Forgotten | None = None,
) -> Line:
    """The next line of the chain, inside the caller's transaction."""
    connection.require_transaction()
    number, previous = tip(connection)
    if not number and entry.kind != Kind.BEGAN:
        append(connection, Entry(kind=Kind.BEGAN, time=entry.time, by="service"))
        number, previous = tip(connection)
    place = {"number": number + 1, "previous": previous, "first": first, "count": count}
    line = Line.model_validate({**entry.model_dump(), **place, "forgotten": forgotten})
    connection.db.execute("INSERT INTO audit VALUES (?, ?)", [line.number, line.to_bytes().decode()])
    return line


def tip(connection: Connection) -> tuple[int, str]:
    """Number and hash of the newest line; 0 and NOTHING where there is none."""
    row = connection.fetch_one("SELECT number, body FROM audit ORDER BY number DESC LIMIT 1")
    return (key_of(row["number"]), hash_of(_raw(row))) if row else (0, NOTHING)


def _raw(row: Row) -> bytes:
    """The bytes of a line; of a damaged one those that are left."""
    body = row["body"]
    return body if isinstance(body, bytes) else str(body).encode(errors="surrogateescape")


def _count(connection: Connection, entry: Entry, count: int) -> None:
    """One line now, or so many more of those that are counted."""
    key = _key(entry)
    row = connection.fetch_one("SELECT * FROM audit_repeats WHERE key = ?", key)
    if row is None and _is_full(connection, entry):
        entry = Entry(kind=entry.kind, time=entry.time, sentence=OTHERS, result=entry.result)
        key = _key(entry)
        row = connection.fetch_one("SELECT * FROM audit_repeats WHERE key = ?", key)
    if row and entry.time < float(row["due"] or 0):
        sql = "UPDATE audit_repeats SET count = count + ?, last = ? WHERE key = ?"
        connection.db.execute(sql, [count, entry.time, key])
        return
    if row:
        _tell(connection, row)
    append(connection, entry)
    due = entry.time + WINDOW
    body = entry.model_dump_json()
    values = [key, entry.kind.value, body, entry.time, entry.time, count - 1, due]
    connection.db.execute("INSERT OR REPLACE INTO audit_repeats VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _key(entry: Entry) -> str:
    """Two entries with the same key are the same, but for their time."""
    return sha256_text(entry.model_dump_json(exclude={"time"}))


def _is_full(connection: Connection, entry: Entry) -> bool:
    found = connection.tuples("SELECT count(*) FROM audit_repeats WHERE kind = ?", entry.kind.value)
    known = entry.kind in OURS or (entry.kind == Kind.ORDER_REFUSED and entry.by)
    return key_of(found[0][0]) >= (MOST_KNOWN if known else MOST_APART)


def _tell(connection: Connection, row: Row) -> None:
    """What was counted since its first line, as one line; nothing where it did not come again."""
    if count := key_of(row["count"]):
        entry = Entry.model_validate_json(str(row["body"]))
        last = entry.model_copy(update={"time": float(row["last"] or 0)})
        append(connection, last, first=float(row["first"] or 0), count=count)


def flush(connection: Connection, now: float) -> int:
    """Write down what was counted and is due by `now` (seconds since 1970); how many lines.

    The worker calls it now and then; it opens a transaction only where there is something to write.
    """
    if not connection.tuples("SELECT 1 FROM audit_repeats WHERE due <= ? LIMIT 1", now):
        return 0
    with connection.writing() as db:
        rows = connection.rows("SELECT * FROM audit_repeats WHERE due <= ? ORDER BY first", now)
        for row in rows:
            _tell(connection, row)
        db.execute("DELETE FROM audit_repeats WHERE due <= ?", [now])
    return len(rows)


class Audit(Table):
    """Reads the lines, and forgets old ones without breaking the chain."""

    NOUN = "the audit"

    def lines(self, after: int, limit: int) -> list[bytes]:
        """The lines as they are kept, with numbers above `after`, the oldest first."""
        sql = "SELECT body FROM audit WHERE number > ? ORDER BY number LIMIT ?"
        return [_raw(row) for row in self._connection.rows(sql, after, limit)]

    def find(self, wanted: Filter, limit: int, before: int = 0) -> list[bytes]:
        """The newest lines that are wanted, numbers below `before` unless that is 0; newest first."""
        where, values = ["json_valid(body)"], list[SqlValue]()
        for condition, value in _conditions(wanted):
            where.append(condition)
            values.append(value)
        if before:
            where.append("number < ?")
            values.append(before)
        sql = f"SELECT body FROM audit WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"  # noqa: S608  ours
        return [_raw(row) for row in self._connection.rows(sql, *values, limit)]

    def newest(self) -> int:
        """The number of the newest line; 0 where there is none."""
        return tip(self._connection)[0]

    def first(self) -> int:
        """The number of the oldest line that is left; 0 for none."""
        return key_of(self._connection.tuples("SELECT min(number) FROM audit")[0][0])

    def heads(self) -> list[bytes]:
        """The newest signed heads, each as `SignedHead.to_bytes` writes it, the oldest first."""
        rows = self._connection.rows("SELECT body FROM audit_heads ORDER BY number DESC LIMIT ?", MOST_HEADS)
        return [_raw(row) for row in reversed(rows)]

    def signed_until(self) -> int:
        """The number of the newest line that a signed head covers; 0 for none."""
        return key_of(self._connection.tuples("SELECT max(number) FROM audit_heads")[0][0])

    def put_head(self, number: int, head: bytes) -> None:
        """Keep a signed head of the lines up to `number`; of older ones as many as prove something."""
        with self._connection.writing() as db:
            db.execute("INSERT OR REPLACE INTO audit_heads VALUES (?, ?)", [number, head.decode()])
            oldest = "SELECT number FROM audit_heads ORDER BY number DESC LIMIT 1 OFFSET ?"
            db.execute(f"DELETE FROM audit_heads WHERE number <= ({oldest})", [MOST_HEADS])  # noqa: S608  ours

    def ask_for_head(self, number: int) -> None:
        """Somebody waits for a head that covers this line; inside the caller's transaction."""
        self._connection.require_transaction()
        sql = "INSERT OR REPLACE INTO service VALUES (?, ?)"
        self._connection.db.execute(sql, [WANTED, str(number)])

    def wanted_head(self) -> int:
        """The line that somebody wants to be covered; 0 for none."""
        row = self._connection.fetch_one("SELECT value FROM service WHERE key = ?", WANTED)
        return int(str(row["value"])) if row and str(row["value"]).isdigit() else 0

    def prune(self, before: float, most: int, now: float) -> int:
        """Forget at most so many from before then (seconds since 1970), and say so in a line; how many.

        The newest line is never forgotten, and the line that says what was forgotten is written with it.
        """
        found = self._old(before, most)
        if not found:
            return 0
        with self._connection.writing() as db:
            last = found[-1]
            forgotten = Forgotten(number=key_of(last["number"]), hash=hash_of(_raw(last)))
            sentence = f"{len(found)} lines up to number {forgotten.number} were forgotten: they were old"
            entry = Entry(kind=Kind.CHECKPOINT, time=now, by="worker", sentence=sentence)
            append(self._connection, entry, forgotten=forgotten)
            db.execute("DELETE FROM audit WHERE number <= ?", [forgotten.number])
        return len(found)

    def _old(self, before: float, most: int) -> Sequence[Row]:
        """The oldest lines, as far as all of them are from before then."""
        rows = self._connection.rows("SELECT number, body FROM audit ORDER BY number LIMIT ?", most + 1)
        old = list[Row]()
        for row in rows[:-1]:
            found = self._connection.tuples(
                "SELECT CASE WHEN json_valid(?1) THEN json_extract(?1, '$.time') END", str(row["body"])
            )
            if float(found[0][0] or 0) >= before:
                break
            old.append(row)
        return old[:most]


def _conditions(wanted: Filter) -> Iterator[tuple[str, SqlValue]]:
    if wanted.kind:
        yield "(json_extract(body, '$.kind') || '.') GLOB ?", f"{wanted.kind}.*"
    if wanted.host:
        yield "json_extract(body, '$.host') = ?", wanted.host
    if wanted.by:
        yield "json_extract(body, '$.by') = ?", wanted.by
    if wanted.since:
        yield "json_extract(body, '$.time') >= ?", wanted.since
    if wanted.until:
        yield "json_extract(body, '$.time') < ?", wanted.until
