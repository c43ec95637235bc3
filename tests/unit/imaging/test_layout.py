"""What a host can take: each rule for an image's partitions, and all of them against sectors counted."""

import struct
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import PackError
from provisioner.imaging import gpt, layout
from provisioner.imaging.manifest import Chunk, Manifest, Partition
from tests.wire.imaging.disk_image import fat_head

MIB = 1 << 20
SIZE = 64 * MIB
CHUNK = MIB
PROTECTIVE = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, 0xFFFFFFFF)
ELSEWHERE = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 4096, 4096)
FAT = struct.pack("<B3sB3sII", 0x80, b"\0\0\0", 0x0C, b"\0\0\0", 2048, 2048)


def boot_sector(*entries: bytes) -> bytes:
    return (bytes(446) + b"".join(entries)).ljust(510, b"\0") + b"\x55\xaa"


HEAD = boot_sector(PROTECTIVE)
PLACES = {"bios": (1, 1), "esp": (2, 8), "cidata": (10, 4), "root": (14, 40)}


def entries(**places: tuple[int, int]) -> tuple[gpt.PartitionEntry, ...]:
    """Beginning and length in MiB, by name."""
    return tuple(
        gpt.PartitionEntry(
            name=name, type=gpt.ESP_TYPE, guid=f"guid-{name}", offset=at * MIB, length=long * MIB
        )
        for name, (at, long) in places.items()
    )


def table(*partitions: gpt.PartitionEntry, array: int = 2, first: int = 34) -> gpt.PartitionTable:
    last = SIZE // 512 - 34
    return gpt.PartitionTable(
        512, bytes(16), 1, SIZE // 512 - 1, first, last, bytes(128 * 128), 128, partitions, array
    )


TABLE = table(*entries(**PLACES))
PARTITIONS = tuple(
    Partition(role, f"guid-{role}", label, at * MIB, long * MIB)
    for (role, (at, long)), label in zip(PLACES.items(), ("", "VAULTESP", "CIDATA", ""), strict=True)
)


def refused(code: int, words: str, found: gpt.PartitionTable, head: bytes = HEAD, size: int = SIZE) -> None:
    with pytest.raises(PackError, match=words) as caught:
        layout.check_table(found, head, size)
    assert caught.value.code == code


def test_the_layout_of_our_own_images_is_taken() -> None:
    layout.check_table(TABLE, HEAD, SIZE)
    layout.check_partitions(PARTITIONS, CHUNK, SIZE, SIZE)
    layout.check_same(TABLE, PARTITIONS)
    layout.check_labels(PARTITIONS)


def test_partitions_that_have_no_role_may_have_any_name_and_lie_anywhere_before_root() -> None:
    others = entries(bios=(1, 1), esp=(2, 8), recovery=(10, 1), data=(11, 1), cidata=(12, 2), root=(14, 40))
    layout.check_table(table(*others), HEAD, SIZE)


@pytest.mark.parametrize("array", [3, 34, 2048])
def test_entries_that_were_moved_are_refused(array: int) -> None:
    refused(324, f"begin at sector {array}, not 2", replace(TABLE, array=array))


def wide(size: int, more: bytes) -> gpt.PartitionTable:
    """Four entries of `size` bytes, the second of which ends with `more`."""
    rows = [bytes(size), bytes(size - len(more)) + more, bytes(size), bytes(size)]
    return replace(TABLE, entries=b"".join(rows), entry_size=size)


@pytest.mark.parametrize("size", [256, 512, 4096])
def test_what_linux_does_not_read_of_an_entry_must_be_nothing(size: int) -> None:
    layout.check_table(wide(size, b""), HEAD, SIZE)
    refused(324, f"have {size} bytes each and hold something behind byte 128", wide(size, b"x"))
    layout.check_table(wide(128, b"x"), HEAD, SIZE)


def test_a_table_that_the_first_chunk_does_not_hold_is_refused() -> None:
    refused(324, "takes 1049600 bytes, more than the 1048576", replace(TABLE, entries=bytes(MIB)))
    layout.check_table(replace(TABLE, entries=bytes(MIB // 2)), HEAD, SIZE)


@pytest.mark.parametrize(
    ("head", "is_taken"),
    [
        (boot_sector(), True),  # no MBR at all: the host gets one
        (bytes(512), True),
        (boot_sector(PROTECTIVE, FAT), True),  # a hybrid one is kept
        (boot_sector(FAT, PROTECTIVE), True),
        (boot_sector(b"\x80" + PROTECTIVE[1:]), True),  # flagged: some firmware boots nothing else
        (boot_sector(FAT), False),
        (boot_sector(FAT, FAT), False),
    ],
)
def test_an_mbr_that_protects_no_gpt_is_refused_and_any_other_kept(head: bytes, is_taken: bool) -> None:
    if is_taken:
        layout.check_table(TABLE, head, SIZE)
    else:
        refused(324, "none protects the GPT", TABLE, head)


@pytest.mark.parametrize("rows", [(ELSEWHERE,), (FAT, ELSEWHERE), (ELSEWHERE, FAT), (FAT, FAT, ELSEWHERE)])
def test_an_mbr_is_refused_by_which_linux_would_not_believe_the_gpt(rows: tuple[bytes, ...]) -> None:
    refused(324, "protective partition begins at sector 4096, not 1", TABLE, boot_sector(*rows))


FLAGGED = b"\x80" + PROTECTIVE[1:]


@pytest.mark.parametrize(
    ("head", "is_told"),
    [
        (boot_sector(), False),
        (boot_sector(PROTECTIVE), False),
        (boot_sector(PROTECTIVE, FAT), False),  # another one is flagged
        (boot_sector(FLAGGED), True),
        (boot_sector(FAT, FLAGGED), True),
        (boot_sector(b"\x01" + PROTECTIVE[1:]), True),  # any byte but 0
        (boot_sector(FLAGGED, PROTECTIVE), False),
        (boot_sector(FLAGGED)[:510] + b"\0\0", False),  # no boot sector: the host gets one
    ],
)
def test_a_flag_is_told_behind_which_some_firmware_reads_no_gpt(head: bytes, is_told: bool) -> None:
    assert ("flagged as bootable" in layout.doubt(head)) == is_told == bool(layout.doubt(head))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ({"cidata": (9, 4)}, "'esp' and 'cidata' overlap"),
        ({"cidata": (2, 8)}, "overlap"),
        ({"bios": (1, 60)}, "'bios' and 'esp' overlap"),
        ({"root": (14, 51)}, "'root' ends at byte"),
        ({"root": (64, 1)}, "'root' ends at byte"),
        ({"bios": (0, 1)}, "'bios' begins at byte 0, the first one may at"),
    ],
)
def test_partitions_that_overlap_or_lie_outside_are_refused(
    places: dict[str, tuple[int, int]], words: str
) -> None:
    refused(324, words, table(*entries(**{**PLACES, **places})))


def test_the_first_place_is_behind_all_entries_whatever_the_header_says() -> None:
    early = gpt.PartitionEntry(gpt.ESP_TYPE, "g", "bios", 33 * 512, 512)
    refused(324, "begins at byte 16896, the first one may at 17408", table(early, first=1))
    layout.check_table(table(replace(early, offset=34 * 512), first=1), HEAD, SIZE)


SECTORS = SIZE // 512


def root_to(end: int) -> tuple[gpt.PartitionEntry, ...]:
    """Our own partitions, of which root ends before this sector."""
    *others, root = entries(**PLACES)
    return (*others, replace(root, length=end * 512 - root.offset))


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({}, SECTORS - 34),
        ({"last": SECTORS - 1}, SECTORS - 34),  # the header lies: the backup's entries are there
        ({"last": SECTORS - 2048}, SECTORS - 2048),
        ({"last": 100 * SECTORS}, SECTORS - 34),
        ({"other": SECTORS - 5000, "last": SECTORS - 5033}, SECTORS - 5033),  # it grew, the table did not
        ({"other": SECTORS - 5000}, SECTORS - 5033),
        ({"entries": bytes(256 * 128)}, SECTORS - 66),
        ({"entries": bytes(8 * 128), "last": SECTORS - 4}, SECTORS - 4),
    ],
)
def test_no_partition_reaches_behind_what_is_usable_nor_into_the_backup(
    fields: dict[str, int], last: int
) -> None:
    layout.check_table(replace(table(*root_to(last + 1)), **fields), HEAD, SIZE)  # type: ignore[arg-type]
    for end in (last + 2, SECTORS):
        words = f"'root' ends at byte {end * 512}, the last one may at {(last + 1) * 512}"
        refused(324, words, replace(table(*root_to(end)), **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("less", [512, 33 * 512, 5 * MIB])
def test_an_image_that_ends_before_its_table_does_was_not_copied_as_a_whole(less: int) -> None:
    words = f"backup is at sector {SECTORS - 1}, the image has {(SIZE - less) // 512}"
    refused(324, words, TABLE, size=SIZE - less)


@pytest.mark.parametrize("more", [512, 5 * MIB])
def test_an_image_that_goes_on_behind_its_table_is_taken(more: int) -> None:
    layout.check_table(TABLE, HEAD, SIZE + more)


@pytest.mark.parametrize("role", ["bios", "esp", "cidata", "root"])
def test_two_of_one_role_are_refused(role: str) -> None:
    spare = gpt.PartitionEntry(gpt.ESP_TYPE, "g", role, 60 * MIB, MIB)
    refused(322, f"2 partitions are called '{role}'", table(*entries(**PLACES), spare))


def test_two_partitions_of_one_guid_are_refused_whatever_they_are_called() -> None:
    spare = gpt.PartitionEntry(gpt.ESP_TYPE, "guid-root", "spare", 13 * MIB, MIB // 2)
    parts = entries(**{**PLACES, "cidata": (10, 3)})
    refused(324, "2 partitions have the GUID guid-root", table(*parts, spare))
    layout.check_table(table(*parts, replace(spare, guid="guid-spare")), HEAD, SIZE)


def test_what_lies_behind_root_is_named() -> None:
    refused(322, "'swap' lies behind root", table(*entries(**PLACES, swap=(60, 1))))
    refused(322, "'cidata' lies behind root", table(*entries(**{**PLACES, "cidata": (60, 1)})))


@pytest.mark.parametrize("role", ["esp", "cidata", "root"])
def test_each_partition_that_hosts_need_is_missed(role: str) -> None:
    rest = [part for part in PARTITIONS if part.role != role]
    with pytest.raises(PackError, match=f"no partition '{role}'") as caught:
        layout.check_partitions(rest, CHUNK, SIZE, SIZE)
    assert caught.value.code == 322


@pytest.mark.parametrize(
    ("seed", "chunk", "is_apart"),
    [
        (10 * MIB, MIB, True),
        (3 * MIB, MIB, True),  # in the middle of the ESP's bytes, and apart from its first chunk
        (2 * MIB + 4096, MIB, False),  # in the chunk of the ESP's head
        (10 * MIB, 16 * MIB, False),  # large chunks: one holds both
        (0, MIB, False),
        (60 * MIB, MIB, False),  # its last chunk holds the backup table
    ],
)
def test_the_seed_shares_no_chunk_with_what_is_written_last(seed: int, chunk: int, is_apart: bool) -> None:
    parts = [replace(part, offset=seed) if part.role == "cidata" else part for part in PARTITIONS]
    if is_apart:
        layout.check_partitions(parts, chunk, SIZE, SIZE)
    else:
        with pytest.raises(PackError, match="cidata shares a chunk") as caught:
            layout.check_partitions(parts, chunk, SIZE, SIZE)
        assert caught.value.code == 322


def test_on_a_larger_disk_the_image_s_end_is_nothing_special() -> None:
    parts = [replace(part, offset=60 * MIB) if part.role == "cidata" else part for part in PARTITIONS]
    layout.check_partitions(parts, CHUNK, SIZE, 2 * SIZE)


@pytest.mark.parametrize(
    "change",
    [
        {"offset": 11 * MIB},
        {"length": 3 * MIB},
        {"guid": "guid-other"},
    ],
)
def test_a_manifest_that_says_otherwise_than_the_table_is_refused(change: dict[str, object]) -> None:
    other = [replace(part, **change) if part.role == "cidata" else part for part in PARTITIONS]  # type: ignore[arg-type]
    for parts in (other, [part for part in PARTITIONS if part.role != "cidata"]):
        with pytest.raises(PackError, match="otherwise of cidata than") as caught:
            layout.check_same(TABLE, parts)
        assert caught.value.code == 323


@pytest.mark.parametrize(
    ("role", "label", "is_taken"),
    [
        ("esp", "VAULTESP", True),
        ("esp", "", False),
        ("esp", "vaultesp", False),
        ("cidata", "cidata", True),  # cloud-init looks for both spellings
        ("cidata", "", False),
        ("cidata", "CIDATA2", False),
    ],
)
def test_both_fats_are_found_by_their_labels(role: str, label: str, is_taken: bool) -> None:
    parts = [replace(part, label=label) if part.role == role else part for part in PARTITIONS]
    if is_taken:
        layout.check_labels(parts)
    else:
        with pytest.raises(PackError, match="label") as caught:
            layout.check_labels(parts)
        assert caught.value.code == 322


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bios", "esp", "cidata", "root", "data"]),
            st.integers(0, 70 * 2048),
            st.integers(1, 30 * 2048),
        ),
        max_size=5,
    )
)
def test_what_is_taken_has_each_sector_once_and_within(found: list[tuple[str, int, int]]) -> None:
    """Sector by sector, without intervals."""
    parts = [
        gpt.PartitionEntry(gpt.ESP_TYPE, f"g{number}", name, at * 512, long * 512)
        for number, (name, at, long) in enumerate(found)
    ]
    sectors = [set(range(at, at + long)) for _, at, long in found]
    used = set().union(*sectors)
    is_whole = len(used) == sum(map(len, sectors)) and used <= set(range(34, SIZE // 512 - 33))
    roles = [name for name, *_ in found if name != "data"]
    is_last = "root" not in roles or max(found, key=lambda part: part[1])[0] == "root"
    wanted = is_whole and len(roles) == len(set(roles)) and is_last
    try:
        layout.check_table(table(*parts), HEAD, SIZE)
    except PackError:
        assert not wanted
    else:
        assert wanted


GUIDS = {part.role: f"{number:08x}-0000-4000-8000-000000000000" for number, part in enumerate(PARTITIONS)}
ROOM = 256 << 10  # bytes of each partition in a small image
SMALL = tuple(
    replace(part, guid=GUIDS[part.role], offset=(number + 1) * ROOM + 512, length=ROOM - 512)
    for number, part in enumerate(PARTITIONS)
)


def small_image(parts: tuple[Partition, ...] = SMALL) -> bytes:
    """A table of these partitions, and what is at the head of both FATs."""
    rows = b"".join(
        uuid.UUID(gpt.ESP_TYPE).bytes_le
        + uuid.UUID(part.guid).bytes_le
        + struct.pack("<QQQ", part.offset // 512, (part.offset + part.length) // 512 - 1, 0)
        + part.role.encode("utf-16-le").ljust(72, b"\0")
        for part in parts
    )
    size = 8 * ROOM
    made = gpt.PartitionTable(
        *(512, bytes(16), 1, size // 512 - 1, 34, size // 512 - 34, rows.ljust(128 * 128, b"\0"), 128, ())
    )
    body = bytearray(size)
    body[:512] = HEAD
    body[512 : 34 * 512] = gpt.build(made)[0]
    for part in parts:
        if part.label:
            body[part.offset : part.offset + 512] = fat_head(part.label)
    return bytes(body)


def packed(
    body: bytes, size: int, parts: tuple[Partition, ...] = SMALL, roles: tuple[str, ...] = layout.LABELLED
) -> tuple[Manifest, dict[int, bytes]]:
    """A manifest, and the chunks of `size` bytes that tell."""
    places = range(0, len(body), size)
    chunks = tuple(Chunk(at, min(size, len(body) - at), "data", at, 1, "0" * 64) for at in places)
    manifest = Manifest("os", "1", "", len(body), 512, size, chunks, parts)
    numbers = layout.telling_chunks(manifest, len(body), roles)
    return manifest, {number: body[number * size : (number + 1) * size] for number in numbers}


@pytest.mark.parametrize("size", [64 << 10, 100_000, ROOM - 100, ROOM, ROOM + 700, ROOM + 511])
def test_a_pack_is_judged_by_its_first_chunks_wherever_they_are_cut(size: int) -> None:
    manifest, chunks = packed(small_image(), size)
    assert layout.check_pack(manifest, chunks).partitions[-1].name == "root"
    assert 3 <= len(chunks) <= 5


@pytest.mark.parametrize("role", ["esp", "cidata"])
def test_a_pack_is_judged_by_its_bytes_and_not_by_what_the_manifest_says_of_them(role: str) -> None:
    other = tuple(replace(part, label="OTHER") if part.role == role else part for part in SMALL)
    for said, found, code, words in (
        (SMALL, other, 322, "labelled"),
        (other, SMALL, 323, "other labels"),
        (other, other, 322, "labelled"),
    ):
        manifest, chunks = packed(small_image(found), 64 << 10, said)
        with pytest.raises(PackError, match=words) as caught:
            layout.check_pack(manifest, chunks)
        assert caught.value.code == code


def ext4_head(size: int) -> bytes:
    """What says how large it is, in blocks of 1 KiB."""
    body = bytearray(1024)
    body[4:8] = struct.pack("<I", size >> 10)
    body[0x38:0x3A] = b"\x53\xef"
    return bytes(1024) + bytes(body)


def sized_fat(label: str, size: int) -> bytes:
    head = bytearray(fat_head(label))
    head[11:13], head[32:36] = struct.pack("<H", 512), struct.pack("<I", size // 512)
    return bytes(head)


HEADS = {
    "esp": lambda size: sized_fat("VAULTESP", size),
    "cidata": lambda size: sized_fat("CIDATA", size),
    "root": ext4_head,
}


@pytest.mark.parametrize("chunk", [64 << 10, 100_000, ROOM, ROOM + 1000, ROOM + 2000])
@pytest.mark.parametrize("role", HEADS)
def test_a_pack_s_filesystems_fit_into_their_partitions_wherever_it_is_cut(role: str, chunk: int) -> None:
    [part] = (part for part in SMALL if part.role == role)
    for more in (-512, 512, 1024, 1 << 30):
        size = part.length + more
        body = bytearray(small_image())
        head = HEADS[role](size)
        body[part.offset : part.offset + len(head)] = head
        manifest, chunks = packed(bytes(body), chunk, roles=layout.NEEDED)
        if size <= part.length:
            layout.check_pack(manifest, chunks, layout.NEEDED)
            continue
        words = f"filesystem in {role!r} has {size & ~1023 if role == 'root' else size} bytes"
        with pytest.raises(PackError, match=words) as caught:
            layout.check_pack(manifest, chunks, layout.NEEDED)
        assert caught.value.code == 322


def test_a_host_fetches_nothing_of_root_to_judge_it() -> None:
    """What is right on its disk would come over the line again, at each deployment."""
    _, chunks = packed(small_image(), 64 << 10)
    _, more = packed(small_image(), 64 << 10, roles=layout.NEEDED)
    [root] = (part for part in SMALL if part.role == "root")
    assert set(more) - set(chunks) == {root.offset // (64 << 10)}


def test_a_partition_that_is_smaller_than_a_superblock_s_place_has_none() -> None:
    *others, root = SMALL
    parts = (*others, replace(root, length=1024))
    manifest, chunks = packed(small_image(parts), 64 << 10, parts, layout.NEEDED)
    layout.check_pack(manifest, chunks, layout.NEEDED)


def test_what_the_manifest_alone_tells_is_refused_before_a_chunk_is_asked_for() -> None:
    with pytest.raises(PackError, match="no partition 'cidata'"):
        packed(small_image(), 64 << 10, tuple(part for part in SMALL if part.role != "cidata"))
    with pytest.raises(PackError, match="cidata shares a chunk"):
        packed(small_image(), 4 * ROOM)


@given(st.integers(64 << 10, 8 << 20), st.integers(0, 60), st.integers(1, 20), st.integers(0, 60))
def test_the_seed_is_apart_just_where_none_of_its_chunks_is_held(
    size: int, begin: int, length: int, esp: int
) -> None:
    """Chunk by chunk, as the writer goes through them."""
    seed = slice(begin * MIB, min(SIZE, (begin + length) * MIB))
    places = {"cidata": (seed.start, seed.stop - seed.start), "esp": (esp * MIB, MIB), "root": (0, 1)}
    parts = [Partition(role, "", "", *place) for role, place in places.items()]
    chunks = [(at, min(size, SIZE - at)) for at in range(0, SIZE, size)]
    is_apart = not any(
        layout.is_held(at, long, esp * MIB, SIZE) and at < seed.stop and seed.start < at + long
        for at, long in chunks
    )
    try:
        layout.check_partitions(parts, size, SIZE, SIZE)
    except PackError:
        assert not is_apart
    else:
        assert is_apart
