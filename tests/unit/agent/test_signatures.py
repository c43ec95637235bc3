"""What on a disk is not ours: found by its magic numbers, named, and refused without consent."""

import errno
import os
import struct
import zlib
from pathlib import Path

import pytest

from provisioner.agent import disks, facts
from provisioner.agent.protocol import Disk
from provisioner.errors import DiskError
from provisioner.imaging import gpt

MIB = 1 << 20
SIZE = 8 * MIB
DM = "what device-mapper keeps of volumes elsewhere"
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
        *(
            ([(32, struct.pack("<Q", magic))], f"{DM} on the whole disk")
            for magic in (27022010, 0x18C403, 2126579579, 0x8AF27F64)  # thin, cache, era, clone
        ),
        ([(0, struct.pack("<I", 0x23489321))], f"{DM} on the whole disk"),  # writecache
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
    assert facts.ownership(tmp_path / "d", 512, 0) == ("", "")


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
        disks.check_consent(held, ["vc-1"], erase=True, foreign=False)
    assert caught.value.code == 319 and "--erase-foreign" in caught.value.hint
    disks.check_consent(held, ["vc-1"], erase=True, foreign=True)


def test_a_hosts_own_old_system_is_no_foreign_one() -> None:
    disks.check_consent(OTHERS, ["vc-9"], erase=True, foreign=False)
    disks.check_consent(OTHERS, ["vc-1", "vc-9"], erase=True, foreign=False)  # it was called so
    with pytest.raises(DiskError, match="holds something: GPT with 4 partitions"):
        disks.check_consent(OTHERS, ["vc-9"], erase=False, foreign=False)


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ([(3, b"-FVE-FS-")], "encrypted data (BitLocker)"),
        ([(32, b"ORCLDISK")], "Oracle ASM"),
        ([(516, b"!Stra0tis\x86\xff\x02^\x41rh")], "Stratis"),
        ([(9 * 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh")], "Stratis"),  # only the second copy
        ([(0, b"dmvdo001")], "VDO"),
        ([(0, b"integrt\0\x05")], "encrypted data (dm-integrity)"),
        ([(8192, b"OCFSV2")], "OCFS2, a cluster's file system"),
        ([(4096 + 24, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef"))], "bcachefs"),
        ([(3072, b"PRIVHEAD")], "Windows dynamic disk (LDM)"),
        ([(1 << 20, b"\x0d\xd0\x01\xc0")], "VMware storage (VMFS)"),
    ],
)
def test_kinds_of_pools_and_encryption_are_named(
    tmp_path: Path, marks: list[tuple[int, bytes]], words: str
) -> None:
    foreign, _ = facts.ownership(disk(tmp_path / "d", *marks), 512, SIZE)
    assert foreign == f"{words} on the whole disk"


@pytest.mark.parametrize("place", [0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x400000])
def test_the_second_header_of_luks_is_seen_wherever_it_may_lie(tmp_path: Path, place: int) -> None:
    path = disk(tmp_path / "d", (place, b"SKUL\xba\xbe"))
    assert facts.ownership(path, 512, SIZE)[0] == "encrypted data (LUKS) on the whole disk"


@pytest.mark.parametrize("place", [64 << 10, 64 << 20])
@pytest.mark.parametrize(("devices", "words"), [(1, ""), (3, "btrfs of several disks on the whole disk")])
def test_btrfs_is_somebody_elses_only_where_it_has_several_disks(
    tmp_path: Path, place: int, devices: int, words: str
) -> None:
    path = tmp_path / "d"
    with path.open("wb") as file:
        file.truncate(96 << 20)
        file.seek(place + 0x40)
        file.write(b"_BHRfS_M" + bytes(0x40) + struct.pack("<Q", devices))
    assert facts.ownership(path, 512, 96 << 20)[0] == words


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "Windows dynamic disk (LDM)"),
        ("af9b60a0-1431-4f62-bc68-3311714a69ad", "Windows dynamic disk (LDM)"),
        ("45b0969e-9b03-4f30-b4c6-b4b80ceff106", "Ceph storage"),
        ("4fbd7e29-9d25-41b8-afd0-35865ceff05d", "Ceph storage"),
        ("30cd0809-c2b2-499c-8879-2d6b78529876", "Ceph storage"),
        ("37affc90-ef7d-4e96-91c3-2d7ae055b174", "IBM Spectrum Scale (GPFS)"),
        ("ca7d7ccb-63ed-4c53-861c-1742536059cc", "encrypted data (LUKS)"),
    ],
)
def test_types_of_partitions_say_what_they_are_part_of(tmp_path: Path, kind: str, words: str) -> None:
    assert facts.ownership(with_gpt(tmp_path / "d", kind), 512, SIZE)[0] == f"{words} on partition 1"


def test_the_backup_of_a_table_counts_where_the_first_is_gone(tmp_path: Path) -> None:
    path = with_gpt(tmp_path / "d", LINUX, (2 * MIB + 512, b"LABELONE"))
    with path.open("r+b") as file:
        file.write(bytes(MIB))
    assert facts.ownership(path, 512, SIZE)[0] == "LVM on partition 1"
    assert facts.content(path, 512) == "GPT (only its backup is left) with 1 partitions: data"


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Offsets of pages that cannot be read."""
    pages: set[int] = set()
    read = os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        if any(offset < page + 4096 and page < offset + length for page in pages):
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", pread)
    return pages


@pytest.mark.parametrize("page", [0, 4096, SIZE - 4096])
def test_what_was_seen_beside_a_bad_sector_still_counts(tmp_path: Path, bad: set[int], page: int) -> None:
    path = disk(tmp_path / "d", (512 if page else 5 * 4096, b"LABELONE"), (128 << 10, ZFS))
    bad.add(page)
    foreign, _ = facts.ownership(path, 512, SIZE)
    assert "ZFS on the whole disk" in foreign and ("LVM on the whole disk" in foreign) is bool(page)
    assert foreign.endswith("sectors that cannot be read (Input/output error)")


def test_a_disk_that_cannot_be_read_at_all_is_somebody_elses_and_is_not_asked_for_ever(
    tmp_path: Path, bad: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = disk(tmp_path / "d")
    bad.update(range(0, SIZE, 4096))
    tries: list[int] = []
    failing = os.pread
    monkeypatch.setattr(os, "pread", lambda *at: tries.append(at[2]) or failing(*at))
    assert facts.ownership(path, 512, SIZE)[0] == "sectors that cannot be read (Input/output error)"
    assert facts.content(path, 512).startswith("cannot be read")
    assert len(tries) <= 2 * 16


def test_a_disk_that_cannot_be_opened_is_somebody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEDIUM, "No medium found")

    monkeypatch.setattr(Path, "open", refuse)
    foreign, owner = facts.ownership(tmp_path / "d", 512, SIZE)
    assert (foreign, owner) == ("a disk that cannot be read (No medium found)", "")
