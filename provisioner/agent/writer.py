"""Writes an image so that the disk is whole or does not boot: destroy first, read back, bootable last."""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from provisioner.agent.medium import Medium
from provisioner.agent.protocol import Phase
from provisioner.agent.stream import Stream
from provisioner.errors import DiskError, PackError
from provisioner.imaging import gpt
from provisioner.imaging.manifest import Chunk, Manifest
from provisioner.run import run

HEAD = 1 << 20  # bytes at a partition's or disk's head that make it bootable, and more
TAIL = 64 << 10  # bytes at the disk's end that hold the backup table, and more
Tell = Callable[[Phase, int, int], None]


class Writer:
    """One image onto one medium. `tell(phase, done, total)` may raise to stop it."""

    def __init__(
        self, medium: Medium, manifest: Manifest, tell: Tell, say: Callable[[str], None] = print
    ) -> None:
        self._medium = medium
        self._manifest = manifest
        self._tell = tell
        self._say = say
        self._sector = manifest.logical_sector_size
        self._held: dict[int, bytes] = {}  # chunks that make it bootable, by number
        self._table: gpt.Table | None = None  # as it will lie on this medium
        self.bytes_written = 0  # of the image, without what was only made zero
        self.state = "was not touched"

    def write(self, stream: Stream, seed: Mapping[str, str]) -> None:
        """All of it. Raises DiskError, PackError, and what `tell` raises.

        `state` says at any time what became of the disk.
        """
        self._check_layout()
        self._tell("preparing", 0, self._manifest.raw_size)
        self.state = "is not whole and does not boot"
        self._destroy()
        self._stream(stream)
        self._medium.forget()
        self._read_back()
        self._write_seed(seed)
        self._finish()
        self.state = "is whole"

    def _check_layout(self) -> None:
        """Nothing that is written at the end may lie over the seed. Raises PackError."""
        self._manifest.partition("esp")
        cidata = self._manifest.partition("cidata")
        for chunk in self._manifest.chunks:
            is_apart = (
                chunk.offset + chunk.length <= cidata.offset or cidata.offset + cidata.length <= chunk.offset
            )
            if self._is_held(chunk) and not is_apart:
                raise PackError("the partition cidata shares a chunk with boot sectors", code=322)

    def _destroy(self) -> None:
        """Nothing of the old system may boot from now on: both tables, and the head of every ESP."""
        places = {
            0,
            max(0, self._medium.size - HEAD),
            self._manifest.partition("esp").offset,
            *self._old_esps(),
        }
        for offset in sorted(places):
            self._medium.zero(offset, min(HEAD, self._medium.size - offset))
        self._medium.forget()
        for offset in sorted(places):
            if any(self._medium.read(offset, min(HEAD, self._medium.size - offset))):
                raise DiskError(f"{self._medium.path.name} does not let go of its old boot sectors", code=317)
        self._say(f"old boot sectors destroyed at {len(places)} places")

    def _old_esps(self) -> set[int]:
        found: set[int] = set()
        for lba in (1, self._medium.size // self._sector - 1):
            try:
                table = gpt.read(self._medium.read, self._sector, lba)
            except (PackError, DiskError):
                continue
            inside = (part for part in table.partitions if part.offset + HEAD <= self._medium.size)
            found |= {part.offset for part in inside if part.type == gpt.ESP_TYPE}
        return found

    def _is_held(self, chunk: Chunk) -> bool:
        """Whether the chunk holds a partition table of the disk, or the ESP's head."""
        esp, end = self._manifest.partition("esp").offset, chunk.offset + chunk.length
        return chunk.offset == 0 or chunk.offset <= esp < end or end > self._medium.size - TAIL

    def _stream(self, stream: Stream) -> None:
        total = self._manifest.raw_size
        for number, chunk, data in stream:
            if number == 0:  # refused now, not after an hour
                table = gpt.read(_reader(data), self._sector)
                self._table = gpt.stretch(table, self._medium.size)
            if self._is_held(chunk):
                self._held[number] = data
            elif chunk.kind == "data":
                self._medium.write(chunk.offset, data)
                self.bytes_written += len(data)
            else:
                self._medium.zero(chunk.offset, chunk.length)
            self._tell("writing", chunk.offset + chunk.length, total)

    def _read_back(self) -> None:
        """From the medium, not from memory."""
        total = self._manifest.raw_size
        for number, chunk in enumerate(self._manifest.chunks):
            if number not in self._held:
                self._compare(number, chunk)
            self._tell("reading back", chunk.offset + chunk.length, total)

    def _compare(self, number: int, chunk: Chunk) -> None:
        found = self._medium.read(chunk.offset, chunk.length)
        if chunk.kind == "data":
            same = hashlib.sha256(found).hexdigest() == chunk.sha256
        else:
            same = found.count(0) == len(found)
        if not same:
            raise DiskError(
                f"{self._medium.path.name} did not keep what was written: "
                f"chunk {number} at byte {chunk.offset} reads back differently",
                hint="the disk is probably broken: replace it, then provision retry",
                code=318,
            )

    def _write_seed(self, seed: Mapping[str, str]) -> None:
        """The host's own files, into the image's small FAT partition, by mtools; read back."""
        self._tell("finishing", 0, 1)
        place = f"{self._medium.path}@@{self._manifest.partition('cidata').offset}"
        for name, text in seed.items():
            run(["mcopy", "-o", "-i", place, "-", f"::{name}"], stdin=text.encode())
        self._medium.forget()
        for name, text in seed.items():
            if run(["mtype", "-i", place, f"::{name}"]).stdout != text.encode():
                raise DiskError(f"the seed file {name} reads back differently", code=318)

    def _finish(self) -> None:
        """What makes the disk bootable, the very first sector last; the backup table at the disk's end."""
        head = self._held.pop(0)
        assert self._table is not None  # noqa: S101  set by chunk 0, which was held
        self._tell("finishing", 1, 1)  # the last place to stop: from here on it becomes bootable
        self.bytes_written += len(head) + sum(map(len, self._held.values()))
        for number, data in self._held.items():
            self._write_checked(self._manifest.chunks[number].offset, data)
        primary, backup = gpt.build(self._table)
        mbr = gpt.protective_mbr(head, self._medium.size, self._sector)
        start = self._sector + len(primary)
        self._write_checked(start, head[start:])
        self._write_checked(self._medium.size - len(backup), backup)
        self._write_checked(self._sector, primary)
        self._write_checked(0, mbr)
        self._medium.reread_table()

    def _write_checked(self, offset: int, data: bytes) -> None:
        self._medium.write(offset, data)
        self._medium.forget()
        if self._medium.read(offset, len(data)) != data:
            raise DiskError(
                f"{self._medium.path.name} did not keep its boot sectors at byte {offset}", code=318
            )


def _reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def device_path(name: str) -> Path:
    """`/dev/NAME`."""
    return Path("/dev") / name


def seconds_since(began: float) -> float:
    """By the clock that nobody sets."""
    return round(time.monotonic() - began, 1)
