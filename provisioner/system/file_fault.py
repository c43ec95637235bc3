"""What the operating system says of a file, as a sentence, what to do, and a code."""

import errno
import os
from pathlib import Path

from provisioner.errors import FileError
from provisioner.system.text import escape

NO_ROOM = {
    errno.ENOSPC: ("no room is left on its file system", "df -h shows how much there is; make room"),
    errno.EDQUOT: ("the quota of its owner is used up", "quota shows how much there is; make room"),
    errno.EFBIG: ("it would be larger than is allowed here", "ulimit -f shows the limit of this process"),
}
FAULTS = {
    errno.ENOENT: ("there is no such file or folder", "check the name; ls shows what is there"),
    errno.EISDIR: ("it is a folder, and a file is wanted", "give the name of a file"),
    errno.ENOTDIR: ("a part of its path is a file, not a folder", "check the path; ls -ld shows each part"),
    errno.EEXIST: ("something of that name is there already", "remove it, or give another name"),
    errno.ENOTEMPTY: ("the folder is not empty", "empty it, or give another one"),
    errno.EACCES: ("you have no permission", "ls -ld shows owner and mode; or use another place"),
    errno.EPERM: ("it may not be changed", "lsattr -d shows whether it is immutable; or use another place"),
    errno.EROFS: ("its file system is read-only", "use another place, or mount it writable"),
    errno.ENAMETOOLONG: ("the name is longer than a file system allows", "give a shorter one"),
    errno.ELOOP: ("its symbolic links lead in a circle", "ls -l shows where they lead"),
    errno.EMFILE: ("this process has too many open files", "ulimit -n shows the limit; raise it"),
    errno.ENFILE: ("this machine has too many open files", "sysctl fs.file-max shows the limit; raise it"),
    errno.EIO: ("its medium failed to read or write", "dmesg names the disk; it is probably broken"),
    errno.EXDEV: ("it lies on another file system", "use a place on the same one"),
    errno.ETXTBSY: ("it is a program that is running", "end it first, or use another place"),
    errno.ESTALE: ("the network file system has lost it", "mount it again"),
    errno.ENXIO: ("the device behind it is gone", "plug it in again, or use another place"),
    errno.ENODEV: ("the device behind it is gone", "plug it in again, or use another place"),
    errno.EBADF: ("it is closed", "start the command with it open"),
    errno.EPIPE: ("nobody reads it any more", "start the command again with a reader"),
}


def explained(fault: OSError, place: Path | str = "") -> FileError:
    """The error for people: PV-151 where there is no room, else PV-150.

    `place` is what they call the file; unless given, it is what the fault names.
    """
    name = str(place or _named(fault) or "a file")
    number = fault.errno or 0
    unknown = (fault.strerror or str(fault) or type(fault).__name__, "")
    words, hint = {**FAULTS, **NO_ROOM}.get(number, unknown)
    return FileError(f"{escape(name)}: {words}", hint=hint, code=151 if number in NO_ROOM else 150)


def full(folder: Path) -> FileError:
    """The error (PV-151) of a folder whose file system had no room for what was to be written."""
    return explained(OSError(errno.ENOSPC, ""), folder)


def no_room(folder: Path) -> FileError | None:
    """The error (PV-151) of a folder on whose file system no room is left; None where there is some."""
    return None if os.statvfs(folder).f_bavail else full(folder)


def _named(fault: OSError) -> str:
    """Of two names the second: a file that is renamed is known by its new one."""
    for name in (fault.filename2, fault.filename):
        if isinstance(name, str | bytes) and name:
            return name if isinstance(name, str) else name.decode(errors="replace")
    return ""
