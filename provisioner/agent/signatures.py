"""What on a disk is somebody else's: parts of LVM, RAID, ZFS, encrypted or cluster storage. It only reads.

A disk of such a set looks like an empty one, and erasing it breaks what lies on several. Places and magic
numbers are those of util-linux's libblkid.
"""

import struct
from collections.abc import Callable, Iterator

from provisioner.imaging import gpt

Reader = Callable[[int, int], bytes]  # offset and length in bytes
MD = struct.pack("<I", 0xA92B4EFC)
# (what it is, offset from the start, the bytes there)
SIGNATURES = (
    *(("LVM", 512 * sector, b"LABELONE") for sector in range(4)),
    ("RAID (md)", 0, MD),
    ("RAID (md)", 4096, MD),
    ("encrypted data (LUKS)", 0, b"LUKS\xba\xbe"),
    ("encrypted data (LUKS)", 0x4000, b"SKUL\xba\xbe"),
    ("Ceph storage", 0, b"bluestore block device"),
    ("bcache", 4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    ("VMware storage (VMFS)", 1 << 20, b"\x0d\xd0\x01\xc0"),
    ("VMware storage (vSAN)", 0, b"VSAN"),
    ("DRBD", 4096 + 60, b"\x83\x74\x02\x6b"),
)
ZFS = (struct.pack("<Q", 0x00BAB10C), struct.pack(">Q", 0x00BAB10C))  # uberblocks, in either byte order
LABEL = 256 << 10  # bytes of a ZFS label; two at the start, two at the end
TYPES = {
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "LVM",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "RAID (md)",
    "6a898cc3-1dd2-11b2-99a6-080020736631": "ZFS",
    "516e7cba-6ecf-11d6-8ff8-00022d09712b": "ZFS",
    "aa31e02a-400f-11db-9590-000c2911d1b8": "VMware storage (VMFS)",
    "4fbd7e29-9d25-41b8-afd0-062c0ceff05d": "Ceph storage",
    "cafecafe-9b03-4f30-b4c6-b4b80ceff106": "Ceph storage",
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": "Windows Storage Spaces",
}


def foreign(reader: Reader, size: int, table: gpt.PartitionTable | None) -> str:
    """In words, what of the disk is part of something larger; empty where nothing is.

    `table` is the disk's partition table, if it has a valid one. Raises OSError.
    """
    signatures: list[str] = []
    signatures += [f"{signature} on the whole disk" for signature in _signatures(reader, 0, size)]
    for number, part in enumerate(table.partitions if table else (), 1):
        part_signatures = dict.fromkeys(_signatures(reader, part.offset, part.length))
        if kind := TYPES.get(part.type):
            part_signatures[kind] = None
        signatures += [f"{signature} on partition {number}" for signature in part_signatures]
    for number, offset, length in _mbr(reader) if table is None else ():
        signatures += [
            f"{signature} on partition {number}" for signature in _signatures(reader, offset, length)
        ]
    return ", ".join(dict.fromkeys(signatures))


def _mbr(reader: Reader) -> Iterator[tuple[int, int, int]]:
    head = reader(0, 512)
    if head[510:512] != b"\x55\xaa":
        return
    for number in range(4):
        kind, first, count = struct.unpack_from("<4xB3xII", head, 446 + 16 * number)
        if kind and count:
            yield number + 1, first * 512, count * 512


def _signatures(reader: Reader, offset: int, length: int) -> list[str]:
    head = reader(offset, min(length, (1 << 20) + 512))
    names = [
        name for name, place, signature in SIGNATURES if head[place : place + len(signature)] == signature
    ]
    for place in (0, LABEL, length - length % LABEL - 2 * LABEL, length - length % LABEL - LABEL):
        if place >= 0 and _has_uberblock(reader(offset + place + (LABEL >> 1), LABEL >> 1)):
            names.append("ZFS")
    return list(dict.fromkeys([*names, *_at_the_end(reader, offset, length)]))


def _has_uberblock(body: bytes) -> bool:
    return any(body[place : place + 8] in ZFS for place in range(0, len(body), 1024))


def _at_the_end(reader: Reader, offset: int, length: int) -> Iterator[str]:
    """Old md versions and controllers' RAID write behind the data."""
    if length < 256 << 10:
        return
    old = (length & ~0xFFFF) - 0x10000  # md 0.90
    late = ((length >> 9) - 16 & ~7) << 9  # md 1.0
    for place in (old, late):
        if reader(offset + place, 4) in (MD, MD[::-1]):
            yield "RAID (md)"
    if reader(offset + length - 1024, 24).startswith(b"Intel Raid ISM Cfg Sig."):
        yield "RAID (Intel)"
    if reader(offset + length - 512, 4) in (b"\xde\x11\xde\x11", b"\x11\xde\x11\xde"):
        yield "RAID (DDF)"
