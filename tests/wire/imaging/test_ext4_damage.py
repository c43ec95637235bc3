"""No block of a file is called free where bitmaps, descriptors, superblocks are wrong and counts fit."""

import random
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.imaging import ext4, fsck, pack
from provisioner.run import run, text
from tests.wire.imaging.disk_image import ROOT, disk_image
from tests.wire.imaging.test_ext4 import free_by_dumpe2fs, free_map, make, put, reader

MIB, BLOCK, GROUP = 1 << 20, 4096, 1024  # bytes, bytes, blocks of a group
BARE = ("-O", "^metadata_csum")
KINDS = {
    "with checksums": (),
    "with 16 bits of them": ("-O", "^64bit"),
    "with a seed": ("-O", "metadata_csum_seed"),
    "without": BARE,
    "of descriptors only": ("-O", "^metadata_csum,uninit_bg"),
    "ext2": ("-t", "ext2"),
    "ext3": ("-t", "ext3"),
}


def small(folder: Path, *features: str) -> Path:
    """A filesystem of ten groups with files f1, f3, f5 and f7."""
    words = (*features, "-b", str(BLOCK), "-g", str(GROUP))
    return make(folder, *words, size=40 * MIB, files=8, largest=MIB // 2)


def blocks_of(path: Path, name: str) -> list[int]:
    return [int(word) for word in text(["debugfs", "-R", f"blocks {name}", path]).split()]


def bitmaps(path: Path) -> list[int]:
    """Where each group's block bitmap lies, in blocks."""
    return [int(word) for word in re.findall(r"Block bitmap at (\d+)", text(["dumpe2fs", path]))]


def flip(path: Path, places: list[int], block: int) -> None:
    """Turn one block's bit in its group's bitmap."""
    place = places[block // GROUP] * BLOCK + block % GROUP // 8
    put(path, place, bytes([reader(path)(place, 1)[0] ^ 1 << block % 8]))


def exchange_bits(path: Path) -> None:
    """A block of a file is called free, and a free one of its group used: all counts fit."""
    used = blocks_of(path, "f3")[7]
    places, (_, free) = bitmaps(path), free_by_dumpe2fs(path)
    flip(path, places, used)
    flip(path, places, next(block for block in sorted(free) if block // GROUP == used // GROUP))


def exchange_bitmaps(path: Path) -> None:
    """Each of two groups has the other's bitmap and counts, in its own place."""
    _, free = free_by_dumpe2fs(path)
    places, size = bitmaps(path), descriptor_size(path)
    busy = blocks_of(path, "f3")[7] // GROUP
    idle = next(n for n in range(busy + 1, len(places)) if {*range(n * GROUP + 600, n * GROUP + 999)} <= free)
    read = reader(path)
    first, second = (read(places[group] * BLOCK, GROUP // 8) for group in (busy, idle))
    put(path, places[busy] * BLOCK, second)
    put(path, places[idle] * BLOCK, first)
    counts = [read(BLOCK + group * size + 0xC, 2) for group in (busy, idle)]
    put(path, BLOCK + busy * size + 0xC, counts[1])
    put(path, BLOCK + idle * size + 0xC, counts[0])


def call_it_unwritten(path: Path) -> None:
    """A group with files says that its bitmap was never written, and counts as if it were empty."""
    busy, size = blocks_of(path, "f3")[7] // GROUP, descriptor_size(path)
    said = text(["dumpe2fs", path])
    heads = len(re.findall(rf"Group {busy}:.*?backup superblock", said))
    place = BLOCK + busy * size
    read = reader(path)
    before = struct.unpack("<H", read(place + 0xC, 2))[0]
    after = GROUP - heads * 2
    total = struct.unpack("<I", read(1024 + 0xC, 4))[0]
    put(path, place + 0xC, struct.pack("<H", after))
    put(path, place + 0x12, bytes([read(place + 0x12, 1)[0] | 2]))
    put(path, 1024 + 0xC, struct.pack("<I", total + after - before))


def free_by_debugfs(path: Path) -> None:
    """As a program would that is wrong about a file and keeps every checksum."""
    used = blocks_of(path, "f3")[7]
    _, free = free_by_dumpe2fs(path)
    other = next(block for block in sorted(free) if block // GROUP == used // GROUP)
    run(["debugfs", "-w", "-f", "-", path], stdin=f"freeb {used}\nsetb {other}\n".encode())


def descriptor_size(path: Path) -> int:
    return 64 if "64bit" in text(["dumpe2fs", "-h", path]) else 32


DAMAGES = (exchange_bits, exchange_bitmaps, call_it_unwritten, free_by_debugfs)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_bitmap_whose_counts_fit_frees_no_block_of_a_file(
    tmp_path: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    path = small(tmp_path, *KINDS[kind])
    files = {block for number in (1, 3, 5, 7) for block in blocks_of(path, f"f{number}")}
    assert free_map(path) is not None
    damage(path)
    alone = None if damage is free_by_debugfs else ext4.free_map(reader(path))  # its checksums are right
    for found in (alone, free_map(path)):
        assert found is None or not any(found.covers(block * BLOCK, BLOCK) for block in files)


@pytest.mark.parametrize("features", [BARE, ("-O", "^metadata_csum,uninit_bg"), ()])
def test_no_random_damage_frees_a_block_of_a_file(tmp_path: Path, features: tuple[str, ...]) -> None:
    """Bits of bitmaps, descriptors and superblock; counts are made to fit as the bitmap has them."""
    path = small(tmp_path, *features)
    files = {block for number in (1, 3, 5, 7) for block in blocks_of(path, f"f{number}")}
    whole, places, size = path.read_bytes(), bitmaps(path), descriptor_size(path)
    chance, answers = random.Random(len(features)), 0
    for _ in range(24):
        body = bytearray(whole)
        for _ in range(chance.randrange(0, 3)):
            group = chance.randrange(len(places))
            place = chance.choice(
                (places[group] * BLOCK + chance.randrange(GROUP // 8), 1024 + chance.randrange(1024))
            )
            body[place] ^= 1 << chance.randrange(8)
            refit(body, places, group, size)
        path.write_bytes(body)
        found = free_map(path)
        answers += found is not None
        assert found is None or not any(found.covers(block * BLOCK, BLOCK) for block in files)
    assert answers


def refit(body: bytearray, places: list[int], group: int, size: int) -> None:
    """Set the counts of free blocks, the group's and the whole's, to what the bitmap says."""
    bitmap = body[places[group] * BLOCK :][: GROUP // 8]
    free, place = GROUP - sum(byte.bit_count() for byte in bitmap), BLOCK + group * size + 0xC
    (before,), (total,) = struct.unpack_from("<H", body, place), struct.unpack_from("<I", body, 1024 + 0xC)
    struct.pack_into("<H", body, place, free)
    struct.pack_into("<I", body, 1024 + 0xC, (total + free - before) & 0xFFFFFFFF)


@pytest.mark.parametrize("damage", [None, *DAMAGES])
@pytest.mark.parametrize("kind", ["with checksums", "without"])
def test_every_file_is_in_the_pack_whatever_the_bitmap_says(
    tmp_path: Path, kind: str, damage: Callable[[Path], None] | None
) -> None:
    root = small(tmp_path, *KINDS[kind])
    places = {number: blocks_of(root, f"f{number}") for number in (1, 3, 5, 7)}
    if damage:
        damage(root)
    raw, heard = disk_image(tmp_path / "disk.raw", root), []
    manifest = pack.build(
        raw, tmp_path / "x.pack", name="x", version="1", created="", chunk_size=64 << 10, tell=heard.append
    )
    image = run(["zstd", "-dcq", tmp_path / "x.pack"]).stdout
    for number, blocks in places.items():
        held = b"".join(image[ROOT + block * BLOCK :][:BLOCK] for block in blocks)
        wanted = (tmp_path / "tree" / f"f{number}").read_bytes()
        assert held[: len(wanted)] == wanted
    is_believed = any(chunk.kind == "free" for chunk in manifest.chunks)
    assert is_believed == (damage is None)
    assert len(heard) == (damage is not None) and all("free space is packed too" in words for words in heard)


@pytest.mark.parametrize("kind", ["with checksums", "without"])
def test_without_e2fsck_only_checksums_are_believed(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path, *KINDS[kind], size=100 * MIB, files=4)
    raw, heard = disk_image(tmp_path / "disk.raw", root), []
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/e2fsck").write_text("#!/bin/sh\nexit 8\n")
    (tmp_path / "bin/e2fsck").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert fsck.check(str(root), 0) == "unknown"
    manifest = pack.build(raw, tmp_path / "x.pack", name="x", version="1", created="", tell=heard.append)
    is_believed = any(chunk.kind == "free" for chunk in manifest.chunks)
    assert is_believed == (kind == "with checksums") == (not heard)
    assert is_believed or "e2fsck (package e2fsprogs) is missing" in heard[0]
