"""What a row could cost at best: its primitives, each measured alone in this run, on the row's own bytes.

Processor time is shared by all cores, a disk does one thing at a time, a line carries what it carries: the
largest of the three is the limit. Everything else (starting, waiting, the language) is ours to lose.
"""

import mmap
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from bench.material import Sink
from provisioner.agent.block_device import BlockDevice
from provisioner.imaging import digests, pack
from provisioner.imaging.manifest import Chunk, Manifest

GROUP = 64 << 20  # bytes that are held in memory between two primitives


@dataclass
class Limit:
    """Each primitive's seconds and processor seconds; those of the disk; `wire` in seconds."""

    parts: dict[str, tuple[float, float]] = field(default_factory=dict)
    disk: float = 0.0
    wire: float = 0.0
    cores: int = os.cpu_count() or 1

    @property
    def seconds(self) -> float:
        """The least time."""
        return max(self.disk, self.wire, sum(cpu for _, cpu in self.parts.values()) / self.cores)

    def __str__(self) -> str:
        cpu = " + ".join(f"{name} {cpu:.2f}" for name, (_, cpu) in self.parts.items())
        line = f", line {self.wire:.2f} s" if self.wire else ""
        return (
            f"{self.seconds:.2f} s (processor s {cpu}, by {self.cores} cores; disk {self.disk:.2f} s{line})"
        )

    @contextmanager
    def timing(self, name: str, *, is_disk: bool = False) -> Iterator[None]:
        """The block's time is this primitive's; several blocks of a name add up."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        seconds, used = time.perf_counter() - wall, time.process_time() - cpu
        before = self.parts.get(name, (0.0, 0.0))
        self.parts[name] = (before[0] + seconds, before[1] + used)
        self.disk += seconds * is_disk


def writing(path: Path, manifest: Manifest, sink: Sink, line: float = 0.0) -> Limit:
    """Of a whole image from a pack to a dirty disk, read back; `line` in bytes a second, 0 for loopback."""
    found = Limit()
    sink.soil()
    data = [chunk for chunk in manifest.chunks if chunk.kind == "data"]
    found.wire = sum(chunk.pack_length for chunk in data) / line if line else 0.0
    with BlockDevice(sink.device) as disk, path.open("rb") as source:
        with found.timing("disk", is_disk=True):
            for kind, act in (("free", disk.discard), ("zero", disk.zero)):
                for offset, length in _stretches(manifest.chunks, kind):
                    act(offset, length)
        for group in _groups(data):
            _expand(found, source.fileno(), disk, group)
        with found.timing("disk", is_disk=True):
            disk.flush()
            disk.drop_caches()
        for group in _groups(data):
            _read_back(found, disk, group)
    return found


def comparing(manifest: Manifest, path: Path, device: Path, changed: set[int]) -> Limit:
    """Of a delta: all but what is free is read and compared, then `changed` (places) is written."""
    found = Limit()
    with BlockDevice(device) as disk, path.open("rb") as source:
        for group in _groups([chunk for chunk in manifest.chunks if chunk.kind != "free"]):
            _read_back(found, disk, group)
        for group in _groups([manifest.chunks[number] for number in sorted(changed)]):
            _expand(found, source.fileno(), disk, group)
            _read_back(found, disk, group)
    return found


def packing(raw: Path, manifest: Manifest, folder: Path) -> Limit:
    """Of a pack of this image: the data read, hashed, compressed, and written to the disk."""
    found = Limit()
    compressor = zstandard.ZstdCompressor(level=pack.LEVEL)
    with raw.open("rb") as source, (folder / "limit").open("wb") as target:
        for group in _groups([chunk for chunk in manifest.chunks if chunk.kind == "data"]):
            with found.timing("read"):
                pieces = [os.pread(source.fileno(), chunk.length, chunk.offset) for chunk in group]
            _hash(found, pieces)
            with found.timing("checksum"):
                for piece in pieces:
                    digests.checksum(piece)
            with found.timing("zstd"):
                frames = [compressor.compress(piece) for piece in pieces]
            with found.timing("disk", is_disk=True):
                target.writelines(frames)
        with found.timing("disk", is_disk=True):
            target.flush()
            os.fsync(target.fileno())
    (folder / "limit").unlink()
    return found


def _expand(found: Limit, source: int, disk: BlockDevice, group: Sequence[Chunk]) -> None:
    decompressor = zstandard.ZstdDecompressor()
    frames = [os.pread(source, chunk.pack_length, chunk.pack_offset) for chunk in group]
    rooms = [memoryview(mmap.mmap(-1, chunk.length)) for chunk in group]
    for room in rooms:
        room[:: mmap.PAGESIZE] = bytes(len(range(0, len(room), mmap.PAGESIZE)))  # there before it counts
    with found.timing("zstd"):
        for frame, room in zip(frames, rooms, strict=True):
            decompressor.stream_reader(frame).readinto(room)
    _hash(found, rooms)
    with found.timing("disk", is_disk=True):
        for chunk, room in zip(group, rooms, strict=True):
            disk.write(chunk.offset, room)


def _hash(found: Limit, pieces: Sequence[digests.Bytes]) -> None:
    with found.timing("SHA-256"):
        for piece in pieces:
            digests.digest(piece)


def _read_back(found: Limit, disk: BlockDevice, group: Sequence[Chunk]) -> None:
    """One chunk after the other: what is read lies in the same memory."""
    for chunk in group:
        with found.timing("disk", is_disk=True):
            view = disk.read_direct(chunk.offset, chunk.length)
        with found.timing("checksum"):
            digests.checksum(view)


def _groups(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    group: list[Chunk] = []
    for chunk in chunks:
        group.append(chunk)
        if sum(one.length for one in group) >= GROUP:
            yield group
            group = []
    if group:
        yield group


def _stretches(chunks: Sequence[Chunk], kind: str) -> Iterator[tuple[int, int]]:
    """Offset and length of what is of this kind, neighbours joined."""
    begin = end = 0
    for chunk in (one for one in chunks if one.kind == kind):
        if chunk.offset != end:
            if end > begin:
                yield begin, end - begin
            begin = chunk.offset
        end = chunk.offset + chunk.length
    if end > begin:
        yield begin, end - begin
