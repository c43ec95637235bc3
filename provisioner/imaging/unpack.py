"""Reads and verifies packs, chunk by chunk."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import zstandard

from provisioner.errors import PackError
from provisioner.imaging import digests, layout
from provisioner.imaging.manifest import FORMER, Chunk, Manifest
from provisioner.imaging.pack import frame_of_zeros, zeros

_AHEAD = 64 << 20  # raw bytes that are expanded ahead of whoever takes them
_contexts = threading.local()


def expand(frame: digests.Bytes, chunk: Chunk) -> bytes:
    """The chunk's raw bytes, checked; memory is bounded by the chunk. Raises PackError (PV-321)."""
    _check_size(frame, chunk)
    try:
        data: bytes = _decompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as fault:
        raise _unreadable(chunk, fault) from fault
    _check(data, chunk)
    return data


def expand_into(frame: digests.Bytes, chunk: Chunk, room: memoryview) -> memoryview:
    """The same without a copy: the first bytes of `room`, which holds the chunk. Raises PackError (PV-321).

    What lies behind the frame's end is not looked at: it reaches no disk.
    """
    _check_size(frame, chunk)
    view = room[: chunk.length]
    try:
        reader = _decompressor().stream_reader(frame)
        done = reader.readinto(view)
    except zstandard.ZstdError as fault:
        raise _unreadable(chunk, fault) from fault
    if done != chunk.length:
        raise PackError(
            f"the frame at byte {chunk.pack_offset} ends after {done} of {chunk.length} bytes", code=321
        )
    _check(view, chunk)
    return view


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_contexts, "decompressor"):
        _contexts.decompressor = zstandard.ZstdDecompressor()
    found: zstandard.ZstdDecompressor = _contexts.decompressor
    return found


def _check_size(frame: digests.Bytes, chunk: Chunk) -> None:
    """Asked first, because the library reserves whatever the frame says of itself."""
    try:
        size = zstandard.frame_content_size(frame)
    except zstandard.ZstdError as fault:
        raise _unreadable(chunk, fault) from fault
    if size != chunk.length:
        raise PackError(
            f"the frame at byte {chunk.pack_offset} holds {size} bytes, not {chunk.length}", code=321
        )


def _unreadable(chunk: Chunk, fault: Exception) -> PackError:
    return PackError(f"the frame at byte {chunk.pack_offset} cannot be read: {fault}", code=321)


def _check(data: digests.Bytes, chunk: Chunk) -> None:
    digest = digests.digest(data)
    if len(data) != chunk.length or digest != chunk.digest:
        raise PackError(
            f"the chunk at byte {chunk.offset} has sha256 {digest[:16]}…, "
            f"the manifest says {chunk.digest[:16]}…",
            code=321,
        )


def expanded(pack: Path, manifest: Manifest) -> Iterator[tuple[Chunk, bytes]]:
    """Every chunk in order, checked, by as many threads as there are cores.

    Raises PackError (PV-321) naming the first that is damaged.
    """
    if (size := pack.stat().st_size) != manifest.pack_size:
        raise PackError(f"the pack has {size} bytes, the manifest says {manifest.pack_size}", code=321)
    waiting: deque[Future[bytes]] = deque()
    ahead = max(4, _AHEAD // manifest.chunk_size)
    with pack.open("rb") as source, ThreadPoolExecutor(os.cpu_count() or 1) as pool:

        def taken(number: int) -> tuple[Chunk, bytes]:
            return manifest.chunks[number], _result(waiting.popleft(), manifest, number)

        for number, chunk in enumerate(manifest.chunks):
            waiting.append(pool.submit(_expanded, source.fileno(), chunk))
            if len(waiting) >= ahead:
                yield taken(number + 1 - ahead)
        for number in range(len(manifest.chunks) - len(waiting), len(manifest.chunks)):
            yield taken(number)


def _expanded(descriptor: int, chunk: Chunk) -> bytes:
    frame = os.pread(descriptor, chunk.pack_length, chunk.pack_offset)
    if chunk.kind != "data" and frame == frame_of_zeros(chunk.length):
        return zeros(chunk.length)  # nothing is expanded, and nothing hashed: most of a large image
    return expand(frame, chunk)


def _result(future: "Future[bytes]", manifest: Manifest, number: int) -> bytes:
    try:
        return future.result()
    except PackError as fault:
        raise PackError(
            f"{manifest.name}@{manifest.version}: "
            f"chunk {number} of {len(manifest.chunks)} is damaged: {fault}",
            hint="add the pack again from its source",
            code=321,
        ) from fault


def verify(pack: Path, manifest: Manifest, *, whole: bool = False) -> None:
    """Check every chunk. Raises PackError (PV-321) naming the first bad one.

    With `whole`, `raw_sha256` too, where the manifest has one; one of pack/1 is known by it, and is always
    held against it.
    """
    wanted = manifest.raw_sha256 if whole or manifest.format == FORMER else ""
    digest = hashlib.sha256()
    for _, data in expanded(pack, manifest):
        if wanted:
            digest.update(data)
    if wanted and digest.hexdigest() != wanted:
        raise PackError("the whole image has another sha256 than the manifest says", code=321)


def check_layout(pack: Path, manifest: Manifest) -> None:
    """What no host can take, found as the writer finds it, and root's filesystem besides.

    Raises PackError (PV-321 to 324).
    """
    with pack.open("rb") as source:

        def read(chunk: Chunk) -> bytes:
            source.seek(chunk.pack_offset)
            return expand(source.read(chunk.pack_length), chunk)

        numbers = layout.telling_chunks(manifest, manifest.raw_size, layout.NEEDED)
        layout.check_pack(
            manifest, {number: read(manifest.chunks[number]) for number in numbers}, layout.NEEDED
        )
