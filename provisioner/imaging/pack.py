"""Builds and verifies packs: zstd frames, one a chunk, that `zstd -dc` turns into the raw image."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import zstandard

from provisioner.errors import InputError, PackError
from provisioner.imaging import gpt
from provisioner.imaging.manifest import CHUNK_SIZE, ROLES, Chunk, Manifest, Partition, check, check_names

LEVEL = 6
SECTOR = 512
ESP_LABEL = "VAULTESP"
_AHEAD = 16  # chunks compressed ahead of the writer
Progress = Callable[[int, int], None]


def build(
    raw: Path, out: Path, *, name: str, version: str, created: str, progress: Progress | None = None
) -> Manifest:
    """Pack a raw image as OUT and OUT.json; the same input gives the same bytes.

    Raises:
        InputError: the image is no raw disk with a GUID partition table.
        PackError: it changes while it is read, or its name or version cannot be one.
    """
    check_names(name, version, created)
    partial = out.with_name(out.name + ".partial")
    try:
        with raw.open("rb") as source, partial.open("wb") as target:
            before = os.fstat(source.fileno())
            partitions = _partitions(source, before.st_size)
            chunks, digest = _write_chunks(source, target, before.st_size, progress)
            after = os.fstat(source.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise PackError(f"{raw.name} was changed while it was read", hint="pack it again", code=327)
            target.flush()
            os.fsync(target.fileno())
        manifest = Manifest(
            name=name,
            version=version,
            created=created,
            raw_size=before.st_size,
            raw_sha256=digest,
            logical_sector_size=SECTOR,
            chunk_size=CHUNK_SIZE,
            chunks=tuple(chunks),
            partitions=tuple(partitions),
        )
        check(manifest)
        partial.rename(out)
        out.with_name(out.name + ".json").write_bytes(manifest.dump())
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return manifest


def _partitions(source: BinaryIO, size: int) -> list[Partition]:
    def reader(offset: int, length: int) -> bytes:
        return os.pread(source.fileno(), length, offset)

    if reader(0, 4) in (b"QFI\xfb", b"KDMV"):
        raise InputError(
            "this is a virtual machine's disk, not a raw one",
            hint="convert it to a raw image first",
            code=327,
        )
    try:
        table = gpt.read(reader, SECTOR)
    except PackError as fault:
        raise InputError(
            f"this is no raw disk image: {fault}", hint="a GPT with 512-byte sectors", code=327
        ) from fault
    if size % SECTOR:
        raise InputError(f"the image has {size} bytes, no multiple of {SECTOR}", code=327)
    return [
        Partition(part.name, part.guid, fat_label(reader(part.offset, SECTOR)), part.offset, part.length)
        for part in table.partitions
        if part.name in ROLES
    ]


def fat_label(sector: bytes) -> str:
    """The volume label in a FAT boot sector; empty where it is none (Microsoft, FAT specification 1.03)."""
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
        return ""
    for kind, label in ((sector[54:62], sector[43:54]), (sector[82:90], sector[71:82])):
        if kind.startswith(b"FAT"):
            return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in label).strip()
    return ""


def _write_chunks(
    source: BinaryIO, target: BinaryIO, size: int, progress: Progress | None
) -> tuple[list[Chunk], str]:
    whole, chunks, place = hashlib.sha256(), [], 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for offset, data, frame in _frames(source, size, pool):
            whole.update(data)
            kind = "zero" if _is_zero(data) else "data"
            digest = hashlib.sha256(data).hexdigest()
            chunks.append(Chunk(offset, len(data), kind, place, len(frame), digest))
            target.write(frame)
            place += len(frame)
            if progress:
                progress(offset + len(data), size)
    return chunks, whole.hexdigest()


def _frames(source: BinaryIO, size: int, pool: ThreadPoolExecutor) -> Iterator[tuple[int, bytes, bytes]]:
    """`(offset, raw bytes, frame)` in order, some frames being compressed ahead."""
    waiting = []
    for offset in range(0, size, CHUNK_SIZE):
        data = os.pread(source.fileno(), min(CHUNK_SIZE, size - offset), offset)
        waiting.append((offset, data, pool.submit(_compress, data)))
        if len(waiting) >= _AHEAD:
            first, raw, frame = waiting.pop(0)
            yield first, raw, frame.result()
    for first, raw, frame in waiting:
        yield first, raw, frame.result()


def _compress(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress(data)


def _is_zero(data: bytes) -> bool:
    return not data.strip(b"\0") if data[:1] == b"\0" else False


def expand(frame: bytes, chunk: Chunk) -> bytes:
    """The chunk's raw bytes, checked; memory is bounded by the chunk. Raises PackError."""
    try:
        # asked first, because the library reserves whatever the frame says of itself
        if (said := zstandard.frame_content_size(frame)) != chunk.length:
            raise PackError(
                f"the frame at byte {chunk.pack_offset} holds {said} bytes, not {chunk.length}", code=321
            )
        data = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as fault:
        raise PackError(f"the frame at byte {chunk.pack_offset} cannot be read: {fault}", code=321) from fault
    found = hashlib.sha256(data).hexdigest()
    if len(data) != chunk.length or found != chunk.sha256:
        raise PackError(
            f"the chunk at byte {chunk.offset} has sha256 {found[:16]}…, "
            f"the manifest says {chunk.sha256[:16]}…",
            code=321,
        )
    return data


def verify(pack: Path, manifest: Manifest) -> None:
    """Read every chunk. Raises PackError naming the first bad one."""
    size = pack.stat().st_size
    if size != manifest.pack_size:
        raise PackError(f"the pack has {size} bytes, the manifest says {manifest.pack_size}", code=321)
    whole = hashlib.sha256()
    with pack.open("rb") as source:
        for number, chunk in enumerate(manifest.chunks):
            try:
                whole.update(expand(source.read(chunk.pack_length), chunk))
            except PackError as fault:
                raise PackError(
                    f"{manifest.name}@{manifest.version}: "
                    f"chunk {number} of {len(manifest.chunks)} is damaged: {fault}",
                    hint="add the pack again from its source",
                    code=321,
                ) from fault
    if whole.hexdigest() != manifest.raw_sha256:
        raise PackError("the whole image has another sha256 than the manifest says", code=321)
