"""What SQLite's errors mean for people: a full disk, a damaged file, one that may not be written."""

from pathlib import Path

from pysqlite3 import dbapi2 as sqlite3

from provisioner.errors import BusyError, DamagedDatabaseError, ProvisionError, ServiceError
from provisioner.state.disk_usage import LEAST_ROOM, disk_full, room

# primary result codes, https://sqlite.org/rescode.html
BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB = 5, 6, 8, 10, 11, 13, 14, 26
RESTORE = "restore a backup of the folder; for a new start, move it away: mv {state} {state}.old"


def primary_code(fault: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is not SQLite's."""
    return int(getattr(fault, "sqlite_errorcode", 0) or 0) & 0xFF


def explain(fault: sqlite3.Error, path: Path) -> ProvisionError | None:
    """The error of ours for one of the database's file `path`; None where it is about a statement."""
    code, state = primary_code(fault), path.parent
    if code == FULL or (code in (IOERR, CANTOPEN) and _is_crowded(state)):
        return disk_full(state)
    if code in (CORRUPT, NOTADB):
        return damaged(path, str(fault))
    if code == READONLY:
        return ServiceError(
            f"{path} cannot be written: {fault}", hint=f"ls -l {path}; findmnt -T {state}", code=613
        )
    if code == CANTOPEN and not path.exists():
        return missing(path, "it was there when the service started")
    if code in (IOERR, CANTOPEN):
        return ServiceError(f"{path} cannot be used: {fault}", hint="dmesg: is the disk whole?", code=613)
    if code in (BUSY, LOCKED):
        return BusyError(f"another program holds {path}: {fault}", hint=f"fuser -v {path} names it")
    return None


def damaged(path: Path, why: str) -> DamagedDatabaseError:
    """The file is there and cannot be the database any more."""
    return DamagedDatabaseError(f"{path} is damaged: {why}", hint=RESTORE.format(state=path.parent))


def missing(path: Path, evidence: str) -> DamagedDatabaseError:
    """The file is gone though there was one, as `evidence` in words shows."""
    return DamagedDatabaseError(
        f"{path} is missing, though this folder was used: {evidence}",
        hint=RESTORE.format(state=path.parent),
        code=608,
    )


def _is_crowded(state: Path) -> bool:
    try:
        return room(state) < LEAST_ROOM
    except OSError:
        return False
