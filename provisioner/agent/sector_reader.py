"""Reads a disk that may be damaged: what cannot be read is left out, and said."""

import os

STEP = 4096  # bytes: the page in which the kernel reads, so one bad sector costs no more
MOST_FAULTS = 16  # a dying disk takes seconds for each


class SectorReader:
    """Offset and length in bytes → the bytes there, zeros in place of those that cannot be read.

    `fault` is the system's word for the first that could not be; after several nothing more is tried.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.fault = ""
        self._faults = 0

    @property
    def is_spent(self) -> bool:
        """Whether so much could not be read that nothing more is tried."""
        return self._faults >= MOST_FAULTS

    def __call__(self, offset: int, length: int) -> bytes:
        if offset < 0 or length <= 0:
            return b""
        data = self._read(offset, length)
        return self._around(offset, length) if data is None else data

    def _around(self, offset: int, length: int) -> bytes:
        parts = []
        for place in range(offset, offset + length, STEP):
            count = min(STEP, offset + length - place)
            part = self._read(place, count)
            parts.append(bytes(count) if part is None else part)
        return b"".join(parts)

    def _read(self, offset: int, length: int) -> bytes | None:
        if self.is_spent:
            return None
        try:
            return os.pread(self.descriptor, length, offset)
        except OSError as fault:
            self._faults += 1
            self.fault = self.fault or fault.strerror or "no reason given"
            return None
