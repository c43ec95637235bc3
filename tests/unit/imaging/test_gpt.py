"""GUID partition tables: read, moved to another disk size, written; damage is refused by a PackError."""

import struct
import uuid
import zlib
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.errors import PackError
from provisioner.imaging import gpt

SECTOR, MIB = 512, 1 << 20
LINUX = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
OWN = uuid.UUID("11111111-2222-3333-4444-555555555555")


def entry(kind: uuid.UUID, first: int, last: int, name: str) -> bytes:
    return struct.pack("<16s16sQQQ72s", kind.bytes_le, OWN.bytes_le, first, last, 0, name.encode("utf-16-le"))


def entries(*rows: bytes) -> bytes:
    return b"".join(rows).ljust(128 * 128, b"\0")


ENTRIES = entries(entry(uuid.UUID(gpt.ESP_TYPE), 2048, 4095, "esp"), entry(LINUX, 4096, 8191, "root"))


def table(array: bytes = ENTRIES, sectors: int = 16384, sector: int = SECTOR) -> gpt.PartitionTable:
    return gpt.PartitionTable(sector, OWN.bytes_le, 1, sectors - 1, 34, sectors - 34, array, 128, ())


def disk(of: gpt.PartitionTable) -> bytearray:
    """A whole disk that holds nothing but the table."""
    primary, backup = gpt.build(of)
    body = bytearray((of.other + 1) * of.sector)
    body[of.sector : of.sector + len(primary)] = primary
    body[len(body) - len(backup) :] = backup
    return body


def reader(body: bytes | bytearray) -> gpt.Reader:
    return lambda offset, length: bytes(body[offset : offset + length])


def sealed(body: bytearray, **fields: int) -> bytearray:
    """The disk with other values in its primary header, and checksums that fit."""
    places = {"size": (12, "<I"), "array": (72, "<Q"), "count": (80, "<I"), "entry_size": (84, "<I")}
    for name, value in fields.items():
        struct.pack_into(places[name][1], body, SECTOR + places[name][0], value)
    array, count, size, _ = struct.unpack_from("<QIII", body, SECTOR + 72)
    struct.pack_into("<I", body, SECTOR + 88, zlib.crc32(body[array * SECTOR :][: count * size]))
    struct.pack_into("<I", body, SECTOR + 16, 0)
    struct.pack_into("<I", body, SECTOR + 16, zlib.crc32(body[SECTOR : SECTOR + 92]))
    return body


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_table_that_was_built_is_read_back_from_both_places(sector: int) -> None:
    body = disk(table(sector=sector))
    primary, backup = gpt.read(reader(body), sector), gpt.read(reader(body), sector, 16383)
    assert (primary.this, primary.other, backup.this, backup.other) == (1, 16383, 16383, 1)
    assert primary.partitions == backup.partitions
    esp, root = primary.partitions
    assert (esp.name, esp.type, esp.guid) == ("esp", gpt.ESP_TYPE, str(OWN))
    assert (root.name, root.offset, root.length) == ("root", 4096 * sector, 4096 * sector)


def test_stretching_keeps_the_partitions_and_moves_the_backup_to_the_end() -> None:
    small = gpt.read(reader(disk(table())), SECTOR)
    large = gpt.stretch(small, 100 * MIB + 100)  # a size that is no multiple of a sector
    assert (large.other, large.last) == (100 * 2048 - 1, 100 * 2048 - 34)
    assert (large.partitions, large.guid, large.first) == (small.partitions, small.guid, small.first)
    again = gpt.read(reader(disk(large)), SECTOR, 100 * 2048 - 1)
    assert again.partitions == small.partitions


def test_a_disk_that_ends_before_the_last_partition_or_its_backup_is_refused() -> None:
    small = gpt.read(reader(disk(table())), SECTOR)
    assert gpt.stretch(small, (8192 + 33) * SECTOR).last == 8191
    with pytest.raises(PackError) as caught:
        gpt.stretch(small, (8192 + 32) * SECTOR + 511)  # what is no whole sector is not there
    assert caught.value.code == 311 and caught.value.hint == "take a larger disk or a smaller image"
    assert str(caught.value) == (
        "the image's partitions and both copies of its partition table take "
        "4211200 bytes, the disk has 4211199"
    )


@pytest.mark.parametrize("count", [128, 4096])
def test_a_disk_that_is_smaller_than_the_two_copies_of_the_table_is_refused(count: int) -> None:
    empty = table(bytes(128 * count))
    least = (2 + 2 * (count // 4) + 1) * SECTOR
    assert gpt.stretch(empty, least).last == 2 + count // 4 - 1
    for size in (least - 1, 1000, 0):
        with pytest.raises(PackError, match=f"take {least} bytes, the disk has {size}") as caught:
            gpt.stretch(empty, size)
        assert caught.value.code == 311


@given(st.lists(st.integers(34, 4000), min_size=2, max_size=6, unique=True), st.integers(0, 5000))
def test_a_disk_takes_exactly_what_leaves_room_for_the_backup(edges: list[int], sectors: int) -> None:
    places = sorted(edges)
    rows = [entry(LINUX, first, last - 1, "p") for first, last in pairwise(places)]
    image = gpt.read(reader(disk(table(entries(*rows)))), SECTOR)
    try:
        fits = gpt.stretch(image, sectors * SECTOR).last >= places[-1] - 1
    except PackError as fault:
        fits = False
        assert int(str(fault).split(" take ")[1].split()[0]) > sectors * SECTOR
    assert fits is (sectors >= places[-1] + 33)


def test_the_protective_mbr_keeps_boot_code_and_claims_the_whole_disk() -> None:
    mbr = gpt.protective_mbr(b"\xeb\x63" + b"\x90" * 600, 100 * MIB, SECTOR)
    assert len(mbr) == 512 and mbr[:2] == b"\xeb\x63" and mbr[510:] == b"\x55\xaa"
    status, kind, first, sectors = struct.unpack_from("<BxxxBxxxII", mbr, 446)
    assert (status, kind, first, sectors) == (0, 0xEE, 1, 100 * 2048 - 1)
    assert not any(mbr[462:510])  # no second partition


def test_the_protective_mbr_of_a_disk_beyond_2_tib_says_the_largest_number() -> None:
    mbr = gpt.protective_mbr(b"", 8 << 40, SECTOR)
    assert struct.unpack_from("<I", mbr, 458) == (0xFFFFFFFF,)
    assert len(gpt.protective_mbr(b"", 8 << 40, 4096)) == 4096


def mbr_entry(kind: int, first: int, sectors: int, status: int = 0) -> bytes:
    return struct.pack("<B3sB3sII", status, b"\0\2\0", kind, b"\xff\xff\xff", first, sectors)


def boot_sector(*rows: bytes) -> bytes:
    return (b"\xeb\x63".ljust(446, b"\x90") + b"".join(rows)).ljust(510, b"\0") + b"\x55\xaa"


@pytest.mark.parametrize("status", [0, 0x80])
def test_the_protective_partition_keeps_its_flag_and_reaches_the_disk_s_end(status: int) -> None:
    mbr = gpt.protective_mbr(boot_sector(mbr_entry(0xEE, 1, 999, status)), 100 * MIB, SECTOR)
    [entry] = gpt.mbr_entries(mbr)
    assert (entry.type, entry.first, entry.end) == (0xEE, 1, 100 * 2048) and entry.raw[0] == status


@pytest.mark.parametrize(
    "hybrid", [[(0xEE, 1, 2047), (0x0C, 2048, 2048)], [(0x0C, 2048, 2048), (0xEE, 1, 2047)]]
)
def test_a_hybrid_mbr_is_kept_as_it_is(hybrid: list[tuple[int, int, int]]) -> None:
    head = boot_sector(*(mbr_entry(*row) for row in hybrid))
    assert gpt.protective_mbr(head, 100 * MIB, SECTOR) == head


def test_a_protective_partition_behind_others_goes_to_the_disk_s_end_and_they_stay() -> None:
    rows = [mbr_entry(0x0C, 34, 2014), mbr_entry(0xEE, 2048, 2048)]
    kept, grown = gpt.mbr_entries(gpt.protective_mbr(boot_sector(*rows), 100 * MIB, SECTOR))
    assert kept.raw == rows[0] and (grown.first, grown.end) == (2048, 100 * 2048)


def test_two_protective_partitions_that_are_the_same_are_told_apart() -> None:
    """Only one of them grows; no table has two, but a damaged one may."""
    rows = [mbr_entry(0xEE, 1, 999), mbr_entry(0xEE, 1, 999)]
    ends = [entry.end for entry in gpt.mbr_entries(gpt.protective_mbr(boot_sector(*rows), 100 * MIB, SECTOR))]
    assert sorted(ends) == [1000, 100 * 2048]


@pytest.mark.parametrize("size", [256, 384, 4096])
def test_entries_that_are_longer_than_linux_reads_are_shortened_on_the_disk(size: int) -> None:
    rows = [ENTRIES[place : place + 128].ljust(size, b"\0") for place in range(0, 4 * 128, 128)]
    wide = replace(table(b"".join(rows)), entry_size=size, first=64)
    image = gpt.read(reader(disk(wide)), SECTOR)
    assert [part.name for part in image.partitions] == ["esp", "root"] and image.entry_size == size
    there = gpt.read(reader(disk(gpt.stretch(image, 100 * MIB))), SECTOR)
    assert (there.entry_size, len(there.entries)) == (128, 4 * 128)
    assert (there.partitions, there.guid, there.first) == (image.partitions, image.guid, image.first)


def test_only_the_partition_that_grows_is_changed_in_an_mbr() -> None:
    """Its bytes may lie in another one, or between two."""
    grown = mbr_entry(0xEE, 1, 999)
    head = (grown * 28)[:446] + grown + mbr_entry(0x0C, 0, 1) + bytes(32) + b"\x55\xaa"
    assert len(head) == 512
    made = gpt.protective_mbr(head, 100 * MIB, SECTOR)
    assert made[:446] == head[:446] and made[462:] == head[462:] and made[446:462] != head[446:462]


def test_what_lies_in_the_table_of_no_boot_sector_is_not_kept() -> None:
    head = boot_sector(mbr_entry(0x0C, 2048, 2048))[:510] + b"\0\0"
    [entry] = gpt.mbr_entries(gpt.protective_mbr(head, 100 * MIB, SECTOR))
    assert entry.protects and not entry.is_flagged and entry.end == 100 * 2048


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 91}, "header is damaged"),
        ({"size": 513}, "header is damaged"),
        ({"entry_size": 64}, "header is damaged"),
        ({"entry_size": 1 << 20}, "header is damaged"),
        ({"count": 0}, "header is damaged"),
        ({"count": 1 << 31}, "header is damaged"),
        ({"array": 1 << 63}, "header is damaged"),  # no call of the kernel takes such an offset
        ({"array": 1 << 40}, "entries have a wrong checksum"),  # behind the end: nothing can be read there
        ({"array": 16383}, "entries have a wrong checksum"),  # half a sector of entries, checksum right
    ],
)
def test_a_header_that_leads_astray_is_refused_though_its_checksum_is_right(
    fields: dict[str, int], words: str
) -> None:
    with pytest.raises(PackError, match=words) as caught:
        gpt.read(reader(sealed(disk(table()), **fields)), SECTOR)
    assert caught.value.code == 324


@pytest.mark.parametrize(("first", "last"), [(8192, 8000), (0, 1 << 60), (1 << 63, (1 << 63) + 1)])
def test_a_partition_without_a_place_is_refused(first: int, last: int) -> None:
    with pytest.raises(PackError, match="without a place"):
        gpt.read(reader(disk(table(entries(entry(LINUX, first, last, "root"))))), SECTOR)


def test_a_name_cannot_move_the_cursor_of_a_console() -> None:
    found = gpt.read(reader(disk(table(entries(entry(LINUX, 40, 50, "\x1b[2Jroot\x07"))))), SECTOR)
    assert found.partitions[0].name == "\\x1b[2Jroot\\x07"


def test_what_is_no_table_is_refused() -> None:
    for body in (b"", bytes(MIB), b"\xa5" * MIB, bytes(512) + b"EFI PART"):
        with pytest.raises(PackError, match="no GUID partition table at sector 1"):
            gpt.read(reader(body), SECTOR)


@settings(deadline=None)
@given(st.integers(SECTOR, 34 * SECTOR - 1), st.integers(1, 255))
def test_any_flipped_byte_of_header_or_entries_is_seen(place: int, mask: int) -> None:
    body = disk(table())
    body[place] ^= mask
    unused = range(SECTOR + 92, 2 * SECTOR)  # behind the header, not covered by its checksum
    if place in unused:
        assert len(gpt.read(reader(body), SECTOR).partitions) == 2
    else:
        with pytest.raises(PackError):
            gpt.read(reader(body), SECTOR)
