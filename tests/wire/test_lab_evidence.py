"""What the lab reads from disks, on partition tables that sgdisk itself made and we then damaged."""

import os
from pathlib import Path

import pytest

from provisioner import run
from provisioner.lab import evidence

SIZE = 16 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """One partition that, like a grown root, ends off every boundary."""
    path = tmp_path / "disk.raw"
    path.touch()
    os.truncate(path, SIZE)
    run.run(["sgdisk", "--set-alignment=1", "--new=1:2048:10001", path])
    return path


def damage(disk: Path, offset: int) -> None:
    with disk.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0xFF]))


def test_a_table_that_is_whole_has_no_fault(disk: Path) -> None:
    assert evidence.table_fault(disk) == ""


@pytest.mark.parametrize("offset", [512 + 60, SIZE - 512 + 60, 1024, SIZE - 33 * 512])
def test_a_damaged_header_or_entry_is_a_fault_although_sgdisk_could_mend_it(disk: Path, offset: int) -> None:
    damage(disk, offset)
    assert evidence.table_fault(disk)


def test_a_backup_that_is_not_at_the_disks_end_is_a_fault(disk: Path) -> None:
    os.truncate(disk, 2 * SIZE)
    assert "secondary header" in evidence.table_fault(disk)


def test_a_disk_without_a_table_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "empty.raw"
    path.touch()
    os.truncate(path, SIZE)
    assert evidence.table_fault(path)
