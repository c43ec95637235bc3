"""qcow2 as qemu-img makes it, and broken: what comes out is the image, or it is refused, and never zeros."""

import json
import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cli.source import as_raw
from provisioner.errors import InputError
from provisioner.imaging import pack
from provisioner.run import run, text
from tests.wire.imaging.disk_image import MIB, disk_image

CLUSTER = 64 << 10
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image whose root is random at its beginning and its end."""
    folder, chance = tmp_path_factory.mktemp("image"), random.Random(3)
    (folder / "root").write_bytes(chance.randbytes(MIB) + bytes(4 * MIB) + chance.randbytes(MIB))
    return disk_image(folder / "disk.raw", folder / "root")


def made(image: Path, folder: Path, *options: str) -> Path:
    path = folder / "disk.qcow2"
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, image, path])
    return path


TAKEN = {
    "as it comes": (),
    "version 2": ("-o", "compat=0.10"),
    "compressed": ("-c",),
    "compressed by zstd": ("-c", "-o", "compression_type=zstd"),
    "small clusters": ("-o", "cluster_size=512"),
    "large clusters": ("-o", "cluster_size=2M"),
    "extended L2": ("-o", "extended_l2=on,cluster_size=128k"),
    "lazy refcounts": ("-o", "lazy_refcounts=on"),
    "narrow refcounts": ("-o", "refcount_bits=1"),
    "wide refcounts": ("-o", "refcount_bits=64"),
    "metadata beforehand": ("-o", "preallocation=metadata"),
    "all beforehand": ("-o", "preallocation=full"),
    "written out of order": ("-W", "-m", "8"),
    "no zero is left out": ("-S", "0"),
}


@pytest.mark.parametrize("options", TAKEN.values(), ids=TAKEN.keys())
def test_every_kind_gives_the_bytes_of_the_image(
    image: Path, tmp_path: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    disk = made(image, tmp_path, *options)
    with as_raw(disk, "qcow2") as raw:
        assert raw.read_bytes() == image.read_bytes()
    assert "belong to nothing" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [disk]


def test_what_is_there_now_is_taken_not_a_snapshot_of_what_was(image: Path, tmp_path: Path) -> None:
    disk = made(image, tmp_path)
    run(["qemu-img", "snapshot", "-c", "before", disk])
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 15M 1M", disk])
    wanted = bytearray(image.read_bytes())
    wanted[15 * MIB : 16 * MIB] = b"\x5a" * MIB
    with as_raw(disk, "qcow2") as raw:
        assert raw.read_bytes() == wanted


def test_a_bitmap_of_a_backup_program_is_no_hindrance(image: Path, tmp_path: Path) -> None:
    disk = made(image, tmp_path)
    run(["qemu-img", "bitmap", "--add", "-f", "qcow2", disk, "b0"])
    with as_raw(disk, "qcow2") as raw:
        assert raw.read_bytes() == image.read_bytes()


def put(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def number(path: Path, offset: int) -> int:
    """A big-endian number of 8 bytes, as all in a qcow2 are."""
    return int.from_bytes(path.read_bytes()[offset : offset + 8], "big")


def l1(path: Path) -> int:
    return number(path, 40)


def l2(path: Path) -> int:
    """Where the first table of the second level lies."""
    return number(path, l1(path)) & 0x00FFFFFFFFFFFE00


def test_clusters_that_a_power_cut_left_are_told_and_the_rest_is_taken(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The writes of data and its count came to the disk, that of the table did not."""
    disk = made(image, tmp_path)
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 1 17M 64k", disk])
    entry = l2(disk) + 17 * MIB // CLUSTER * 8
    assert number(disk, entry)
    put(disk, entry, bytes(8))
    with as_raw(disk, "qcow2") as raw:
        assert raw.read_bytes() == image.read_bytes()
    assert "1 clusters that belong to nothing" in capsys.readouterr().err


def test_one_that_was_not_closed_is_taken_where_its_tables_are_right(image: Path, tmp_path: Path) -> None:
    disk = made(image, tmp_path, "-o", "lazy_refcounts=on")
    put(disk, 72, struct.pack(">Q", number(disk, 72) | 1))  # incompatible features: dirty
    assert json.loads(text(["qemu-img", "info", "--output=json", disk]))["dirty-flag"]
    with as_raw(disk, "qcow2") as raw:
        assert raw.read_bytes() == image.read_bytes()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def cut_to_its_head(path: Path) -> None:
    os.truncate(path, CLUSTER)


def cut_within_its_head(path: Path) -> None:
    os.truncate(path, 60)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def cut_by_a_byte_of_its_data(path: Path) -> None:
    """Of data that is the last thing in the file."""
    end = max(row["offset"] + row["length"] for row in extents(path))
    os.truncate(path, end - 1)


def cut_behind_its_counts(path: Path) -> None:
    """Where the first table lies, there is nothing: all is zeros, and qemu-img check content."""
    os.truncate(path, l1(path) - 100)


def cut_within_its_first_table(path: Path) -> None:
    os.truncate(path, l1(path) + 1)


def cut_within_a_second_table(path: Path) -> None:
    os.truncate(path, l2(path) + 200)


def wild_table(path: Path) -> None:
    """The first entry of the first table points behind the file's end."""
    put(path, l1(path), (1 << 63 | 1 << 40).to_bytes(8, "big"))


def wild_entry(path: Path) -> None:
    put(path, l2(path) + 8 * 8, (1 << 63 | 1 << 40).to_bytes(8, "big"))


def two_entries_of_one_cluster(path: Path) -> None:
    table = l2(path)
    used = [at for at in range(table, table + CLUSTER, 8) if number(path, at)]
    put(path, used[1], path.read_bytes()[used[0] : used[0] + 8])


def no_counts(path: Path) -> None:
    put(path, number(path, number(path, 48)), bytes(CLUSTER))


def no_table_of_counts(path: Path) -> None:
    put(path, number(path, 48), bytes(CLUSTER))


def marked_corrupt(path: Path) -> None:
    put(path, 72, struct.pack(">Q", number(path, 72) | 2))


def of_a_later_release(path: Path) -> None:
    put(path, 72, struct.pack(">Q", number(path, 72) | 1 << 40))


def of_a_later_version(path: Path) -> None:
    put(path, 4, struct.pack(">I", 9))


def raw_after_all(path: Path) -> None:
    put(path, 0, bytes(4))


REFUSED: dict[Damage, str] = {
    cut: "is damaged",
    cut_to_its_head: "is damaged",
    cut_within_its_head: "is no qcow2",
    emptied: "is no qcow2",
    cut_by_a_byte_of_its_data: "is damaged: it ends at byte",
    cut_behind_its_counts: "is damaged",
    cut_within_its_first_table: "is damaged",
    cut_within_a_second_table: "is damaged",
    wild_table: "is damaged: qemu-img check says",
    wild_entry: "is damaged: qemu-img check says",
    two_entries_of_one_cluster: "is damaged: qemu-img check says",
    no_counts: "is damaged",
    no_table_of_counts: "is ",
    marked_corrupt: "is damaged: QEMU has marked it",
    of_a_later_release: "is no qcow2",
    of_a_later_version: "is no qcow2",
    raw_after_all: "is no qcow2",
}


@pytest.mark.parametrize("damage", REFUSED, ids=lambda damage: damage.__name__)
def test_a_broken_one_is_refused_before_it_is_made_raw(image: Path, tmp_path: Path, damage: Damage) -> None:
    disk = made(image, tmp_path)
    damage(disk)
    with pytest.raises(InputError, match=REFUSED[damage]) as caught, as_raw(disk, "qcow2"):
        pass
    assert caught.value.code == 327 and "disk.qcow2" in str(caught.value)
    assert list(tmp_path.iterdir()) == [disk]


def extents(path: Path) -> list[dict[str, int]]:
    listed = json.loads(text(["qemu-img", "map", "-f", "qcow2", "--output=json", path]))
    return [row for row in listed if row["data"] and "offset" in row]


def test_a_compressed_one_whose_data_is_broken_is_refused(image: Path, tmp_path: Path) -> None:
    """Only who unpacks it can know."""
    disk = made(image, tmp_path, "-c")
    entries = (number(disk, at) for at in range(l2(disk), l2(disk) + CLUSTER, 8))
    packed = [entry & (1 << 54) - 1 for entry in entries if entry >> 62 & 1]
    put(disk, packed[-1], b"\xff" * 32)
    with pytest.raises(InputError, match="cannot be read to its end") as caught, as_raw(disk, "qcow2"):
        pass
    assert caught.value.code == 327 and list(tmp_path.iterdir()) == [disk]


@pytest.mark.parametrize("options", [(), ("-c",), ("-o", "cluster_size=2M"), ("-o", "compat=0.10")])
def test_wherever_one_is_cut_off_no_byte_is_lost_without_a_word(
    image: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    whole = made(image, tmp_path, *options)
    length, wanted, chance = whole.stat().st_size, image.read_bytes(), random.Random(len(options))
    disk, refused = tmp_path / "cut.qcow2", 0
    for short in {1, 511, 4096, CLUSTER // 2, *(chance.randrange(1, length) for _ in range(8))}:
        shutil.copy(whole, disk)
        os.truncate(disk, length - short)
        try:
            with as_raw(disk, "qcow2") as raw:
                assert raw.read_bytes() == wanted, short
        except InputError as fault:
            assert fault.code == 327
            refused += 1
    assert refused


def test_whatever_sector_of_its_tables_is_lost_no_byte_is_lost_without_a_word(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a bad medium or a hole in a copy leaves it; data itself has no checksums."""
    whole = made(image, tmp_path)
    body, wanted = whole.read_bytes(), image.read_bytes()
    data = [range(row["offset"], row["offset"] + row["length"]) for row in extents(whole)]
    places = [at for at in range(0, len(body), 512) if any(body[at : at + 512])]
    tables = [at for at in places if not any(at in extent for extent in data)]
    for at in random.Random(1).sample(tables, min(12, len(tables))):
        disk = tmp_path / "lost.qcow2"
        disk.write_bytes(body[:at] + bytes(512) + body[at + 512 :])
        try:
            with as_raw(disk, "qcow2") as raw:
                is_same = raw.read_bytes() == wanted
            assert is_same or "belong to nothing" in capsys.readouterr().err, at
        except InputError as fault:
            assert fault.code == 327


def test_what_reads_another_file_is_refused(image: Path, tmp_path: Path) -> None:
    kinds: dict[str, tuple[str, ...]] = {
        "does not stand alone": ("-b", str(image), "-F", "raw"),
        "does not stand alone: ": ("-o", f"data_file={tmp_path}/d,data_file_raw=on"),
    }
    for words, options in kinds.items():
        disk = tmp_path / "other.qcow2"
        run(["qemu-img", "create", "-q", "-f", "qcow2", *options, disk, str(image.stat().st_size)])
        with pytest.raises(InputError, match=words) as caught, as_raw(disk, "qcow2"):
            pass
        assert caught.value.code == 327
        disk.unlink()


def test_one_that_is_encrypted_is_refused(image: Path, tmp_path: Path) -> None:
    disk = made(image, tmp_path)
    put(disk, 32, struct.pack(">I", 1))  # crypt_method: AES
    with pytest.raises(InputError, match="is encrypted") as caught, as_raw(disk, "qcow2"):
        pass
    assert caught.value.code == 327


@pytest.mark.parametrize(
    ("form", "name"),
    [
        *(("vmdk", "VMDK"), ("vdi", "VDI"), ("vhdx", "VHDX"), ("vpc", "VHD"), ("qed", "QED")),
        *(("parallels", "Parallels"), ("qcow", "qcow2"), ("qcow2", "qcow2")),
    ],
)
def test_a_machine_s_disk_that_is_called_raw_is_named(
    image: Path, tmp_path: Path, form: str, name: str
) -> None:
    disk = tmp_path / "disk.raw"
    run(["qemu-img", "convert", "-f", "raw", "-O", form, image, disk])
    with pytest.raises(InputError, match=f"a virtual machine's disk, not a raw one: {name}") as caught:
        pack.build(disk, tmp_path / "o.pack", name="os", version="1", created="")
    way = "--format qcow2" if name == "qcow2" else "a raw image first"
    assert caught.value.code == 327 and way in caught.value.hint


@pytest.mark.parametrize("program", ["gzip", "xz", "zstd", "bzip2"])
def test_an_archive_that_is_called_raw_is_named(image: Path, tmp_path: Path, program: str) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(run([program, "-c", "-1", image]).stdout)
    with pytest.raises(InputError, match="no raw disk image: it is an archive") as caught:
        pack.build(disk, tmp_path / "o.pack", name="os", version="1", created="")
    assert caught.value.code == 327 and "unpack it first" in caught.value.hint


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a device"])
def test_what_is_no_file_is_not_said_to_be_missing(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "a device" else tmp_path / "x.qcow2"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    for form in ("raw", "qcow2"):
        with pytest.raises(InputError, match="is no regular file") as caught, as_raw(path, form):
            pass
        assert caught.value.code == 327
    with pytest.raises(InputError, match="no such file") as caught, as_raw(tmp_path / "none", "raw"):
        pass
    assert caught.value.code == 320


def test_a_link_is_what_it_leads_to(image: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    disk, link = made(image, tmp_path / "there"), tmp_path / "link.qcow2"
    link.symlink_to(disk)
    with as_raw(link, "qcow2") as raw:
        assert raw.read_bytes() == image.read_bytes()
