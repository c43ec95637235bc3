"""Looks at the database before anything is served from it: is it there, whole, and all of it ours?"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pysqlite3 import dbapi2 as sqlite3
from sqlite_utils import Database as Tables

from provisioner.errors import DiskFullError
from provisioner.state import faults, wal
from provisioner.state.connection import Connection, require_known
from provisioner.state.disk_usage import unusable
from provisioner.state.reading import FAULTS
from provisioner.state.schema import SCHEMA_VERSION, migrations
from provisioner.system.units import size

MARKER = "database.created"  # beside the database: whoever finds it and no database knows that one was lost
LARGE = 64 << 20  # bytes; to look at so much takes longer than people wait without a word
SHOWN = 3  # of SQLite's own sentences
HEADER = b"SQLite format 3\0"  # https://sqlite.org/fileformat2.html#the_database_header
# what earlier releases, which made no marker, have left in a folder that was used
TRACES = ("worker.alive", "provisioner.db-wal", "logs/*", "images/*", "runs/*", "secrets/*.bmc.json")


def bring_up(
    connection: Connection,
    say: Callable[[str], None],
    before_migration: Callable[[int], object] = lambda version: None,
) -> None:
    """Make a state folder's database ready to be served from: whole, of this release, and noted in a marker.

    `before_migration` is called with the schema's number where it is an older one. Raises
    DamagedDatabaseError (PV-607, PV-608), DiskFullError (PV-609), NewerFolderError (PV-611), ServiceError
    (PV-613 it cannot be used).
    """
    try:
        _examine(connection.path, say)
        if 0 < (version := _version_of(connection.path)) < SCHEMA_VERSION:
            before_migration(version)
        connection.migrate()
        _check_schema(connection)
        _leave_marker(connection.state)
        _give_back(connection, say)
    except sqlite3.Error as fault:
        raise faults.explain(fault, connection.path) or faults.damaged(connection.path, str(fault)) from fault
    except OSError as fault:
        raise unusable(connection.state, fault) from fault
    except FAULTS as fault:  # of who reads the schema
        raise faults.damaged(connection.path, f"its schema cannot be read: {fault}") from fault


def examine_in_use(path: Path) -> bool:
    """Read a database from end to end while others may write it; whether there is one.

    Its write-ahead log is left to SQLite: it changes meanwhile. Raises DamagedDatabaseError (PV-607, PV-608),
    DiskFullError (PV-609), NewerFolderError (PV-611), BusyError, ServiceError (PV-613), PermissionError.
    """
    try:
        if not _is_there(path):
            return False
        found = _complaints(path)
        require_known(path.parent, _version(path))
    except sqlite3.Error as fault:
        raise faults.explain(fault, path) or faults.damaged(path, str(fault)) from fault
    if found:
        raise faults.damaged(path, "; ".join(found[:SHOWN]))
    return True


def _examine(path: Path, say: Callable[[str], None]) -> None:
    """Read it from end to end; it may be missing where nobody has used the folder."""
    if not _is_there(path):
        return
    if path.stat().st_size > LARGE:
        say(f"looking whether the database is whole ({size(path.stat().st_size)}); this takes a moment")
    damage = wal.damage(path.with_name(f"{path.name}-wal"))
    if found := [damage] if damage else _complaints(path):
        raise faults.damaged(path, "; ".join(found[:SHOWN]))


def _is_there(path: Path) -> bool:
    """Whether there is something to look at. Raises DamagedDatabaseError where there should be."""
    if path.is_dir():
        raise faults.damaged(path, "it is a folder, not a file")
    evidence = _evidence(path.parent)
    if not path.exists():
        if evidence:
            raise faults.missing(path, evidence)
        return False
    with path.open("rb") as file:
        head = file.read(len(HEADER))
    if not head:
        if evidence:
            raise faults.damaged(path, f"it is empty, though this folder was used: {evidence}")
        return False
    if head != HEADER:
        raise faults.damaged(path, "this file is no SQLite database")
    return True


def _version_of(path: Path) -> int:
    """Likewise; 0 where there is no database yet."""
    return _version(path) if path.exists() and path.stat().st_size else 0


def _version(path: Path) -> int:
    """The schema's number, as the release that wrote it has left it."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def _evidence(state: Path) -> str:
    """What shows that this folder had a database, in words; empty for nothing."""
    found = [path for pattern in (MARKER, *TRACES) for path in sorted(state.glob(pattern))[:1]]
    return ", ".join(str(path.relative_to(state)) for path in found[:SHOWN])


def _complaints(path: Path) -> list[str]:
    """What SQLite finds wrong with the file, its indexes included, and with writing to it.

    quick_check would not compare indexes with their tables (sqlite.org/pragma.html): a deployment that an
    index leaves out could be ordered twice.
    """
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        found = complaints(database)
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")
    finally:
        database.close()
    return found


def complaints(database: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with a file from end to end, in its own words."""
    database.execute("PRAGMA cell_size_check=ON")
    found = [text for (text,) in database.execute("PRAGMA integrity_check(10)") if text != "ok"]
    return [" ".join(str(text).split()) for text in found]


def _check_schema(connection: Connection) -> None:
    """Compare what the migrated database has with what this release makes."""
    ours = Tables(memory=True)
    migrations.apply(ours)
    wanted, found = _layout(ours), _layout(connection.db)
    ours.close()
    if lost := sorted(wanted - found):
        raise faults.damaged(connection.path, f"it lacks {'; '.join(lost[:SHOWN])}")


def _give_back(connection: Connection, say: Callable[[str], None]) -> None:
    """Make the file of a database small again of which most was forgotten; it needs room for a copy."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, page_size = (connection.db.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    if free * page_size < LARGE or 2 * free < pages:
        return
    say(f"giving back {size(free * page_size)} that the database does not need any more; this takes a moment")
    try:
        connection.db.execute("VACUUM")
    except sqlite3.OperationalError as fault:
        if not isinstance(faults.explain(fault, connection.path), DiskFullError):
            raise


def _layout(database: Tables) -> set[str]:
    """Every column of every table and every index that holds a rule, in words."""
    columns = {f"{table.name}.{name}" for table in database.tables for name in table.columns_dict}
    sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    rules = {f"the index {name} ({rule})" for name, rule in database.execute(sql)}
    return {f"the column {name}" for name in columns} | rules


def _leave_marker(state: Path) -> None:
    """Note beside the database that there is one, so that its loss is noticed."""
    marker = state / MARKER
    if not marker.exists():
        marker.write_text(
            "This folder has a database: provisioner.db. Without it the service does not start.\n"
        )
