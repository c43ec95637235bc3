"""The file of a backup: an uncompressed tar archive whose last files say what the others have to be.

`state/…` are the state folder's files, `settings.toml` the service's settings, `manifest.json` the SHA-256 of
each of them, `manifest.json.minisig` the site's signature of that. One that was cut off has no manifest.
"""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from pydantic import ValidationError

from provisioner.domain.values import FrozenModel
from provisioner.errors import BackupError, PackError
from provisioner.imaging import signature
from provisioner.system import file_fault
from provisioner.validation import sentences

MANIFEST, SIGNATURE, SETTINGS = "manifest.json", "manifest.json.minisig", "settings.toml"
STATE = "state/"
LARGEST_MANIFEST = 256 << 20  # bytes; a file of a hundred million entries is no manifest
CHUNK = 1 << 20  # bytes that are read at one time
TAKE_ANOTHER = "take another backup"


class BackedUpFile(FrozenModel):
    """One file: its path in the archive, bytes, SHA-256 (hexadecimal), permissions."""

    name: str
    size: int
    sha256: str
    mode: int


class BackupManifest(FrozenModel):
    """What a backup holds; `schema_version` is the database's, `created` in seconds since 1970.

    `images` are all of the catalogue at that time; with `has_images` their bytes are in it, too.
    """

    format: Literal[1] = 1
    version: str
    schema_version: int
    created: float
    machine: str
    has_images: bool
    images: tuple[str, ...]
    files: tuple[BackedUpFile, ...]


class Backup:
    """An opened backup whose manifest and list of files agree; the files themselves are checked when read."""

    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        self.path, self._archive = path, archive
        self._members = {member.name: member for member in archive.getmembers()}
        self.manifest = self._read_manifest()
        self._compare()

    def _read_manifest(self) -> BackupManifest:
        member = self._members.get(MANIFEST)
        if not member or not member.isfile() or member.size > LARGEST_MANIFEST:
            raise _no_backup(self.path, "it has no manifest, so it is none, or was cut off")
        try:
            return BackupManifest.model_validate_json(self._content(MANIFEST))
        except ValidationError as fault:
            raise _no_backup(self.path, f"its manifest cannot be read: {sentences(fault)}") from fault

    def _compare(self) -> None:
        """The archive has the manifest's files, each of its size and with a path that leads nowhere else."""
        listed = {file.name: file.size for file in self.manifest.files}
        found = {name: member.size for name, member in self._members.items() if member.isfile()}
        for name in (MANIFEST, SIGNATURE):
            found.pop(name, None)
        if wrong := sorted(listed.items() ^ found.items()):
            raise _damaged(self.path, f"{wrong[0][0]} is not as its manifest says")
        for name in listed:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not (name == SETTINGS or name.startswith(STATE)):
                raise _damaged(self.path, f"{name!r} is no place in a state folder")

    def verify_signature(self, key: Path) -> None:
        """Raises BackupError (PV-682) where its manifest is not signed by this public key."""
        if SIGNATURE not in self._members:
            raise BackupError(f"{self.path}: nobody has signed it", hint=TAKE_ANOTHER, code=682)
        with tempfile.TemporaryDirectory() as folder:
            for name in (MANIFEST, SIGNATURE):
                (Path(folder) / name).write_bytes(self._content(name))
            try:
                signature.verify(Path(folder) / MANIFEST, Path(folder) / SIGNATURE, [key])
            except PackError as fault:
                sentence = f"{self.path}: {key.name} did not sign it as it is: {fault}"
                raise BackupError(sentence, hint=TAKE_ANOTHER, code=682) from fault

    def _content(self, name: str) -> bytes:
        with self._open(name) as file:
            return file.read()

    def _open(self, name: str) -> IO[bytes]:
        file = self._archive.extractfile(self._members[name])
        if file is None:
            raise _damaged(self.path, f"{name} is no file")
        return file

    def check(self, file: BackedUpFile) -> None:
        """Read one file to its end. Raises BackupError (PV-681) where it is not what was backed up."""
        self._copy(file, None)

    def extract(self, file: BackedUpFile, target: Path) -> None:
        """Write one file, with its permissions but never more than 0755, and onto the medium. Likewise."""
        with target.open("xb") as made:
            self._copy(file, made)
            made.flush()
            os.fchmod(made.fileno(), file.mode & 0o755)
            os.utime(made.fileno(), (self._members[file.name].mtime,) * 2)
            os.fsync(made.fileno())

    def _copy(self, file: BackedUpFile, target: IO[bytes] | None) -> None:
        digest = hashlib.sha256()
        try:
            with self._open(file.name) as source:
                while data := source.read(CHUNK):
                    digest.update(data)
                    if target:
                        target.write(data)
        except tarfile.TarError as fault:
            raise _damaged(self.path, f"{file.name}: {fault}") from fault
        if digest.hexdigest() != file.sha256:
            raise _damaged(self.path, f"{file.name} is not what was backed up")


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """A backup to read. Raises BackupError (PV-680 it is none, PV-681 damaged), FileError (PV-150)."""
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115  closed below
    except tarfile.TarError as fault:
        raise _no_backup(path, f"it is no archive of ours: {fault}") from fault
    except OSError as fault:
        raise file_fault.explained(fault, path) from fault
    with archive:
        try:
            backup = Backup(path, archive)
        except tarfile.TarError as fault:
            raise _damaged(path, str(fault)) from fault
        yield backup


def _no_backup(path: Path, why: str) -> BackupError:
    return BackupError(f"{path} is no backup: {why}", hint="provision backup FILE writes one", code=680)


def _damaged(path: Path, why: str) -> BackupError:
    return BackupError(f"{path} is damaged: {why}", hint=f"copy it again, or {TAKE_ANOTHER}", code=681)
