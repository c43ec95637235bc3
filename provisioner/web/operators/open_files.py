"""Files that a caller has opened himself and sent by the Unix socket: none is read that he could not read."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flask import request

from provisioner.errors import InputError, RefusedError
from provisioner.web.client_sockets import LocalSocket

O_PATH = getattr(os, "O_PATH", 0o10000000)  # a descriptor that may be had of a file that one may not read


@contextmanager
def received(names: Sequence[str], folder: Path) -> Iterator[Path]:
    """A folder within `folder` where the files that came with the request have these names, in their order.

    Raises RefusedError (PV-130) over the network, where no open file can come; InputError (PV-320) for
    another number of files, and for what is not open for reading, or no file.
    """
    sock = request.environ.get("gunicorn.socket")
    if not isinstance(sock, LocalSocket):
        raise RefusedError(
            "files are taken on the service's own machine alone, from who can read them there",
            hint="copy the files there, and say it there: provision image add FILE",
        )
    files = sock.take_files()
    try:
        if len(files) != len(names):
            raise InputError(f"{len(names)} open files belong to this, {len(files)} came", code=320)
        for name, file in zip(names, files, strict=True):
            _require_readable(name, file)
        with tempfile.TemporaryDirectory(dir=folder) as made:
            for name, file in zip(names, files, strict=True):
                # of this process by its number: programs that it starts read there, too
                (Path(made) / name).symlink_to(f"/proc/{os.getpid()}/fd/{file}")
            yield Path(made)
    finally:
        for file in files:
            os.close(file)


def _require_readable(name: str, file: int) -> None:
    """Opening it once more, by its number, is done with our rights: so it must be open for reading by his."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    is_open = not flags & O_PATH and flags & os.O_ACCMODE in (os.O_RDONLY, os.O_RDWR)
    if not is_open or not stat.S_ISREG(os.fstat(file).st_mode):
        raise InputError(f"{name} is no file that is open for reading", code=320)
