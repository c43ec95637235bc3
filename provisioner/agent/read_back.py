"""Holds the disk against the manifest, chunk by chunk: what is right already, and what reads back right."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from provisioner.agent.block_device import BlockDevice, is_zero
from provisioner.errors import DiskError
from provisioner.imaging.manifest import Chunk, Manifest

THREADS = min(4, os.cpu_count() or 1)
BATCH = 64 << 20  # bytes that are flushed together and then read back
SAMPLES = 32  # chunks that are read once more at the very end
Moved = Callable[[int], None]  # bytes that were looked at


def is_right(device: BlockDevice, chunk: Chunk) -> bool:
    """Whether the medium itself, not the page cache, holds this chunk. Raises DiskError."""
    content = device.read_direct(chunk.offset, chunk.length)
    if chunk.kind == "data":
        return chunk.is_content(content)
    return is_zero(content)


class ReadBack:
    """Reads back what was written while more is written: flush a batch, then look at each chunk of it."""

    def __init__(self, device: BlockDevice, manifest: Manifest) -> None:
        self._device = device
        self._manifest = manifest
        self._pool = ThreadPoolExecutor(THREADS, "read-back")
        self._lock = threading.Lock()
        self._pending: list[int] = []
        self._bytes = 0
        self._futures: list[Future[None]] = []
        self._all: list[int] = []
        self.done = self.total = 0  # bytes: that were read back right, that were written

    def add(self, numbers: Iterable[int]) -> None:
        """These were written. Raises DiskError where an earlier one did not read back."""
        with self._lock:
            for number in numbers:
                self._pending.append(number)
                self._bytes += self._manifest.chunks[number].length
                self.total += self._manifest.chunks[number].length
                if self._bytes >= BATCH:
                    self._send()
            futures, self._futures = self._futures, [f for f in self._futures if not f.done()]
        for future in futures:
            if future.done():
                future.result()

    def _send(self) -> None:
        batch, self._pending, self._bytes = self._pending, [], 0
        self._all += batch
        self._futures.append(self._pool.submit(self._check, batch))

    def _check(self, batch: list[int]) -> None:
        self._device.flush()
        for number in batch:
            self._check_one(number)
            with self._lock:
                self.done += self._manifest.chunks[number].length

    def _check_one(self, number: int) -> None:
        chunk = self._manifest.chunks[number]
        if not is_right(self._device, chunk):
            raise DiskError(
                f"{self._device.path.name} did not keep what was written: "
                f"chunk {number} at byte {chunk.offset} reads back differently",
                hint="the disk is probably broken: replace it, then provision retry",
                code=318,
            )

    def finish(self, moved: Moved) -> None:
        """Until all was read back, and some of it once more. Raises DiskError, and what `moved` raises.

        Once more, because a disk that is smaller than it says writes over its own beginning.
        """
        with self._lock:
            if self._pending:
                self._send()
        for future in self._futures:
            future.result()
            moved(self.done)
        self._device.flush()
        step = max(1, len(self._all) // SAMPLES)
        for number in sorted(self._all)[::step]:
            self._check_one(number)
        moved(self.done)

    def close(self) -> None:
        """End the threads; what waits is not read any more."""
        self._pool.shutdown(wait=True, cancel_futures=True)
