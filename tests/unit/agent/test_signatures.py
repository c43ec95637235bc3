"""What on a disk is not ours: found by its magic numbers, named, and refused without consent."""

import struct
import zlib
from pathlib import Path

import pytest

from provisioner.agent import disks, facts, signatures
from provisioner.agent.protocol import Disk
from provisioner.errors import DiskError
from provisioner.imaging import gpt

MIB = 1 << 20
SIZE = 8 * MIB
ZFS = struct.pack("<Q", 0x00BAB10C)
MD = struct.pack("<I", 0xA92B4EFC)


def disk(path: Path, *marks: tuple[int, bytes]) -> Path:
    body = bytearray(b"\xa5" * SIZE)
    for place, sign in marks:
        body[place : place + len(sign)] = sign
    path.write_bytes(body)
    return path


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ([(512, b"LABELONE" + bytes(16) + b"LVM2 001")], "LVM on the whole disk"),
        ([(4096, MD)], "RAID (md) on the whole disk"),
        ([(0, MD)], "RAID (md) on the whole disk"),
        ([(SIZE - 0x10000, MD)], "RAID (md) on the whole disk"),  # 0.90
        ([(SIZE - 8192, MD)], "RAID (md) on the whole disk"),  # 1.0
        ([(128 << 10, ZFS)], "ZFS on the whole disk"),
        ([((128 << 10) + 5 * 1024, ZFS[::-1])], "ZFS on the whole disk"),
        ([(SIZE - (128 << 10), ZFS)], "ZFS on the whole disk"),  # only the last label is left
        ([(0, b"LUKS\xba\xbe")], "encrypted data (LUKS) on the whole disk"),
        ([(0, b"bluestore block device\n")], "Ceph storage on the whole disk"),
        ([(SIZE - 1024, b"Intel Raid ISM Cfg Sig. 1.3.00")], "RAID (Intel) on the whole disk"),
        ([(SIZE - 512, b"\xde\x11\xde\x11")], "RAID (DDF) on the whole disk"),
        ([(512, b"LABELONE"), (4096, MD)], "LVM on the whole disk, RAID (md) on the whole disk"),
        ([], ""),
    ],
)
def test_parts_of_something_larger_are_named(
    tmp_path: Path, marks: list[tuple[int, bytes]], words: str
) -> None:
    assert facts.ownership(disk(tmp_path / "d", *marks), 512, SIZE) == (words, "")


def with_gpt(path: Path, kind: str, *marks: tuple[int, bytes]) -> Path:
    from uuid import UUID

    entry = struct.pack(
        "<16s16sQQQ72s", UUID(kind).bytes_le, bytes(range(16)), 4096, 12287, 0, "data".encode("utf-16-le")
    )
    entries = entry.ljust(128 * 128, b"\0")
    table = gpt.PartitionTable(512, bytes(16), 1, SIZE // 512 - 1, 34, SIZE // 512 - 34, entries, 128, ())
    primary, backup = gpt.build(table)
    assert zlib.crc32(entries) == struct.unpack_from("<I", primary, 88)[0]
    return disk(path, (512, primary), (SIZE - len(backup), backup), *marks)


LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"


@pytest.mark.parametrize(
    ("kind", "marks", "words"),
    [
        (LINUX, [], ""),
        (LINUX, [(2 * MIB + 512, b"LABELONE")], "LVM on partition 1"),
        (LINUX, [(2 * MIB + 4096, MD)], "RAID (md) on partition 1"),
        (LINUX, [(6 * MIB - 0x10000, MD)], "RAID (md) on partition 1"),
        ("a19d880f-05fc-4d3b-a006-743f0f84911e", [], "RAID (md) on partition 1"),
        ("6a898cc3-1dd2-11b2-99a6-080020736631", [(2 * MIB + (128 << 10), ZFS)], "ZFS on partition 1"),
    ],
)
def test_partitions_are_looked_into(
    tmp_path: Path, kind: str, marks: list[tuple[int, bytes]], words: str
) -> None:
    path = with_gpt(tmp_path / "d", kind, *marks)
    assert facts.content(path, 512).startswith("GPT with 1 partitions")
    assert facts.ownership(path, 512, SIZE)[0] == words


def test_an_old_partition_table_is_looked_into_too(tmp_path: Path) -> None:
    entry = struct.pack("<B3sB3sII", 0, bytes(3), 0x8E, bytes(3), 2048, 8192)
    path = disk(tmp_path / "d", (0, bytes(446) + entry + bytes(48) + b"\x55\xaa"), (MIB + 512, b"LABELONE"))
    assert facts.ownership(path, 512, SIZE)[0] == "LVM on partition 1"


def test_a_tiny_or_missing_disk_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(bytes(512))
    assert facts.ownership(tmp_path / "d", 512, 512) == ("", "")
    assert facts.ownership(tmp_path / "none", 512, 512) == ("", "")
    assert signatures.foreign(lambda offset, length: b"", 0, None) == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("instance-id: d-1\nlocal-hostname: vc-7\n", "vc-7"),
        ("local-hostname: 'vc-7'\n", "vc-7"),
        ('"local-hostname": "vc-7"\n', "vc-7"),
        ("x-local-hostname: vc-7\n", ""),
        ("", ""),
        ("local-hostname: \x1b[2J\n", ""),
    ],
)
def test_a_seed_says_whose_it_is(text: str, name: str) -> None:
    assert facts.hostname(text) == name


RAID = Disk("sda", SIZE, 512, "ST", "Z1", content="no partition table", foreign="RAID (md) on the whole disk")
OTHERS = Disk("sda", SIZE, 512, "ST", "Z1", content="GPT with 4 partitions", owner="vc-9")


@pytest.mark.parametrize("held", [RAID, OTHERS])
def test_what_is_not_ours_is_refused_without_its_own_consent(held: Disk) -> None:
    with pytest.raises(
        DiskError, match=r"holds what is not ours to erase: (RAID|the system of vc-9)"
    ) as caught:
        disks.check_consent(held, "vc-1", erase=True, foreign=False)
    assert caught.value.code == 319 and "--erase-foreign" in caught.value.hint
    disks.check_consent(held, "vc-1", erase=True, foreign=True)


def test_a_hosts_own_old_system_is_no_foreign_one() -> None:
    disks.check_consent(OTHERS, "vc-9", erase=True, foreign=False)
    with pytest.raises(DiskError, match="holds something: GPT with 4 partitions"):
        disks.check_consent(OTHERS, "vc-9", erase=False, foreign=False)
