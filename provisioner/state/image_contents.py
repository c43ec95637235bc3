"""What is in the packs of the catalogue, by their manifests: one of them, and two against each other."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from provisioner.errors import PackError
from provisioner.imaging import manifest as manifests
from provisioner.imaging.manifest import KINDS, Chunk, Manifest, Partition
from provisioner.state.image_files import part_file
from provisioner.system.units import size

LARGEST = 32 << 20  # bytes of a manifest that is read beside other work: an image of some 250 GiB


@dataclass(frozen=True)
class ChunkCount:
    """How many chunks of a kind (data, zero, free) there are; bytes of the image, and on the wire."""

    kind: str
    chunks: int
    raw: int
    packed: int


@dataclass(frozen=True)
class ImageContents:
    """What a manifest says, its chunks counted; sizes in bytes."""

    created: str
    raw_size: int
    root_hash: str
    sector: int
    chunk_size: int
    chunks: tuple[ChunkCount, ...]
    partitions: tuple[Partition, ...]


@dataclass(frozen=True)
class FieldChange:
    """That a field of the manifest differs; both values in words."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class ContentDifference:
    """What writing the second image on a disk that holds the first one comes to; only chunks with data count.

    `alike` of `chunks` are there already (`alike_bytes`, raw); the others have `moved_bytes`, which travel as
    `moved_packed`.
    """

    fields: tuple[FieldChange, ...]
    chunks: int
    alike: int
    alike_bytes: int
    moved_bytes: int
    moved_packed: int


def contents(state: Path, ident: str) -> ImageContents:
    """Of a pack. Raises NotFoundError where it has no manifest, PackError (PV-323) where that is no good."""
    return _contents(*_version(state, ident))


def difference(state: Path, before: str, after: str) -> ContentDifference:
    """From one pack to another. Raises as `contents`."""
    return _difference(*_version(state, before), *_version(state, after))


def _version(state: Path, ident: str) -> tuple[Path, int, int]:
    """A manifest's file, as it is now."""
    path = part_file(state, ident, "manifest")
    found = path.stat()
    if found.st_size > LARGEST:
        raise PackError(
            f"the manifest of {ident} has {size(found.st_size)}: too large to be read beside other work",
            hint="provision image verify reads it",
            code=323,
        )
    return path, found.st_size, found.st_mtime_ns


@lru_cache(64)
def _contents(path: Path, length: int, mtime_ns: int) -> ImageContents:
    """Read once for each version of a file."""
    manifest = manifests.load(path)
    return ImageContents(
        created=manifest.created,
        raw_size=manifest.raw_size,
        root_hash=manifest.root_hash,
        sector=manifest.logical_sector_size,
        chunk_size=manifest.chunk_size,
        chunks=tuple(_count(manifest, kind) for kind in KINDS),
        partitions=manifest.partitions,
    )


def _count(manifest: Manifest, kind: str) -> ChunkCount:
    found = [chunk for chunk in manifest.chunks if chunk.kind == kind]
    raw, packed = sum(chunk.length for chunk in found), sum(chunk.pack_length for chunk in found)
    return ChunkCount(kind, len(found), raw, packed)


@lru_cache(64)
def _difference(
    before: Path, size: int, mtime_ns: int, after: Path, other_size: int, other_mtime_ns: int
) -> ContentDifference:
    old, new = manifests.load(before), manifests.load(after)
    held = {_identity(chunk) for chunk in old.chunks if chunk.kind == "data"}
    data = [chunk for chunk in new.chunks if chunk.kind == "data"]
    moved = [chunk for chunk in data if _identity(chunk) not in held]
    moved_bytes = sum(chunk.length for chunk in moved)
    return ContentDifference(
        fields=tuple(_changes(old, new)),
        chunks=len(data),
        alike=len(data) - len(moved),
        alike_bytes=sum(chunk.length for chunk in data) - moved_bytes,
        moved_bytes=moved_bytes,
        moved_packed=sum(chunk.pack_length for chunk in moved),
    )


def _identity(chunk: Chunk) -> tuple[int, int, str]:
    """A disk holds a chunk where the same bytes lie at the same place."""
    return chunk.offset, chunk.length, chunk.digest


def _changes(old: Manifest, new: Manifest) -> list[FieldChange]:
    pairs = [
        ("name", old.name, new.name),
        ("version", old.version, new.version),
        ("created", old.created, new.created),
        ("size", size(old.raw_size), size(new.raw_size)),
        ("root hash", old.root_hash, new.root_hash),
        ("sector", str(old.logical_sector_size), str(new.logical_sector_size)),
        ("chunk", size(old.chunk_size), size(new.chunk_size)),
    ]
    before = {part.role: part for part in old.partitions}
    after = {part.role: part for part in new.partitions}
    for role in dict.fromkeys([*before, *after]):
        pairs.append((f"partition {role}", _told(before.get(role)), _told(after.get(role))))
    return [FieldChange(*pair) for pair in pairs if pair[1] != pair[2]]


def _told(part: Partition | None) -> str:
    if part is None:
        return "none"
    label = f" {part.label}" if part.label else ""
    return f"{size(part.length)} at byte {part.offset}{label}, {part.guid}"
