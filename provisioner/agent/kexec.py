"""Starts the written system's own kernel from the ramdisk, which saves one start of the firmware.

By kexec_file_load(2): the kernel itself reads both files and, where it is locked down (Secure Boot), wants
their signature. The older kexec_load(2) would go around that and is never tried.
"""

import ctypes
import errno
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from provisioner.agent.boot_files import RootFiles
from provisioner.agent.grub_menu import BootEntry, Platform, default_entry
from provisioner.agent.grub_script import GrubError
from provisioner.agent.sysfs import read_word
from provisioner.errors import ProvisionError
from provisioner.imaging import ext4
from provisioner.imaging.manifest import Manifest
from provisioner.run import run

MARKER = "provisioner.kexec=1"  # a word of the kernel's command line, by which its system knows
SYS_KEXEC_FILE_LOAD = 320  # x86-64
NO_INITRAMFS = 0x4  # KEXEC_FILE_NO_INITRAMFS
REBOOT_KEXEC = 0x45584543  # LINUX_REBOOT_CMD_KEXEC
LONGEST = 2047  # bytes of a command line: COMMAND_LINE_SIZE of x86 without its end
UUID = 1024 + 0x68  # bytes from the start of an ext4 (super.rst, s_uuid)
ALIGNED = 4  # bytes to which GRUB aligns one initrd behind another (grub-core/loader/linux.c)
REFUSED_KEYS = (errno.EPERM, errno.EACCES, errno.ENOKEY, errno.EKEYREJECTED, errno.EBADMSG)
LOCKED = "Is Secure Boot on, and the kernel not signed by a key that this machine trusts?"
_libc = ctypes.CDLL(None, use_errno=True)


class DoubtError(Exception):
    """Why the firmware shall start the disk after all, in a sentence."""


@dataclass(frozen=True)
class WrittenRoot:
    """Where the root file system was written: the disk's name, offset and length in bytes."""

    disk: str
    offset: int
    length: int

    @classmethod
    def of(cls, disk: str, manifest: Manifest) -> Self | None:
        """Where an image's root lies on the disk of this name; None where the image has none."""
        roots = [part for part in manifest.partitions if part.role == "root"]
        return cls(disk, roots[0].offset, roots[0].length) if roots else None


@dataclass(frozen=True)
class KexecCalls:
    """The two system calls; tests give others.

    `load` takes the kernel's path, the initrd's or None, the command line, and raises OSError; `execute`
    only returns where it failed.
    """

    load: Callable[[Path, Path | None, str], None]
    execute: Callable[[], None]


def find_partition(written: WrittenRoot, sysfs: Path = Path("/sys/class/block")) -> Path:
    """The device node of the partition that begins and ends where the root was written. Raises DoubtError."""
    for place in sorted((sysfs / written.disk).glob(f"{written.disk}*/start")):
        start = int(read_word(place) or 0) * 512
        length = int(read_word(place.with_name("size")) or 0) * 512
        if start == written.offset and length >= written.length:
            return Path("/dev") / place.parent.name
    raise DoubtError(f"the kernel shows no partition of {written.disk} at byte {written.offset}")


def clean_uuid(partition: Path) -> str:
    """The UUID of the ext4 there, which must have been unmounted cleanly. Raises DoubtError."""
    try:
        with partition.open("rb") as device:
            head = device.read(ext4.HEAD)
    except OSError as fault:
        raise DoubtError(f"the written root cannot be read: {fault}") from fault
    if not ext4.is_unmounted(lambda offset, length: head[offset : offset + length]):
        raise DoubtError("the written root is no ext4, or was not unmounted cleanly")
    return str(uuid.UUID(bytes=head[UUID : UUID + 16]))


def firmware() -> Platform:
    """Which of GRUB's platforms this machine starts."""
    return "efi" if Path("/sys/firmware/efi").is_dir() else "pc"


@contextmanager
def _mounted(partition: Path) -> Iterator[Path]:
    """The root file system for reading; its journal is not even looked at."""
    with TemporaryDirectory(prefix="root-") as folder:
        try:
            run(["modprobe", "ext4"], check=False)
            run(["mount", "-t", "ext4", "-o", "ro,noload", partition, folder])
        except ProvisionError as fault:
            raise DoubtError(f"the written root cannot be mounted: {fault}") from fault
        try:
            yield Path(folder)
        finally:
            _unmount(folder)


def _unmount(folder: str) -> None:
    try:
        run(["umount", folder])
    except ProvisionError as fault:
        raise DoubtError(f"the written root cannot be unmounted: {fault}") from fault


def load(root: Path, name: str, kind: Platform, calls: KexecCalls) -> BootEntry:
    """Hand to the kernel what GRUB would start of the system below `root`, whose UUID is `name`.

    Raises DoubtError.
    """
    if platform.machine() != "x86_64":
        raise DoubtError(f"this is no x86-64 machine, but {platform.machine()}")
    files = RootFiles(root)
    try:
        entry = default_entry(files.text, name, kind)
        line = _command_line(entry)
        kernel = files.find(entry.kernel)
        initrds = [files.find(path) for path in entry.initrds]
    except GrubError as fault:
        raise DoubtError(f"GRUB's menu is not clear: {fault}") from fault
    except OSError as fault:
        raise DoubtError(f"the written root cannot be read: {fault}") from fault
    with TemporaryDirectory(prefix="initrd-") as folder:
        try:
            calls.load(kernel, _joined(initrds, Path(folder)), line)
        except OSError as fault:
            hint = f". {LOCKED}" if fault.errno in REFUSED_KEYS else ""
            raise DoubtError(f"the ramdisk's kernel does not take it: {fault.strerror}{hint}") from fault
    return entry


def _command_line(entry: BootEntry) -> str:
    line = f"{entry.command_line} {MARKER}"
    if len(line.encode()) > LONGEST:
        raise DoubtError(f"its command line has {len(line)} characters with ours")
    return line


def _joined(initrds: list[Path], folder: Path) -> Path | None:
    """GRUB puts several behind each other; the kernel is given one file."""
    if len(initrds) < 2:
        return initrds[0] if initrds else None
    whole = folder / "initrd"
    with whole.open("wb") as file:
        for path in initrds:
            file.write(bytes(-file.tell() % ALIGNED))
            with path.open("rb") as part:
                shutil.copyfileobj(part, file)
    return whole


def _load(kernel: Path, initrd: Path | None, line: str) -> None:
    """kexec_file_load(2). Raises OSError."""
    with ExitStack() as stack:
        kernel_file = stack.enter_context(kernel.open("rb"))
        initrd_file = stack.enter_context(initrd.open("rb")) if initrd else None
        text = line.encode() + b"\0"
        done = _libc.syscall(
            ctypes.c_long(SYS_KEXEC_FILE_LOAD),
            ctypes.c_int(kernel_file.fileno()),
            ctypes.c_int(initrd_file.fileno() if initrd_file else -1),
            ctypes.c_ulong(len(text)),
            text,
            ctypes.c_ulong(0 if initrd_file else NO_INITRAMFS),
        )
    if done:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _execute() -> None:
    """reboot(2) into what was loaded: it comes back only where it failed."""
    os.sync()
    _libc.reboot(ctypes.c_int(REBOOT_KEXEC))


CALLS = KexecCalls(_load, _execute)


class Kexec:
    """The written system's kernel, by `calls`: prepared, told of, and then started."""

    def __init__(self, calls: KexecCalls = CALLS) -> None:
        self._calls = calls

    def prepare(self, written: WrittenRoot) -> BootEntry:
        """Load what the disk's GRUB would start; nothing is mounted afterwards, nothing was written.

        Raises DoubtError.
        """
        partition = find_partition(written)
        name = clean_uuid(partition)
        with _mounted(partition) as root:
            return load(root, name, firmware(), self._calls)

    def execute(self) -> None:
        """Leave for the kernel that was prepared; comes back only where that failed."""
        self._calls.execute()
