"""Tells which bytes of an ext4 filesystem belong to nothing, from its own block bitmap.

Layout: Linux, Documentation/filesystems/ext4 (super, group_descr, bitmaps, checksums). In doubt nothing is
free: a block that is called free and is not would be lost without a word.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from provisioner.imaging.crc32c import crc32c

Reader = Callable[[int, int], bytes]  # offset and length in bytes, from the filesystem's start
Verdict = Literal["sound", "wrong", "unknown"]  # of a program that compared the bitmaps with the files
HEAD = 2048  # bytes in which the superblock ends
MAGIC = 0xEF53
CLEAN = 1  # s_state: unmounted cleanly, and no errors (2) or orphans (4)
NEEDS_RECOVERY, META_BG, WITH_64BIT = 0x4, 0x10, 0x80
# incompatible features that leave the meaning of bitmaps and descriptors alone: filetype, extents, 64bit,
# flex_bg, ea_inode, csum_seed, largedir, inline_data, encrypt, casefold
KNOWN = 0x2 | 0x40 | WITH_64BIT | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000
SPARSE_SUPER = 0x1
# read-only features that change it: snapshots, bigalloc, replica, shared blocks, orphans present
STRANGE = 0x80 | 0x200 | 0x800 | 0x4000 | 0x10000
GDT_CSUM, METADATA_CSUM = 0x10, 0x400  # read-only features: checksums of descriptors; of all, by CRC-32C
CSUM_SEED = 0x2000  # an incompatible feature: the checksums' seed is in the superblock, not from the UUID
SPARSE_SUPER2 = 0x200  # a compatible feature: backups lie elsewhere
BLOCK_UNINIT = 0x2  # has a meaning only with checksums of descriptors
WIDE = 64  # bytes of a descriptor that has all fields, and 32 bits of each checksum instead of 16
LARGEST_GROUPS = 1 << 20  # 128 TiB in groups of 128 MiB


@dataclass(frozen=True)
class Superblock:
    """What the superblock says; sizes in bytes, the rest in blocks."""

    block: int
    blocks: int
    first: int  # the first block that a bitmap speaks of: 1 for blocks of 1 KiB
    per_group: int
    inode_blocks: int  # of a group's inode table
    descriptor: int
    reserved: int  # blocks behind the descriptors, for growing
    is_sparse: bool
    free: int
    has_unwritten: bool  # whether groups may have a bitmap that was never written
    seed: int | None  # of the checksums; None where the filesystem has none that cover its bitmaps

    @property
    def groups(self) -> int:
        """The number of block groups; the last may be shorter."""
        return -(-(self.blocks - self.first) // self.per_group)

    @property
    def descriptor_blocks(self) -> int:
        """The number of blocks that hold the group descriptors."""
        return -(-self.groups * self.descriptor // self.block)

    def length(self, group: int) -> int:
        """The number of blocks of group `group`, counted from 0."""
        return min(self.per_group, self.blocks - self.first - group * self.per_group)

    def heads(self, group: int) -> int:
        """Blocks at the group's start that hold a superblock and the descriptors, or their copies."""
        if not self.is_sparse or group in (0, 1) or any(_is_power(group, base) for base in (3, 5, 7)):
            return 1 + self.descriptor_blocks + self.reserved
        return 0


@dataclass(frozen=True)
class GroupDescriptor:
    """One descriptor: where its parts lie, in blocks; `free` blocks by its own count."""

    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    free: int
    is_unwritten: bool  # its block bitmap was never written
    checksum: int  # of its block bitmap, as far as there is room for it
    is_sound: bool  # its own checksum is right, or it has none


class FreeMap:
    """Which blocks of a file system are free, from one bit a block that is set where something lies."""

    def __init__(self, block: int, first: int, used: bytes, blocks: int) -> None:
        self._block, self._first, self._used, self._blocks = block, first, used, blocks

    def covers(self, offset: int, length: int) -> bool:
        """Whether no byte of this range belongs to anything; outside of the filesystem: False."""
        begin, end = offset // self._block, -(-(offset + length) // self._block)
        if length <= 0 or begin < self._first or end > self._blocks:
            return False
        low, high = begin - self._first, end - self._first
        bits = int.from_bytes(self._used[low >> 3 : (high + 7) >> 3], "little") >> (low & 7)
        return not bits & ((1 << (high - low)) - 1)


def free_map(reader: Reader, verdict: Verdict = "unknown") -> FreeMap | None:
    """What is free in the ext4 at `reader`'s start; None where it is none, not clean, or there is doubt.

    The bitmaps are believed where every checksum on the way to them holds: of the superblock, the group's
    descriptor and the bitmap itself (feature metadata_csum). A filesystem without them is believed only where
    `verdict`, of e2fsck that compared the bitmaps with the files, is `sound`; none is where it is `wrong`.
    """
    superblock = _superblock(reader(1024, 1024))
    if superblock is None or verdict == "wrong" or (superblock.seed is None and verdict != "sound"):
        return None
    groups = list(_groups(reader, superblock))
    if len(groups) != superblock.groups or not all(_is_inside(group, superblock) for group in groups):
        return None
    used = _used(reader, superblock, groups)
    return None if used is None else FreeMap(superblock.block, superblock.first, used, superblock.blocks)


def is_there(head: bytes) -> bool:
    """Whether an ext2, ext3 or ext4 begins with `head`, HEAD bytes of it, in whatever state."""
    return head[1024 + 0x38 :][:2] == struct.pack("<H", MAGIC)


def size(head: bytes) -> int:
    """The bytes of the ext2, ext3 or ext4 that begins with `head`, HEAD bytes of it; 0 where none does."""
    body = head[1024:HEAD]
    if len(body) < 1024 or not is_there(head) or _u32(body, 0x18) > 6:
        return 0
    high = _u32(body, 0x150) if _u32(body, 0x60) & WITH_64BIT else 0
    return (high << 32 | _u32(body, 0x4)) * (1024 << _u32(body, 0x18))


def is_unmounted(reader: Reader) -> bool:
    """Whether an ext4 lies there whose bitmaps could be believed once it was checked."""
    return _superblock(reader(1024, 1024)) is not None


def _superblock(body: bytes) -> Superblock | None:
    if len(body) < 1024 or _u16(body, 0x38) != MAGIC or _u16(body, 0x3A) != CLEAN or _u32(body, 0xE8):
        return None
    compatible, incompatible, read_only = (_u32(body, place) for place in (0x5C, 0x60, 0x64))
    if incompatible & ~KNOWN or read_only & STRANGE or compatible & SPARSE_SUPER2 or _u32(body, 0x18) > 6:
        return None
    if read_only & METADATA_CSUM and not _is_sound_superblock(body):
        return None
    is_wide = bool(incompatible & WITH_64BIT)
    block = 1024 << _u32(body, 0x18)
    per_group, inodes, inode_size = _u32(body, 0x20), _u32(body, 0x28), _u16(body, 0x58)
    superblock = Superblock(
        block=block,
        blocks=_u32(body, 0x4) | (_u32(body, 0x150) << 32 if is_wide else 0),
        first=_u32(body, 0x14),
        per_group=per_group,
        inode_blocks=-(-inodes * inode_size // block),
        descriptor=_u16(body, 0xFE) if is_wide else 32,
        reserved=_u16(body, 0xCE),
        is_sparse=bool(read_only & SPARSE_SUPER),
        free=_u32(body, 0xC) | (_u32(body, 0x158) << 32 if is_wide else 0),
        has_unwritten=bool(read_only & (GDT_CSUM | METADATA_CSUM)),
        seed=_seed(body) if read_only & METADATA_CSUM else None,
    )
    is_sane = 0 < per_group <= 8 * block and per_group % 8 == 0 and superblock.first == (block == 1024)
    is_sane = is_sane and superblock.blocks > superblock.first and 32 <= superblock.descriptor <= block
    return superblock if is_sane and superblock.groups <= LARGEST_GROUPS else None


def _is_sound_superblock(body: bytes) -> bool:
    is_crc32c = body[0x175] == 1
    return is_crc32c and crc32c(body[:0x3FC]) == _u32(body, 0x3FC)


def _seed(body: bytes) -> int:
    return _u32(body, 0x270) if _u32(body, 0x60) & CSUM_SEED else crc32c(body[0x68:0x78])


def _groups(reader: Reader, superblock: Superblock) -> Iterator[GroupDescriptor]:
    table = reader((superblock.first + 1) * superblock.block, superblock.groups * superblock.descriptor)
    is_wide = superblock.descriptor >= WIDE
    for number, place in enumerate(range(0, len(table) - superblock.descriptor + 1, superblock.descriptor)):
        row = table[place : place + superblock.descriptor]
        blocks, inodes, table_at = (
            _u32(row, at) | (_u32(row, at + 0x20) << 32 if is_wide else 0) for at in (0, 4, 8)
        )
        free = _u16(row, 0xC) | (_u16(row, 0x2C) << 16 if is_wide else 0)
        is_unwritten = superblock.has_unwritten and bool(_u16(row, 0x12) & BLOCK_UNINIT)
        checksum = _u16(row, 0x18) | (_u16(row, 0x38) << 16 if is_wide else 0)
        is_sound = superblock.seed is None or _is_sound_descriptor(row, number, superblock.seed)
        yield GroupDescriptor(blocks, inodes, table_at, free, is_unwritten, checksum, is_sound)


def _is_sound_descriptor(row: bytes, number: int, seed: int) -> bool:
    bare = struct.pack("<I", number) + row[:0x1E] + bytes(2) + row[0x20:]
    return crc32c(bare, seed) & 0xFFFF == _u16(row, 0x1E)


def _is_inside(group: GroupDescriptor, superblock: Superblock) -> bool:
    ends = (group.block_bitmap + 1, group.inode_bitmap + 1, group.inode_table + superblock.inode_blocks)
    begins = (group.block_bitmap, group.inode_bitmap, group.inode_table)
    return group.is_sound and min(begins) > superblock.first and max(ends) <= superblock.blocks


def _used(reader: Reader, superblock: Superblock, groups: list[GroupDescriptor]) -> bytes | None:
    """The whole bitmap; None where a checksum or a group's own count of free blocks says otherwise."""
    used = bytearray(-(-superblock.groups * superblock.per_group // 8))
    for number, group in enumerate(groups):
        place = number * superblock.per_group // 8
        if not group.is_unwritten:
            body = reader(group.block_bitmap * superblock.block, superblock.per_group // 8)
            if len(body) != superblock.per_group // 8 or not _is_sound_bitmap(body, group, superblock):
                return None
            used[place : place + len(body)] = body
    # the filesystem's own blocks are marked whatever the bitmaps say: unwritten ones say nothing
    for number, group in enumerate(groups):
        _mark(used, number * superblock.per_group, superblock.heads(number))
        for block, count in (
            (group.block_bitmap, 1),
            (group.inode_bitmap, 1),
            (group.inode_table, superblock.inode_blocks),
        ):
            _mark(used, block - superblock.first, count)
    total = 0
    for number, group in enumerate(groups):
        free = _count_free(used, number * superblock.per_group, superblock.length(number))
        total += free
        if free != group.free:
            return None
    return bytes(used) if total == superblock.free else None


def _is_sound_bitmap(body: bytes, group: GroupDescriptor, superblock: Superblock) -> bool:
    if superblock.seed is None:
        return True
    mask = 0xFFFFFFFF if superblock.descriptor >= WIDE else 0xFFFF
    return crc32c(body, superblock.seed) & mask == group.checksum


def _mark(used: bytearray, first: int, count: int) -> None:
    low, high = first >> 3, (first + count + 7) >> 3
    bits = ((1 << count) - 1) << (first & 7) | int.from_bytes(used[low:high], "little")
    used[low:high] = bits.to_bytes(high - low, "little")


def _count_free(used: bytearray, first: int, count: int) -> int:
    bits = int.from_bytes(used[first >> 3 : (first + count + 7) >> 3], "little")
    return count - (bits & ((1 << count) - 1)).bit_count()


def _is_power(number: int, base: int) -> bool:
    while number and number % base == 0:
        number //= base
    return number == 1


def _u16(body: bytes, place: int) -> int:
    return int(struct.unpack_from("<H", body, place)[0])


def _u32(body: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", body, place)[0])
