"""Tells a damaged write-ahead log from one that a crash has cut: SQLite itself takes both for its end.

The format is https://sqlite.org/fileformat2.html#walformat: a header of 32 bytes, then frames of 24 bytes
and a page; each frame has the header's two salts, and a checksum over all frames before it.
"""

import struct
from pathlib import Path
from typing import BinaryIO

HEADER = struct.Struct(">8I")  # magic, version, page size, sequence, two salts, two checksums
FRAME = struct.Struct(">6I")  # page, pages after a commit (else 0), two salts, two checksums
MAGIC = {0x377F0682: "<", 0x377F0683: ">"}  # and in which byte order the checksums read their words
MASK = 0xFFFFFFFF
# A commit is on the disk before the next one begins (PRAGMA synchronous=FULL), so a crash can spoil the last
# one only; where more of them follow a frame that is wrong, something else has spoilt it.
LOST_COMMITS = 2
Checksum = tuple[int, int]


def damage(path: Path) -> str:
    """What is wrong with the log, in words; empty where it is whole, cut by a crash, or not there.

    Raises OSError where it cannot be read.
    """
    if not path.exists():
        return ""
    with path.open("rb") as log:
        head = log.read(HEADER.size)
        if len(head) < HEADER.size or not any(head):  # a crash came before the first frame
            return ""
        magic, _, page_size, _, *rest = HEADER.unpack(head)
        order = MAGIC.get(magic)
        if order is None or _sum(order, head[:24], (0, 0)) != (rest[2], rest[3]):
            return "the head of its write-ahead log is damaged"
        number = _first_wrong(log, order, page_size, (rest[0], rest[1]), (rest[2], rest[3]))
        log.seek(HEADER.size + number * (FRAME.size + page_size))
        if _commits(log, page_size, (rest[0], rest[1])) >= LOST_COMMITS:
            return (
                f"its write-ahead log is damaged in frame {number + 1}, and changes follow that would be lost"
            )
    return ""


def _first_wrong(log: BinaryIO, order: str, page_size: int, salts: Checksum, total: Checksum) -> int:
    """How many frames are whole, from the first on."""
    number = 0
    while len(frame := log.read(FRAME.size + page_size)) == FRAME.size + page_size:
        _, _, salt1, salt2, sum1, sum2 = FRAME.unpack_from(frame)
        total = _sum(order, frame[FRAME.size :], _sum(order, frame[:8], total))
        if (salt1, salt2) != salts or total != (sum1, sum2):
            break
        number += 1
    return number


def _commits(log: BinaryIO, page_size: int, salts: Checksum) -> int:
    """How many commits of this log, and not of an earlier one in the same file, lie from here on."""
    count = 0
    while len(frame := log.read(FRAME.size + page_size)) == FRAME.size + page_size:
        _, commit, salt1, salt2, _, _ = FRAME.unpack_from(frame)
        count += bool(commit) and (salt1, salt2) == salts
    return count


def _sum(order: str, data: bytes, start: Checksum) -> Checksum:
    """The checksum of the format's section 4.2, continued from `start`; a multiple of 8 bytes."""
    first, second = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & MASK
        second = (second + odd + first) & MASK
    return first, second
