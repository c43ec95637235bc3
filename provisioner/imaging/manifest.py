"""The manifest of a pack: what the image is, chunk by chunk; strict about what it reads."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from provisioner.errors import PackError
from provisioner.imaging import digests

FORMAT, FORMER = "pack/2", "pack/1"
CHUNK_SIZE = 1 << 20
SMALLEST_CHUNK, LARGEST_CHUNK = 64 << 10, 8 << 20  # the first holds the table, 24 of the last fit the memory
LARGEST = 256 << 20  # bytes of a manifest file; 1 MiB chunks of a 1 TiB image need 130 MB
KINDS = ("data", "zero", "free")
ESP_LABEL = "VAULTESP"  # the FAT label of every image's ESP; part of the image contract
ROLES = ("bios", "esp", "cidata", "root")
_HASH = re.compile(r"[0-9a-f]{64}")
_CHECKSUM = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PRINTED = re.compile(r"[ -~]{0,40}")  # what people see must not move their cursor


class Chunk(NamedTuple):
    """One piece of the raw image and its frame in the pack; all in bytes.

    `digest` and `checksum` are of the raw bytes (imaging/digests.py); pack/1 has no checksum.
    """

    offset: int
    length: int
    kind: str
    pack_offset: int
    pack_length: int
    digest: str
    checksum: str = ""

    def is_content(self, data: digests.Bytes) -> bool:
        """Whether a disk that reads these bytes holds the chunk; no answer to who has written them."""
        if self.checksum:
            return digests.checksum(data) == self.checksum
        return digests.digest(data) == self.digest


@dataclass(frozen=True)
class Partition:
    """One partition of the image; `role` is also its GPT name, `label` its filesystem's."""

    role: str
    guid: str
    label: str
    offset: int
    length: int


@dataclass(frozen=True)
class Manifest:
    """`PACK.json`. `raw_sha256` is the hash of what `zstd -dc PACK` prints; empty where nobody needs it."""

    name: str
    version: str
    created: str
    raw_size: int
    logical_sector_size: int
    chunk_size: int
    chunks: tuple[Chunk, ...]
    partitions: tuple[Partition, ...]
    raw_sha256: str = ""
    format: str = FORMAT

    @property
    def pack_size(self) -> int:
        """The size of the pack in bytes."""
        return sum(chunk.pack_length for chunk in self.chunks)

    @cached_property
    def root_hash(self) -> str:
        """What the image is known by, whichever format it was packed in (imaging/digests.py)."""
        listed = (chunk.digest for chunk in self.chunks)
        return digests.root_hash(self.raw_size, self.chunk_size, listed)

    def partition(self, role: str) -> Partition:
        """The partition with this role. Raises PackError (PV-322) where the image has none."""
        for partition in self.partitions:
            if partition.role == role:
                return partition
        raise PackError(f"{self.name}@{self.version} has no partition {role!r}", code=322)

    def dump(self) -> bytes:
        """The manifest as it is signed: one line of JSON, keys sorted."""
        body = {**vars(self), "partitions": [asdict(part) for part in self.partitions]}
        if self.format == FORMAT:
            body |= {"chunks": [_row(chunk) for chunk in self.chunks], "root_hash": self.root_hash}
            if not self.raw_sha256:
                del body["raw_sha256"]
        else:
            body["chunks"] = [chunk[:6] for chunk in self.chunks]
            body.pop("root_hash", "")
        return json.dumps(body, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _row(chunk: Chunk) -> list[str | int]:
    row: list[str | int] = [chunk.kind, chunk.pack_length]
    return [*row, chunk.digest, chunk.checksum] if chunk.kind == "data" else row


def check_names(name: str, version: str, created: str) -> None:
    """Raises PackError (PV-323) where an image cannot have this name, version or time of creation."""
    for text, pattern in ((name, _NAME), (version, _VERSION), (created, _PRINTED)):
        if not pattern.fullmatch(text):
            raise PackError(
                f"{text!r:.60} cannot be the name, version or time of an image",
                hint="name: a-z 0-9 -; version: letters, digits, . _ + -",
                code=323,
            )


def pack_files(pack: Path) -> tuple[Path, Path, Path]:
    """A pack, and beside it its manifest and its signature."""
    manifest = pack.with_name(f"{pack.name}.json")
    return pack, manifest, manifest.with_name(f"{manifest.name}.minisig")


def load(path: Path) -> Manifest:
    """Read a manifest file and check all of it. Raises PackError (PV-323)."""
    try:
        if path.stat().st_size > LARGEST:
            raise PackError(f"{path.name}: larger than any manifest", code=323)
        text = path.read_bytes()
    except OSError as fault:
        raise PackError(f"{path.name} cannot be read: {fault.strerror}", code=323) from fault
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise PackError(f"{path.name}: not JSON: {fault}", code=323) from fault
    return parse(body)


def parse(body: object) -> Manifest:
    """A manifest from plain data, wholly checked. Raises PackError naming what is wrong."""
    given = body.get("format") if isinstance(body, dict) else type(body).__name__
    if not isinstance(body, dict) or given not in (FORMAT, FORMER):
        raise PackError(f"the manifest is {given!r:.40}, this release reads {FORMER} and {FORMAT}", code=323)
    try:
        manifest = Manifest(
            name=_text(body, "name", _NAME),
            version=_text(body, "version", _VERSION),
            created=_text(body, "created", _PRINTED),
            raw_size=_number(body, "raw_size"),
            logical_sector_size=_number(body, "logical_sector_size"),
            chunk_size=_number(body, "chunk_size"),
            chunks=tuple(_chunks(body) if given == FORMAT else map(_former_chunk, body["chunks"])),
            partitions=tuple(_partition(row) for row in body["partitions"]),
            raw_sha256=_raw_sha256(body),
            format=str(given),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise PackError(f"the manifest is damaged: {fault}", code=323) from fault
    check(manifest)
    if given == FORMAT and body.get("root_hash") != manifest.root_hash:
        raise _damaged("its root hash is not that of its chunks")
    return manifest


def _raw_sha256(body: Mapping[str, object]) -> str:
    """Of pack/1 the image's name, of pack/2 something more."""
    return _text(body, "raw_sha256", _HASH) if body["format"] == FORMER or "raw_sha256" in body else ""


def _text(body: Mapping[str, object], key: str, pattern: re.Pattern[str]) -> str:
    value = body[key]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{key}: {value!r:.60}")
    return value


def _number(body: Mapping[str, object], key: str) -> int:
    value = body[key]
    if type(value) is not int or not 0 <= value < 1 << 60:
        raise ValueError(f"{key}: {value!r:.60}")
    return value


def _chunks(body: Mapping[str, Any]) -> Iterator[Chunk]:  # JSON from outside: checked here
    """Rows of `[kind, pack_length]`, of data with digest and checksum behind; JSON from outside."""
    size, rest, place = _number(body, "chunk_size"), _number(body, "raw_size"), 0
    if not SMALLEST_CHUNK <= size <= LARGEST_CHUNK:
        raise ValueError(f"chunk size {size}")
    if not isinstance(body["chunks"], list):
        raise ValueError(f"chunks: {body['chunks']!r:.60}")
    for number, row in enumerate(body["chunks"]):
        length = min(size, rest)
        chunk = _chunk(row, number * size, length, place)
        yield chunk
        rest -= length
        place += chunk.pack_length


def _chunk(row: Any, offset: int, length: int, place: int) -> Chunk:  # JSON from outside: checked here
    kind, packed, *rest = row
    if kind not in KINDS or type(packed) is not int or not 0 < packed < 1 << 60:
        raise ValueError(f"chunk {row!r:.80}")
    if kind != "data":
        if rest:
            raise ValueError(f"chunk {row!r:.80}")
        return Chunk(offset, length, sys.intern(kind), place, packed, digests.digest_of_zeros(length))
    digest, checksum = rest
    _check_hash(row, digest, _HASH)
    _check_hash(row, checksum, _CHECKSUM)
    return Chunk(offset, length, "data", place, packed, digest, checksum)


def _check_hash(row: object, text: object, pattern: re.Pattern[str]) -> None:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"chunk {row!r:.80}")


def _former_chunk(row: Any) -> Chunk:  # JSON from outside: checked here
    """Of pack/1: `[offset, length, kind, pack_offset, pack_length, sha256]`; JSON from outside."""
    offset, length, kind, pack_offset, pack_length, digest = row
    numbers = (offset, length, pack_offset, pack_length)
    if not all(type(n) is int and 0 <= n < 1 << 60 for n in numbers) or kind not in KINDS:
        raise ValueError(f"chunk {row!r:.80}")
    _check_hash(row, digest, _HASH)
    if kind != "data":  # most of a large image: all share one string
        kind, digest = sys.intern(kind), sys.intern(digest)
    return Chunk(offset, length, kind, pack_offset, pack_length, digest)


def _partition(row: Mapping[str, object]) -> Partition:
    partition = Partition(
        role=str(row["role"]),
        guid=_text(row, "guid", _GUID),
        label=_text(row, "label", _PRINTED),
        offset=_number(row, "offset"),
        length=_number(row, "length"),
    )
    if partition.role not in ROLES:
        raise ValueError(f"partition role {partition.role!r:.20}")
    return partition


def check(manifest: Manifest) -> None:
    """The chunks cover image and pack without gap or overlap; partitions lie inside. Raises PackError."""
    is_sane = SMALLEST_CHUNK <= manifest.chunk_size <= LARGEST_CHUNK
    if manifest.logical_sector_size not in (512, 4096) or not is_sane:
        raise _damaged("sector or chunk size")
    raw = packed = 0
    for number, chunk in enumerate(manifest.chunks):
        is_last = number == len(manifest.chunks) - 1
        fits = chunk.length == manifest.chunk_size or (is_last and 0 < chunk.length < manifest.chunk_size)
        if chunk.offset != raw or chunk.pack_offset != packed or not fits:
            raise _damaged(f"chunk {number} does not follow the one before")
        if not 0 < chunk.pack_length <= _longest_frame(chunk.length):
            raise _damaged(f"chunk {number} takes {chunk.pack_length} bytes of the pack")
        if chunk.kind != "data" and chunk.digest != digests.digest_of_zeros(chunk.length):
            raise _damaged(f"chunk {number} is not zeros")
        raw += chunk.length
        packed += chunk.pack_length
    if raw != manifest.raw_size or raw < SMALLEST_CHUNK:
        raise _damaged(f"{raw} of {manifest.raw_size} bytes are covered")
    roles = [part.role for part in manifest.partitions]
    if len(set(roles)) < len(roles):
        raise _damaged("two partitions have the same role")
    for part in manifest.partitions:
        if not 0 < part.length <= raw - part.offset:
            raise _damaged(f"partition {part.role} lies outside")


def _damaged(what: str) -> PackError:
    return PackError(f"the manifest is damaged: {what}", code=323)


def _longest_frame(length: int) -> int:
    """Bytes that a zstd frame may take at most, with some to spare (ZSTD_COMPRESSBOUND)."""
    return length + (length >> 7) + 1024
