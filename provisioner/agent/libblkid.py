"""Asks util-linux's libblkid what lies on a disk: signatures of every kind, partitions of any table.

The library is called in this process, as it takes an open file and a range of it; blkid and wipefs, which
are made of it, do not. It only reads. Constants are those of blkid.h (util-linux 2.38).
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

LIBRARY = "libblkid.so.1"
TYPE, USAGE, DAMAGED = 1 << 5, 1 << 7, 1 << 10  # BLKID_SUBLKS_TYPE, _USAGE, _BADCSUM
FORCE_GPT = 1 << 1  # BLKID_PARTS_FORCE_GPT: also without a protective MBR
MOST_ANSWERS = 256  # more kinds than it knows
_TEXTS = ("blkid_partition_get_type_string",)
_NUMBERS = ("blkid_partition_get_start", "blkid_partition_get_size")
_PLACES = ("blkid_new_probe", "blkid_probe_get_partitions", "blkid_partlist_get_partition")


@dataclass(frozen=True)
class Signature:
    """What libblkid found: its name of the kind, and `filesystem`, `raid`, `crypto` or `other`."""

    kind: str
    usage: str


@dataclass(frozen=True)
class FoundPartition:
    """A partition of whichever table; offset and length in bytes, `type` as `blkid -p` prints it."""

    number: int
    offset: int
    length: int
    type: str  # a GUID, or 0x8e of an MBR


def signatures(descriptor: int, offset: int, length: int) -> list[Signature]:
    """Every signature in that range, as wipefs lists them. Raises OSError where the library is missing."""
    found = []
    with _probe(descriptor, offset, length) as probe:
        library = _library()
        library.blkid_probe_enable_superblocks(probe, 1)
        library.blkid_probe_set_superblocks_flags(probe, TYPE | USAGE | DAMAGED)
        for _ in range(MOST_ANSWERS):
            answer = library.blkid_do_probe(probe)
            if answer == 0:
                found.append(Signature(_value(probe, b"TYPE"), _value(probe, b"USAGE")))
            elif answer > 0:
                break  # below 0 one kind could not be looked for; the others can
    return [signature for signature in found if signature.kind]


def partitions(descriptor: int, size: int, sector: int) -> list[FoundPartition]:
    """The partitions of the table on a disk of `size` bytes whose sectors have `sector` bytes.

    Logical ones too, and those of a backup GPT whose primary is gone. Raises OSError.
    """
    library = _library()
    with _probe(descriptor, 0, size) as probe:
        library.blkid_probe_set_sectorsize(probe, sector)
        library.blkid_probe_enable_superblocks(probe, 0)
        library.blkid_probe_enable_partitions(probe, 1)
        library.blkid_probe_set_partitions_flags(probe, FORCE_GPT)
        table = library.blkid_probe_get_partitions(probe)
        count = library.blkid_partlist_numof_partitions(ctypes.c_void_p(table)) if table else 0
        places = (
            library.blkid_partlist_get_partition(ctypes.c_void_p(table), number) for number in range(count)
        )
        return [_partition(ctypes.c_void_p(place)) for place in places]


def _partition(place: ctypes.c_void_p) -> FoundPartition:
    library = _library()
    guid = library.blkid_partition_get_type_string(place)
    kind = guid.decode(errors="replace") if guid else f"{library.blkid_partition_get_type(place):#04x}"
    start, length = library.blkid_partition_get_start(place), library.blkid_partition_get_size(place)
    return FoundPartition(library.blkid_partition_get_partno(place), start * 512, length * 512, kind)


@contextmanager
def _probe(descriptor: int, offset: int, length: int) -> Iterator[ctypes.c_void_p]:
    probe = ctypes.c_void_p(_library().blkid_new_probe())
    try:
        if _library().blkid_probe_set_device(
            probe, descriptor, ctypes.c_int64(offset), ctypes.c_int64(length)
        ):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        yield probe
    finally:
        _library().blkid_free_probe(probe)


def _value(probe: ctypes.c_void_p, name: bytes) -> str:
    data = ctypes.c_char_p()
    if _library().blkid_probe_lookup_value(probe, name, ctypes.byref(data), None) or not data.value:
        return ""
    return data.value.decode(errors="replace")


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(LIBRARY, use_errno=True)
    for name in _PLACES:
        getattr(library, name).restype = ctypes.c_void_p
    for name in _NUMBERS:
        getattr(library, name).restype = ctypes.c_int64
    for name in _TEXTS:
        getattr(library, name).restype = ctypes.c_char_p
    return library
