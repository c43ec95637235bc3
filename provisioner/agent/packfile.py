"""A pack that lies in a file here: its chunks, verified, by several threads."""

import mmap
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner.errors import PackError
from provisioner.imaging.digests import Bytes
from provisioner.imaging.manifest import Chunk, Manifest
from provisioner.imaging.unpack import expand_into

THREADS = min(4, os.cpu_count() or 1)
Take = Callable[[int, Chunk, Bytes], None]  # the bytes are good until it returns


class PackFile:
    """Opened for reading. `fetched` counts the bytes that were read."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Raises PackError (PV-320) where it cannot be opened."""
        self._path = path
        self._manifest = manifest
        self._lock = threading.Lock()
        self.fetched = 0
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as fault:
            raise PackError(f"{path} cannot be read: {fault.strerror}", code=320) from fault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def run(self, numbers: Sequence[int], take: Take) -> None:
        """Give every one of these chunks to `take`. Raises PackError, and what `take` raises."""
        places = iter(numbers)

        def work() -> None:
            room = memoryview(mmap.mmap(-1, self._manifest.chunk_size))  # aligned, as O_DIRECT asks
            while True:
                with self._lock:
                    number = next(places, None)
                if number is None:
                    return
                take(number, self._manifest.chunks[number], self._expanded(number, room))

        with ThreadPoolExecutor(THREADS, "pack") as pool:
            for future in [pool.submit(work) for _ in range(THREADS)]:
                try:
                    future.result()
                except BaseException:
                    places = iter(())  # the others end at their next chunk
                    raise

    def _expanded(self, number: int, room: memoryview) -> memoryview:
        chunk = self._manifest.chunks[number]
        frame = os.pread(self._fd, chunk.pack_length, chunk.pack_offset)
        with self._lock:
            self.fetched += len(frame)
        try:
            return expand_into(frame, chunk, room)
        except PackError as fault:
            raise PackError(
                f"{self._path.name} is damaged: chunk {number} of {len(self._manifest.chunks)}, {fault}",
                hint="take the pack from its source again",
                code=321,
            ) from fault
