"""The manifest of a pack: what the image is, chunk by chunk; strict about what it reads."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from provisioner.errors import PackError

FORMAT = "pack/1"
CHUNK_SIZE = 1 << 20
SMALLEST_CHUNK, LARGEST_CHUNK = 64 << 10, 8 << 20  # the first holds the table, 24 of the last fit the memory
LARGEST = 256 << 20  # bytes of a manifest file; 1 MiB chunks of a 1 TiB image need 130 MB
KINDS = ("data", "zero", "free")
ESP_LABEL = "VAULTESP"  # the FAT label of every image's ESP; part of the image contract
ROLES = ("bios", "esp", "cidata", "root")
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PRINTED = re.compile(r"[ -~]{0,40}")  # what people see must not move their cursor


class Chunk(NamedTuple):
    """One piece of the raw image and its frame in the pack; all in bytes, sha256 of the raw bytes."""

    offset: int
    length: int
    kind: str
    pack_offset: int
    pack_length: int
    sha256: str


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
    """`PACK.json`. `raw_sha256` is the hash of what `zstd -dc PACK` prints."""

    name: str
    version: str
    created: str
    raw_size: int
    raw_sha256: str
    logical_sector_size: int
    chunk_size: int
    chunks: tuple[Chunk, ...]
    partitions: tuple[Partition, ...]
    format: str = FORMAT

    @property
    def pack_size(self) -> int:
        """The size of the pack in bytes."""
        return sum(chunk.pack_length for chunk in self.chunks)

    def partition(self, role: str) -> Partition:
        """The partition with this role. Raises PackError (PV-322) where the image has none."""
        for partition in self.partitions:
            if partition.role == role:
                return partition
        raise PackError(f"{self.name}@{self.version} has no partition {role!r}", code=322)

    def dump(self) -> bytes:
        """The manifest as it is signed: one line of JSON, keys sorted."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True).encode() + b"\n"


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
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        given = body.get("format") if isinstance(body, dict) else type(body).__name__
        raise PackError(f"the manifest is {given!r:.40}, this release reads {FORMAT}", code=323)
    try:
        manifest = Manifest(
            name=_text(body, "name", _NAME),
            version=_text(body, "version", _VERSION),
            created=_text(body, "created", _PRINTED),
            raw_size=_number(body, "raw_size"),
            raw_sha256=_text(body, "raw_sha256", _HASH),
            logical_sector_size=_number(body, "logical_sector_size"),
            chunk_size=_number(body, "chunk_size"),
            chunks=tuple(_chunk(row) for row in body["chunks"]),
            partitions=tuple(_partition(row) for row in body["partitions"]),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise PackError(f"the manifest is damaged: {fault}", code=323) from fault
    check(manifest)
    return manifest


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


def _chunk(row: Any) -> Chunk:  # JSON from outside: checked here
    chunk = Chunk(*row)
    numbers = (chunk.offset, chunk.length, chunk.pack_offset, chunk.pack_length)
    if not all(type(n) is int and 0 <= n < 1 << 60 for n in numbers):
        raise ValueError(f"chunk {row!r:.80}")
    if chunk.kind not in KINDS or not isinstance(chunk.sha256, str) or not _HASH.fullmatch(chunk.sha256):
        raise ValueError(f"chunk {row!r:.80}")
    if chunk.kind != "data":  # most of a large image: all share one string
        return chunk._replace(kind=sys.intern(chunk.kind), sha256=sys.intern(chunk.sha256))
    return chunk


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
        if chunk.kind != "data" and chunk.sha256 != hash_of_zeros(chunk.length):
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


@cache
def hash_of_zeros(length: int) -> str:
    """The SHA-256 of `length` zero bytes, hexadecimal."""
    return hashlib.sha256(bytes(length)).hexdigest()
