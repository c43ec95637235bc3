"""What ext4 leaves free, held against dumpe2fs and debugfs on filesystems that mke2fs made."""

import os
import random
import re
from pathlib import Path

import pytest

from provisioner.errors import ProgramError
from provisioner.imaging import ext4, fsck
from provisioner.run import run, text

MIB = 1 << 20
SIZES = ("1024", "2048", "4096")  # of blocks, in bytes
SETS = {
    "as Debian makes it": "",
    "without 64bit": "-O ^64bit",
    "without flex_bg": "-O ^flex_bg",
    "without checksums": "-O ^metadata_csum",
    "without checksums and 64bit": "-O ^metadata_csum,^64bit",
    "uninit_bg": "-O ^metadata_csum,uninit_bg",
    "uninit_bg without 64bit": "-O ^metadata_csum,^64bit,uninit_bg",
    "seed of its own": "-O metadata_csum_seed",
    "orphan_file": "-O metadata_csum_seed,orphan_file",
    "no sparse_super": "-O ^sparse_super,^resize_inode",
    "no resize_inode": "-O ^resize_inode",
    "no journal": "-O ^has_journal",
    "no extents": "-O ^extent,^64bit",
    "no dir_index": "-O ^dir_index,^huge_file,^dir_nlink,^extra_isize",
    "stable_inodes": "-O stable_inodes,verity",
    "for news": "-T news",
    "for large files": "-T largefile4 -N 200",
    "small journal": "-J size=4 -m 30",
    "as Ubuntu makes it": "-O metadata_csum_seed,^orphan_file",
    "reserved by hand": "-r 1 -I 128",
    "quota": "-O quota,project",
    "inline_data": "-O inline_data,ea_inode",
    "casefold": "-O casefold,encrypt,verity",
    "fast_commit": "-O fast_commit,large_dir",
    "small groups": "-g 4096",
    "groups by one": "-G 1",
    "groups by many": "-G 256 -E packed_meta_blocks=1",
    "tables written later": "-E lazy_itable_init=1,lazy_journal_init=1",
    "tables written now": "-E lazy_itable_init=0,lazy_journal_init=0",
    "room to grow": "-E resize=20000000",
    "stripes": "-E stride=16,stripe-width=64",
    "large inodes": "-I 1024 -N 20000",
    "ext2": "-t ext2",
    "ext3": "-t ext3",
    "clusters": "-O bigalloc",
    "meta_bg": "-O meta_bg,^resize_inode",
    "sparse_super2": "-O sparse_super2,^resize_inode",
    "sparse_super2 with one copy": "-O sparse_super2,^resize_inode -E num_backup_sb=1",
    "mmp": "-O mmp",
}
UNREAD = ("clusters", "meta_bg", "sparse_super2", "sparse_super2 with one copy", "mmp")  # packed, always
BARE = ("without checksums", "uninit_bg", "ext2", "ext3")  # what these say is believed only of e2fsck
MISCOUNTED = "quota"  # debugfs removes files and leaves the quota's counts alone


def make(folder: Path, *words: str, size: int = 300 * MIB, files: int = 40, largest: int = 2 * MIB) -> Path:
    """A filesystem with files of many sizes, every second of which is deleted again."""
    tree, path = folder / "tree", folder / "fs"
    tree.mkdir()
    chance = random.Random(len(words))
    for number in range(files):
        (tree / f"f{number}").write_bytes(chance.randbytes(chance.randrange(1, largest)))
    path.write_bytes(b"")
    os.truncate(path, size)
    kind = () if "-t" in words else ("-t", "ext4")
    size_of_blocks = () if "-b" in words else ("-b", "4096")
    run(["mke2fs", "-q", "-F", *kind, *size_of_blocks, *words, "-d", tree, path])
    removed = "\n".join(f"rm f{number}" for number in range(0, files, 2)) + "\n"
    run(["debugfs", "-w", "-f", "-", path], stdin=removed.encode())
    return path


def reader(path: Path) -> ext4.Reader:
    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            return os.pread(file.fileno(), length, offset)

    return read


def free_by_dumpe2fs(path: Path) -> tuple[int, set[int]]:
    """The block size, and the blocks that dumpe2fs calls free."""
    said = text(["dumpe2fs", path])
    block = int(re.search(r"Block size:\s+(\d+)", said)[1])
    free: set[int] = set()
    for line in re.findall(r"^  Free blocks: (.+)$", said, re.MULTILINE):
        for span in filter(None, line.replace(" ", "").split(",")):
            first, _, last = span.partition("-")
            free |= set(range(int(first), int(last or first) + 1))
    return block, free


def free_map(path: Path) -> ext4.FreeMap | None:
    """As it is found when an image is packed."""
    return ext4.free_map(reader(path), fsck.check(str(path), 0))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SETS)
def test_a_block_is_free_just_where_dumpe2fs_says_so(tmp_path: Path, name: str, size: str) -> None:
    path = make(tmp_path, "-b", size, *SETS[name].split(), size=40 * MIB, files=8, largest=MIB // 2)
    block, free = free_by_dumpe2fs(path)
    assert len(free) > 1000 and fsck.check(str(path), 0) == ("wrong" if name == MISCOUNTED else "sound")
    found = free_map(path)
    assert (found is None) == (name in (*UNREAD, MISCOUNTED))
    assert (ext4.free_map(reader(path)) is None) == name.startswith((*BARE, *UNREAD))
    if found:
        assert covered(found, path, block) == free


# what may be asked for beside the rest; at most one of each row
CHOICES: tuple[tuple[str, ...], ...] = (
    ("-b 1024", "-b 2048", "-b 4096"),
    ("", "-O ^metadata_csum", "-O ^metadata_csum,uninit_bg", "-O metadata_csum_seed"),
    ("", "-O ^64bit,^resize_inode", "-O ^resize_inode", "-E resize=9000000"),
    ("", "-O ^flex_bg", "-G 2", "-G 64 -E packed_meta_blocks=1"),
    ("", "-g 1024", "-g 2048", "-g 7936"),
    ("", "-O ^sparse_super,^resize_inode", "-O ^has_journal", "-O orphan_file", "-O fast_commit"),
    ("", "-I 128", "-I 512 -O inline_data", "-N 400", "-N 30000"),
    ("", "-O casefold", "-O ea_inode,large_dir", "-O ^extent,^64bit", "-O ^dir_index"),
    ("", "-m 0", "-E lazy_itable_init=1,lazy_journal_init=1", "-E stride=8,stripe-width=16"),
)


@pytest.mark.parametrize("seed", range(24))
def test_any_combination_of_features_is_read_as_dumpe2fs_reads_it(tmp_path: Path, seed: int) -> None:
    chance, words = random.Random(seed), [""]
    for attempt in range(20):  # mke2fs has reasons of its own to refuse some
        words = " ".join(chance.choice(row) for row in CHOICES).split()
        (folder := tmp_path / str(attempt)).mkdir()
        try:
            path = make(folder, *words, size=chance.randrange(24, 48) * MIB, files=8, largest=MIB // 2)
        except ProgramError:
            continue
        break
    block, free = free_by_dumpe2fs(path)
    found = free_map(path)
    assert found and fsck.check(str(path), 0) == "sound", words
    assert covered(found, path, block) == free, words
    assert (ext4.free_map(reader(path)) is None) == any("^metadata_csum" in word for word in words), words


def covered(found: ext4.FreeMap, path: Path, block: int) -> set[int]:
    """The numbers of the blocks that are called free."""
    return {number for number in range(path.stat().st_size // block) if found.covers(number * block, block)}


@pytest.mark.parametrize(
    "changes",
    [
        [["tune2fs", "-U", "random"]],
        [["tune2fs", "-O", "metadata_csum_seed"], ["tune2fs", "-U", "random"]],
        [["tune2fs", "-O", "^metadata_csum"]],
        [["tune2fs", "-O", "^metadata_csum"], ["tune2fs", "-O", "metadata_csum"]],
        [["tune2fs", "-O", "quota"]],
        [["tune2fs", "-I", "512"]],
        [["tune2fs", "-j"], ["e2fsck", "-fyD"]],
        [["resize2fs", "-f", "60M"]],
        [["resize2fs", "-f", "20M"], ["resize2fs", "-f", "36M"]],
        [["resize2fs", "-f", "-M"]],
        [["resize2fs", "-f", "-b"]],
        [["resize2fs", "-f", "-s"], ["resize2fs", "-f", "45M"]],
    ],
    ids=lambda changes: ", ".join(" ".join(change) for change in changes),
)
@pytest.mark.parametrize("size", ["1024", "4096"])
def test_what_programs_changed_since_is_read_as_it_is_now(
    tmp_path: Path, changes: list[list[str]], size: str
) -> None:
    path = make(tmp_path, "-b", size, size=40 * MIB, files=8, largest=MIB // 2)
    for program, *words in changes:
        run(["e2fsck", "-fp", path], check=False)
        size_at_the_end = words[-1:] if words[-1].endswith("M") and words[-1] != "-M" else []
        options = words[:-1] if size_at_the_end else words
        done = run([program, *options, path, *size_at_the_end], check=False)
        assert done.returncode in (0, 1), done.stderr  # 1: e2fsck has changed something
    block, free = free_by_dumpe2fs(path)
    found = free_map(path)
    assert found and covered(found, path, block) == free


def test_a_journal_that_must_be_replayed_is_seen(tmp_path: Path) -> None:
    path = make(tmp_path, size=40 * MIB, files=4)
    assert free_map(path)
    (tmp_path / "block").write_bytes(b"\x5a" * 4096)
    _, free = free_by_dumpe2fs(path)
    script = f"journal_open\njournal_write -b {min(free)} {tmp_path / 'block'}\njournal_close\n"
    run(["debugfs", "-w", "-f", "-", path], stdin=script.encode())
    assert "needs_recovery" in text(["dumpe2fs", "-h", path])
    assert free_map(path) is None and ext4.free_map(reader(path), "sound") is None


def test_what_debugfs_calls_free_is_free_and_a_file_is_not(tmp_path: Path) -> None:
    path = make(tmp_path)
    found = ext4.free_map(reader(path))
    assert found
    for name in ("f1", "f39"):
        blocks = [int(word) for word in text(["debugfs", "-R", f"blocks {name}", path]).split()]
        assert blocks and not any(found.covers(block * 4096, 4096) for block in blocks)
        said = text(["debugfs", "-R", f"testb {blocks[0]}", path])
        assert "marked in use" in said
    last = path.stat().st_size // 4096 - 100
    assert found.covers(last * 4096, 4096)
    assert "not in use" in text(["debugfs", "-R", f"testb {last}", path])


def test_a_range_is_free_only_as_a_whole(tmp_path: Path) -> None:
    path = make(tmp_path)
    found = ext4.free_map(reader(path))
    _, free = free_by_dumpe2fs(path)
    assert found
    edge = next(n for n in sorted(free) if n - 1 not in free and {*range(n, n + 9)} <= free)
    assert found.covers(edge * 4096, 8 * 4096)
    assert found.covers(edge * 4096 + 1, 100)
    assert not found.covers(edge * 4096 - 1, 2) and not found.covers((edge - 1) * 4096, 8 * 4096)
    end = path.stat().st_size
    assert not found.covers(end - 4096, 8192) and not found.covers(end, 1) and not found.covers(0, 4096)
    assert not found.covers(edge * 4096, 0)


def put(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize(
    ("features", "damage"),
    [
        (("-O", "bigalloc"), None),
        (("-O", "meta_bg,^resize_inode"), None),
        (("-O", "sparse_super2"), None),
        ((), (1024 + 0x60, b"\xc6")),  # needs_recovery: the journal holds what the bitmaps do not know
        ((), (1024 + 0x3A, b"\0")),  # mounted
        ((), (1024 + 0x3A, b"\3")),  # errors
        ((), (1024 + 0xE8, b"\x0c")),  # orphans
        ((), (1024 + 0x38, b"\0")),  # no ext4
        ((), (4096 + 0xC, b"\x01\x02")),  # a group counts otherwise than its bitmap
        ((), (1024 + 0xC, b"\x01")),  # and so does the superblock
        ((), (1024 + 0x62, b"\x80")),  # a feature that nobody knows yet
        ((), (4096, b"\xff\xff\xff\x7f")),  # a bitmap behind the end
        ((), (1024 + 0x20, b"\x07\0\0\0")),
        ((), (1024 + 0x18, b"\xff")),
    ],
)
def test_in_any_doubt_nothing_is_free(
    tmp_path: Path, features: tuple[str, ...], damage: tuple[int, bytes] | None
) -> None:
    path = make(tmp_path, *features, files=4)
    if damage:
        assert ext4.free_map(reader(path), "sound") is not None
        put(path, *damage)
    assert ext4.free_map(reader(path), "sound") is None


def test_no_flipped_byte_in_superblock_or_descriptors_frees_a_used_block(tmp_path: Path) -> None:
    path = make(tmp_path, "-O", "^metadata_csum", size=300 * MIB, files=6)
    body, (_, free) = path.read_bytes(), free_by_dumpe2fs(path)
    chance, answers = random.Random(4), 0
    for _ in range(1500):
        damaged = bytearray(body[: 2 * MIB])
        place = chance.choice((chance.randrange(1024, 2048), chance.randrange(4096, 4096 + 3 * 64)))
        damaged[place] ^= 1 << chance.randrange(8)

        def read(offset: int, length: int, damaged: bytes = bytes(damaged)) -> bytes:
            inside = damaged[offset : offset + length]
            return inside + body[offset + len(inside) : offset + length]

        found = ext4.free_map(read, "sound")
        if found is not None:
            answers += 1
            used = [n for n in range(0, 300 * 256, 7) if n not in free]
            assert not any(found.covers(n * 4096, 4096) for n in used)
    assert 0 < answers < 1500


def test_what_is_no_filesystem_has_nothing_free(tmp_path: Path) -> None:
    for body in (b"", bytes(100), bytes(8192), os.urandom(8192)):
        (tmp_path / "x").write_bytes(body)
        assert ext4.free_map(reader(tmp_path / "x")) is None
