"""The database's file: a connection per thread, its schema brought up to date, transactions."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from pysqlite3 import dbapi2 as sqlite3
from sqlite_utils import Database

from provisioner.errors import ServiceError
from provisioner.state import notify
from provisioner.state.schema import SCHEMA_VERSION, migrations

OLDEST_SQLITE = (3, 51, 3)  # older ones can corrupt a WAL that several processes write
SqlValue = str | int | float | None
Row = Mapping[str, SqlValue]  # a row as SQLite has it, by column; it does not leave this room


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

    @property
    def db(self) -> Database:
        """This thread's connection."""
        if not hasattr(self._local, "db"):
            connection = sqlite3.connect(self.path, timeout=20, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            self._local.db = Database(connection)
        return cast(Database, self._local.db)

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._local, "db"):
            self._local.db.conn.close()
            del self._local.db

    def migrate(self) -> None:
        """Bring the state folder to this version. Raises ServiceError (PV-611) where it is newer."""
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise ServiceError(
                f"{self.state} was written by a newer release (schema {version}, ours is {SCHEMA_VERSION})",
                hint="start the newer release, or restore the backup that was made before the upgrade",
                code=611,
            )
        migrations.apply(self.db)
        self.db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self.path.chmod(0o600)

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One `BEGIN IMMEDIATE` transaction of this thread; wakes the other processes after the commit.

        An exception rolls all of it back. Not to be nested: SQLite refuses it.
        """
        db = self.db
        with self._write_lock:
            db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.conn.rollback()
                raise
            db.conn.execute("COMMIT")
        notify.notify(self.state)

    def require_transaction(self) -> None:
        """Raises ServiceError unless this thread is within `writing`: what follows must not stand alone."""
        if not self.db.conn.in_transaction:
            raise ServiceError(
                "this is written only within a transaction, and none is open",
                hint="put it into `with database.writing():`",
            )

    def rows(self, sql: str, *parameters: SqlValue) -> list[Row]:
        """The rows of a query."""
        return list(self.db.query(sql, list(parameters)))

    def fetch_one(self, sql: str, *parameters: SqlValue) -> Row | None:
        """The first row of a query; None where there is none."""
        return next(iter(self.rows(sql, *parameters)), None)

    def data_version(self) -> int:
        """Changes when another connection has written (sqlite.org/pragma.html)."""
        return int(self.db.conn.execute("PRAGMA data_version").fetchone()[0])


class Table:
    """What reads and writes one noun's rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


def placeholders(row: Mapping[str, object]) -> str:
    """Named placeholders for a row's columns: `:mac, :host`."""
    return ", ".join(f":{name}" for name in row)


def key_of(value: SqlValue) -> int:
    """A row's number as SQLite gives it."""
    return int(value or 0)
