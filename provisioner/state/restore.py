"""Makes a state folder from a backup, on a machine that has none."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from provisioner.domain.image import Image
from provisioner.errors import NewerFolderError, PackError, RefusedError
from provisioner.imaging import manifest as manifests
from provisioner.imaging import unpack
from provisioner.state import integrity
from provisioner.state.backup import DATABASE
from provisioner.state.backup_file import SETTINGS, STATE, Backup, BackupManifest
from provisioner.state.database import Database
from provisioner.state.folder import SHOWN_TO_NGINX, give_away
from provisioner.state.image_files import PARTS
from provisioner.state.image_folders import ISO, image_folder
from provisioner.state.schema import SCHEMA_VERSION
from provisioner.system import file_fault, outputs
from provisioner.system.checksum import sha256

LAST = (integrity.MARKER, DATABASE)  # what says that the folder is whole


@dataclass(frozen=True)
class Restored:
    """What came of a restoration; `missing` are the images whose bytes are not there."""

    manifest: BackupManifest
    missing: tuple[str, ...]


def check(backup: Backup) -> None:
    """Read all of a backup. Raises SealedFileError (PV-681), NewerFolderError (PV-611)."""
    require_ours(backup)
    for file in backup.manifest.files:
        backup.check(file)


def require_ours(backup: Backup) -> None:
    """Raises NewerFolderError (PV-611) where it was written by a newer release."""
    if backup.manifest.schema_version > SCHEMA_VERSION:
        raise NewerFolderError(
            f"{backup.path} was written by release {backup.manifest.version}, which is newer (schema"
            f" {backup.manifest.schema_version}, ours is {SCHEMA_VERSION})",
            hint="install that release first",
        )


def require_bare(state: Path) -> None:
    """Raises RefusedError (PV-683) where the folder has anything but what a file system makes."""
    with suppress(FileNotFoundError):
        found = sorted(path.name for path in state.iterdir() if path.name != "lost+found")
        if found:
            raise RefusedError(
                f"{state} is not empty ({', '.join(found[:3])}), and nothing there is replaced",
                hint=f"stop the service and move it away: mv {state} {state}.old",
                code=683,
            )


def restore(
    backup: Backup,
    state: Path,
    *,
    images: Path | None,
    end: Callable[[Path, BackupManifest], None],
    say: Callable[[str], None],
) -> Restored:
    """Make the folder `state`, which is empty or not there, whole or not at all; all in it is its owner's.

    `images` is another state folder's `images`, from which the bytes come that the backup only names. `end`
    is called with the folder before it has its place, to end what was under way. Raises SealedFileError
    (PV-681), NewerFolderError (PV-611), RefusedError (PV-683), FileError (PV-150, PV-151),
    DamagedDatabaseError.
    """
    require_ours(backup)
    require_bare(state)
    with outputs.staging(state, *_names(backup.manifest)) as stage:
        state.chmod(0o700)
        _extract(backup, stage)
        database = Database(stage)
        try:
            integrity.bring_up(database, say)
            catalogue = database.images.all()
        finally:
            database.close()
        end(stage, backup.manifest)
        missing = tuple(image.id for image in catalogue if not _has_bytes(stage, image, images, say))
        _give_to_owner(stage, state)
    return Restored(backup.manifest, missing)


def _names(manifest: BackupManifest) -> list[str]:
    """What lies at the top of the folder; what says that all is there comes last."""
    tops = {file.name.removeprefix(STATE).split("/")[0] for file in manifest.files if file.name != SETTINGS}
    return [*sorted(tops - set(LAST)), *LAST]


def _extract(backup: Backup, stage: Path) -> None:
    for file in backup.manifest.files:
        if file.name == SETTINGS:
            continue
        target = stage / file.name.removeprefix(STATE)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup.extract(file, target)
    for folder in (path for path in (stage / SHOWN_TO_NGINX).glob("**") if path.is_dir()):
        folder.chmod(0o755)


def _has_bytes(stage: Path, image: Image, images: Path | None, say: Callable[[str], None]) -> bool:
    """Whether an image is there; fetched from `images` where it lies there and is what it was."""
    folder = image_folder(stage, image.id)
    target = folder / (ISO if image.kind == "iso" else PARTS["pack"])
    source = images / folder.name / target.name if images else None
    if target.exists() or not source or not source.is_file() or not folder.is_dir():
        return target.exists()
    shutil.copyfile(source, target)
    target.chmod(0o644)
    try:
        _verify(folder, target, image)
    except PackError as fault:
        target.unlink()
        say(f"{image.id} is not taken from {source}: {fault} (PV-{fault.code})")
    return target.exists()


def _verify(folder: Path, file: Path, image: Image) -> None:
    if image.kind == "pack":
        unpack.verify(file, manifests.load(folder / PARTS["manifest"]))
    elif sha256(file) != image.raw_sha256:
        raise PackError(f"it has another SHA-256 than {image.raw_sha256}", code=321)


def _give_to_owner(stage: Path, state: Path) -> None:
    """root restores for the user whose folder it is, for a service reads no files of others."""
    about = state.stat()
    if os.geteuid() == 0 and about.st_uid:
        give_away(stage, about.st_uid, about.st_gid)


def extract_settings(backup: Backup, target: Path) -> bool:
    """Write the settings that the backup has to a new file; whether it has any. Raises FileError."""
    known = [file for file in backup.manifest.files if file.name == SETTINGS]
    if not known:
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        backup.extract(known[0], target)
    except OSError as fault:
        raise file_fault.explained(fault, target) from fault
    return True
