"""What on a disk is somebody else's: parts of LVM, RAID, ZFS, encrypted or cluster storage. It only reads.

A disk of such a set looks like an empty one, and erasing it breaks what lies on several. Most is known by
util-linux's libblkid. The table here has what it does not know (2.38), and what it takes for none because a
part of it is damaged: that may still be all that its owner has.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace

from provisioner.agent import libblkid, partition_types
from provisioner.agent.libblkid import FoundPartition
from provisioner.agent.partition_types import CEPH, LDM, LUKS, LVM, MD, VMFS, VSAN, ZFS
from provisioner.agent.sector_reader import SectorReader
from provisioner.imaging import ext4

OCFS2 = "OCFS2, a cluster's file system"
LUSTRE = "Lustre, a cluster's file system"
ELSEWHERE = "{} with a part on another disk"
DM = "what device-mapper keeps of volumes elsewhere"
MD_MAGIC = struct.pack("<I", 0xA92B4EFC)
# (what it is, offset from the start, the bytes there)
SIGNATURES = (
    *((LVM, 512 * sector, b"LABELONE") for sector in range(4)),
    (MD, 0, MD_MAGIC),
    (MD, 4096, MD_MAGIC),
    (LUKS, 0, b"LUKS\xba\xbe"),
    (CEPH, 0, b"bluestore block device"),
    ("bcache", 4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    ("bcachefs", 4096 + 24, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")),
    ("encrypted data (BitLocker)", 3, b"-FVE-FS-"),
    ("encrypted data (dm-integrity)", 0, b"integr"),
    *((DM, 32, struct.pack("<Q", magic)) for magic in (27022010, 0o6142003, 2126579579, 0x8AF27F64)),
    (DM, 0, struct.pack("<I", 0x23489321)),  # dm-writecache; before it thin, cache, era and clone
    *(("Stratis", 512 * sector + 4, b"!Stra0tis\x86\xff\x02^\x41rh") for sector in (1, 9)),
    (VMFS, 1 << 20, b"\x0d\xd0\x01\xc0"),
    (VSAN, 0, b"VSAN"),
    ("DRBD", 4096 + 60, b"\x83\x74\x02\x6b"),
    *((OCFS2, 1 << power, b"OCFSV2") for power in (10, 11, 12, 13)),  # by the size of its blocks
    (LDM, 6 * 512, b"PRIVHEAD"),
)
HEAD = (1 << 20) + 512  # bytes from the start in which all of them lie
UBERBLOCKS = (struct.pack("<Q", 0x00BAB10C), struct.pack(">Q", 0x00BAB10C))  # ZFS, in either byte order
LABEL = 256 << 10  # bytes of a ZFS label; two at the start, two at the end
BTRFS = (64 << 10, 64 << 20, 256 << 30)  # a superblock and its copies
# by libblkid's name; RAID and encryption that is not here is named as libblkid names it
WORDS = {
    "LVM2_member": LVM,
    "LVM1_member": LVM,
    "linux_raid_member": MD,
    "ddf_raid_member": "RAID (DDF)",
    "isw_raid_member": "RAID (Intel)",
    "crypto_LUKS": LUKS,
    "DM_integrity": "encrypted data (dm-integrity)",
    "ceph_bluestore": CEPH,
    "VMFS_volume_member": VMFS,
    "VMFS": VMFS,
    "zfs_member": ZFS,
    "stratis": "Stratis",
    "drbd": "DRBD",
    "drbdmanage_control_volume": "DRBD",
    "bcache": "bcache",
    "bcachefs": "bcachefs",
    "vdo": "VDO",
    "oracleasm": "Oracle ASM",
    "ocfs": "OCFS, a cluster's file system",
    "ocfs2": OCFS2,
    "gfs": "GFS, a cluster's file system",
    "gfs2": "GFS2, a cluster's file system",
    "jbd": "the journal of a file system elsewhere",
    "xfs_external_log": "the journal of a file system elsewhere",
    "DM_snapshot_cow": "the snapshot of a volume elsewhere",
    "DM_verity_hash": "the checksums of a file system elsewhere",
    "mpool": "mpool storage",
    "nss": "Novell Storage Services",
}


def foreign(reader: SectorReader, size: int, sector: int) -> str:
    """In words, what of a disk of `size` bytes is part of something larger; empty where nothing is.

    `sector` is its sectors' size; the tables of disks with other sectors are looked for, too. What cannot be
    read counts as somebody else's: nobody knows. Raises OSError where libblkid is missing.
    """
    if size <= 0:
        return ""
    found = [f"{kind} on the whole disk" for kind in _kinds(reader, 0, size)]
    for part in () if reader.is_spent else _partitions(reader, size, sector):
        kinds = dict.fromkeys(_kinds(reader, part.offset, part.length))
        if kind := partition_types.kind(part.type):
            kinds[kind] = None
        found += [f"{kind} on partition {part.number}" for kind in kinds]
    if reader.fault:
        found.append(f"sectors that cannot be read ({reader.fault})")
    return ", ".join(dict.fromkeys(found))


def names(reader: SectorReader, size: int) -> list[str]:
    """What lies on the whole of a disk of `size` bytes, as blkid calls it. Raises OSError as `foreign`."""
    found = libblkid.signatures(reader.descriptor, 0, size) if size > 0 else []
    return list(dict.fromkeys(signature.kind for signature in found))


def has_partitions(reader: SectorReader, size: int, sector: int) -> bool:
    """Whether any table names a part of the disk. Raises OSError as `foreign`."""
    return size > 0 and any(_partitions(reader, size, sector))


def _partitions(reader: SectorReader, size: int, sector: int) -> Iterable[FoundPartition]:
    """Of the tables for all sizes of sectors, each place once.

    An MBR does not say for which it was made, so one is looked into in both ways.
    """
    places: dict[tuple[int, int], FoundPartition] = {}
    for unit in dict.fromkeys((sector, 512, 4096)):
        for part in libblkid.partitions(reader.descriptor, size, unit):
            if part.offset < size and part.length:
                length = min(part.length, size - part.offset)
                places.setdefault((part.offset, length), replace(part, length=length))
    return places.values()


def _kinds(reader: SectorReader, offset: int, length: int) -> list[str]:
    if length <= 0:
        return []
    head = reader(offset, min(length, HEAD))
    kinds = [name for name, place, magic in SIGNATURES if head[place : place + len(magic)] == magic]
    kinds += _zfs(reader, offset, length)
    kinds += _btrfs(reader, offset, length)
    kinds += [*_ext4(head), *_xfs(head)]
    kinds += _at_the_end(reader, offset, length)
    if not reader.is_spent:  # libblkid would wait for each of its sectors
        kinds += map(_words, libblkid.signatures(reader.descriptor, offset, length))
    return list(dict.fromkeys(filter(None, kinds)))


def _words(signature: libblkid.Signature) -> str:
    """Empty for a file system that stands alone."""
    if known := WORDS.get(signature.kind):
        return known
    if signature.usage == "raid":
        return f"RAID ({signature.kind.removesuffix('_raid_member').replace('_', ' ')})"
    return f"encrypted data ({signature.kind})" if signature.usage == "crypto" else ""


def _zfs(reader: SectorReader, offset: int, length: int) -> Iterator[str]:
    """One uberblock is enough, in any of the four labels; libblkid wants several."""
    end = length - length % LABEL
    for place in (0, LABEL, end - 2 * LABEL, end - LABEL):
        if place >= 0:
            body = reader(offset + place + (LABEL >> 1), LABEL >> 1)
            if any(body[at : at + 8] in UBERBLOCKS for at in range(0, len(body), 1024)):
                yield ZFS


def _btrfs(reader: SectorReader, offset: int, length: int) -> Iterator[str]:
    """One of several devices (btrfs' on-disk format: `magic` at 0x40, `num_devices` at 0x88)."""
    for place in BTRFS:
        body = reader(offset + place, 0x90) if place + 0x90 <= length else b""
        if body[0x40:0x48] == b"_BHRfS_M" and struct.unpack_from("<Q", body, 0x88)[0] > 1:
            yield "btrfs of several disks"


def _ext4(head: bytes) -> Iterator[str]:
    """Whose journal is elsewhere (`s_journal_inum`, `s_journal_dev`), or which is a target of Lustre's."""
    body = head[1024 : ext4.HEAD]
    if len(body) < 1024 or not ext4.is_there(head):
        return
    has_journal, is_journal = body[0x5C] & 0x4, body[0x60] & 0x8  # COMPAT_HAS_JOURNAL, INCOMPAT_JOURNAL_DEV
    is_inside, is_named = any(body[0xE0:0xE4]), any(body[0xD0:0xE0] + body[0xE4:0xE8])
    if has_journal and not is_journal and is_named and not is_inside:
        yield ELSEWHERE.format("ext4")
    label = body[0x78:0x88].rstrip(b"\0")  # fsname-OST0001, with `:` or `=` until it was mounted once
    if label == b"MGS" or re.fullmatch(rb"[\w.-]{1,8}[-:=](OST|MDT)[0-9a-f]{4}", label):
        yield LUSTRE


def _xfs(head: bytes) -> Iterator[str]:
    """Whose journal (`sb_logstart`) or part for real time (`sb_rblocks`) is elsewhere."""
    if head[:4] == b"XFSB" and (head[48:56] == bytes(8) or head[16:24] != bytes(8)):
        yield ELSEWHERE.format("XFS")


def _at_the_end(reader: SectorReader, offset: int, length: int) -> Iterator[str]:
    """Old md versions and controllers' RAID write behind the data."""
    if length < 256 << 10:
        return
    old = (length & ~0xFFFF) - 0x10000  # md 0.90
    late = ((length >> 9) - 16 & ~7) << 9  # md 1.0
    for place in (old, late):
        if reader(offset + place, 4) in (MD_MAGIC, MD_MAGIC[::-1]):
            yield MD
    for sector in (512, 4096):
        if reader(offset + length - 2 * sector, 24).startswith(b"Intel Raid ISM Cfg Sig."):
            yield "RAID (Intel)"
        if reader(offset + length - sector, 4) in (b"\xde\x11\xde\x11", b"\x11\xde\x11\xde"):
            yield "RAID (DDF)"
