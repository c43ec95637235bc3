"""What the lab reads from disks, on partition tables that sgdisk itself made and we then damaged."""

import os
from pathlib import Path

import pytest

from provisioner import run
from provisioner.errors import InputError, ProgramError
from provisioner.lab import evidence, installer

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


def test_where_firmware_starts_and_where_the_system_lies_is_read_from_anybodys_table(tmp_path: Path) -> None:
    path = tmp_path / "installed.raw"
    path.touch()
    os.truncate(path, 64 << 20)
    run.run(["sgdisk", "-n1:0:+1M", "-t1:ef02", "-n2:0:+8M", "-t2:ef00", "-n3:0:0", "-t3:8300", path])
    boot, root = evidence.boot_and_root(path)
    assert boot == (2 << 20, 8 << 20) and root[0] == 10 << 20 and root[1] > 50 << 20
    run.run(["sgdisk", "-d2", path])
    assert evidence.boot_and_root(path)[0] == (1 << 20, 1 << 20), "BIOS: GRUB's own partition"


def test_a_disk_that_no_firmware_could_start_is_said(disk: Path) -> None:
    with pytest.raises(ProgramError, match="no partition that firmware could start"):
        evidence.boot_and_root(disk)


@pytest.mark.parametrize(("left_out", "words"), [("vmlinuz", "casper/vmlinuz"), ("initrd", "casper/initrd")])
def test_an_iso_without_an_installer_is_refused_by_what_it_lacks(
    tmp_path: Path, left_out: str, words: str
) -> None:
    (tmp_path / "tree/casper").mkdir(parents=True)
    for name in {"vmlinuz", "initrd"} - {left_out}:
        (tmp_path / "tree/casper" / name).write_bytes(b"x")
    iso = tmp_path / "other.iso"
    run.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-o", iso, tmp_path / "tree"])
    with pytest.raises(InputError, match=f"other.iso holds no {words}") as caught:
        installer.check(iso)
    assert caught.value.code == 329


def test_an_iso_that_does_not_say_which_ubuntu_it_is_is_refused(tmp_path: Path) -> None:
    for name in ("casper/vmlinuz", "casper/initrd", ".disk/info"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"x")
    iso = tmp_path / "other.iso"
    run.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-o", iso, tmp_path / "tree"])
    with pytest.raises(InputError, match=r"does not say in \.disk/info which Ubuntu it is"):
        installer.check(iso)
    (tmp_path / "tree/.disk/info").write_text('Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64\n')
    run.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-o", tmp_path / "right.iso", tmp_path / "tree"])
    installer.check(tmp_path / "right.iso")
    with (tmp_path / "right.iso").open("r+b") as short:
        short.truncate(200_000)
    with pytest.raises(InputError, match="cut short"):
        installer.check(tmp_path / "right.iso")
