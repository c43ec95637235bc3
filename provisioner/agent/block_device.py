"""The disk as the agent writes and reads it: a block device, or a regular file that stands for one."""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner.errors import DiskError

# <linux/fs.h>
BLKRRPART, BLKFLSBUF, BLKGETSIZE64, BLKZEROOUT, BLKDISCARD = 0x125F, 0x1261, 0x80081272, 0x127F, 0x1277
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 0x01, 0x02, 0x10  # <linux/falloc.h>
PIECE = 1 << 20
ALIGNMENT = 4096  # of addresses, offsets and lengths that go past the page cache; fits every sector
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong)
_libc.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class BlockDevice:
    """Opened for reading and writing; sizes and offsets in bytes. May be used by several threads at once."""

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
        try:
            if not self._is_device:
                self._lock()
            self.size = self._measure()
        except BaseException:
            os.close(self._fd)
            raise
        self._direct = self._open_direct()
        self._buffers = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)
        if self._direct >= 0:
            os.close(self._direct)

    def _lock(self) -> None:
        """One writer at a time for a regular file, by whatever name, as O_EXCL is for a device.

        By a lock of the open file description (fcntl(2)), as virtual machines have on theirs. mtools, which
        writes the seed, has another kind.
        """
        whole = struct.pack("@hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)  # struct flock
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, whole)
        except OSError as fault:
            is_held = fault.errno in (errno.EAGAIN, errno.EACCES)
            raise DiskError(
                f"{self.path} is in use: another program writes it"
                if is_held
                else f"{self.path} cannot be locked: {fault.strerror}",
                hint="wait until it has ended, or give another file",
                code=315,
            ) from fault

    def _measure(self) -> int:
        if not self._is_device:
            return os.fstat(self._fd).st_size
        answer = fcntl.ioctl(self._fd, BLKGETSIZE64, bytes(8))
        return int.from_bytes(answer, "little")

    def _open_direct(self) -> int:
        """A second descriptor past the page cache; -1 where the filesystem of a file has none."""
        try:
            return os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_DIRECT)
        except OSError:
            return -1

    def _buffer(self, length: int) -> mmap.mmap:
        """This thread's own buffer, aligned to a page as O_DIRECT asks (open(2))."""
        held: mmap.mmap | None = getattr(self._buffers, "held", None)
        if held is None or len(held) < length:
            held = self._buffers.held = mmap.mmap(-1, max(length, PIECE))
        return held

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """All of it, past the page cache where it is aligned. Raises DiskError (PV-316) naming the place."""
        view, descriptor = memoryview(data), self._fd
        if self._direct >= 0 and not offset % ALIGNMENT and not len(view) % ALIGNMENT:
            if not _is_aligned(view):
                aligned = memoryview(self._buffer(len(view)))
                aligned[: len(view)] = view
                view = aligned[: len(view)]
            descriptor = self._direct
        try:
            while view:
                done = os.pwrite(descriptor, view, offset)
                view, offset = view[done:], offset + done
        except OSError as fault:
            raise self._failed("write", offset, fault) from fault

    def zero(self, offset: int, length: int) -> None:
        """Make it read as zeros, whatever was there; by the device's own command where it has one."""
        if self._is_device:
            with suppress(OSError):  # unaligned, or a device that cannot
                fcntl.ioctl(self._fd, BLKZEROOUT, struct.pack("QQ", offset, length))
                return
        # a hole takes no room in the filesystem below; a range of zeros may take all of it
        elif self._allocate(PUNCH_HOLE, offset, length) or self._allocate(ZERO_RANGE, offset, length):
            return
        for place in range(offset, offset + length, PIECE):
            self.write(place, bytes(min(PIECE, offset + length - place)))

    def discard(self, offset: int, length: int) -> bool:
        """Say that nobody needs these bytes; what they read as is anybody's guess. False where it cannot."""
        if not self._is_device:
            return self._allocate(PUNCH_HOLE, offset, length)
        try:
            fcntl.ioctl(self._fd, BLKDISCARD, struct.pack("QQ", offset, length))
        except OSError:
            return False
        return True

    def _allocate(self, mode: int, offset: int, length: int) -> bool:
        return int(_libc.fallocate(self._fd, mode | KEEP_SIZE, offset, length)) == 0

    def flush(self) -> None:
        """Wait until all is on the medium, not only in a cache (fdatasync(2)). Raises DiskError (PV-316)."""
        try:
            os.fdatasync(self._fd)
        except OSError as fault:
            raise self._failed("flush", 0, fault) from fault

    def drop_caches(self) -> None:
        """Drop what the kernel remembers, so that the next read comes from the medium."""
        self.flush()
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if self._is_device:
            with suppress(OSError):
                fcntl.ioctl(self._fd, BLKFLSBUF)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes, through the page cache. Raises DiskError (PV-316)."""
        data = bytearray(length)
        self._read(self._fd, memoryview(data), offset, length)
        return bytes(data)

    def read_direct(self, offset: int, length: int) -> memoryview:
        """Exactly so many bytes, from the medium and not from the page cache; good until this thread's next.

        Raises DiskError (PV-316).
        """
        begin = offset - offset % ALIGNMENT
        end = -(-(offset + length) // ALIGNMENT) * ALIGNMENT
        view = memoryview(self._buffer(end - begin))[: end - begin]
        if self._direct < 0:
            self.flush()
            os.posix_fadvise(self._fd, begin, end - begin, os.POSIX_FADV_DONTNEED)
        descriptor = self._direct if self._direct >= 0 else self._fd
        self._read(descriptor, view, begin, offset + length - begin)
        return view[offset - begin : offset - begin + length]

    def _read(self, descriptor: int, view: memoryview, offset: int, needed: int) -> None:
        done = 0
        try:
            while done < needed:
                more = os.preadv(descriptor, [view[done:]], offset + done)
                if not more:
                    raise DiskError(f"{self.path.name} ends at byte {offset + done}", code=316)
                done += more
        except OSError as fault:
            raise self._failed("read", offset, fault) from fault

    def reread_table(self) -> None:
        """Tell the kernel about the new partitions; it does not matter where it will not."""
        if self._is_device:
            with suppress(OSError):
                fcntl.ioctl(self._fd, BLKRRPART)

    def _failed(self, verb: str, offset: int, fault: OSError) -> DiskError:
        if not self._is_device and fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return DiskError(
                f"{self.path.name}: no room is left for what is written at byte {offset}: {fault.strerror}",
                hint="make room on the file system of that file, then write it again",
                code=316,
            )
        return DiskError(
            f"{self.path.name}: the disk failed to {verb} at byte {offset}: {fault.strerror}",
            hint="the disk is probably broken: replace it, then provision retry",
            code=316,
        )


def _is_aligned(view: memoryview) -> bool:
    """Whether O_DIRECT takes it as it lies in memory; what cannot be written to has no address here."""
    if view.readonly or not view:
        return False
    return ctypes.addressof(ctypes.c_char.from_buffer(view)) % ALIGNMENT == 0


def is_zero(view: memoryview) -> bool:
    """Whether every byte is 0: the first is, and each is as the next (memcmp, at the memory's speed)."""
    if not len(view) or view[0]:
        return not len(view)
    first = ctypes.addressof(ctypes.c_char.from_buffer(view))
    return int(_libc.memcmp(first, first + 1, len(view) - 1)) == 0
