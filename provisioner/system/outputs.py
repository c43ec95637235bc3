"""Files that a command writes: whole, on the medium and under their names, or not at all."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.system import file_fault

STREAMS = ("/dev/fd/", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/proc/")  # nothing can take their place


def write(target: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Give a file this content in one step; its mode stays, unless another is given. Text becomes UTF-8.

    A device or a pipe is simply written to. Raises FileError (PV-150, PV-151); then the file is as before.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        real = target.resolve() if target.is_symlink() else target
        is_stream = str(target).startswith(STREAMS) or (real.exists() and not real.is_file())
        if is_stream:
            real.write_bytes(data)
            return
        kept = stat.S_IMODE(real.stat().st_mode) if real.exists() else None
    except OSError as fault:
        raise file_fault.explained(fault, target) from fault
    with staging(real.parent, real.name) as stage:
        fresh = stage / real.name
        try:
            fresh.write_bytes(data)
        except OSError as fault:
            raise file_fault.explained(fault, target) from fault
        wanted = kept if mode is None else mode
        if wanted is not None:
            fresh.chmod(wanted)


@contextmanager
def staging(folder: Path, *names: str) -> Iterator[Path]:
    """A hidden folder to write files of these names into. At the block's end they are in `folder`.

    They come in the order of `names`, so put last what says that the others are whole: a manifest, then its
    signature. Where the block or a step after it fails, `folder` is as it was before; it is made if it is
    missing. Raises FileError (PV-150, PV-151).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, "", str(folder / name))
    except OSError as fault:
        raise file_fault.explained(fault) from fault
    try:
        work = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as fault:
        raise file_fault.explained(fault, folder) from fault
    try:
        yield work
        _publish(work, folder, names)
    except OSError as fault:
        raise file_fault.explained(fault, _place(fault, work, folder)) from fault
    except ProvisionError as fault:
        if full := file_fault.no_room(folder):  # then a program that we ran has failed for want of it
            raise full from fault
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _publish(work: Path, folder: Path, names: Sequence[str]) -> None:
    """Each to its place, by rename(2); those that were there come back where one cannot be moved."""
    for name in names:
        _sync(work / name)
    before = Path(tempfile.mkdtemp(dir=work))
    moved: list[str] = []
    try:
        for name in names:
            _keep(folder / name, before / name)
            (work / name).replace(folder / name)
            moved.append(name)
    except BaseException:
        for name in moved:
            _put_back(before / name, folder / name)
        raise
    with suppress(OSError):  # not every file system can: then they are there, though perhaps not yet safe
        _sync(folder)


def _keep(target: Path, before: Path) -> None:
    """A second name for what is there now; a copy where the file system knows no second names."""
    try:
        os.link(target, before, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError:
        shutil.copy2(target, before, follow_symlinks=False)


def _put_back(before: Path, target: Path) -> None:
    with suppress(OSError):
        if before.exists():
            before.replace(target)
        else:
            target.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _place(fault: OSError, work: Path, folder: Path) -> Path | str:
    """What people call the file: nobody knows the hidden folder."""
    name = fault.filename2 or fault.filename
    if not isinstance(name, str):
        return folder
    path = Path(name)
    return folder / path.relative_to(work) if path.is_relative_to(work) else name
