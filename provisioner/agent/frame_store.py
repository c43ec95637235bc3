"""The frames that this host gives to others: from memory while they are fresh, else made from its disk."""

import threading
from collections import OrderedDict
from typing import Protocol

import zstandard

from provisioner.imaging.manifest import Manifest
from provisioner.imaging.unpack import expand

LEVEL = 1  # the line is the next host's, and quick
_contexts = threading.local()


class Medium(Protocol):
    """What a disk can do here (`BlockDevice`)."""

    def read_direct(self, offset: int, length: int) -> memoryview:
        """So many bytes from the medium. Raises DiskError."""


class FrameStore:
    """At most `most` bytes of frames in memory. May be used by several threads at once."""

    def __init__(self, manifest: Manifest, most: int) -> None:
        self._manifest, self._most = manifest, most
        self._lock = threading.Lock()
        self._frames: OrderedDict[int, bytes] = OrderedDict()
        self._medium: Medium | None = None
        self.size = 0  # bytes in memory

    def use(self, medium: Medium) -> None:
        """From this disk comes what is not in memory any more."""
        self._medium = medium

    def put(self, number: int, frame: bytes | bytearray | memoryview) -> None:
        """Keep this chunk's verified frame, as long as there is room."""
        with self._lock:
            if number in self._frames or len(frame) > self._most:
                return
            self._frames[number] = bytes(frame)
            self.size += len(frame)
            while self.size > self._most:
                _, oldest = self._frames.popitem(last=False)
                self.size -= len(oldest)

    def get(self, number: int) -> bytes:
        """A frame of this chunk, which the disk holds.

        Made anew it is verified as whoever gets it will: nobody becomes a liar by his own disk's fault.
        Raises LookupError where there is no disk yet, DiskError, and PackError.
        """
        with self._lock:
            if frame := self._frames.get(number):
                self._frames.move_to_end(number)
                return frame
        if self._medium is None:
            raise LookupError(f"chunk {number} is not in memory")
        chunk = self._manifest.chunks[number]
        made = _compress(self._medium.read_direct(chunk.offset, chunk.length))
        expand(made, chunk)
        self.put(number, made)
        return made


def _compress(data: memoryview) -> bytes:
    if not hasattr(_contexts, "compressor"):
        _contexts.compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
    frame: bytes = _contexts.compressor.compress(data)
    return frame
