"""The database's file: a connection per thread, its schema brought up to date, transactions."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite3
from sqlite_utils import Database

from provisioner.errors import ServiceError
from provisioner.state import notify
from provisioner.state.schema import SCHEMA_VERSION, migrations

OLDEST_SQLITE = (3, 51, 3)  # older ones can corrupt a WAL that several processes write


class Connection:
    """The database's file: a connection per thread, its schema, and transactions."""

    def __init__(self, state: Path) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise ServiceError(
                f"SQLite {sqlite3.sqlite_version} can corrupt the state", hint="pip install pysqlite3"
            )
        self.state = state
        self.path = state / "provisioner.db"
        self._local = threading.local()
        # SQLite lets those who wait for the turn to write sleep and look again; here they wake each other
        self._turn = threading.RLock()  # to write within writing is refused by SQLite, in words

    @property
    def db(self) -> Database:
        """This thread's connection."""
        if not hasattr(self._local, "db"):
            connection = sqlite3.connect(self.path, timeout=20, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            self._local.db = Database(connection)
        found: Database = self._local.db
        return found

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._local, "db"):
            self._local.db.conn.close()
            del self._local.db

    def migrate(self) -> None:
        """Bring the state folder to this version. Raises ServiceError where it is newer than we are."""
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
        """One `BEGIN IMMEDIATE` transaction; rings the bell after the commit."""
        db = self.db
        with self._turn:
            db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.conn.rollback()
                raise
            db.conn.execute("COMMIT")
        notify.ring(self.state)

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """What a query gives."""
        return list(self.db.query(sql, list(parameters)))

    def one(self, sql: str, *parameters: Any) -> dict[str, Any] | None:
        """Its first row."""
        found = self.rows(sql, *parameters)
        return found[0] if found else None

    def data_version(self) -> int:
        """Changes when another connection has written (sqlite.org/pragma.html)."""
        return int(self.db.conn.execute("PRAGMA data_version").fetchone()[0])


class Table:
    """What reads and writes one noun's rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


def marks(row: dict[str, Any]) -> str:
    """Named placeholders for a row's columns."""
    return ", ".join(f":{name}" for name in row)


def key_of(value: Any) -> int:
    """A row's number as SQLite gives it."""
    return int(value)
