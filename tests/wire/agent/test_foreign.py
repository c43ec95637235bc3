"""What is somebody else's, on disks that the programs of their owners made; wipefs knows what it knows."""

import json
import os
import random
import re
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.agent import facts, signatures
from provisioner.agent.libblkid import Signature
from provisioner.run import run

MIB = 1 << 20
SIZE = 160 * MIB
# what wipefs calls a thing, and the word that a technician reads
OURS_TO_ERASE = {"ext2", "ext3", "ext4", "vfat", "xfs", "swap", "btrfs", "gpt", "PMBR", "dos", "iso9660"}


def blank(path: Path, size: int = SIZE) -> Path:
    path.write_bytes(b"")
    os.truncate(path, size)
    return path


def seen(path: Path, sector: int = 512) -> str:
    return facts.ownership(path, sector, path.stat().st_size)[0]


def wipefs(path: Path) -> set[str]:
    """The kinds that lie on the whole of it."""
    listed = json.loads(run(["wipefs", "--json", path]).stdout or b'{"signatures": []}')
    return {entry["type"] for entry in listed["signatures"]}


def luks(path: Path, version: str) -> None:
    options = ["--type", version, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    run(["cryptsetup", "luksFormat", "-q", *options, path, "-"], stdin=b"password")


def lvm(path: Path) -> None:
    """As pvcreate labels a device, which a file is not (LVM2, lib/format_text/layout.h)."""
    label = b"LABELONE" + (1).to_bytes(8, "little") + bytes(4) + (32).to_bytes(4, "little") + b"LVM2 001"
    with path.open("r+b") as file:
        file.seek(512)
        file.write(label + b"A" * 32)


def zfs(path: Path) -> None:
    """Uberblocks in all four labels (ZFS on-disk specification, 1.3)."""
    end = path.stat().st_size // (256 << 10) * (256 << 10)
    with path.open("r+b") as file:
        for label in (0, 256 << 10, end - (512 << 10), end - (256 << 10)):
            for number in range(8):
                file.seek(label + (128 << 10) + 1024 * number)
                file.write((0x00BAB10C).to_bytes(8, "little") + (5000).to_bytes(8, "little"))


def btrfs(path: Path) -> None:
    """The first of two disks of a file system."""
    other = blank(path.with_name("other"))
    run(["mkfs.btrfs", "-q", "-f", "-d", "raid1", "-m", "raid1", path, other])


def md(version: str) -> Callable[[Path], None]:
    """A superblock as mdadm writes it (struct mdp_superblock_1 and mdp_super_t of linux/raid/md_p.h)."""

    def make(path: Path) -> None:
        size = path.stat().st_size
        place = {
            "0.90": (size & ~0xFFFF) - 0x10000,
            "1.0": ((size >> 9) - 16 & ~7) << 9,
            "1.1": 0,
            "1.2": 4096,
        }[version]
        block = md_0(size) if version == "0.90" else md_1(size, place)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(block)

    return make


def md_1(size: int, place: int) -> bytes:
    block = bytearray(struct.pack("<IIII16s32sQII", 0xA92B4EFC, 1, 0, 0, b"u" * 16, b"host:0", 1, 1, 0))
    block += struct.pack("<QII", (size >> 9) - 4096, 0, 2) + bytes(32)  # sectors of each of two disks
    block += struct.pack("<QQQQII16s", 2048, (size >> 9) - 4096, place >> 9, 0, 0, 0, b"d" * 16) + bytes(8)
    block += struct.pack("<QQQII", 1, 1, 0xFFFFFFFFFFFFFFFF, 0, 2) + bytes(32) + struct.pack("<HH", 0, 1)
    struct.pack_into("<I", block, 216, folded_sum(block))
    return bytes(block)


def md_0(size: int) -> bytes:
    words = [0] * 1024
    words[:16] = [0xA92B4EFC, 0, 90, 0, 0, 0x11111111, 1, 1, (size >> 10) - 128, 2, 2, 0, 0, 2, 3, 4]
    words[32:38] = [1, 1, 2, 2, 0, 0]
    words[38] = folded_sum(struct.pack("<1024I", *words))
    return struct.pack("<1024I", *words)


def folded_sum(block: bytes | bytearray) -> int:
    total = sum(word for (word,) in struct.iter_unpack("<I", block))
    return ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF


MAKERS = {
    "luks1": (lambda path: luks(path, "luks1"), "encrypted data (LUKS)"),
    "luks2": (lambda path: luks(path, "luks2"), "encrypted data (LUKS)"),
    "lvm": (lvm, "LVM"),
    "zfs": (zfs, "ZFS"),
    **{f"md {version}": (md(version), "RAID (md)") for version in ("0.90", "1.0", "1.1", "1.2")},
    "btrfs of two": (btrfs, "btrfs of several disks"),
    "btrfs": (lambda path: run(["mkfs.btrfs", "-q", "-f", path]), ""),
    "ext4": (lambda path: run(["mke2fs", "-q", "-F", "-t", "ext4", path]), ""),
    "fat": (lambda path: run(["mkfs.vfat", path]), ""),
    "xfs": (lambda path: run(["mkfs.xfs", "--unsupported", "-q", "-f", path]), ""),
    "swap": (lambda path: run(["mkswap", path]), ""),
    "nothing": (lambda path: None, ""),
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_its_owners_program_made_is_named_on_a_whole_disk(tmp_path: Path, name: str) -> None:
    make, words = MAKERS[name]
    make(blank(tmp_path / "disk"))
    assert seen(tmp_path / "disk") == (f"{words} on the whole disk" if words else "")
    known = wipefs(tmp_path / "disk")
    assert bool(known - OURS_TO_ERASE) == (bool(words) and "btrfs" not in name)


def xfs_elsewhere(path: Path, option: str) -> None:
    other = path.with_name("other")
    run(["truncate", "-s", "512M", other])
    run(["mkfs.xfs", "--unsupported", "-q", "-f", *option.format(other).split(), path])


def ext4_with(path: Path, *changes: str) -> None:
    run(["mke2fs", "-q", "-F", "-t", "ext4", path])
    for change in changes:
        run(["debugfs", "-w", "-R", f"set_super_value {change}", path])


ELSEWHERE = {
    "xfs log": (lambda path: xfs_elsewhere(path, "-l logdev={}"), "XFS with a part on another disk"),
    "xfs real time": (lambda path: xfs_elsewhere(path, "-r rtdev={}"), "XFS with a part on another disk"),
    "ext4 journal": (
        lambda path: ext4_with(
            path, "journal_inum 0", "journal_dev 0x811", "journal_uuid 8e8c2e4e-8fae-4d9a-8aee-6c7b1b0f9d01"
        ),
        "ext4 with a part on another disk",
    ),
    "a target of Lustre": (
        lambda path: ext4_with(path, "volume_name scratch-OST0c0f"),
        "Lustre, a cluster's file system",
    ),
    "its first mount": (
        lambda path: ext4_with(path, "volume_name fs:MDT0000"),
        "Lustre, a cluster's file system",
    ),
    "ext4 without a journal": (
        lambda path: run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", path]),
        "",
    ),
    "a label like it": (lambda path: ext4_with(path, "volume_name COST0001"), ""),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_file_system_that_needs_another_disk_does_not_stand_alone(tmp_path: Path, name: str) -> None:
    make, words = ELSEWHERE[name]
    make(blank(tmp_path / "disk"))
    assert seen(tmp_path / "disk") == (f"{words} on the whole disk" if words else "")


@pytest.mark.parametrize("version", ["0.90", "1.0", "1.1", "1.2"])
def test_the_superblocks_here_are_right_for_mdadm(tmp_path: Path, version: str) -> None:
    md(version)(blank(tmp_path / "disk"))
    told = run(["mdadm", "--examine", tmp_path / "disk"]).stdout.decode()
    assert f"Version : {version}" in told and "- correct" in told


def test_a_volume_that_pvcreate_made_is_named(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    path = blank(tmp_path / "disk")
    device = run(["losetup", "--show", "--find", path]).stdout.decode().strip()
    try:
        only = f'devices {{ filter=["a|^{device}$|","r|.*|"] use_devicesfile=0 }} global {{ use_lvmpolld=0 }}'
        run(["pvcreate", "--config", only, "--driverloaded", "n", "-ff", "--yes", device])
        assert facts.ownership(Path(device), 512, SIZE) == ("LVM on the whole disk", "")
    finally:
        run(["losetup", "--detach", device])
    assert "LVM2_member" in wipefs(path) and seen(path) == "LVM on the whole disk"


def test_luks2_is_seen_by_its_second_header_alone(tmp_path: Path) -> None:
    luks(blank(tmp_path / "disk"), "luks2")
    with (tmp_path / "disk").open("r+b") as file:
        file.write(bytes(4096))
    assert seen(tmp_path / "disk") == "encrypted data (LUKS) on the whole disk"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a partition's content of 128 MiB for each maker."""
    folder = tmp_path_factory.mktemp("contents")
    for name, (make, _) in MAKERS.items():
        make(blank(folder / name, 128 * MIB))
    return folder


def paste(content: Path, path: Path, offset: int) -> None:
    """What is not zero of it."""
    with content.open("rb") as source, path.open("r+b") as file:
        for place in range(0, 128 * MIB, MIB // 4):
            if (block := os.pread(source.fileno(), MIB // 4, place)) != bytes(MIB // 4):
                os.pwrite(file.fileno(), block, offset + place)


# what a partition may be said to be: sgdisk's code, an MBR's number, the words for it
TYPES = {
    "plain": ("8300", "83", ""),
    "lvm": ("8e00", "8e", "LVM"),
    "raid": ("fd00", "fd", "RAID (md)"),
    "luks": ("8309", "e8", "encrypted data (LUKS)"),
    "ldm": ("4200", "42", "Windows dynamic disk (LDM)"),
    "vmfs": ("fb00", "fb", "VMware storage (VMFS)"),
}


def gpt(path: Path, types: list[str]) -> list[int]:
    """Partitions of 128 MiB by sgdisk; the offset of each in bytes."""
    starts = [2048 + 128 * 2048 * number for number in range(len(types))]
    words: list[str | Path] = ["sgdisk"]
    for number, (start, name) in enumerate(zip(starts, types, strict=True), 1):
        words += [f"-n{number}:{start}:{start + 128 * 2048 - 1}", f"-t{number}:{TYPES[name][0]}"]
    run([*words, path])
    return [start * 512 for start in starts]


def dos(path: Path, types: list[str]) -> list[int]:
    """One primary partition and an extended one with the others in it, by sfdisk."""
    numbers = [TYPES[name][1] for name in types]
    lines = ["label: dos", f"start=2048, size=262144, type={numbers[0]}"]
    starts = [2048]
    if len(types) > 1:
        lines.append("start=266240, type=5")
        for order, number in enumerate(numbers[1:]):
            starts.append(268288 + order * 264192)
            lines.append(f"start={starts[-1]}, size=262144, type={number}")
    run(["sfdisk", "-q", path], stdin="\n".join(lines).encode() + b"\n")
    return [start * 512 for start in starts]


LAYOUTS = {"gpt": gpt, "dos": dos}
DAMAGES = {"none": (), "head": (0,), "tail": (519 * MIB,)}  # a MiB of zeros at these bytes


@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    parts=st.lists(
        st.tuples(st.sampled_from(sorted(MAKERS)), st.sampled_from(sorted(TYPES))), min_size=1, max_size=3
    ),
    damage=st.sampled_from(sorted(DAMAGES)),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_every_partition_is_said_what_it_is_and_nothing_else(
    contents: Path, tmp_path: Path, layout: str, parts: list[tuple[str, str]], damage: str
) -> None:
    path = blank(tmp_path / "disk", 520 * MIB)
    offsets = LAYOUTS[layout](path, [kind for _, kind in parts])
    for (name, _), offset in zip(parts, offsets, strict=True):
        paste(contents / name, path, offset)
    if layout == "gpt":
        with path.open("r+b") as file:
            for place in DAMAGES[damage]:
                os.pwrite(file.fileno(), bytes(MIB), place)
    expected = set()
    for number, (name, kind) in enumerate(parts, 1):
        shown = number if layout == "gpt" or number == 1 else number + 3  # logical ones count from 5
        expected |= {f"{words} on partition {shown}" for words in (MAKERS[name][1], TYPES[kind][2]) if words}
    assert set(filter(None, seen(path).split(", "))) == expected
    assert facts.content(path, 512) != facts.EMPTY


@given(
    name=st.sampled_from(sorted(MAKERS)), holes=st.lists(st.integers(0, 127), max_size=3), head=st.booleans()
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_wipefs_still_knows_of_a_damaged_disk_is_never_an_empty_disk(
    contents: Path, tmp_path: Path, name: str, holes: list[int], *, head: bool
) -> None:
    """The first MiB is gone, or others are: what is left on a whole disk is what wipefs calls it."""
    path = blank(tmp_path / "disk", 128 * MIB)
    paste(contents / name, path, 0)
    with path.open("r+b") as file:
        for hole in {*holes, *([0] if head else [])}:
            os.pwrite(file.fileno(), bytes(MIB), hole * MIB)
    known = wipefs(path)
    assert not known or facts.content(path, 512) != facts.EMPTY
    words = {signatures._words(Signature(kind, "raid")) for kind in known - OURS_TO_ERASE}
    found = set(filter(None, seen(path).split(", ")))
    assert {f"{word} on the whole disk" for word in words} <= found
    assert found <= {f"{MAKERS[name][1]} on the whole disk"}


def listed_by_sgdisk() -> dict[str, str]:
    """sgdisk's codes of partition types, with its names of them."""
    words = run(["sgdisk", "-L"]).stdout.decode().split()
    codes = [at for at, word in enumerate(words) if re.fullmatch(r"[0-9a-f]{4}", word)]
    return {words[at]: " ".join(words[at + 1 : end]) for at, end in pairwise([*codes, len(words)])}


# what of sgdisk's names says that a partition is part of something larger, or encrypted
LARGER = re.compile(
    r"\b(LVM|RAID|LDM|ZFS|LUKS|dm-crypt|Ceph|VMFS|Storage Spaces|Storage Replica|GPFS|Vinum|Core Storage"
    r"|ccd|Concatenated|Encrypted)\b",
    re.IGNORECASE,
)


def said_of(number: int, told: list[str]) -> bool:
    return any(words.endswith(f" on partition {number}") for words in told)


def test_every_type_of_sgdisks_that_is_part_of_something_larger_is_known(tmp_path: Path) -> None:
    larger = {code: name for code, name in listed_by_sgdisk().items() if LARGER.search(name)}
    assert len(larger) > 20, larger
    path = blank(tmp_path / "disk", 120 * MIB)
    run(["sgdisk", *(word for code in larger for word in ("-n0:0:+1M", f"-t0:{code}")), path])
    parts = dict(enumerate(larger.values(), 1))
    told = seen(path).split(", ")
    assert {name for number, name in parts.items() if not said_of(number, told)} == set()


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("kind", ["gpt", "backup", "dos"])
def test_a_table_made_for_other_sectors_is_read_too(tmp_path: Path, kind: str, sector: int) -> None:
    """By fdisk, which can be told them; the disk says the other size."""
    path = blank(tmp_path / "disk")
    words = b"o\nn\np\n1\n4096\n+8M\nt\n8e\nw\n" if kind == "dos" else b"g\nn\n1\n4096\n+8M\nt\nlvm\nw\n"
    run(["fdisk", "-w", "never", "-b", str(sector), path], stdin=words, check=False)
    if kind == "backup":
        with path.open("r+b") as file:
            file.write(bytes(MIB))
    for said in (512, 4096):
        assert seen(path, said) == "LVM on partition 1"
        assert facts.content(path, said) != facts.EMPTY


def test_a_table_that_is_neither_gpt_nor_mbr_is_no_empty_disk(tmp_path: Path) -> None:
    path = blank(tmp_path / "disk")
    run(["sfdisk", "-q", path], stdin=b"label: sun\n,10M\n")
    assert facts.content(path, 512).startswith("a partition table of another kind")


@pytest.mark.parametrize(("name", "words"), [("ext4", "ext4"), ("xfs", "xfs"), ("zfs", "zfs_member")])
def test_what_lies_there_without_a_table_is_named(tmp_path: Path, name: str, words: str) -> None:
    MAKERS[name][0](blank(tmp_path / "disk"))
    assert facts.content(tmp_path / "disk", 512) == f"no partition table, {words}"


@pytest.mark.parametrize("place", range(8))
def test_random_bytes_are_nobodys(tmp_path: Path, place: int) -> None:
    path = blank(tmp_path / "disk", 8 * MIB)
    path.write_bytes(random.Random(place).randbytes(8 * MIB))
    assert seen(path) == ""


def test_every_kind_of_raid_and_encryption_that_libblkid_knows_has_words() -> None:
    known = run(["blkid", "-k"]).stdout.decode().split()
    for kind in (name for name in known if name.endswith("_raid_member")):
        assert signatures._words(Signature(kind, "raid")).startswith("RAID (")
    assert {name for name in signatures.WORDS if name not in known} <= {"bcachefs"}
