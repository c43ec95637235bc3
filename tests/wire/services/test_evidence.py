"""What a rehearsal reads from disks, held against disks that other programs made."""

from pathlib import Path

import pytest

from provisioner import run
from provisioner.errors import ProgramError
from provisioner.imaging import gpt
from provisioner.imaging.manifest import Chunk, Manifest, Partition
from provisioner.lab import evidence

SECTOR, MIB = 512, 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """An image of 16 MiB with one partition, written at the beginning of a disk of 24 MiB."""
    path = tmp_path / "disk"
    path.write_bytes(bytes(16 * MIB))
    run.run(["sfdisk", "--quiet", path], stdin=b"label: gpt\nstart=2048, size=16384, name=root\n")
    with path.open("r+b") as file:
        file.truncate(24 * MIB)
    return path


def move_backup(disk: Path) -> None:
    """As the agent does it."""
    whole = disk.read_bytes()
    table = gpt.stretch(gpt.read(lambda offset, length: whole[offset : offset + length], SECTOR), len(whole))
    primary, backup = gpt.build(table)
    with disk.open("r+b") as file:
        file.write(gpt.protective_mbr(whole[:SECTOR], len(whole), SECTOR) + primary)
        file.seek(len(whole) - len(backup))
        file.write(backup)


def test_a_backup_table_that_stayed_where_the_image_ended_is_found(disk: Path) -> None:
    assert "doesn't reside at the end of the disk" in evidence.table_fault(disk)


def test_a_backup_table_that_was_moved_to_the_end_is_right(disk: Path) -> None:
    move_backup(disk)
    assert evidence.table_fault(disk) == ""


@pytest.mark.parametrize("sectors_from_end", [1, 33])
def test_a_backup_table_that_is_damaged_is_found(disk: Path, sectors_from_end: int) -> None:
    move_backup(disk)
    with disk.open("r+b") as file:
        file.seek(24 * MIB - sectors_from_end * SECTOR)
        file.write(b"\xa5" * SECTOR)
    assert evidence.table_fault(disk)


def test_a_disk_without_a_table_is_no_right_table(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"\xa5" * MIB)
    assert evidence.table_fault(tmp_path / "disk")


@pytest.fixture
def manifest() -> Manifest:
    root = Partition("root", "0" * 8, "", MIB, 8 * MIB)
    return Manifest("test-os", "1", "", 16 * MIB, SECTOR, MIB, (), (root,))


def test_the_size_of_a_root_file_system_is_its_own_and_not_its_partition_s(
    disk: Path, manifest: Manifest
) -> None:
    run.run(["mke2fs", "-q", "-F", "-t", "ext4", "-E", f"offset={MIB}", disk, "4M"])
    assert evidence.root_size(disk, manifest) == 4 * MIB


def test_a_root_that_holds_no_file_system_is_an_error_in_words(disk: Path, manifest: Manifest) -> None:
    with pytest.raises(ProgramError, match="dumpe2fs"):
        evidence.root_size(disk, manifest)


def test_what_an_image_leaves_free_may_differ_as_one_range(disk: Path) -> None:
    kinds = ["data", "free", "free", "zero", "free", "data"]
    chunks = tuple(Chunk(n * MIB, MIB, kind, n, 1, "0" * 64) for n, kind in enumerate(kinds))
    parts = (Partition("cidata", "", "", 5 * MIB, 4096),)
    manifest = Manifest("a", "1", "", 6 * MIB, SECTOR, MIB, chunks, parts)
    assert evidence.may_differ(manifest)[3:] == [(MIB, 2 * MIB), (4 * MIB, MIB)]
