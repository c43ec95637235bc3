"""Puts one file into a private folder of this host, or takes such a folder away with what still runs of it.

`place.py put NAME` reads the file as base64 from the standard input and prints the folder. `place.py remove
FOLDER` ends every process that names the folder in its arguments, and prints how many there were. It fails
where one of them lives on. No root is needed. The folder lies in memory, so nothing is written on a disk;
where TMPDIR is set or there is no /dev/shm, it is where temporary files are.
"""

import base64
import os
import re
import select
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "provision-"
MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own below it, which nobody else can read
GRACE = {signal.SIGTERM: 10.0, signal.SIGKILL: 10.0}  # seconds that each signal is given


def put(name: str) -> Path:
    """The folder, 0700, with the file of the standard input, 0600, in it."""
    is_ours = "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY if is_ours else None))
    with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(base64.b64decode(sys.stdin.read().strip(), validate=True))
    return folder


def users(folder: Path) -> list[int]:
    """The processes that name the folder, or a file in it, in their arguments; not we ourselves."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes().split(b"\0")
            start = bytes(folder)
            named = any(word == start or word.startswith(start + b"/") for word in words)
            is_dead = (place / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
            if named and not is_dead and int(place.name) not in (os.getpid(), os.getppid()):
                found.append(int(place.name))
    return found


def end(numbers: list[int], sign: signal.Signals) -> None:
    """Send the signal to each and wait until they have ended, as long as the signal is given."""
    waiting = []
    for number in numbers:
        with suppress(ProcessLookupError):
            waiting.append(os.pidfd_open(number))
            signal.pidfd_send_signal(waiting[-1], sign)
    for descriptor in waiting:
        select.select([descriptor], [], [], GRACE[sign] / len(waiting))
        os.close(descriptor)


def remove(folder: Path) -> int:
    """End what uses the folder, remove it; how many processes there were."""
    if not re.fullmatch(PREFIX + r"\w+", folder.name) or folder.is_symlink():
        raise SystemExit(f"{folder} is no folder of ours")
    found = users(folder)
    for sign in GRACE:
        end(users(folder), sign)
    shutil.rmtree(folder, ignore_errors=not folder.exists())
    if left := users(folder):
        raise SystemExit(f"processes that cannot be ended: {left}")
    return len(found)


if __name__ == "__main__":
    verb, argument = sys.argv[1:3]
    print(put(argument) if verb == "put" else remove(Path(argument)))
