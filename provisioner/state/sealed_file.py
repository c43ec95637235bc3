"""A file that holds others and says itself whether it is whole: an uncompressed tar archive with a manifest.

`manifest.json` is the last but one of its files and has the SHA-256 of all before it; the last is a signature
of that. One that was cut off has no manifest. Backups and bundles are such files.
"""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Generic, Literal, TypeVar

from pydantic import ValidationError

from provisioner.domain.values import FrozenModel
from provisioner.errors import FileError, PackError, SealedFileError
from provisioner.imaging import signature
from provisioner.system import file_fault
from provisioner.validation import sentences

MANIFEST, SIGNATURE = "manifest.json", "manifest.json.minisig"
LARGEST_MANIFEST = 256 << 20  # bytes; a file of a hundred million entries is no manifest
CHUNK = 1 << 20  # bytes that are read at one time
SMALL = 64 << 20  # bytes; what is no larger is read before its length is written down, for a log may grow


class SealedPart(FrozenModel):
    """One file: its path in the archive, bytes, SHA-256 (hexadecimal), permissions."""

    name: str
    size: int
    sha256: str
    mode: int


class Manifest(FrozenModel):
    """What every such file says of itself; `created` in seconds since 1970, `machine` is where."""

    format: Literal[1] = 1
    version: str
    created: float
    machine: str
    files: tuple[SealedPart, ...]


_Manifest = TypeVar("_Manifest", bound=Manifest)


@dataclass(frozen=True)
class Kind(Generic[_Manifest]):
    """One kind of such files: its noun, its manifest, its PV codes (none, damaged, not signed by that key).

    `is_place` says whether a path may be in it; `again` what to do where it is damaged.
    """

    noun: str
    manifest: type[_Manifest]
    codes: tuple[int, int, int]
    is_place: Callable[[str], bool]
    again: str


class SealedFile(Generic[_Manifest]):
    """An opened one whose manifest and list of files agree; the files themselves are checked when read."""

    def __init__(self, path: Path, archive: tarfile.TarFile, kind: Kind[_Manifest]) -> None:
        self.path, self._archive, self._kind = path, archive, kind
        self._members = {member.name: member for member in archive.getmembers()}
        self.manifest = self._read_manifest()
        self._compare()

    def _read_manifest(self) -> _Manifest:
        member = self._members.get(MANIFEST)
        if not member or not member.isfile() or member.size > LARGEST_MANIFEST:
            raise _none(self._kind, self.path, "it has no manifest, so it is none, or was cut off")
        try:
            return self._kind.manifest.model_validate_json(self._content(MANIFEST))
        except ValidationError as fault:
            why = f"its manifest cannot be read: {sentences(fault)}"
            raise _none(self._kind, self.path, why) from fault

    def _compare(self) -> None:
        """The archive has the manifest's files, each of its size and with a path that leads nowhere else."""
        listed = {file.name: file.size for file in self.manifest.files}
        found = {name: member.size for name, member in self._members.items() if member.isfile()}
        for name in (MANIFEST, SIGNATURE):
            found.pop(name, None)
        if wrong := sorted(listed.items() ^ found.items()):
            raise self._damaged(f"{wrong[0][0]} is not as its manifest says")
        for name in listed:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not self._kind.is_place(name):
                raise self._damaged(f"{name!r} is no place in a {self._kind.noun}")

    def _damaged(self, why: str) -> SealedFileError:
        return _damaged(self._kind, self.path, why)

    @property
    def is_signed(self) -> bool:
        """Whether it has a signature, of whomever."""
        return SIGNATURE in self._members

    def verify_signature(self, key: Path) -> None:
        """Raises SealedFileError where its manifest is not signed by this public key."""
        code = self._kind.codes[2]
        if not self.is_signed:
            raise SealedFileError(f"{self.path}: nobody has signed it", hint=self._kind.again, code=code)
        with tempfile.TemporaryDirectory() as folder:
            for name in (MANIFEST, SIGNATURE):
                (Path(folder) / name).write_bytes(self._content(name))
            try:
                signature.verify(Path(folder) / MANIFEST, Path(folder) / SIGNATURE, [key])
            except PackError as fault:
                sentence = f"{self.path}: {key.name} did not sign it as it is: {fault}"
                raise SealedFileError(sentence, hint=self._kind.again, code=code) from fault

    def _content(self, name: str) -> bytes:
        with self._open(name) as file:
            return file.read()

    def _open(self, name: str) -> IO[bytes]:
        file = self._archive.extractfile(self._members[name])
        if file is None:
            raise self._damaged(f"{name} is no file")
        return file

    def check(self, part: SealedPart) -> None:
        """Read one file to its end. Raises SealedFileError where it is not what was put in."""
        self._copy(part, None)

    def extract(self, part: SealedPart, target: Path) -> None:
        """Write one file, with its permissions but never more than 0755, and onto the medium. Likewise."""
        with target.open("xb") as made:
            self._copy(part, made)
            made.flush()
            os.fchmod(made.fileno(), part.mode & 0o755)
            os.utime(made.fileno(), (self._members[part.name].mtime,) * 2)
            os.fsync(made.fileno())

    def _copy(self, part: SealedPart, target: IO[bytes] | None) -> None:
        digest = hashlib.sha256()
        try:
            with self._open(part.name) as source:
                while data := source.read(CHUNK):
                    digest.update(data)
                    if target:
                        target.write(data)
        except tarfile.TarError as fault:
            raise self._damaged(f"{part.name}: {fault}") from fault
        if digest.hexdigest() != part.sha256:
            raise self._damaged(f"{part.name} is not what was put in")


@contextmanager
def opened(path: Path, kind: Kind[_Manifest]) -> Iterator[SealedFile[_Manifest]]:
    """One to read. Raises SealedFileError (it is none, it is damaged), FileError (PV-150)."""
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115  closed below
    except tarfile.TarError as fault:
        raise _none(kind, path, f"it is no archive of ours: {fault}") from fault
    except OSError as fault:
        raise file_fault.explained(fault, path) from fault
    with archive:
        try:
            sealed = SealedFile(path, archive, kind)
        except tarfile.TarError as fault:
            raise _damaged(kind, path, str(fault)) from fault
        yield sealed


def _none(kind: Kind[_Manifest], path: Path, why: str) -> SealedFileError:
    return SealedFileError(f"{path} is no {kind.noun}: {why}", hint=kind.again, code=kind.codes[0])


def _damaged(kind: Kind[_Manifest], path: Path, why: str) -> SealedFileError:
    hint = f"copy it again, or {kind.again}"
    return SealedFileError(f"{path} is damaged: {why}", hint=hint, code=kind.codes[1])


class Writer:
    """Puts files into an archive, remembers what they were, and ends with the manifest."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self.files: list[SealedPart] = []

    def add(
        self, path: Path, name: str, reading: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        """One file as it is now, opened within `reading()`; one that has gone meanwhile is left out.

        Raises FileError (PV-150) where it ends before it was read.
        """
        try:
            with reading():
                file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            about = os.fstat(file.fileno())
            entry = tarfile.TarInfo(name)
            entry.mode, entry.mtime = about.st_mode & 0o777, int(about.st_mtime)
            source: IO[bytes] = file
            entry.size = about.st_size
            if about.st_size <= SMALL:
                data = file.read()
                source, entry.size = io.BytesIO(data), len(data)
            digest = self._add(entry, source, path)
        self.files.append(SealedPart(name=name, size=entry.size, sha256=digest, mode=entry.mode))

    def _add(self, entry: tarfile.TarInfo, source: IO[bytes], path: Path) -> str:
        hashed = _Hashed(source)
        try:
            self._archive.addfile(entry, hashed)
        except OSError as fault:
            if fault.errno is None:  # tarfile's own: it has ended before its length
                raise FileError(f"{path} was cut while it was read", hint="once more", code=150) from fault
            raise
        return hashed.digest.hexdigest()

    def seal(self, manifest: Manifest, stage: Path, key: Path | None) -> None:
        """The manifest, which says that all before it is whole, and its signature, where there is a key."""
        path = stage / MANIFEST
        path.write_text(manifest.model_dump_json(indent=1) + "\n")
        signed = [signature.sign(path, key)] if key else []
        for file, name in zip((path, *signed), (MANIFEST, SIGNATURE), strict=False):
            entry = self._archive.gettarinfo(file, name)
            entry.mode, entry.uid, entry.gid, entry.uname, entry.gname = 0o600, 0, 0, "", ""
            entry.mtime = int(manifest.created)
            with file.open("rb") as content:
                self._archive.addfile(entry, content)


class _Hashed(io.RawIOBase):
    """A file as tarfile reads it, and the SHA-256 of what it has read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = CHUNK) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data
