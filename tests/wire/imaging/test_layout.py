"""What no host can take is refused where it is packed, where it is added and before a disk is changed."""

import json
import os
import random
import shutil
import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.agent.block_device import BlockDevice
from provisioner.agent.packfile import PackFile
from provisioner.agent.writer import ImageWriter
from provisioner.errors import InputError, PackError
from provisioner.imaging import gpt, pack, signature, unpack
from provisioner.imaging.manifest import Manifest, Partition
from provisioner.run import run, text
from provisioner.state import image_files
from provisioner.state.image_files import added_pack
from provisioner.state.image_folders import image_folder
from tests.wire.imaging.disk_image import (
    BIOS,
    CIDATA,
    ESP,
    MIB,
    ROOT,
    TYPES,
    disk_image,
    layout,
    partitions,
    ungated,
)

SIZE = 6 * MIB  # of the root partition
END = ROOT + SIZE + MIB  # of the image
DISK = END + 2 * MIB
NAMES = {"name": "os", "version": "1", "created": "2026-01-01T00:00:00Z"}
Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that every host takes."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "root").write_bytes(random.Random(7).randbytes(SIZE))
    return disk_image(folder / "whole.raw", folder / "root")


@pytest.fixture
def image(whole: Path, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "image.raw"
    yield Path(shutil.copy(whole, path))
    path.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "disk"
    path.write_bytes(b"\xa5" * DISK)
    yield path
    path.unlink()


def row(role: str, begin: int, length: int, name: str = "") -> str:
    return f"start={begin // 512}, size={length // 512}, type={TYPES[role]}, name={name or role}"


def retable(image: Path, script: str) -> None:
    run(["sfdisk", "-q", "--wipe", "never", "--no-reread", image], stdin=script.encode())


def poke(image: Path, offset: int, data: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def table_of(image: Path) -> gpt.PartitionTable:
    body = image.read_bytes()
    return gpt.read(lambda at, length: body[at : at + length], 512)


def edit(image: Path, change: Callable[[bytearray], object], **fields: Any) -> None:
    """No program makes such a table: its entries are changed by hand, and all checksums made anew."""
    table, size = table_of(image), image.stat().st_size
    entries = bytearray(table.entries)
    change(entries)
    primary, backup = gpt.build(replace(table, **{"entries": bytes(entries), **fields}))
    poke(image, 512, primary)
    poke(image, size - len(backup), backup)


def set_sectors(role: int, first: int | None = None, last: int | None = None) -> Callable[[bytearray], None]:
    """First and last sector of an entry, counted from 0."""

    def change(entries: bytearray) -> None:
        for place, sector in ((32, first), (40, last)):
            if sector is not None:
                struct.pack_into("<Q", entries, role * 128 + place, sector)

    return change


def mbr(*rows: tuple[int, int, int, int]) -> bytes:
    """Flag, type, first sector and sectors of each partition."""
    entries = (struct.pack("<B3sB3sII", row[0], bytes(3), row[1], bytes(3), *row[2:]) for row in rows)
    return b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"


def swap_behind_root(image: Path) -> None:
    retable(image, layout(SIZE - MIB) + row("root", ROOT + SIZE - MIB, MIB, "swap"))


def no_seed(image: Path) -> None:
    retable(image, layout(SIZE, cidata=""))


def no_esp(image: Path) -> None:
    run(["sgdisk", "--change-name=2:EFI System", image])


def a_root_of_another_name(image: Path) -> None:
    run(["sgdisk", "--change-name=4:Root", image])


def seed_behind_root(image: Path) -> None:
    retable(image, layout(SIZE - 4 * MIB, cidata=row("cidata", ROOT + SIZE - 4 * MIB, 4 * MIB)))


def seed_in_the_esp_s_chunk(image: Path) -> None:
    script = layout(SIZE, esp=row("esp", ESP, MIB // 4), cidata=row("cidata", ESP + MIB // 4, 4 * MIB))
    retable(image, script)


def seed_before_the_esp_in_its_chunk(image: Path) -> None:
    seed, esp = row("cidata", BIOS, MIB + MIB // 2), row("esp", ESP + MIB // 2, MIB)
    retable(image, layout(SIZE, bios="", cidata=seed, esp=esp))


def seed_among_the_table_s_sectors(image: Path) -> None:
    script = layout(SIZE, bios="", cidata=row("cidata", MIB // 2, MIB))
    retable(image, script.replace("gpt", "gpt\nfirst-lba: 34", 1))


def two_of_a_name(image: Path) -> None:
    run(["sgdisk", "--change-name=1:esp", image])


def two_roots(image: Path) -> None:
    retable(image, layout(SIZE, bios=row("root", BIOS, MIB)))


def two_of_a_guid(image: Path) -> None:
    guid = next(part.guid for part in partitions(image.read_bytes()) if part.role == "root")
    run(["sgdisk", f"--partition-guid=1:{guid}", image])


def a_fat_without_label(place: int, size: int) -> Change:
    def change(image: Path) -> None:
        run(["mkfs.vfat", "--offset", str(place // 512), image, str(size // 1024)])

    return change


def a_large_filesystem(role: str, make: list[str]) -> Change:
    """Larger by a MiB than its partition, in which its head lies."""

    def change(image: Path) -> None:
        [part] = (part for part in partitions(image.read_bytes()) if part.role == role)
        made = image.with_name("large")
        made.write_bytes(b"")
        os.truncate(made, part.length + MIB)
        run([*make, made])
        poke(image, part.offset, made.read_bytes()[: MIB // 2])
        made.unlink()

    return change


def no_fat_for_the_seed(image: Path) -> None:
    run(["mke2fs", "-q", "-F", "-L", "CIDATA", "-E", f"offset={CIDATA}", image, str(4 * MIB // 1024)])
    poke(image, CIDATA, bytes(512))


def moved_entries(image: Path) -> None:
    run(["sgdisk", "--move-main-table=64", image])


def moved_entries_a_little(image: Path) -> None:
    run(["sgdisk", "--move-main-table=3", image])


def an_mbr_instead(image: Path) -> None:
    """Somebody made another table and left the GPT's bytes."""
    disk = image.with_name("dos.raw")
    disk.write_bytes(b"")
    os.truncate(disk, image.stat().st_size)
    run(["sfdisk", "-q", disk], stdin=b"label: dos\nstart=2048, type=83\n")
    poke(image, 0, disk.read_bytes()[:512])
    disk.unlink()


def a_protective_partition_from_sector_0(image: Path) -> None:
    poke(image, 446, mbr((0, 0xEE, 0, 0xFFFFFFFF)))


def a_protective_partition_elsewhere(image: Path) -> None:
    poke(image, 446, mbr((0x80, 0x0C, ESP // 512, 2048), (0, 0xEE, CIDATA // 512, 1 << 20)))


def neighbours_overlap(image: Path) -> None:
    edit(image, set_sectors(2, first=CIDATA // 512 - 8))


def one_sector_overlaps(image: Path) -> None:
    edit(image, set_sectors(2, last=ROOT // 512))


def one_inside_another(image: Path) -> None:
    edit(image, set_sectors(0, first=ROOT // 512 + 100, last=ROOT // 512 + 200))


def the_same_place_twice(image: Path) -> None:
    edit(image, set_sectors(0, first=ESP // 512, last=CIDATA // 512 - 1))


def before_the_first_place(image: Path) -> None:
    edit(image, set_sectors(0, first=33))


def before_what_the_header_allows(image: Path) -> None:
    edit(image, lambda entries: None, first=4096)


def behind_the_end(image: Path) -> None:
    edit(image, set_sectors(3, last=END // 512))


def far_behind_the_end(image: Path) -> None:
    edit(image, set_sectors(3, last=1 << 50))


def over_the_backup(image: Path) -> None:
    edit(image, set_sectors(3, last=END // 512 - 1))


def over_the_backup_by_a_sector(image: Path) -> None:
    edit(image, set_sectors(3, last=END // 512 - 33))


def over_the_backup_as_the_header_allows(image: Path) -> None:
    edit(image, set_sectors(3, last=END // 512 - 2), last=END // 512 - 1)


def behind_what_the_header_allows(image: Path) -> None:
    edit(image, lambda entries: None, last=(ROOT + SIZE) // 512 - 2)


def grown_behind_its_old_backup(image: Path) -> None:
    """The image became larger, and root with it; its table did not."""
    edit(image, set_sectors(3, last=END // 512 - 34), other=(ROOT + SIZE) // 512 + 40)


def without_its_backup(image: Path) -> None:
    os.truncate(image, END - 33 * 512)


def longer_entries_that_say_more(image: Path) -> None:
    def lengthen(entries: bytearray) -> None:
        rows = [bytes(entries[place : place + 128]).ljust(256, b"\0") for place in range(0, 16384, 128)]
        entries[:] = b"".join(rows)[:-1] + b"x"

    edit(image, lengthen, entry_size=256)


REFUSED: dict[Change, tuple[int, str]] = {
    swap_behind_root: (322, "'swap' lies behind root"),
    seed_behind_root: (322, "'cidata' lies behind root"),
    no_seed: (322, "no partition 'cidata'"),
    no_esp: (322, "no partition 'esp'"),
    a_root_of_another_name: (322, "no partition 'root'"),
    seed_in_the_esp_s_chunk: (322, "cidata shares a chunk"),
    seed_before_the_esp_in_its_chunk: (322, "cidata shares a chunk"),
    seed_among_the_table_s_sectors: (322, "cidata shares a chunk"),
    two_of_a_name: (322, "2 partitions are called 'esp'"),
    two_roots: (322, "2 partitions are called 'root'"),
    two_of_a_guid: (324, "2 partitions have the GUID"),
    a_fat_without_label(ESP, 8 * MIB): (322, "its ESP is not labelled VAULTESP"),
    a_fat_without_label(CIDATA, 4 * MIB): (322, "no FAT that is labelled CIDATA"),
    no_fat_for_the_seed: (322, "no FAT that is labelled CIDATA"),
    moved_entries: (324, "begin at sector 64, not 2"),
    moved_entries_a_little: (324, "begin at sector 3, not 2"),
    an_mbr_instead: (324, "none protects the GPT"),
    a_protective_partition_from_sector_0: (324, "begins at sector 0, not 1"),
    a_protective_partition_elsewhere: (324, f"begins at sector {CIDATA // 512}, not 1"),
    neighbours_overlap: (324, "'esp' and 'cidata' overlap"),
    one_sector_overlaps: (324, "'cidata' and 'root' overlap"),
    one_inside_another: (324, "'root' and 'bios' overlap"),
    the_same_place_twice: (324, "'bios' and 'esp' overlap"),
    before_the_first_place: (324, "'bios' begins at byte 16896"),
    before_what_the_header_allows: (324, "'bios' begins at byte 1048576, the first one may at 2097152"),
    behind_the_end: (324, f"'root' ends at byte {END + 512}"),
    far_behind_the_end: (324, "'root' ends at byte"),
    longer_entries_that_say_more: (324, "have 256 bytes each"),
    over_the_backup: (324, f"'root' ends at byte {END}, the last one may at {END - 33 * 512}"),
    over_the_backup_by_a_sector: (324, f"the last one may at {END - 33 * 512}"),
    over_the_backup_as_the_header_allows: (324, f"the last one may at {END - 33 * 512}"),
    behind_what_the_header_allows: (324, f"the last one may at {ROOT + SIZE - 512}"),
    grown_behind_its_old_backup: (324, f"backup is at sector {(ROOT + SIZE) // 512 + 40}"),
    without_its_backup: (324, f"backup is at sector {END // 512 - 1}, the image has {END // 512 - 33}"),
    a_large_filesystem("esp", ["mkfs.vfat", "-n", "VAULTESP"]): (322, "filesystem in 'esp' has"),
    a_large_filesystem("cidata", ["mkfs.vfat", "-n", "CIDATA"]): (322, "filesystem in 'cidata' has"),
}


def trusted(folder: Path, out: Path) -> Path:
    """A state folder that trusts the key by which the pack's manifest is signed now."""
    state = folder / "state"
    (state / "keys").mkdir(parents=True)
    (state / "images").mkdir()
    secret, public = signature.keygen(folder, "release")
    shutil.copy(public, state / "keys")
    signature.sign(out.with_name(out.name + ".json"), secret)
    return state


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__qualname__.split(".")[0])
def test_what_no_host_can_take_is_refused_at_every_door(
    change: Change, image: Path, disk: Path, tmp_path: Path
) -> None:
    change(image)
    code, words = REFUSED[change]
    out = tmp_path / "os.pack"
    with pytest.raises(PackError, match=words) as caught:
        pack.build(image, out, **NAMES)
    assert caught.value.code == code and not list(tmp_path.glob("os.pack*"))
    manifest = ungated(image, out, inside(partitions(image.read_bytes())))
    state = trusted(tmp_path, out)
    with pytest.raises(PackError, match=words) as caught, added_pack(state, str(out), 1.0):
        pass
    assert caught.value.code == code and str(caught.value).startswith("os.pack: ")
    assert not list((state / "images").iterdir())
    assert refused_by_the_writer(disk, out, manifest, words) == code


@pytest.mark.parametrize("kind", ["ext4", "ext2"])
def test_a_root_filesystem_larger_than_its_partition_is_not_added(
    image: Path, tmp_path: Path, kind: str
) -> None:
    a_large_filesystem("root", ["mke2fs", "-q", "-t", kind])(image)
    out, words = tmp_path / "os.pack", "filesystem in 'root' has"
    with pytest.raises(PackError, match=words) as packed:
        pack.build(image, out, **NAMES)
    ungated(image, out, inside(partitions(image.read_bytes())))
    state = trusted(tmp_path, out)
    with pytest.raises(PackError, match=words) as added, added_pack(state, str(out), 1.0):
        pass
    assert str(added.value) == f"os.pack: {packed.value}" and added.value.code == packed.value.code == 322
    assert not list((state / "images").iterdir())


def refused_by_the_writer(disk: Path, out: Path, manifest: Manifest, words: str) -> int:
    """The code, once it is sure that not a byte of the disk was changed."""
    with (
        BlockDevice(disk) as device,
        PackFile(out, manifest) as source,
        pytest.raises(PackError, match=words) as caught,
    ):
        writer = ImageWriter(device, manifest, lambda *at: None, lambda said: None)
        try:
            writer.write(source, {})
        finally:
            assert writer.state == "was not touched"
    assert disk.read_bytes() == b"\xa5" * DISK
    return caught.value.code


def inside(parts: tuple[Partition, ...]) -> tuple[Partition, ...]:
    """As far as a manifest may say it."""
    return tuple(replace(part, length=min(part.length, END - part.offset)) for part in parts)


def a_wrong_checksum(image: Path) -> None:
    poke(image, 512 + 16, b"\1\2\3\4")


def a_wrong_checksum_of_the_entries(image: Path) -> None:
    poke(image, 1024 + 56, b"?")


def no_primary(image: Path) -> None:
    poke(image, 512, bytes(512))


def a_partition_of_no_length(image: Path) -> None:
    edit(image, set_sectors(0, first=4000, last=3999))


def no_entries(image: Path) -> None:
    edit(image, lambda entries: entries.clear())


UNREADABLE: dict[Change, tuple[str, str]] = {
    a_wrong_checksum: ("header has a wrong checksum", "sfdisk IMAGE"),
    a_wrong_checksum_of_the_entries: ("entries have a wrong checksum", "sfdisk IMAGE"),
    no_primary: ("no GUID partition table at sector 1", "sfdisk IMAGE"),
    a_partition_of_no_length: ("a partition without a place", "512-byte sectors"),
    no_entries: ("header is damaged", "512-byte sectors"),
}


@pytest.mark.parametrize("change", UNREADABLE, ids=lambda change: change.__name__)
def test_a_table_that_cannot_be_read_is_refused_at_every_door(
    change: Change, image: Path, disk: Path, tmp_path: Path
) -> None:
    parts = partitions(image.read_bytes())
    change(image)
    words, hint = UNREADABLE[change]
    with pytest.raises(InputError, match=f"no raw disk image: .*{words}") as caught:
        pack.build(image, tmp_path / "os.pack", **NAMES)
    assert caught.value.code == 327 and hint in caught.value.hint
    out = tmp_path / "os.pack"
    manifest = ungated(image, out, parts)
    state = trusted(tmp_path, out)
    with pytest.raises(PackError, match=words) as added, added_pack(state, str(out), 1.0):
        pass
    assert added.value.code == 324 == refused_by_the_writer(disk, out, manifest, words)


@pytest.mark.parametrize("change", [a_wrong_checksum, a_wrong_checksum_of_the_entries, no_primary])
def test_what_the_hint_says_of_a_broken_table_mends_it(
    change: Change, image: Path, tmp_path: Path, whole: Path
) -> None:
    change(image)
    run(["sfdisk", "-q", image], stdin=b"write\n")
    manifest = pack.build(image, tmp_path / "os.pack", **NAMES)
    assert manifest.partitions == partitions(whole.read_bytes())


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (ROOT + SIZE // 2, "'root' ends at byte"),
        (ROOT + SIZE - 512, "'root' ends at byte"),
        (CIDATA + MIB, "ends at byte"),
        (ESP, "ends at byte"),
        (34 * 512, "ends at byte"),
        (33 * 512, "entries have a wrong checksum"),
        (1024, "entries have a wrong checksum"),
        (512, "no GUID partition table"),
        (0, "no GUID partition table"),
    ],
)
def test_an_image_that_was_cut_off_is_refused(image: Path, tmp_path: Path, length: int, words: str) -> None:
    os.truncate(image, length)
    with pytest.raises((PackError, InputError), match=words) as caught:
        pack.build(image, tmp_path / "os.pack", **NAMES)
    assert caught.value.code == (324 if length >= 34 * 512 else 327)


def hybrid(image: Path) -> None:
    run(["sgdisk", "--hybrid=2", image])


def hybrid_of_three(image: Path) -> None:
    run(["sgdisk", "--hybrid=2:3:4", image])


def hybrid_protected_last(image: Path) -> None:
    run(["sgdisk", "--hybrid=2:EE", image])


def flagged(image: Path) -> None:
    """Some BIOSes boot nothing without it."""
    poke(image, 446, b"\x80")


def a_small_protective_partition(image: Path) -> None:
    poke(image, 446, mbr((0, 0xEE, 1, 99)))


TAKEN = [hybrid, hybrid_of_three, hybrid_protected_last, flagged, a_small_protective_partition]


@pytest.mark.parametrize("change", TAKEN)
def test_the_boot_sector_of_an_image_is_the_one_of_the_disk(change: Change, image: Path, disk: Path) -> None:
    change(image)
    written(image, disk)
    before, kept = (gpt.mbr_entries(path.read_bytes()[:512]) for path in (image, disk))
    assert [(entry.type, entry.raw[0], entry.first) for entry in kept] == [
        (entry.type, entry.raw[0], entry.first) for entry in before
    ]
    others = [entry.raw for entry in before if entry.type != gpt.PROTECTIVE]
    assert [entry.raw for entry in kept if entry.type != gpt.PROTECTIVE] == others


def written(image: Path, disk: Path) -> str:
    """Pack it and write it; what `pack` said."""
    said: list[str] = []
    out = disk.with_name("os.pack")
    manifest = pack.build(image, out, **NAMES, tell=said.append)
    with BlockDevice(disk) as device, PackFile(out, manifest) as source:
        ImageWriter(device, manifest, lambda *at: None, lambda said: None).write(source, {})
    body = disk.read_bytes()
    assert body[ROOT:][:SIZE] == image.read_bytes()[ROOT:][:SIZE]
    return " ".join(said)


def test_a_flag_behind_which_some_firmware_finds_nothing_is_told(image: Path, disk: Path) -> None:
    assert "flagged" not in written(image, disk)
    flagged(image)
    assert "flagged as bootable" in written(image, disk)


def few_entries(image: Path) -> None:
    run(["sgdisk", "--resize-table=8", image])


def many_entries(image: Path) -> None:
    run(["sgdisk", "--resize-table=256", image])


def longer_entries(image: Path) -> None:
    def lengthen(entries: bytearray) -> None:
        rows = [bytes(entries[place : place + 128]).ljust(256, b"\0") for place in range(0, 16384, 128)]
        entries[:] = b"".join(rows)

    edit(image, lengthen, entry_size=256)


def no_backup(image: Path) -> None:
    poke(image, END - 33 * 512, bytes(33 * 512))


def another_backup(image: Path) -> None:
    """Of the table that was there before; the first one counts."""
    poke(image, END - 33 * 512 + 40, struct.pack("<Q", 40))


def no_boot_sector(image: Path) -> None:
    poke(image, 510, bytes(2))


def two_protective_partitions(image: Path) -> None:
    poke(image, 446, mbr((0, 0xEE, 1, 2047), (0, 0xEE, 2048, 100)))


def more_behind_its_end(image: Path) -> None:
    """As a fixed VHD has it."""
    with image.open("ab") as file:
        file.write(b"conectix".ljust(512, b"\0"))


ODD = [
    *(few_entries, many_entries, longer_entries, no_backup, another_backup, no_boot_sector),
    *(two_protective_partitions, more_behind_its_end),
]


@pytest.mark.parametrize("change", ODD)
def test_an_odd_table_is_a_sound_one_on_the_disk(change: Change, image: Path, disk: Path) -> None:
    change(image)
    written(image, disk)
    said = text(["sgdisk", "--verify", disk])
    assert "No problems found" in said, said
    tables = [table_of(path) for path in (disk, image)]
    assert tables[0].partitions == tables[1].partitions and tables[0].guid == tables[1].guid
    listed = json.loads(text(["sfdisk", "--json", disk]))["partitiontable"]["partitions"]
    assert [row["name"] for row in listed] == ["bios", "esp", "cidata", "root"]
    [header] = struct.iter_unpack("<QIII", disk.read_bytes()[512 + 72 : 512 + 92])
    assert header[0] == 2 and header[2] == 128, "what Linux reads"


def signed(image: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> tuple[Path, Path]:
    """A state folder that trusts the key, and a pack whose signed manifest was changed before."""
    out = folder / "os.pack"
    pack.build(image, out, **NAMES)
    manifest = folder / "os.pack.json"
    body = json.loads(manifest.read_text())
    change(body)
    manifest.write_text(json.dumps(body))
    return trusted(folder, out), out


def partition(body: dict[str, Any], role: str) -> dict[str, Any]:
    found: dict[str, Any] = next(part for part in body["partitions"] if part["role"] == role)
    return found


def exchange(body: dict[str, Any]) -> None:
    """Each of two has the other's place."""
    one, other = partition(body, "bios"), partition(body, "cidata")
    for key in ("offset", "length"):
        one[key], other[key] = other[key], one[key]


OTHER_GUID = str(uuid.UUID(int=1))
MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], int, str]] = {
    "seed elsewhere": (lambda body: partition(body, "cidata").update(offset=CIDATA + MIB), 323, "cidata"),
    "one sector off": (lambda body: partition(body, "cidata").update(offset=CIDATA + 512), 323, "cidata"),
    "smaller root": (lambda body: partition(body, "root").update(length=MIB), 323, "root"),
    "exchanged": (exchange, 323, "otherwise of bios, cidata than"),
    "another GUID": (lambda body: partition(body, "root").update(guid=OTHER_GUID), 323, "otherwise of root"),
    "no BIOS partition": (lambda body: body["partitions"].remove(partition(body, "bios")), 323, "bios"),
    "no seed": (
        lambda body: body["partitions"].remove(partition(body, "cidata")),
        322,
        "no partition 'cidata'",
    ),
    "no partitions": (lambda body: body["partitions"].clear(), 322, "no partition 'esp'"),
    "another label": (lambda body: partition(body, "esp").update(label="EFI"), 323, "other labels"),
    "no label": (lambda body: partition(body, "cidata").update(label=""), 323, "other labels"),
    "other sectors": (lambda body: body.update(logical_sector_size=4096), 324, "no GUID partition table"),
}


@pytest.mark.parametrize(("change", "code", "words"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_pack_whose_manifest_says_otherwise_is_not_added(
    change: Callable[[dict[str, Any]], object], code: int, words: str, image: Path, tmp_path: Path
) -> None:
    state, out = signed(image, tmp_path, change)
    with pytest.raises(PackError, match=words) as caught, added_pack(state, str(out), 1.0):
        pass
    assert caught.value.code == code and "os.pack" in str(caught.value)
    assert not list((state / "images").iterdir())


@pytest.mark.parametrize("change", [over_the_backup, a_large_filesystem("root", ["mke2fs", "-q"])])
def test_what_no_host_can_take_is_refused_of_a_stored_image_too(
    change: Change, image: Path, tmp_path: Path
) -> None:
    """As an earlier release, which did not ask so much, has added it."""
    out = tmp_path / "os.pack"
    change(image)
    manifest = ungated(image, out, inside(partitions(image.read_bytes())))
    state = trusted(tmp_path, out)
    folder = image_folder(state, "os@1")
    folder.mkdir()
    for part, name in image_files.PARTS.items():
        shutil.copy(out.with_name(out.name + name.removeprefix("pack")), folder / name)
        assert image_files.part_file(state, "os@1", part).is_file()
    with pytest.raises(PackError, match="'root'") as stored:
        image_files.verify_pack(state, "os@1")
    with pytest.raises(PackError) as given:
        unpack.check_layout(out, manifest)
    assert (str(stored.value), stored.value.code) == (str(given.value), given.value.code)


@pytest.mark.parametrize("length", [ROOT + SIZE, END - 33 * 512, END - 512])
def test_what_the_hint_says_of_an_image_without_its_backup_mends_it(
    image: Path, tmp_path: Path, length: int
) -> None:
    before = table_of(image)
    os.truncate(image, length)
    with pytest.raises(PackError) as caught:
        pack.build(image, tmp_path / "os.pack", **NAMES)
    command = caught.value.hint.partition(": ")[2].replace("IMAGE", str(image))
    assert command.startswith("truncate ")
    run(["sh", "-c", command])
    pack.build(image, tmp_path / "os.pack", **NAMES)
    assert table_of(image).partitions == before.partitions


def test_what_the_hint_says_of_a_root_that_grew_without_its_table_mends_it(
    image: Path, tmp_path: Path
) -> None:
    """The old backup would be inside of root."""
    script = f"{row('root', ROOT, SIZE + 2 * MIB)}\n"
    os.truncate(image, END + 4 * MIB)
    run(["sgdisk", "-e", image])
    run(["sfdisk", "-q", "--no-reread", "-N", "4", image], stdin=script.encode())
    grown = table_of(image)
    edit(image, lambda entries: None, other=END // 512 - 1, last=END // 512 - 34)
    with pytest.raises(PackError, match="'root' ends at byte") as caught:
        pack.build(image, tmp_path / "os.pack", **NAMES)
    assert "sgdisk -e IMAGE" in caught.value.hint
    run(["sgdisk", "-e", image])
    pack.build(image, tmp_path / "os.pack", **NAMES)
    assert table_of(image).partitions == grown.partitions


def test_a_pack_as_it_was_made_is_added(image: Path, tmp_path: Path) -> None:
    state, out = signed(image, tmp_path, lambda body: body)
    with added_pack(state, str(out), 1.0) as added:
        assert (added.name, added.version) == ("os", "1")


def test_a_table_of_the_other_sector_size_is_named(tmp_path: Path) -> None:
    """As a disk of 4096-byte sectors has it that was copied."""
    raw, entry = tmp_path / "x.raw", uuid.UUID(TYPES["root"]).bytes_le + uuid.UUID(int=2).bytes_le
    row = entry + struct.pack("<QQQ", 256, 511, 0) + "root".encode("utf-16-le").ljust(72, b"\0")
    made = gpt.PartitionTable(4096, bytes(16), 1, 1023, 6, 1018, row.ljust(16384, b"\0"), 128, ())
    raw.write_bytes(bytes(1024 * 4096))
    poke(raw, 446, mbr((0, 0xEE, 1, 1023)))
    poke(raw, 4096, gpt.build(made)[0])
    with pytest.raises(InputError, match="made for sectors of 4096 bytes") as caught:
        pack.build(raw, tmp_path / "os.pack", **NAMES)
    assert caught.value.code == 327 and "512-byte sectors" in caught.value.hint


@pytest.mark.parametrize(
    ("role", "place", "make"),
    [
        ("esp", ESP, ["mkfs.vfat", "-a", "-n", "VAULTESP"]),
        ("cidata", CIDATA, ["mkfs.vfat", "-a", "-n", "CIDATA"]),
        ("cidata", CIDATA, ["mkfs.vfat", "-a", "-F", "32", "-n", "CIDATA"]),
        ("root", ROOT, ["mke2fs", "-q", "-t", "ext4"]),
        ("root", ROOT, ["mke2fs", "-q", "-t", "ext2", "-b", "1024"]),
        ("root", ROOT, ["mke2fs", "-q", "-t", "ext4", "-O", "^64bit"]),
    ],
)
def test_a_filesystem_that_is_larger_than_its_partition_is_refused(
    image: Path, tmp_path: Path, role: str, place: int, make: list[str]
) -> None:
    room = next(part.length for part in partitions(image.read_bytes()) if part.role == role)
    for more, is_taken in ((0, True), (4096, False), (32 * MIB, False)):
        made = tmp_path / "fs"
        made.write_bytes(b"")
        os.truncate(made, room + more)
        run([*make, made])
        poke(image, place, made.read_bytes()[: MIB // 2])
        if is_taken:
            pack.build(image, tmp_path / "os.pack", **NAMES)
            continue
        with pytest.raises(PackError, match=f"filesystem in {role!r} has {room + more} bytes") as caught:
            pack.build(image, tmp_path / "os.pack", **NAMES)
        assert caught.value.code == 322
