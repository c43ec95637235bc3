"""Reads a GUID partition table and moves it onto a disk of another size (UEFI 2.10, chapter 5.3)."""

import struct
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from provisioner.errors import PackError
from provisioner.system.text import escape

SIGNATURE = b"EFI PART"
PROTECTIVE = 0xEE  # the type of the MBR partition that claims the disk for its GPT
ESP_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
_HEADER = struct.Struct("<8sIIII4Q16sQIII")  # 92 bytes
_ENTRY = struct.Struct("<16s16sQQQ72s")
ENTRY = _ENTRY.size  # 128 bytes; UEFI allows more, Linux nothing else
_LARGEST = 1 << 62  # bytes; an offset behind it is damage, and the kernel's calls cannot take it
Reader = Callable[[int, int], bytes]  # offset and length in bytes


@dataclass(frozen=True)
class PartitionEntry:
    """A partition entry (UEFI 2.10, 5.3.3): GUIDs in lower case, offset and length in bytes."""

    type: str
    guid: str
    name: str
    offset: int
    length: int


@dataclass(frozen=True)
class MbrEntry:
    """A partition of an MBR (UEFI 2.10, 5.2.1): where its 16 bytes lie in the sector, and what they say."""

    place: int
    raw: bytes
    type: int
    first: int
    sectors: int

    @property
    def end(self) -> int:
        """The first sector behind it."""
        return self.first + self.sectors

    @property
    def protects(self) -> bool:
        """Whether Linux believes the GPT because of it (block/partitions/efi.c)."""
        return self.type == PROTECTIVE and self.first == 1

    @property
    def is_flagged(self) -> bool:
        """Whether it is marked as the one to boot."""
        return self.raw[0] != 0


@dataclass(frozen=True)
class PartitionTable:
    """A partition table; LBAs in sectors of `sector` bytes, `entries` as they lie on the disk."""

    sector: int
    guid: bytes
    this: int
    other: int
    first: int
    last: int
    entries: bytes
    entry_size: int
    partitions: tuple[PartitionEntry, ...]
    array: int = 2  # where the entries begin

    @property
    def entry_sectors(self) -> int:
        """The number of sectors that the array of entries takes."""
        return -(-len(self.entries) // self.sector)


def read(reader: Reader, sector: int, lba: int = 1) -> PartitionTable:
    """The table whose header is at `lba`. Raises PackError: none there, damaged, or a checksum is wrong."""
    header = reader(lba * sector, sector)
    if len(header) < _HEADER.size or not header.startswith(SIGNATURE):
        raise PackError(f"no GUID partition table at sector {lba}", code=324)
    fields = _HEADER.unpack_from(header)
    (_, _, size, crc, _, this, other, first, last, guid, array, count, entry_size, array_crc) = fields
    is_sane = 128 <= entry_size <= 4096 and 0 < count <= 4096 and array * sector < _LARGEST
    if not 92 <= size <= sector or not is_sane:
        raise PackError("the GUID partition table's header is damaged", code=324)
    bare = bytearray(header[:size])
    bare[16:20] = bytes(4)
    if zlib.crc32(bare) != crc:
        raise PackError("the GUID partition table's header has a wrong checksum", code=324)
    entries = reader(array * sector, count * entry_size)
    if len(entries) != count * entry_size or zlib.crc32(entries) != array_crc:
        raise PackError("the GUID partition table's entries have a wrong checksum", code=324)
    partitions = tuple(_partitions(entries, entry_size, sector))
    return PartitionTable(sector, guid, this, other, first, last, entries, entry_size, partitions, array)


def _partitions(entries: bytes, size: int, sector: int) -> list[PartitionEntry]:
    partitions = []
    for place in range(0, len(entries), size):
        kind, guid, first, last, _, name = _ENTRY.unpack_from(entries, place)
        if not any(kind):
            continue
        if not first <= last < _LARGEST // sector:
            raise PackError("the GUID partition table has a partition without a place", code=324)
        text = escape(name.decode("utf-16-le", "replace").split("\0")[0])  # it is shown on consoles
        ids = (str(uuid.UUID(bytes_le=kind)), str(uuid.UUID(bytes_le=guid)))
        partitions.append(PartitionEntry(*ids, text, first * sector, (last - first + 1) * sector))
    return partitions


def _narrowed(table: PartitionTable) -> PartitionTable:
    entries = table.entries
    rows = (entries[place : place + ENTRY] for place in range(0, len(entries), table.entry_size))
    return replace(table, entries=b"".join(rows), entry_size=ENTRY)


def stretch(table: PartitionTable, disk_size: int) -> PartitionTable:
    """The same partitions on a disk of `disk_size` bytes, the backup at its end.

    Entries become 128 bytes long: Linux reads no others (block/partitions/efi.c). Raises PackError (PV-311).
    """
    table = _narrowed(table)
    sectors = disk_size // table.sector
    behind = table.entry_sectors + 1  # the backup's entries and its header
    ends = [-(-(part.offset + part.length) // table.sector) for part in table.partitions]
    if (needed := max([2 + table.entry_sectors, *ends]) + behind) > sectors:
        raise PackError(
            "the image's partitions and both copies of its partition table take "
            f"{needed * table.sector} bytes, the disk has {disk_size}",
            hint="take a larger disk or a smaller image",
            code=311,
        )
    return replace(table, this=1, other=sectors - 1, last=sectors - behind - 1)


def build(table: PartitionTable) -> tuple[bytes, bytes]:
    """`(primary, backup)`: header and entries from sector 1 on, entries and header up to the disk's end."""
    padding = bytes(table.entry_sectors * table.sector - len(table.entries))
    entries = table.entries + padding
    primary = _header(table, table.this, table.other, table.this + 1)
    backup = _header(table, table.other, table.this, table.other - table.entry_sectors)
    return primary + entries, entries + backup


def _header(table: PartitionTable, this: int, other: int, array: int) -> bytes:
    count = len(table.entries) // table.entry_size
    crc = zlib.crc32(table.entries)

    def pack(own: int) -> bytes:
        return _HEADER.pack(
            SIGNATURE, 0x10000, 92, own, 0, this, other, table.first, table.last, table.guid, array, count,
            table.entry_size, crc,
        )  # fmt: skip

    return pack(zlib.crc32(pack(0))).ljust(table.sector, b"\0")


def mbr_entries(sector: bytes) -> list[MbrEntry]:
    """The partitions in a boot sector, those of type 0 left out; none where it is no boot sector."""
    if sector[510:512] != b"\x55\xaa":
        return []
    rows = [(place, sector[place : place + 16]) for place in range(446, 510, 16)]
    return [MbrEntry(place, row, row[4], *struct.unpack_from("<II", row, 8)) for place, row in rows if row[4]]


def protective_mbr(head: bytes, disk_size: int, sector: int) -> bytes:
    """LBA 0 for a disk of `disk_size` bytes: the image's boot code and its MBR (UEFI 2.10, 5.2.3).

    Partitions of a hybrid MBR and the flag on the protective one are kept. A protective one that lies last
    goes to the disk's end. Where the image has no MBR it gets one.
    """
    sectors = min(disk_size // sector, 1 << 32)
    found = mbr_entries(head)
    body = bytearray(head[:510].ljust(510, b"\0"))
    if any(entry.type == PROTECTIVE for entry in found):
        last = max(found, key=lambda entry: entry.end)
        if last.type == PROTECTIVE:
            size = min(max(sectors, last.first + 1) - last.first, 0xFFFFFFFF)
            grown = last.raw[:5] + b"\xff\xff\xff" + struct.pack("<II", last.first, size)
            body[last.place : last.place + 16] = grown
    else:
        whole = struct.pack("<B3sB3sII", 0, b"\0\2\0", PROTECTIVE, b"\xff\xff\xff", 1, sectors - 1)
        body[446:] = whole.ljust(64, b"\0")
    return bytes(body) + b"\x55\xaa" + bytes(sector - 512)
