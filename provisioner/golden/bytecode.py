"""Keeps Python's byte code valid after every file has got the same time (PEP 552)."""

import struct
from pathlib import Path

HEADER = struct.Struct("<4sIII")  # magic, flags, the source's time, the source's size
BY_TIME = 0  # flags: the source is recognised by time and size; otherwise by its hash


def redate(root: Path, epoch: int) -> int:
    """Write `epoch` into every .pyc below `root` that is recognised by time; how many there were."""
    done = 0
    for path in sorted(root.rglob("*.pyc")):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("r+b") as file:
            head = file.read(HEADER.size)
            if len(head) < HEADER.size or HEADER.unpack(head)[1] != BY_TIME:
                continue
            magic, flags, _, size = HEADER.unpack(head)
            file.seek(0)
            file.write(HEADER.pack(magic, flags, epoch & 0xFFFFFFFF, size))
            done += 1
    return done
