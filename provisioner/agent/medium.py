"""The disk as the agent writes and reads it: a block device, or a regular file that stands for one."""

import fcntl
import os
import stat
import struct
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner.errors import DiskError

BLKRRPART, BLKFLSBUF, BLKGETSIZE64, BLKZEROOUT = 0x125F, 0x1261, 0x80081272, 0x127F  # <linux/fs.h>
PIECE = 1 << 20


class Medium:
    """Opened for reading and writing; sizes and offsets in bytes."""

    def __init__(self, path: Path) -> None:
        """Raises DiskError (PV-315) where it cannot be opened or is in use."""
        self.path = path
        try:
            mode = path.stat().st_mode
            self._is_device = stat.S_ISBLK(mode)
            exclusive = os.O_EXCL if self._is_device else 0  # fails while something of it is mounted
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | exclusive)
        except OSError as fault:
            raise DiskError(f"{path} cannot be opened for writing: {fault.strerror}", code=315) from fault
        self.size = self._measure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def _measure(self) -> int:
        if not self._is_device:
            return os.fstat(self._fd).st_size
        answer = fcntl.ioctl(self._fd, BLKGETSIZE64, bytes(8))
        return int.from_bytes(answer, "little")

    def write(self, offset: int, data: bytes) -> None:
        """All of it. Raises DiskError (PV-316) naming the place."""
        view = memoryview(data)
        try:
            while view:
                done = os.pwrite(self._fd, view, offset)
                view, offset = view[done:], offset + done
        except OSError as fault:
            raise self._failed("write", offset, fault) from fault

    def zero(self, offset: int, length: int) -> None:
        """Make it read as zeros, whatever was there; the device's own command first (BLKZEROOUT)."""
        if self._is_device:
            with suppress(OSError):
                fcntl.ioctl(self._fd, BLKZEROOUT, struct.pack("QQ", offset, length))
                return
        for place in range(offset, offset + length, PIECE):
            self.write(place, bytes(min(PIECE, offset + length - place)))

    def flush(self) -> None:
        """On the medium, not only in a cache."""
        try:
            os.fsync(self._fd)
        except OSError as fault:
            raise self._failed("flush", 0, fault) from fault

    def forget(self) -> None:
        """Drop what the kernel remembers, so that the next read comes from the medium."""
        self.flush()
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if self._is_device:
            with suppress(OSError):
                fcntl.ioctl(self._fd, BLKFLSBUF)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly so many bytes. Raises DiskError (PV-316)."""
        try:
            data = os.pread(self._fd, length, offset)
            while len(data) < length:
                more = os.pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    raise DiskError(f"{self.path.name} ends at byte {offset + len(data)}", code=316)
                data += more
        except OSError as fault:
            raise self._failed("read", offset, fault) from fault
        return data

    def reread_table(self) -> None:
        """Tell the kernel about the new partitions; it does not matter where it will not."""
        if self._is_device:
            with suppress(OSError):
                fcntl.ioctl(self._fd, BLKRRPART)

    def _failed(self, verb: str, offset: int, fault: OSError) -> DiskError:
        return DiskError(
            f"{self.path.name}: the disk failed to {verb} at byte {offset}: {fault.strerror}",
            hint="the disk is probably broken: replace it, then provision retry",
            code=316,
        )
