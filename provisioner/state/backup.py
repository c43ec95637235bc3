"""Writes a backup while the service runs: the database by SQLite's own copy, and the state folder's files."""

import os
import platform
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from pysqlite3 import dbapi2 as sqlite3

from provisioner import __version__
from provisioner.errors import FileError, InputError
from provisioner.state import faults, integrity, secret_keys
from provisioner.state.backup_file import SETTINGS, STATE, BackupManifest
from provisioner.state.connection import require_known
from provisioner.state.folder import as_owner
from provisioner.state.image_folders import changing
from provisioner.state.sealed_file import Writer
from provisioner.system import file_fault, outputs
from provisioner.system.units import size

KEPT = "backups"  # of the state folder: those that a start has made before it brought the database up to date
MOST_KEPT = 3
DATABASE = "provisioner.db"
# of the state folder, and not in a backup: what a process of this moment has made, or makes anew
LEFT_OUT = (
    KEPT,
    "wake",
    "bells",
    "run",
    "*.sock",
    "*.lock",
    "process-*.json",
    "worker.alive",
    f"{DATABASE}*",
    ".*",
)
IMAGE_BYTES = ("images/*/pack", "images/*/installer.iso")  # what is large; all else of an image is small


def write(
    state: Path,
    out: Path,
    *,
    with_images: bool = False,
    settings: Path | None = None,
    key: Path | None = None,
) -> BackupManifest:
    """Write all of a state folder to the file `out` (mode 0600), whole or not at all; what is in it.

    Others may write meanwhile: the database is as of one moment, the files are as of later ones, so that it
    names nothing that was not there. `settings` is the settings' file; `key` is what signs the manifest
    (minisign's, a file), without it the backup is unsigned. The key that opens the site's secrets is in no
    backup: it lies elsewhere, and the manifest says which it is. Raises DamagedDatabaseError (PV-607,
    PV-608), NewerFolderError, FileError (PV-150, PV-151), InputError, RefusedError (the catalogue changes).
    """
    _check_place(state, out)
    with outputs.staging(out.parent, out.name) as stage:
        copy = stage / f"{out.name}.db"
        version, images = copy_database(state / DATABASE, copy)
        with (
            changing(state) if images else nullcontext(),
            tarfile.open(stage / out.name, "x", format=tarfile.PAX_FORMAT) as archive,
        ):
            (stage / out.name).chmod(0o600)
            writer = Writer(archive)
            writer.add(copy, STATE + DATABASE)
            copy.unlink()
            reading = partial(as_owner, state)
            with reading():
                listed = list(_files(state, with_images=with_images))
                secrets_key = secret_keys.known_id(state)
            for path, name in listed:
                writer.add(path, STATE + name, reading)
            if settings and settings.is_file():
                writer.add(settings, SETTINGS)
            manifest = BackupManifest(
                version=__version__,
                schema_version=version,
                created=time.time(),
                machine=platform.node(),
                has_images=with_images,
                images=images,
                files=tuple(writer.files),
                secrets_key=secrets_key,
            )
            writer.seal(manifest, stage, key)
    return manifest


def _check_place(state: Path, out: Path) -> None:
    """A backup within what it backs up is lost with it, but for our own; and a device is no file."""
    place = out.absolute().resolve()
    if place.is_relative_to(state.resolve()) and place.parent != (state / KEPT).resolve():
        raise InputError(f"{out} lies in the state folder, and would be lost with it", hint="another place")
    if out.exists() and not out.is_file():
        raise FileError(f"{out} is no file, and is not replaced by one", hint="give the name of a file")


def copy_database(source: Path, target: Path) -> tuple[int, tuple[str, ...]]:
    """A whole copy of a database that others may write, looked through; its schema's number, its images' ids.

    Raises DamagedDatabaseError (PV-607, PV-608), NewerFolderError (PV-611), FileError (PV-151), BusyError.
    """
    if not source.exists():
        raise faults.missing(source, "nothing can be backed up")
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as database,
            closing(sqlite3.connect(target)) as copy,
        ):
            database.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file
            if found := integrity.complaints(copy):
                raise faults.damaged(source, "; ".join(found[: integrity.SHOWN]))
            version = int(copy.execute("PRAGMA user_version").fetchone()[0])
            require_known(source.parent, version)
            images = tuple(ident for (ident,) in copy.execute("SELECT id FROM images ORDER BY id"))
    except sqlite3.Error as fault:
        if faults.primary_code(fault) == faults.FULL:
            raise file_fault.full(target.parent) from fault
        raise faults.explain(fault, source) or faults.damaged(source, str(fault)) from fault
    return version, images


def _files(state: Path, *, with_images: bool) -> Iterator[tuple[Path, str]]:
    """Every file that belongs into a backup, with its path in the state folder."""
    for folder, folders, names in os.walk(state, followlinks=True):
        place = Path(folder).relative_to(state)
        folders[:] = sorted(name for name in folders if not _is_left_out(place / name, with_images))
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not _is_left_out(place / name, with_images):
                yield path, (place / name).as_posix()


def _is_left_out(path: Path, with_images: bool) -> bool:
    name = path.as_posix()
    if len(path.parts) == 1:
        return any(fnmatch(name, pattern) for pattern in LEFT_OUT)
    if any(part.startswith(".partial-") for part in path.parts):
        return True
    return not with_images and any(fnmatch(name, pattern) for pattern in IMAGE_BYTES)


def keep_before(state: Path, version: int, say: Callable[[str], None]) -> Path:
    """Back up a state folder, without the images' bytes, before its database leaves schema `version`.

    The newest MOST_KEPT are kept, and `say` is told how to go back. Raises as `write`.
    """
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    out = state / KEPT / f"schema-{version}-{when}.tar"
    manifest = write(state, out)
    (state / KEPT).chmod(0o700)
    kept = sorted((state / KEPT).glob("schema-*.tar"), key=lambda path: path.stat().st_mtime)
    for path in kept[:-MOST_KEPT]:
        path.unlink(missing_ok=True)
    say(
        f"the database is of schema {manifest.schema_version}; before it is brought up to date it was copied"
        f" to {out} ({size(out.stat().st_size)})"
    )
    say(
        f"  → to go back: stop the service; mv {state} {state}.new; install the release of before; then"
        f" provision restore {state}.new/{KEPT}/{out.name} --state {state} --images {state}.new/images"
    )
    return out
