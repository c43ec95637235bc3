"""Disks that are smaller than they say, by any amount: they are found, in words, and do not boot."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.agent import capacity
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.packfile import PackFile
from provisioner.agent.writer import ImageWriter
from provisioner.errors import DiskError
from tests.wire.agentlab import DISK, ESP, MIB, RAW, Supply, assert_dead, supply

SECTOR = 512
LARGE = 256 * MIB
chance = random.Random(14)
AMOUNTS = sorted(
    {
        *(SECTOR, 8 * SECTOR, 33 * SECTOR, 34 * SECTOR, 64 << 10, MIB - SECTOR, MIB, MIB + SECTOR, 5 * MIB),
        *(DISK - RAW, DISK // 2, DISK - 9 * MIB),
        *(chance.randrange(1, (DISK - 9 * MIB) // SECTOR) * SECTOR for _ in range(6)),
    }
)


class Shrunk(BlockDevice):
    """Says `size` bytes and has those of its file; what is behind is dropped, or lies at 0 and so on."""

    def __init__(self, path: Path, size: int, *, wraps: bool) -> None:
        super().__init__(path)
        self.real, self.size, self.wraps = self.size, size, wraps

    def pieces(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Where the bytes really lie, and how many of them; -1 for nowhere."""
        while length:
            place = offset if offset < self.real else offset % self.real if self.wraps else -1
            many = length if place < 0 else min(length, self.real - place)
            yield place, many
            offset, length = offset + many, length - many

    def write(self, offset: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        for place, many in self.pieces(offset, len(view)):
            if place >= 0:
                super().write(place, view[:many])
            view = view[many:]

    def zero(self, offset: int, length: int) -> None:
        for place, many in self.pieces(offset, length):
            if place >= 0:
                super().zero(place, many)

    def discard(self, offset: int, length: int) -> bool:
        return False

    def read(self, offset: int, length: int) -> bytes:
        found = b""
        for place, many in self.pieces(offset, length):
            found += bytes(many) if place < 0 else super().read(place, many)
        return found

    def read_direct(self, offset: int, length: int) -> memoryview:
        return memoryview(bytearray(self.read(offset, length)))


def refused(supply: Supply, path: Path, size: int, *, real: int, wraps: bool) -> DiskError:
    """Write the image to a disk that says `size` and has `real` bytes; the error."""
    path.write_bytes(b"\xa5" * real)
    with (
        Shrunk(path, size, wraps=wraps) as device,
        PackFile(supply.pack, supply.manifest) as source,
        pytest.raises(DiskError) as caught,
    ):
        writer = ImageWriter(device, supply.manifest, lambda *at: None, lambda said: None)
        try:
            writer.write(source, {})
        finally:
            assert writer.state == "is not whole and does not boot"
    found = path.read_bytes()
    assert not any(found[: 34 * SECTOR]) and not any(found[ESP : ESP + MIB]), "something of it may boot"
    return caught.value


@pytest.mark.parametrize("wraps", [False, True], ids=["drops", "wraps"])
@pytest.mark.parametrize("less", AMOUNTS)
def test_a_disk_that_lacks_any_amount_is_found(
    supply: Supply, tmp_path: Path, less: int, wraps: bool
) -> None:
    fault = refused(supply, tmp_path / "disk", DISK, real=DISK - less, wraps=wraps)
    assert fault.code == 333 and f"is smaller than the {DISK} bytes that it says" in str(fault) and fault.hint


@pytest.mark.parametrize("real", [LARGE // 2, LARGE // 4, LARGE - 70 * MIB, 200 * MIB - SECTOR, 64 * MIB])
def test_a_disk_is_found_whose_image_did_not_reach_its_end(supply: Supply, tmp_path: Path, real: int) -> None:
    """Nothing was written over: the end appears in a place that the image left free."""
    assert refused(supply, tmp_path / "disk", LARGE, real=real, wraps=True).code == 333


@pytest.mark.parametrize("real", [20 * MIB, 23 * MIB + SECTOR, DISK - 8 * MIB])
def test_an_image_that_was_written_over_itself_is_found_though_the_first_look_saw_nothing(
    supply: Supply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: int
) -> None:
    monkeypatch.setattr(capacity.CapacityCheck, "_elsewhere", lambda self: iter(()))
    assert refused(supply, tmp_path / "disk", DISK, real=real, wraps=True).code in (318, 333)


@pytest.mark.parametrize("wraps", [False, True], ids=["drops", "wraps"])
@pytest.mark.parametrize("less", [SECTOR, 8 * SECTOR, MIB, 12 * MIB])
def test_a_disk_just_as_large_as_the_image_is_found_too(
    supply: Supply, tmp_path: Path, less: int, wraps: bool
) -> None:
    """There is no room for a mark: the boot sectors, and what reads back, tell it."""
    fault = refused(supply, tmp_path / "disk", RAW, real=RAW - less, wraps=wraps)
    assert fault.code in (318, 333)


@pytest.mark.parametrize("size", [RAW, RAW + SECTOR, RAW + 5000 // SECTOR * SECTOR, DISK - SECTOR, DISK])
def test_an_honest_disk_of_any_size_is_not_suspected_and_keeps_no_mark(
    supply: Supply, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"\xa5" * size)
    with BlockDevice(path) as device, PackFile(supply.pack, supply.manifest) as source:
        ImageWriter(device, supply.manifest, lambda *at: None, lambda said: None).write(source, {})
    found = path.read_bytes()
    tail = found[max(RAW, size - MIB) : size - 33 * SECTOR]
    assert not any(tail), "the last bytes before the backup table are zeros, as they always were"
    assert found[RAW : size - MIB].strip(b"\xa5") == b""


def test_a_write_that_ends_early_leaves_no_disk_that_boots(supply: Supply, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"\xa5" * DISK)

    class Enough(Exception):
        """Somebody says stop."""

    def stop(phase: str, done: int, total: int) -> None:
        if phase == "reading back":
            raise Enough

    with (
        BlockDevice(path) as device,
        PackFile(supply.pack, supply.manifest) as source,
        pytest.raises(Enough),
    ):
        ImageWriter(device, supply.manifest, stop, lambda said: None).write(source, {})
    assert_dead(path)
    assert path.stat().st_size == DISK


class WriteProtected(BlockDevice):
    """Takes every order to make zeros, and does nothing of it."""

    def zero(self, offset: int, length: int) -> None:
        pass


def test_a_disk_that_keeps_its_old_boot_sectors_is_refused(supply: Supply, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"\xa5" * DISK)
    with (
        WriteProtected(path) as device,
        PackFile(supply.pack, supply.manifest) as source,
        pytest.raises(DiskError, match="does not let go of its old boot sectors") as caught,
    ):
        ImageWriter(device, supply.manifest, lambda *at: None, lambda said: None).write(source, {})
    assert caught.value.code == 317
