"""Writes an image so that the disk is whole or does not boot: destroy first, read back, bootable last."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from provisioner.agent import read_back, write_marker
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.capacity import CapacityCheck
from provisioner.agent.comparison import Comparison
from provisioner.agent.protocol import Method, Phase
from provisioner.errors import DiskError, PackError
from provisioner.imaging import gpt, layout
from provisioner.imaging.digests import Bytes
from provisioner.imaging.manifest import ROLES, Chunk, Manifest
from provisioner.run import run
from provisioner.system import disk_names

HEAD = 1 << 20  # bytes at a partition's or disk's head that make it bootable, and more
STRETCH = 1 << 30  # bytes that are made zero by one command, between two words about it
Tell = Callable[[Phase, int, int], None]


class ChunkSource(Protocol):
    """Where an image's chunks come from: the network (Stream) or a file (PackFile)."""

    fetched: int

    def run(self, numbers: Sequence[int], take: Callable[[int, Chunk, Bytes], None]) -> None:
        """Give each to `take`, verified, from several threads, in any order.

        The bytes are good until it returns.
        """


class ImageWriter:
    """Writes one image to one disk. `tell(phase, done, total)`, in bytes, may raise; threads call it."""

    def __init__(
        self,
        device: BlockDevice,
        manifest: Manifest,
        tell: Tell,
        log: Callable[[str], None] = print,
        *,
        method: Method = "delta",
        may_discard: bool = False,
        on_disk: Callable[[Iterable[int]], None] = lambda numbers: None,
    ) -> None:
        """`may_discard` is the consent to discard what the image leaves free; else that is left alone.

        `on_disk` is told the numbers of chunks that lie where they belong; threads call it.
        """
        self._device = device
        self._manifest = manifest
        self._tell = tell
        self._log = log
        self._method = method
        self._may_discard = may_discard
        self._on_disk = on_disk
        self._sector = manifest.logical_sector_size
        self._first: dict[int, bytes] = {}  # chunks that were looked at before anything was destroyed
        self._held: dict[int, bytes] = {}  # chunks that make it bootable, by number
        self._table: gpt.PartitionTable | None = None  # as it will lie on this medium
        self._lock = threading.Lock()
        self._done = 0  # bytes of the image that are on the disk
        self.bytes_written = 0  # of the image, without what was only made zero
        self.bytes_saved = 0  # of the image, without zeros: the disk held them already
        self.state = "was not touched"

    def write(self, stream: ChunkSource, seed: Mapping[str, str]) -> None:
        """All of it. Raises DiskError, PackError, and what `tell` raises.

        `state` says at any time what became of the disk.
        """
        self._tell("preparing", 0, self._manifest.raw_size)
        self._check_layout(stream)
        is_known = self._method == "delta" and self._holds_ours()
        self.state = "is not whole and does not boot"
        self._destroy()
        if self._method == "wipe":
            self._wipe()
        capacity = CapacityCheck(self._device, self._manifest.raw_size, self._manifest.chunks[0].length)
        try:
            capacity.begin()
            self._write_image(stream, capacity, is_known)
            if seed:
                self._write_seed(seed)
            capacity.finish()
            self._finish()
        except DiskError:
            self._disarm()
            raise
        self.state = "is whole"

    def _write_image(self, stream: ChunkSource, capacity: CapacityCheck, is_known: bool) -> None:
        back = read_back.ReadBack(self._device, self._manifest)
        try:
            missing = self._compare(stream, back) if is_known else self._wanted()
            self._write_chunks(stream, back, missing)
        except DiskError:
            capacity.explain()
            raise
        finally:
            back.close()

    def _check_layout(self, stream: ChunkSource) -> None:
        """What no host can take is refused while the disk is as it was. Raises PackError, and as `stream`."""
        numbers = layout.telling_chunks(self._manifest, self._device.size)
        stream.run(numbers, lambda number, chunk, data: self._first.update({number: bytes(data)}))
        self._table = gpt.stretch(layout.check_pack(self._manifest, self._first), self._device.size)

    def _holds_ours(self) -> bool:
        """Whether an image of ours, or half of one, is there: then it pays to look what is right already."""
        if marker := write_marker.find(self._device.read(write_marker.PLACE, write_marker.LENGTH)):
            self._log(f"the disk holds half of {marker.name}@{marker.version}")
            return True
        names = [{part.name for part in table.partitions} for table in self._old_tables()]
        return any(set(ROLES) - {"bios"} <= labels for labels in names)

    def _destroy(self) -> None:
        """Nothing of the old system may boot from now on: both tables, and the head of every ESP."""
        places = {
            0,
            max(0, self._device.size - HEAD),
            self._manifest.partition("esp").offset,
            *self._old_esps(),
        }
        for offset in sorted(places):
            self._device.zero(offset, min(HEAD, self._device.size - offset))
        self._device.drop_caches()
        for offset in sorted(places):
            if any(self._device.read(offset, min(HEAD, self._device.size - offset))):
                raise DiskError(f"{self._device.path.name} does not let go of its old boot sectors", code=317)
        self._device.write(write_marker.PLACE, write_marker.mark(self._manifest))
        self._device.flush()
        self._log(f"old boot sectors destroyed at {len(places)} places")

    def _old_tables(self) -> Iterator[gpt.PartitionTable]:
        for lba in (1, self._device.size // self._sector - 1):
            try:
                yield gpt.read(self._device.read, self._sector, lba)
            except (PackError, DiskError):
                continue

    def _old_esps(self) -> set[int]:
        offsets: set[int] = set()
        for table in self._old_tables():
            inside = (part for part in table.partitions if part.offset + HEAD <= self._device.size)
            offsets |= {part.offset for part in inside if part.type == gpt.ESP_TYPE}
        return offsets

    def _wipe(self) -> None:
        """Every byte of the disk, what lies behind the image too."""
        size, began = self._device.size, write_marker.PLACE + write_marker.LENGTH
        self._device.discard(began, size - began)
        for offset in range(began, size, STRETCH):
            self._device.zero(offset, min(STRETCH, size - offset))
            self._tell("preparing", min(offset + STRETCH, size), size)
        self._device.flush()
        self._log("the whole disk was made zeros")

    def _is_held(self, chunk: Chunk) -> bool:
        """Whether the chunk holds a partition table of the disk, or the ESP's head."""
        esp = self._manifest.partition("esp").offset
        return layout.is_held(chunk.offset, chunk.length, esp, self._device.size)

    def _wanted(self) -> list[int]:
        """The numbers of the chunks that must be on the disk."""
        return [n for n, c in enumerate(self._manifest.chunks) if c.kind != "free" or self._is_held(c)]

    def _compare(self, stream: ChunkSource, back: read_back.ReadBack) -> list[int]:
        """What is left to write once all was held against the disk: wrong data is written meanwhile."""
        chunks, wanted, written = self._manifest.chunks, self._wanted(), set[int]()
        looked = [n for n in wanted if not self._is_held(chunks[n])]

        def take(number: int, chunk: Chunk, data: Bytes) -> None:
            self._place(number, chunk, data, back)
            with self._lock:
                self.bytes_written += len(data)

        with Comparison(self._device, self._manifest, looked, partial(self._tell, "comparing")) as seen:
            for wrong in seen.batches(read_back.BATCH):
                found = [n for n in wrong if chunks[n].kind == "data" and n not in self._first]
                stream.run(found, take)
                written |= set(found)
            right = set(looked) - seen.wrong
        self.bytes_saved = sum(chunks[n].length for n in right if chunks[n].kind == "data")
        self._done = sum(chunks[n].length for n in right | written)
        self._on_disk(right)
        self._log(f"{len(right)} of {len(looked)} chunks are on the disk already")
        return [n for n in wanted if n not in right and n not in written]

    def _place(self, number: int, chunk: Chunk, data: Bytes, back: read_back.ReadBack) -> None:
        self._device.write(chunk.offset, data)
        back.add([number])
        self._on_disk([number])

    def _write_chunks(self, stream: ChunkSource, back: read_back.ReadBack, missing: list[int]) -> None:
        chunks = self._manifest.chunks
        self._tell("writing", self._done, self._manifest.raw_size)
        empty = self._hold([n for n in missing if chunks[n].kind != "data"])
        first, self._first = self._first, {}
        wanted = [n for n in missing if chunks[n].kind == "data"]
        ended = threading.Event()

        def take(number: int, chunk: Chunk, data: Bytes) -> None:
            if emptied.done():
                emptied.result()  # it failed: so does the disk
            if self._is_held(chunk):
                self._held[number] = bytes(data)
            else:
                self._place(number, chunk, data, back)
            self._moved(chunk.length, len(data))

        with ThreadPoolExecutor(1, "empty") as aside:  # the disk does that, while the line does its part
            emptied = aside.submit(self._empty, empty, back, ended)
            try:
                for number in sorted(first.keys() & set(wanted)):
                    take(number, chunks[number], first[number])
                stream.run([n for n in wanted if n not in first], take)
            except BaseException:
                ended.set()
                raise
            emptied.result()
        back.finish(lambda done: self._tell("reading back", done, back.total))

    def _moved(self, length: int, written: int) -> None:
        with self._lock:
            self._done += length
            self.bytes_written += written
            self._tell("writing", self._done, self._manifest.raw_size)

    def _hold(self, numbers: list[int]) -> list[int]:
        """Keep those zeros for the end that lie among what makes it bootable; the others."""
        chunks = self._manifest.chunks
        self._held |= {n: bytes(chunks[n].length) for n in numbers if self._is_held(chunks[n])}
        return [n for n in numbers if n not in self._held]

    def _empty(self, zeros: list[int], back: read_back.ReadBack, ended: threading.Event) -> None:
        """What holds no data, in long stretches, until `ended`: free first, then these zeros."""
        chunks = self._manifest.chunks
        free = [n for n, chunk in enumerate(chunks) if chunk.kind == "free"]
        for numbers, are_zeros in ((free, False), (zeros, True)):
            for first, last in self._stretches(numbers):
                if ended.is_set():
                    return
                offset, end = chunks[first].offset, chunks[last].offset + chunks[last].length
                if are_zeros:
                    self._zero(offset, end - offset)
                    back.add(range(first, last + 1))
                else:
                    self._discard(offset, end - offset)

    def _discard(self, offset: int, length: int) -> None:
        """What the image leaves free belongs to nobody: the disk may forget it. It is not read back."""
        if self._may_discard and not self._device.discard(offset, length):
            self._may_discard = False  # the disk cannot, and need not
        with self._lock:
            self._done += length

    def _zero(self, offset: int, length: int) -> None:
        """Zeros that the image means: made by the disk itself, and read back."""
        if self._method != "wipe":
            self._device.zero(offset, length)
        self._moved(length, 0)

    def _stretches(self, numbers: list[int]) -> Iterator[tuple[int, int]]:
        """First and last number of neighbours that are not held, at most STRETCH bytes long."""
        most = max(1, STRETCH // self._manifest.chunk_size)
        free = [n for n in numbers if not self._is_held(self._manifest.chunks[n])]
        place = 0
        while place < len(free):
            first = place
            while place + 1 < len(free) and free[place + 1] == free[place] + 1 and place + 1 - first < most:
                place += 1
            yield free[first], free[place]
            place += 1

    def _write_seed(self, seed: Mapping[str, str]) -> None:
        """The host's own files, into the image's small FAT partition, by mtools; read back."""
        self._tell("finishing", 0, 1)
        place = f"{self._device.path}@@{self._manifest.partition('cidata').offset}"
        for name, text in seed.items():
            run(["mcopy", "-o", "-i", place, "-", f"::{name}"], stdin=text.encode())
        self._device.drop_caches()
        for name, text in seed.items():
            if run(["mtype", "-i", place, f"::{name}"]).stdout != text.encode():
                raise DiskError(f"the seed file {name} reads back differently", code=318)

    def _finish(self) -> None:
        """What makes the disk bootable, the very first sector last; the backup table at the disk's end."""
        head = self._held.pop(0)
        assert self._table is not None  # noqa: S101  set by chunk 0, which was held
        self._tell("finishing", 1, 1)  # the last place to stop: from here on it becomes bootable
        primary, backup = gpt.build(self._table)
        start = self._sector + len(primary)
        pieces = [(self._manifest.chunks[number].offset, data) for number, data in self._held.items()]
        pieces += [(start, head[start:]), (self._device.size - len(backup), backup), (self._sector, primary)]
        pieces.append((0, gpt.protective_mbr(head, self._device.size, self._sector)))
        for offset, data in pieces:
            self._device.write(offset, data)
            self._check_piece(offset, data, "it did not keep its boot sectors", 318)
        for number, (offset, data) in enumerate(pieces):  # a disk that is too small writes over its beginning
            wanted = _overlaid(offset, data, pieces[number + 1 :])
            self._check_piece(offset, wanted, "it is smaller than it says, and wrote over itself", 333)
        self._device.reread_table()

    def _check_piece(self, offset: int, data: bytes, fault: str, code: int) -> None:
        self._device.drop_caches()
        if self._device.read_direct(offset, len(data)) != data:
            raise DiskError(
                f"{self._device.path.name}: {fault}, at byte {offset}",
                hint="it is broken, or a fake: replace it, then provision retry",
                code=code,
            )

    def _disarm(self) -> None:
        """After a fault of the disk: nothing of it shall boot, wherever what was written came to lie."""
        size = self._device.size
        for offset in (0, self._manifest.partition("esp").offset, max(0, size - HEAD)):
            with suppress(DiskError):
                self._device.zero(offset, min(HEAD, size - offset))
        with suppress(DiskError):
            self._device.flush()


def _overlaid(offset: int, data: bytes, later: Sequence[tuple[int, bytes]]) -> bytes:
    """What lies at `offset` once the later pieces (offset, bytes) are written, too."""
    body = bytearray(data)
    for at, piece in later:
        begin, end = max(offset, at), min(offset + len(data), at + len(piece))
        if begin < end:
            body[begin - offset : end - offset] = piece[begin - at : end - at]
    return bytes(body)


def device_path(name: str) -> Path:
    """The device node of a disk by its kernel name."""
    return Path(disk_names.device_path(name))


def seconds_since(began: float) -> float:
    """Seconds since `began`, by the monotonic clock: the agent sets the other one itself."""
    return round(time.monotonic() - began, 1)
