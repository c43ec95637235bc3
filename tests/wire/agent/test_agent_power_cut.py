"""The power goes at any moment of a re-image, and with it whatever the disk had only in its cache."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner import run
from provisioner.agent.block_device import BlockDevice
from provisioner.agent.packfile import PackFile
from provisioner.agent.writer import ImageWriter
from provisioner.errors import PackError
from provisioner.imaging import gpt
from tests.wire.agent.test_agent_delta import changed
from tests.wire.agentlab import (
    CIDATA,
    DISK,
    ROOT,
    SEED,
    Supply,
    assert_whole,
    disk,
    put,
    supply,
)

SECTOR = 512
Op = tuple[int, bytes]  # offset, what is there afterwards
LOSSES = 3  # ways to lose what was in the cache, at each moment


class Cached(BlockDevice):
    """Remembers what was written in which order, and how much of it each flush made last."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.ops: list[Op] = []
        self.flushes: list[tuple[int, int]] = []  # when it was done, and of how many ops it is true
        self._guard = threading.Lock()

    def _note(self, offset: int, data: bytes) -> None:
        with self._guard:
            self.ops.append((offset, data))

    def write(self, offset: int, data: bytes | memoryview) -> None:
        super().write(offset, data)
        self._note(offset, bytes(data))

    def zero(self, offset: int, length: int) -> None:
        super().zero(offset, length)
        self._note(offset, bytes(length))

    def discard(self, offset: int, length: int) -> bool:
        done = super().discard(offset, length)
        self._note(offset, b"\xee" * length)  # anybody's guess
        return done

    def flush(self) -> None:
        if (seed := self.path.read_bytes()[CIDATA:ROOT]) != self._latest_seed():  # mtools wrote it
            self._note(CIDATA, seed)
        with self._guard:
            covered = len(self.ops)
        super().flush()
        with self._guard:
            self.flushes.append((len(self.ops), covered))

    def _latest_seed(self) -> bytes:
        with self._guard:
            return next((data for offset, data in reversed(self.ops) if offset == CIDATA), b"")

    def after(self, before: bytes, moment: int, chance: random.Random) -> bytes:
        """The disk after a power cut when `moment` ops were done; each unflushed sector may be old or new."""
        lasting = max((covered for done, covered in self.flushes if done <= moment), default=0)
        found = bytearray(before)
        for offset, data in self.ops[:lasting]:
            found[offset : offset + len(data)] = data
        for offset, data in self.ops[lasting:moment]:
            for place in _kept(len(data), chance):
                found[offset + place : offset + place + SECTOR] = data[place : place + SECTOR]
        return bytes(found)


def _kept(length: int, chance: random.Random) -> Iterator[int]:
    """Which sectors of a write came to the medium: all, none, the first ones, or any."""
    places = range(0, length, SECTOR)
    kind = chance.choice(("all", "none", "first", "any"))
    if kind == "first":
        places = places[: chance.randrange(len(places) + 1)]
    return iter([] if kind == "none" else [p for p in places if kind != "any" or chance.random() < 0.5])


def boots(found: bytes) -> bool:
    """Whether firmware would start anything: a BIOS by the MBR's code, UEFI by either table and its ESP."""
    if any(found[:440]) and found[510:512] == b"\x55\xaa":
        return True
    for lba in (1, DISK // SECTOR - 1):
        try:
            table = gpt.read(lambda offset, length: found[offset : offset + length], SECTOR, lba)
        except PackError:
            continue
        esps = [part.offset for part in table.partitions if part.type == gpt.ESP_TYPE]
        if any(found[place + 510 : place + 512] == b"\x55\xaa" for place in esps):
            return True
    return False


@pytest.fixture
def again(supply: Supply, disk: Path, tmp_path: Path) -> tuple[bytes, Cached, Supply]:
    """A disk that held an image and was written with the next one: what it was, and every step since."""
    with BlockDevice(disk) as medium, PackFile(supply.pack, supply.manifest) as source:
        ImageWriter(medium, supply.manifest, lambda *_: None).write(source, SEED)
    before, newer = disk.read_bytes(), changed(supply, tmp_path, 10, 13, 17)
    assert boots(before)
    with Cached(disk) as medium, PackFile(newer.pack, newer.manifest) as source:
        ImageWriter(medium, newer.manifest, lambda *_: None, method="full").write(source, SEED)
    return before, medium, newer


def test_no_power_cut_leaves_half_an_image_that_boots(
    again: tuple[bytes, Cached, Supply], disk: Path, tmp_path: Path
) -> None:
    before, medium, newer = again
    assert_whole(disk, newer)
    raw, chance, booting = newer.raw.read_bytes(), random.Random(20), {"older": 0, "newer": 0}
    for moment in range(len(medium.ops) + 1):
        for _ in range(LOSSES):
            found = medium.after(before, moment, chance)
            if not boots(found):
                continue
            place = slice(ROOT, len(raw) - 33 * SECTOR)
            whole = [name for name, one in (("older", before), ("newer", raw)) if found[place] == one[place]]
            assert len(whole) == 1, f"half an image boots after {moment} of {len(medium.ops)} steps"
            booting[whole[0]] += 1
            if whole == ["newer"]:
                put(disk, 0, found)
                for name, text in SEED.items():
                    assert run.run(["mtype", "-i", f"{disk}@@{CIDATA}", f"::{name}"]).stdout == text.encode()
    assert booting["older"] and booting["newer"], booting
    assert len(medium.ops) > 20 and len(medium.flushes) > 5


def test_what_a_power_cut_left_becomes_whole_by_the_next_attempt(
    again: tuple[bytes, Cached, Supply], disk: Path
) -> None:
    before, medium, newer = again
    chance = random.Random(21)
    for _ in range(20):
        put(disk, 0, medium.after(before, chance.randrange(len(medium.ops) + 1), chance))
        with BlockDevice(disk) as fresh, PackFile(newer.pack, newer.manifest) as source:
            ImageWriter(fresh, newer.manifest, lambda *_: None).write(source, SEED)
        assert_whole(disk, newer)


def test_a_writer_that_did_not_flush_would_be_found(again: tuple[bytes, Cached, Supply]) -> None:
    """The test above can fail: without its flushes, what makes the disk bootable may come before the rest."""
    before, medium, newer = again
    raw, chance = newer.raw.read_bytes(), random.Random(22)
    medium.flushes.clear()
    place = slice(ROOT, len(raw) - 33 * SECTOR)
    states = [medium.after(before, len(medium.ops), chance) for _ in range(40)]
    assert any(boots(found) and found[place] not in (before[place], raw[place]) for found in states)
