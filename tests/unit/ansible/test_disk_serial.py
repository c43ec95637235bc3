"""One disk, one serial: agent, phone-home and verification read the same one on every bus."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from provisioner.agent import facts
from provisioner.system import shipped

PAGE_80 = b"\x00\x80\x00\x14" + b"LABDISK1".ljust(20)  # SPC-4, 7.8.15; libata pads it with blanks


def loaded(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def readers() -> list[object]:
    phone_home = loaded(shipped.file("pxe", "phone-home.py"))
    verification = loaded(shipped.file("ansible", "files/facts.py"))
    return [facts._serial, phone_home.serial, verification.serial]


@pytest.mark.parametrize(
    ("name", "place", "written"),
    [
        ("vda", "serial", b"LABDISK1"),  # virtio_blk ends it without a newline
        ("nvme0n1", "device/serial", b"LABDISK1            \n"),
        ("sda", "device/vpd_pg80", PAGE_80),
    ],
)
def test_all_three_read_the_same_serial(
    readers: list[object], tmp_path: Path, name: str, place: str, written: bytes
) -> None:
    path = tmp_path / name / place
    path.parent.mkdir(parents=True)
    path.write_bytes(written)
    assert [read(tmp_path / name) for read in readers] == ["LABDISK1"] * 3  # type: ignore[operator]


def test_a_scsi_disk_that_shows_two_numbers_gives_all_three_the_same(
    readers: list[object], tmp_path: Path
) -> None:
    device = tmp_path / "sda/device"
    device.mkdir(parents=True)
    (device / "vpd_pg80").write_bytes(PAGE_80)
    (device / "wwid").write_text("naa.5000c500a1b2c3d4\n")
    assert {read(tmp_path / "sda") for read in readers} == {"LABDISK1"}  # type: ignore[operator]


def test_a_root_on_a_subvolume_of_btrfs_lies_on_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    phone_home = loaded(shipped.file("pxe", "phone-home.py"))

    def findmnt(*words: str) -> str:
        if words[0] != "findmnt":
            return ""
        return "/dev/no-such-disk" if "--nofsroot" in words else "/dev/no-such-disk[/@]"

    monkeypatch.setattr(phone_home, "output_of", findmnt)
    assert phone_home.root_disk()["name"] == "no-such-disk"
