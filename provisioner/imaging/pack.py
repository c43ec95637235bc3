"""Builds packs: zstd frames, one a chunk, that `zstd -dc` turns into the raw image."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import zstandard

from provisioner.imaging import digests, layout, signature
from provisioner.imaging.manifest import CHUNK_SIZE, LARGEST_CHUNK, Chunk, Manifest, check, check_names
from provisioner.imaging.source import SECTOR, RawImage
from provisioner.system import outputs

LEVEL = 3
MANY = 1 << 16  # chunks; an image of more of them gets larger ones, so that its manifest stays small
_BEHIND = 32 << 20  # bytes of the pack that are written before the disk is made to take them
_AHEAD = 64 << 20  # raw bytes that are read and compressed ahead of the writer
Progress = Callable[[int, int], None]
_contexts = threading.local()


class _Piece(NamedTuple):
    """One chunk on its way into the pack."""

    offset: int
    length: int
    kind: str
    digest: str
    checksum: str
    frame: bytes


def build(
    raw: Path,
    out: Path,
    *,
    name: str,
    version: str,
    created: str,
    key: Path | None = None,
    progress: Progress | None = None,
    chunk_size: int = 0,
    level: int = LEVEL,
    tell: Callable[[str], None] | None = None,
    raw_sha256: bool = False,
) -> Manifest:
    """Pack a raw image as OUT and OUT.json; the same input gives the same bytes.

    With `key`, minisign's, the manifest is signed: OUT.json.minisig. All of them come, or none.
    `chunk_size` in bytes; unless given, 1 MiB and more for images above 64 GiB. `level` is zstd's.
    `tell` is given a sentence where the free space of the root filesystem had to be packed, or where some
    hosts cannot boot the image. With `raw_sha256` the manifest says the SHA-256 of what `zstd -dc` prints,
    which nobody needs to write the image, and which one core alone can find: 1 to 2 GB a second, holes too.

    Raises:
        InputError: the image is no raw disk with a GUID partition table.
        PackError: no host can take it (PV-322, PV-324), it changes while it is read, its name or version
            cannot be one, or the key cannot sign.
        FileError: they cannot be written (PV-150, PV-151).
    """
    check_names(name, version, created)
    listed = f"{out.name}.json"
    # what says that the others are whole comes last
    names = (out.name, listed, *((f"{listed}.minisig",) if key else ()))
    with outputs.staging(out.parent, *names) as stage:
        with RawImage(raw) as source, (stage / out.name).open("wb") as target:
            size = chunk_size or fitting_chunk_size(source.size)
            for words in _look_at(source, size):
                if tell:
                    tell(words)
            reporter = _Progress(source.size, progress)
            with _hashing(source, size, reporter, is_wanted=raw_sha256) as digest:
                chunks = tuple(_write_chunks(source, target, size, level, reporter.packed))
                target.flush()
                raw_digest = digest()
            source.check_unchanged()
        manifest = Manifest(
            name, version, created, source.size, SECTOR, size, chunks, source.partitions, raw_digest
        )
        check(manifest)
        (stage / listed).write_bytes(manifest.dump())
        if key:
            signature.sign(stage / listed, key)
    return manifest


@contextmanager
def _hashing(
    source: RawImage, chunk_size: int, reporter: "_Progress", *, is_wanted: bool
) -> Iterator[Callable[[], str]]:
    """Beside the packing: what gives the SHA-256 of the whole at its end, empty where nobody wants it."""
    if is_wanted:
        with _Whole(source, chunk_size, reporter.hashed) as whole:
            yield whole.hexdigest
    else:
        reporter.hashed(source.size)
        yield str


def _look_at(source: RawImage, chunk_size: int) -> list[str]:
    """What is said of an image that some host can take. Raises PackError (PV-322) where none can."""
    layout.check_partitions(source.partitions, chunk_size, source.size, source.size)
    layout.check_labels(source.partitions)
    source.check_filesystems()
    return list(filter(None, (layout.doubt(source.read(0, SECTOR)), source.doubt)))


def fitting_chunk_size(raw_size: int) -> int:
    """The smallest of 1, 2, 4, 8 MiB that cuts the image into at most MANY chunks."""
    size = CHUNK_SIZE
    while size < LARGEST_CHUNK and raw_size > size * MANY:
        size *= 2
    return size


class _Progress:
    """Two go through the image, each at its own pace; people are told of the one that is behind."""

    def __init__(self, total: int, report: Progress | None) -> None:
        self._total, self._report = total, report
        self._places = {"hashed": 0, "packed": 0}
        self._lock = threading.Lock()

    def hashed(self, place: int) -> None:
        """The hash of the whole has reached byte `place`."""
        self._moved("hashed", place)

    def packed(self, place: int) -> None:
        """The pack holds the image up to byte `place`."""
        self._moved("packed", place)

    def _moved(self, which: str, place: int) -> None:
        with self._lock:
            before = min(self._places.values())
            self._places[which] = place
            now = min(self._places.values())
            if self._report and now > before:
                self._report(now, self._total)


class _Whole:
    """SHA-256 of the whole image, what is free as zeros. Nobody can share that out, so it goes beside."""

    def __init__(self, source: RawImage, chunk_size: int, moved: Callable[[int], None]) -> None:
        self._source, self._chunk_size, self._moved = source.twin(), chunk_size, moved
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(1, "whole")
        self._future = self._pool.submit(self._run)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._pool.shutdown()

    def hexdigest(self) -> str:
        """Wait for the hash, and return it in hexadecimal. Raises PackError where the image has changed."""
        return self._future.result()

    def _run(self) -> str:
        whole, zeros = hashlib.sha256(), memoryview(bytes(self._chunk_size))
        with self._source as source:
            for offset in range(0, source.size, self._chunk_size):
                if self._ended.is_set():
                    break
                length = min(self._chunk_size, source.size - offset)
                is_nothing = _nothing(source, offset, length)
                whole.update(zeros[:length] if is_nothing else source.read(offset, length))
                self._moved(offset + length)
        return whole.hexdigest()


def _write_chunks(
    source: RawImage, target: BinaryIO, chunk_size: int, level: int, moved: Callable[[int], None]
) -> list[Chunk]:
    chunks, place = [], 0
    with _WriteBehind(target) as behind:
        for piece in _pieces(source, chunk_size, level):
            known = (piece.digest, piece.checksum)
            chunks.append(Chunk(piece.offset, piece.length, piece.kind, place, len(piece.frame), *known))
            behind.write(piece.frame)
            place += len(piece.frame)
            moved(piece.offset + piece.length)
    return chunks


class _WriteBehind:
    """Has the disk take what is written while more is made, so that the end need not wait for all of it."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._pool = ThreadPoolExecutor(1, "write-behind")
        self._sync: Future[None] | None = None
        self._length = 0  # bytes since the last sync has begun

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        if self._sync and fault is None:
            self._sync.result()

    def write(self, data: bytes) -> None:
        """Raises OSError, also where the disk has not taken what was written before."""
        self._target.write(data)
        self._length += len(data)
        if self._length < _BEHIND or (self._sync and not self._sync.done()):
            return
        if self._sync:
            self._sync.result()
        self._length = 0
        self._sync = self._pool.submit(os.fdatasync, self._target.fileno())


def _pieces(source: RawImage, chunk_size: int, level: int) -> Iterator[_Piece]:
    """Every chunk in order, data read and compressed ahead by threads; zstd and SHA-256 release the GIL.

    What is known to be nothing costs no thread and no memory, so the threads look past it.
    """
    ahead = max(4, _AHEAD // chunk_size)
    waiting: deque[Future[_Piece] | _Piece] = deque()
    held = 0  # of those that wait, how many hold data
    with ThreadPoolExecutor(os.cpu_count() or 1, initializer=_stand_back) as pool:
        for offset in range(0, source.size, chunk_size):
            length = min(chunk_size, source.size - offset)
            if kind := _nothing(source, offset, length):
                waiting.append(_empty(offset, length, kind))
            else:
                waiting.append(pool.submit(_piece, source, offset, length, level))
                held += 1
            while held >= ahead:
                piece = waiting.popleft()
                held -= isinstance(piece, Future)
                yield _done(piece)
        while waiting:
            yield _done(waiting.popleft())


def _stand_back() -> None:
    """This thread gives way to the hash of the whole, which is the last to end where much is nothing."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _done(piece: "Future[_Piece] | _Piece") -> _Piece:
    return piece.result() if isinstance(piece, Future) else piece


def _nothing(source: RawImage, offset: int, length: int) -> str:
    """`free` or `zero` where that is known without reading, else empty.

    A hole is zeros that the image means: never "don't care".
    """
    if source.is_free(offset, length):
        return "free"
    return "zero" if source.is_hole(offset, length) else ""


def _empty(offset: int, length: int, kind: str) -> _Piece:
    return _Piece(offset, length, kind, digests.digest_of_zeros(length), "", frame_of_zeros(length))


def _piece(source: RawImage, offset: int, length: int, level: int) -> _Piece:
    data = source.read(offset, length)
    if data == zeros(length):
        return _empty(offset, length, "zero")
    known = (digests.digest(data), digests.checksum(data))
    return _Piece(offset, length, "data", *known, _compress(data, level))


@cache
def zeros(length: int) -> bytes:
    """So many zero bytes, one object for all who ask."""
    return bytes(length)


@cache
def frame_of_zeros(length: int) -> bytes:
    """The frame of `length` bytes of nothing, as packs hold it."""
    return _compress(bytes(length), LEVEL)


def _compress(data: bytes, level: int) -> bytes:
    if getattr(_contexts, "level", None) != level:
        _contexts.compressor = zstandard.ZstdCompressor(level=level, write_content_size=True)
        _contexts.level = level
    frame: bytes = _contexts.compressor.compress(data)
    return frame
