"""What a host can take: the rules for an image's partitions, asked when it is packed, added and written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from provisioner.errors import PackError
from provisioner.imaging import ext4, fat, gpt
from provisioner.imaging.manifest import CHUNK_SIZE, ESP_LABEL, ROLES, Manifest, Partition

NEEDED = ("esp", "cidata", "root")
LABELLED = ("esp", "cidata")
HEAD = ext4.HEAD  # bytes of a partition that say of its filesystem what is asked here
SEED_LABEL = "CIDATA"  # by which cloud-init finds its seed
TAIL = 64 << 10  # bytes at the disk's end that hold the backup table, and more


def telling_chunks(manifest: Manifest, disk: int, roles: Sequence[str] = LABELLED) -> list[int]:
    """The numbers of the chunks that `check_pack` wants; what the manifest alone tells is refused here.

    `disk` is the size in bytes of the disk that is written; `roles` are the partitions whose filesystems are
    looked at: a host would fetch a chunk more for root's. Raises PackError (PV-322).
    """
    size, last = manifest.chunk_size, len(manifest.chunks) - 1
    check_partitions(manifest.partitions, size, manifest.raw_size, disk)
    wanted = {0}
    for part in manifest.partitions:
        if part.role in roles:
            wanted |= set(range(part.offset // size, min(last, _head_end(part, size)) + 1))
    return sorted(wanted)


def _head_end(part: Partition, chunk_size: int) -> int:
    """The number of the chunk in which its head ends."""
    return (part.offset + min(HEAD, part.length) - 1) // chunk_size


def check_pack(
    manifest: Manifest, chunks: Mapping[int, bytes], roles: Sequence[str] = LABELLED
) -> gpt.PartitionTable:
    """The partition table of a pack's image, which some host can take, and which the manifest says.

    `chunks` are the bytes of `telling_chunks` of the same `roles` by number.

    Raises PackError (PV-322 to 324).
    """
    head = chunks[0]
    table = gpt.read(lambda offset, length: head[offset : offset + length], manifest.logical_sector_size)
    check_table(table, head[:512], manifest.raw_size)
    check_same(table, manifest.partitions)
    heads = {part: _head(manifest, chunks, part) for part in manifest.partitions if part.role in roles}
    found = [
        replace(part, label=fat.label(head[: fat.SECTOR]))
        for part, head in heads.items()
        if part.role in LABELLED
    ]
    check_labels(found)
    if not set(found) <= set(manifest.partitions):
        raise PackError("the manifest has other labels than the image", hint="pack it again", code=323)
    check_filesystems(heads)
    return table


def _head(manifest: Manifest, chunks: Mapping[int, bytes], part: Partition) -> bytes:
    """It may lie in several chunks: their size is anybody's choice."""
    first, size = part.offset // manifest.chunk_size, manifest.chunk_size
    body = b"".join(chunks[n] for n in range(first, _head_end(part, size) + 1))
    return body[part.offset - first * size :][: min(HEAD, part.length)]


def check_filesystems(heads: Mapping[Partition, bytes]) -> None:
    """Each filesystem fits into its partition: Linux mounts no other, and what lies behind it is lost.

    `heads` are the first HEAD bytes of partitions. Raises PackError (PV-322).
    """
    for part, head in heads.items():
        size = fat.size(head[: fat.SECTOR]) or ext4.size(head)
        if part.role in NEEDED and size > part.length:
            raise PackError(
                f"the filesystem in {part.role!r} has {size} bytes, its partition {part.length}",
                hint="make the partition larger, or the filesystem smaller: resize2fs, fatresize",
                code=322,
            )


def check_table(table: gpt.PartitionTable, head: bytes, size: int) -> None:
    """The table can be moved to another disk as it is, and read there.

    `head` is sector 0, `size` the image's bytes. Raises PackError (PV-324, PV-322).
    """
    _check_array(table)
    _check_boot_sector(head)
    _check_places(table, size)
    _check_unique(table)
    behind = max(table.partitions, key=lambda part: part.offset, default=None)
    if behind and behind.name != "root" and any(part.name == "root" for part in table.partitions):
        raise PackError(
            f"the partition {behind.name!r} lies behind root, which could not grow into the host's disk",
            hint="lay the image out with root last",
            code=322,
        )


def _check_array(table: gpt.PartitionTable) -> None:
    if table.array != 2:
        raise PackError(
            f"the partition entries begin at sector {table.array}, not 2: what lies between would be lost",
            hint="move them: sgdisk -j 2 IMAGE",
            code=324,
        )
    if (end := (table.array + table.entry_sectors) * table.sector) > CHUNK_SIZE:
        raise PackError(
            f"the partition table takes {end} bytes, more than the {CHUNK_SIZE} of the first chunk", code=324
        )
    entries, size = table.entries, table.entry_size
    if any(any(entries[place + gpt.ENTRY : place + size]) for place in range(0, len(entries), size)):
        raise PackError(
            f"the partition entries have {size} bytes each and hold something behind byte {gpt.ENTRY}, "
            "which Linux does not read",
            hint="make the table again, with sgdisk or sfdisk",
            code=324,
        )


def _check_boot_sector(head: bytes) -> None:
    """What has partitions of its own and protects no GPT is an MBR disk; a GPT on it is left over."""
    entries = gpt.mbr_entries(head)
    if not entries or any(entry.protects for entry in entries):
        return
    for entry in entries:
        if entry.type == gpt.PROTECTIVE:
            raise PackError(
                f"the MBR's protective partition begins at sector {entry.first}, not 1, "
                "so Linux would not read the GPT",
                hint="make a new protective MBR: gdisk IMAGE, then x, n, w",
                code=324,
            )
    raise PackError(
        "the boot sector has an MBR's partitions, none protects the GPT: one of both is left over",
        hint="remove the wrong one; sgdisk --mbrtogpt makes a GPT of the MBR",
        code=324,
    )


def _check_places(table: gpt.PartitionTable, size: int) -> None:
    """Each within what the header calls usable, which is between both tables whatever it says (5.3.2)."""
    parts = sorted(table.partitions, key=lambda part: part.offset)
    begins = max(table.first, 2 + table.entry_sectors) * table.sector
    ends = min(table.last + 1, table.other - table.entry_sectors) * table.sector
    for part in parts:
        end = part.offset + part.length
        if part.offset < begins:
            raise PackError(
                f"the partition {part.name!r} begins at byte {part.offset}, the first one may at {begins}",
                hint="lay the image out again, with sgdisk or sfdisk",
                code=324,
            )
        if end > size:
            raise PackError(
                f"the partition {part.name!r} ends at byte {end}, the image at {size}",
                hint="was it copied as a whole? Take it from its source again",
                code=324,
            )
        if end > ends:
            raise PackError(
                f"the partition {part.name!r} ends at byte {end}, the last one may at {ends}: by its header "
                f"the table's backup is at sector {table.other}, the last usable one is {table.last}",
                hint="lay the image out again; was it made larger, then first: sgdisk -e IMAGE",
                code=324,
            )
    if (table.other + 1) * table.sector > size:
        raise PackError(
            f"the partition table's backup is at sector {table.other}, the image has {size // table.sector}",
            hint="was it copied as a whole? If it was cut: truncate -s +1M IMAGE && sgdisk -e IMAGE",
            code=324,
        )
    for before, part in pairwise(parts):
        if part.offset < before.offset + before.length:
            raise PackError(
                f"the partitions {before.name!r} and {part.name!r} overlap",
                hint="lay the image out again: who writes to one destroys the other",
                code=324,
            )


def _check_unique(table: gpt.PartitionTable) -> None:
    names = Counter(part.name for part in table.partitions)
    for role in ROLES:
        if names[role] > 1:
            raise PackError(
                f"{names[role]} partitions are called {role!r}", hint="rename all but one", code=322
            )
    [(guid, count)] = Counter(part.guid for part in table.partitions).most_common(1) or [("", 0)]
    if count > 1:
        raise PackError(
            f"{count} partitions have the GUID {guid}: hosts could not tell them apart",
            hint="give each its own: sgdisk -u NUMBER:R IMAGE",
            code=324,
        )


def doubt(head: bytes) -> str:
    """What is said of an image that is taken, from its sector 0; empty where there is nothing."""
    protecting = [entry for entry in gpt.mbr_entries(head) if entry.protects]
    if protecting and all(entry.is_flagged for entry in protecting):  # EDK2, PartitionDxe/Gpt.c
        return (
            "the MBR's protective partition is flagged as bootable, as some old BIOSes want it; UEFI "
            "firmware that is made of EDK2 reads no GPT behind such a one"
        )
    return ""


def check_partitions(partitions: Sequence[Partition], chunk_size: int, image: int, disk: int) -> None:
    """All that are needed are there, and the seed shares no chunk with what is written last.

    `image` and `disk` are their sizes in bytes. Raises PackError (PV-322).
    """
    for role in NEEDED:
        if not any(part.role == role for part in partitions):
            raise PackError(
                f"the image has no partition {role!r}",
                hint=f"name it so in the partition table: sgdisk -c NUMBER:{role} IMAGE",
                code=322,
            )
    by_role = {part.role: part for part in partitions}
    seed, esp = by_role["cidata"], by_role["esp"].offset
    first, last = seed.offset // chunk_size, (seed.offset + seed.length - 1) // chunk_size
    for number in (first, min(max(esp // chunk_size, first), last), last):
        offset = number * chunk_size
        if is_held(offset, min(chunk_size, image - offset), esp, disk):
            raise PackError(
                "the partition cidata shares a chunk with boot sectors",
                hint=f"let it begin and end at multiples of {chunk_size >> 10} KiB, not in the ESP's first",
                code=322,
            )


def is_held(offset: int, length: int, esp: int, disk: int) -> bool:
    """Whether a chunk holds a partition table of the disk, or the ESP's head: it is written last."""
    end = offset + length
    return offset == 0 or offset <= esp < end or end > disk - TAIL


def check_same(table: gpt.PartitionTable, partitions: Sequence[Partition]) -> None:
    """The manifest says of the partitions what the image's own table does. Raises PackError (PV-323)."""
    said = {(part.role, part.guid, part.offset, part.length) for part in partitions}
    found = {
        (part.name, part.guid, part.offset, part.length) for part in table.partitions if part.name in ROLES
    }
    if different := sorted({role for role, *_ in said ^ found}):
        raise PackError(
            f"the manifest says otherwise of {', '.join(different)} than the image's partition table",
            hint="pack the image again",
            code=323,
        )


def check_labels(partitions: Sequence[Partition]) -> None:
    """Both FAT filesystems are found by their labels. Raises PackError (PV-322)."""
    for part in partitions:
        if part.role == "esp" and part.label != ESP_LABEL:
            raise PackError(
                f"its ESP is not labelled {ESP_LABEL}",
                hint=f"hosts could not find it: mkfs.vfat -n {ESP_LABEL}",
                code=322,
            )
        if part.role == "cidata" and part.label.upper() != SEED_LABEL:
            raise PackError(
                f"its partition cidata is no FAT that is labelled {SEED_LABEL}",
                hint=f"a host's seed is written there: mkfs.vfat -n {SEED_LABEL}",
                code=322,
            )
