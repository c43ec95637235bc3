"""What is somebody else's, on disks that the programs of their owners made; wipefs knows what it knows."""

import json
import os
import random
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
OURS_TO_ERASE = {"ext2", "ext3", "ext4", "vfat", "swap", "btrfs", "gpt", "PMBR", "dos", "iso9660"}


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


MAKERS = {
    "luks1": (lambda path: luks(path, "luks1"), "encrypted data (LUKS)"),
    "luks2": (lambda path: luks(path, "luks2"), "encrypted data (LUKS)"),
    "lvm": (lvm, "LVM"),
    "zfs": (zfs, "ZFS"),
    "btrfs of two": (btrfs, "btrfs of several disks"),
    "btrfs": (lambda path: run(["mkfs.btrfs", "-q", "-f", path]), ""),
    "ext4": (lambda path: run(["mke2fs", "-q", "-F", "-t", "ext4", path]), ""),
    "fat": (lambda path: run(["mkfs.vfat", path]), ""),
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


def gpt(path: Path, names: list[str]) -> list[int]:
    """Partitions of 128 MiB by sgdisk; the offset of each in bytes."""
    run(["sgdisk", "-Z", path], check=False)
    starts = [2048 + 128 * 2048 * number for number in range(len(names))]
    for number, start in enumerate(starts, 1):
        run(["sgdisk", f"-n{number}:{start}:{start + 128 * 2048 - 1}", f"-t{number}:8300", path])
    return [start * 512 for start in starts]


def dos(path: Path, names: list[str]) -> list[int]:
    """One primary partition and an extended one with the others in it, by sfdisk."""
    lines = ["label: dos", "start=2048, size=262144, type=83"]
    starts = [2048]
    if len(names) > 1:
        lines.append("start=266240, type=5")
        for number in range(len(names) - 1):
            starts.append(268288 + number * 264192)
            lines.append(f"start={starts[-1]}, size=262144, type=83")
    run(["sfdisk", "-q", path], stdin="\n".join(lines).encode() + b"\n")
    return [start * 512 for start in starts]


LAYOUTS = {"gpt": gpt, "dos": dos}


@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    names=st.lists(st.sampled_from(sorted(MAKERS)), min_size=1, max_size=3),
    head_is_gone=st.booleans(),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_partitions_are_looked_into_whatever_table_names_them(
    contents: Path, tmp_path: Path, layout: str, names: list[str], head_is_gone: bool
) -> None:
    path = blank(tmp_path / "disk", 520 * MIB)
    offsets = LAYOUTS[layout](path, names)
    for name, offset in zip(names, offsets, strict=True):
        paste(contents / name, path, offset)
    if head_is_gone and layout == "gpt":
        with path.open("r+b") as file:
            file.write(bytes(MIB))
    found = seen(path)
    for number, name in enumerate(names, 1):
        words = MAKERS[name][1]
        shown = number if layout == "gpt" or number == 1 else number + 3  # logical ones count from 5
        assert not words or f"{words} on partition {shown}" in found
    assert "whole disk" not in found and "cannot be read" not in found
    assert found == "" or any(MAKERS[name][1] for name in names)


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
