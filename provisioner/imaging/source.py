"""A raw disk image as it is packed: its partitions, its holes, what its root filesystem left free."""

import copy
import errno
import os
import stat
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner.errors import InputError, PackError
from provisioner.imaging import ext4, fat, file_formats, fsck, gpt, layout
from provisioner.imaging.manifest import ROLES, Partition

SECTOR = 512
LARGEST = 4 << 40  # bytes; what is larger is no image but a mistake, or an endless file

# why the free space of an ext4 is packed as if files lay there, by what e2fsck says of it
DOUBTS: dict[ext4.Verdict, str] = {
    "wrong": "e2fsck -fn finds errors in the root filesystem, so its free space is packed too; repair it",
    "unknown": "nothing proves what the root filesystem calls free, so that is packed too: it has no "
    "checksums of its bitmaps, or wrong ones, and e2fsck (package e2fsprogs) is missing or cannot read it",
    "sound": "the root filesystem's counts of free blocks do not fit, so its free space is packed too",
}
UNREAD = (
    "the root filesystem's free space is packed too: it was not unmounted cleanly, has errors or a wrong "
    "checksum, or features whose bitmaps are not read here"
)


class RawImage:
    """Opened for reading; it must be a regular file and stay as it is."""

    def __init__(self, path: Path) -> None:
        """Raises InputError (PV-327) for what is no raw disk with a GUID partition table.

        Raises PackError (PV-322, PV-324) for a table that no host can take.
        """
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not hang us
        except OSError as fault:
            raise InputError(f"{path} cannot be read: {fault.strerror}", code=320) from fault
        try:
            self._before = os.fstat(self._fd)
            self.size = self._before.st_size
            self._check_kind()
            self.partitions = self._find_partitions()
        except BaseException:
            os.close(self._fd)
            raise
        self._data = (0, 0)  # a stretch known to be a hole: from, to

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def twin(self) -> Self:
        """The same image once more, for another thread: what is known of its holes is a reader's own."""
        twin = copy.copy(self)
        twin._fd = os.dup(self._fd)
        return twin

    def _check_kind(self) -> None:
        if not stat.S_ISREG(self._before.st_mode):
            raise InputError(f"{self.path} is no regular file", hint="give a finished raw image", code=327)
        if form := file_formats.virtual_disk(os.pread(self._fd, 8, 0)):
            raise InputError(
                f"this is a virtual machine's disk, not a raw one: {form}",
                hint="say --format qcow2" if form == "qcow2" else "convert it to a raw image first",
                code=327,
            )
        if self.size > LARGEST:
            raise InputError(
                f"{self.path.name} has {self.size} bytes, more than any image ({LARGEST})", code=327
            )

    def read(self, offset: int, length: int) -> bytes:
        """So many bytes. Raises PackError (PV-327) where the file ends before: it is being changed."""
        data = os.pread(self._fd, length, offset)
        while len(data) < length:
            more = os.pread(self._fd, length - len(data), offset + len(data))
            if not more:
                raise self._changed()
            data += more
        return data

    def _find_partitions(self) -> tuple[Partition, ...]:
        def reader(offset: int, length: int) -> bytes:
            return os.pread(self._fd, length, offset)

        try:
            table = gpt.read(reader, SECTOR)
        except PackError as fault:
            found = file_formats.instead_of_disk(reader, self.size, fault)
            words = f"this is no raw disk image: {found.words}"
            raise InputError(words, hint=found.hint, code=327) from fault
        if self.size % SECTOR:
            raise InputError(f"the image has {self.size} bytes, no multiple of {SECTOR}", code=327)
        layout.check_table(table, reader(0, SECTOR), self.size)
        return tuple(
            Partition(part.name, part.guid, fat.label(reader(part.offset, SECTOR)), part.offset, part.length)
            for part in table.partitions
            if part.name in ROLES
        )

    def check_filesystems(self) -> None:
        """Raises PackError (PV-322) where one does not fit into its partition."""
        layout.check_filesystems(
            {part: self.read(part.offset, min(layout.HEAD, part.length)) for part in self.partitions}
        )

    @property
    def doubt(self) -> str:
        """Why what the root filesystem calls free is packed all the same; empty where it is not."""
        return self._free[1]

    @cached_property
    def _free(self) -> tuple[ext4.FreeMap | None, str]:
        """Of the root filesystem, where it is a clean ext4 that lies in its partition; else why not."""
        root = self._root
        if root is None:
            return None, ""

        def reader(offset: int, length: int) -> bytes:
            inside = max(0, min(length, root.length - offset))
            return os.pread(self._fd, inside, root.offset + offset)

        verdict: ext4.Verdict = "unknown"
        is_unmounted = ext4.is_unmounted(reader)
        if is_unmounted:
            verdict = fsck.check(f"/proc/{os.getpid()}/fd/{self._fd}", root.offset)
        found = ext4.free_map(reader, verdict)
        if found or not ext4.is_there(reader(0, ext4.HEAD)):
            return found, ""
        return None, DOUBTS[verdict] if is_unmounted else UNREAD

    @cached_property
    def _root(self) -> Partition | None:
        return next((part for part in self.partitions if part.role == "root"), None)

    def is_free(self, offset: int, length: int) -> bool:
        """Whether ext4 says that no byte of this range belongs to anything; both in bytes."""
        free, root = self._free[0], self._root
        if free is None or root is None or offset < root.offset:
            return False
        inside = offset + length <= root.offset + root.length
        return inside and free.covers(offset - root.offset, length)

    def is_hole(self, offset: int, length: int) -> bool:
        """Whether the file has nothing there, which reads as zeros; asked in rising order it is cheap."""
        begin, end = self._data
        if not begin <= offset < end:
            try:
                end = os.lseek(self._fd, offset, os.SEEK_DATA)
            except OSError as fault:
                if fault.errno != errno.ENXIO:  # a filesystem that cannot tell
                    return False
                end = self.size  # no data behind it
            self._data = (offset, end)
        return offset + length <= end

    def check_unchanged(self) -> None:
        """Raises PackError (PV-327) where somebody wrote to it meanwhile."""
        after = os.fstat(self._fd)
        if (self.size, self._before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise self._changed()

    def _changed(self) -> PackError:
        return PackError(f"{self.path.name} was changed while it was read", hint="pack it again", code=327)
