"""The database's file: a connection per thread, its schema brought up to date, transactions."""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast
from weakref import WeakSet

from pysqlite3 import dbapi2 as sqlite3
from sqlite_utils import Database

from provisioner.errors import NewerFolderError, ServiceError, UnreadableError
from provisioner.state import faults, notify, reading
from provisioner.state.schema import SCHEMA_VERSION, migrations

OVERWRITES = 15  # the schema since which what is deleted is overwritten (PRAGMA secure_delete)
OLDEST_SQLITE = (3, 51, 3)  # older ones can corrupt a WAL that several processes write
BUSY_SECONDS = (
    10  # that a writer waits for another; a watched loop may be silent for longer (daemon/parent.py)
)
MOST_WARNED = 1000  # unreadable rows that are remembered as told
SqlValue = str | int | float | None
Row = Mapping[str, SqlValue]  # a row as SQLite has it, by column; it does not leave this room
log = logging.getLogger(__name__)
_Row = TypeVar("_Row")
_Item = TypeVar("_Item")


class _OpenConnections:
    """Those of all threads. In a forked child they stay as they are until it has become another program.

    Python drops what the other threads had as soon as it has forked. A connection that was closed there may
    spoil its parent's (sqlite.org/howtocorrupt.html, 2.7), or wait for ever for a lock within SQLite that one
    of those threads had, with all files and locks of the service open.
    """

    def __init__(self) -> None:
        self._open: WeakSet[Database] = WeakSet()
        self._kept: list[Database] = []
        self._lock = threading.Lock()
        os.register_at_fork(
            before=self._keep, after_in_parent=self._let_go, after_in_child=self._lock.release
        )

    def add(self, db: Database) -> Database:
        with self._lock:
            self._open.add(db)
        return db

    def _keep(self) -> None:
        self._lock.acquire()
        self._kept = list(self._open)

    def _let_go(self) -> None:
        self._kept = []
        self._lock.release()


_connections = _OpenConnections()


class Connection:
    """The database's file: a connection per thread, its schema, and transactions."""

    def __init__(self, state: Path) -> None:
        """`state` is the state folder. Raises ServiceError where this SQLite is too old."""
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ServiceError(
                f"SQLite {sqlite3.sqlite_version} can corrupt the state", hint="pip install pysqlite3"
            )
        self.state = state
        self.path = state / "provisioner.db"
        self._local = threading.local()
        # SQLite lets those who wait to write sleep and look again; here they wake each other
        self._write_lock = threading.RLock()  # to write within writing is refused by SQLite, in words
        self._warned: set[str] = set()

    @property
    def db(self) -> Database:
        """This thread's connection. Raises ServiceError, DamagedDatabaseError (PV-607, PV-608)."""
        if not hasattr(self._local, "db"):
            with self._explained():
                self._local.db = _connections.add(Database(self._connect()))
        return cast(Database, self._local.db)

    def _connect(self) -> sqlite3.Connection:
        """Open the file that is there: one that has gone is not made anew, empty, behind everybody's back."""
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, in its page, too
        return connection

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._local, "db"):
            self._local.db.conn.close()
            del self._local.db

    def migrate(self) -> None:
        """Make the file, or bring it to this version. Raises NewerFolderError (PV-611)."""
        with self._explained():
            self.path.touch(mode=0o600)
            before = self.db.execute("PRAGMA user_version").fetchone()[0]
            require_known(self.state, before)
            migrations.apply(self.db)
            if 0 < before < OVERWRITES:
                self._rewrite()
            self.db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            self.path.chmod(0o600)

    def _rewrite(self) -> None:
        """Write the file anew: releases before left what they had deleted in free pages and in the log."""
        self.db.execute("VACUUM")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the file in words; those of a statement as they are."""
        try:
            yield
        except sqlite3.Error as fault:
            if known := faults.explain(fault, self.path):
                raise known from fault
            raise

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One `BEGIN IMMEDIATE` transaction of this thread; wakes the other processes after the commit.

        An exception rolls all of it back. Not to be nested: SQLite refuses it. Raises DiskFullError (PV-609)
        where there is no room for it, ServiceError where another program holds the file for too long.
        """
        db = self.db
        with self._write_lock, self._explained():
            db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.conn.execute("COMMIT")
            except BaseException:
                db.conn.rollback()
                raise
        notify.notify(self.state)

    def require_transaction(self) -> None:
        """Raises ServiceError unless this thread is within `writing`: what follows must not stand alone."""
        if not self.db.conn.in_transaction:
            raise ServiceError(
                "this is written only within a transaction, and none is open",
                hint="put it into `with database.writing():`",
            )

    def rows(self, sql: str, *parameters: SqlValue) -> list[Row]:
        """The rows of a query, in which each column has a name of its own."""

        def fetch() -> list[Row]:
            cursor = self.db.conn.execute(sql, parameters)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return self._read(fetch)

    def tuples(self, sql: str, *parameters: SqlValue) -> list[tuple[SqlValue, ...]]:
        """The rows of a query without their columns' names: quicker where there are many."""
        return self._read(lambda: self.db.execute(sql, list(parameters)).fetchall())

    def _read(self, query: Callable[[], _Item]) -> _Item:
        """Likewise where a text is no UTF-8 any more, for which SQLite's module refuses the whole query."""
        with self._explained():
            try:
                return query()
            except sqlite3.OperationalError as fault:
                if "decode to UTF-8" not in str(fault):
                    raise
            self.db.conn.text_factory = reading.text_or_bytes
            return query()

    def fetch_one(self, sql: str, *parameters: SqlValue) -> Row | None:
        """The first row of a query; None where there is none."""
        return next(iter(self.rows(sql, *parameters)), None)

    def data_version(self) -> int:
        """Changes when another connection has written (sqlite.org/pragma.html)."""
        return int(self.db.conn.execute("PRAGMA data_version").fetchone()[0])

    def warn(self, unreadable: Iterable[UnreadableError]) -> None:
        """Log what lists leave out, each once."""
        for fault in unreadable:
            if str(fault) not in self._warned and len(self._warned) < MOST_WARNED:
                self._warned.add(str(fault))
                log.warning("%s (PV-%d); it is left out", fault, fault.code)


def require_known(state: Path, version: int) -> None:
    """Raises NewerFolderError (PV-611) where a database's `user_version` is newer than this release."""
    if version > SCHEMA_VERSION:
        raise NewerFolderError(
            f"{state} was written by a newer release (schema {version}, ours is {SCHEMA_VERSION})",
            hint="start the newer release, or restore the backup that was made before the upgrade",
        )


class Table:
    """What reads and writes one noun's rows."""

    NOUN = "a row"  # with its article, for sentences about a row that cannot be read
    HINT = ""  # what to do about one; {} is its key

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _read(self, row: _Row, make: Callable[[_Row], _Item], key: object) -> _Item:
        """One row that was asked for. Raises UnreadableError (PV-612)."""
        return reading.read(self.NOUN, key, row, make, hint=self.HINT)

    def _sift(
        self, rows: Iterable[_Row], make: Callable[[_Row], _Item], key: Callable[[_Row], object]
    ) -> tuple[list[_Item], list[UnreadableError]]:
        return reading.sift(self.NOUN, rows, make, key, hint=self.HINT)

    def _readable(
        self, rows: Iterable[_Row], make: Callable[[_Row], _Item], key: Callable[[_Row], object]
    ) -> list[_Item]:
        """The rows of a list that can be read; of the others there is a warning."""
        items, unreadable = self._sift(rows, make, key)
        self._connection.warn(unreadable)
        return items

    def _forget(self, table: str, keys: list[tuple[SqlValue, ...]]) -> int:
        """Delete the rows of these ids, which were looked for while others could write; how many."""
        if keys:
            with self._connection.writing() as db:
                db.conn.executemany(f"DELETE FROM {table} WHERE id = ?", keys)  # noqa: S608  a name of ours
        return len(keys)


def insertion(table: str, columns: Iterable[str]) -> str:
    """The statement that inserts a row, whose values are given by their columns' names."""
    names = tuple(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES (:{', :'.join(names)})"  # noqa: S608  names of ours


def key_of(value: SqlValue) -> int:
    """A row's number as SQLite gives it."""
    return int(value or 0)


def first_of(row: Row | tuple[SqlValue, ...]) -> object:
    """The first column, which is a row's key in the queries of this room."""
    return row[0] if isinstance(row, tuple) else next(iter(row.values()), "")
