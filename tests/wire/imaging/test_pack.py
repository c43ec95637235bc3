"""Packs, tables and signatures against the programs that everybody has: zstd, sgdisk, mkfs.vfat, minisign."""

import dataclasses
import errno
import hashlib
import json
import os
import random
import struct
from pathlib import Path

import pytest
import zstandard

from provisioner.errors import FileError, InputError, PackError, RefusedError
from provisioner.imaging import gpt, pack, signature, source, unpack
from provisioner.imaging import manifest as manifests
from provisioner.run import run, text
from tests.wire.imaging.disk_image import fat_head

MIB = 1 << 20
NAMES = {"name": "small-os", "version": "1.0", "created": "2026-01-01T00:00:00Z"}
LAYOUT = """label: gpt
sector-size: 512
first-lba: 34
start=2048, size=2048, name=bios, type=21686148-6449-6E6F-744E-656564454649
start=4096, size=8192, name=esp, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
start=12288, size=4096, name=cidata, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7
start=16384, size=4096, name=scratch, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
start=20480, name=root, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk image of 20 MiB and one sector: half of it random, half zeros; its ESP is a whole FAT."""
    folder = tmp_path_factory.mktemp("raw")
    path, made = folder / "disk.raw", folder / "esp.fat"
    path.write_bytes(b"")
    made.write_bytes(bytes(4 * MIB))
    run(["truncate", "-s", str(20 * MIB + 512), path])
    run(["sfdisk", "-q", path], stdin=LAYOUT.encode())
    run(["mkfs.vfat", "-n", manifests.ESP_LABEL, made])
    with path.open("r+b") as file:
        file.seek(2 * MIB)
        file.write(made.read_bytes())
        file.seek(6 * MIB)
        file.write(fat_head("CIDATA"))
        file.seek(10 * MIB)
        file.write(random.Random(1).randbytes(5 * MIB + 12345))
    return path


@pytest.fixture(scope="module")
def packed(raw: Path) -> tuple[Path, manifests.Manifest]:
    out = raw.with_name("small.pack")
    return out, pack.build(raw, out, **NAMES)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("release", "other"):
        signature.keygen(folder, name)
    return folder


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def test_a_disk_that_did_not_take_what_was_written_is_said(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells a fault of the disk once, to who syncs: that is not the end's own sync here."""

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(pack, "_BEHIND", MIB)
    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(FileError, match="its medium failed"):
        pack.build(raw, tmp_path / "a.pack", **NAMES)
    assert list(tmp_path.iterdir()) == []


def test_zstd_gives_the_raw_image_back(raw: Path, packed: tuple[Path, manifests.Manifest]) -> None:
    out, manifest = packed
    expanded = run(["zstd", "-q", "-dc", out]).stdout
    assert expanded == raw.read_bytes()
    assert manifest.raw_sha256 == ""
    told = pack.build(raw, out.with_name("told.pack"), **NAMES, raw_sha256=True)
    assert told.raw_sha256 == hashlib.sha256(expanded).hexdigest() == text(["sha256sum", raw]).split()[0]
    assert told.chunks == manifest.chunks and told.root_hash == manifest.root_hash
    run(["zstd", "-q", "-t", out])


def test_the_manifest_says_what_lies_where(raw: Path, packed: tuple[Path, manifests.Manifest]) -> None:
    out, manifest = packed
    assert manifests.load(beside(out, ".json")) == manifest
    body = json.loads(beside(out, ".json").read_text())
    assert (body["format"], body["name"], body["version"]) == ("pack/2", "small-os", "1.0")
    assert [(part.role, part.label) for part in manifest.partitions] == [
        ("bios", ""), ("esp", "VAULTESP"), ("cidata", "CIDATA"), ("root", ""),
    ]  # fmt: skip
    listed = json.loads(text(["sfdisk", "--json", raw]))["partitiontable"]["partitions"]
    known = {(row["uuid"].lower(), row["start"] * 512, row["size"] * 512) for row in listed}
    assert {(part.guid, part.offset, part.length) for part in manifest.partitions} <= known
    kinds = [chunk.kind for chunk in manifest.chunks]
    assert len(kinds) == 21 and kinds[10:16] == ["data"] * 6 and kinds[16:19] == ["zero"] * 3
    assert manifest.chunks[-1].length == 512


def test_every_frame_can_be_expanded_alone(raw: Path, packed: tuple[Path, manifests.Manifest]) -> None:
    out, manifest = packed
    whole, chunk = out.read_bytes(), manifest.chunks[12]
    frame = whole[chunk.pack_offset :][: chunk.pack_length]
    assert run(["zstd", "-q", "-dc"], stdin=frame).stdout == raw.read_bytes()[12 * MIB : 13 * MIB]


def test_the_same_image_gives_the_same_bytes(raw: Path, packed: tuple[Path, manifests.Manifest]) -> None:
    out, again = packed[0], packed[0].with_name("again.pack")
    pack.build(raw, again, **NAMES)
    assert again.read_bytes() == out.read_bytes()
    assert beside(again, ".json").read_bytes() == beside(out, ".json").read_bytes()


@pytest.mark.parametrize("change", ["grows", "shrinks", "is overwritten"])
def test_an_image_that_changes_while_it_is_packed_is_refused(raw: Path, tmp_path: Path, change: str) -> None:
    moving, out = tmp_path / "moving.raw", tmp_path / "moving.pack"
    moving.write_bytes(raw.read_bytes())

    def meddle(done: int, total: int) -> None:
        if done == MIB:
            with moving.open("r+b") as file:
                if change == "shrinks":
                    file.truncate(19 * MIB)
                else:
                    file.seek(0 if change == "is overwritten" else total)
                    file.write(b"more")

    with pytest.raises(PackError, match="was changed while it was read") as caught:
        pack.build(moving, out, **NAMES, progress=meddle)
    assert caught.value.code == 327
    assert list(tmp_path.iterdir()) == [moving]  # nothing half-made is left


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"QFI\xfb\0\0\0\3", "a virtual machine's disk"),
        (b"KDMV\1\0\0\0", "a virtual machine's disk"),
        (bytes(8), "no raw disk image: no GUID partition table"),
        (b"", "no raw disk image"),
    ],
)
def test_what_is_no_raw_disk_is_refused(tmp_path: Path, head: bytes, words: str) -> None:
    wrong = tmp_path / "wrong.img"
    wrong.write_bytes(head.ljust(MIB, b"\0") if head else b"")
    with pytest.raises(InputError, match=words) as caught:
        pack.build(wrong, tmp_path / "out.pack", **NAMES)
    assert caught.value.code == 327
    assert list(tmp_path.iterdir()) == [wrong]


def test_half_a_sector_at_the_end_is_refused(raw: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.img"
    wrong.write_bytes(raw.read_bytes() + b"x")
    with pytest.raises(InputError, match="no multiple of 512"):
        pack.build(wrong, tmp_path / "out.pack", **NAMES)


@pytest.mark.parametrize("wrong", [{"name": "A/B"}, {"version": ""}, {"created": "\x1b[2J"}])
def test_a_name_that_no_manifest_may_have_is_refused_at_once(
    raw: Path, tmp_path: Path, wrong: dict[str, str]
) -> None:
    with pytest.raises(PackError, match="cannot be the name, version or time"):
        pack.build(raw, tmp_path / "out.pack", **(NAMES | wrong))
    assert not list(tmp_path.iterdir())


def test_verify_names_the_first_damaged_chunk(
    packed: tuple[Path, manifests.Manifest], tmp_path: Path
) -> None:
    out, manifest = packed
    unpack.verify(out, manifest)
    damaged = tmp_path / "damaged.pack"
    body = bytearray(out.read_bytes())
    body[manifest.chunks[11].pack_offset + 5000] ^= 1
    damaged.write_bytes(body)
    with pytest.raises(PackError, match=r"small-os@1\.0: chunk 11 of 21 is damaged") as caught:
        unpack.verify(damaged, manifest)
    assert caught.value.code == 321
    damaged.write_bytes(body[:-1])
    with pytest.raises(PackError, match=r"the pack has .* bytes, the manifest says"):
        unpack.verify(damaged, manifest)


def test_a_frame_that_should_be_zeros_is_looked_at(
    packed: tuple[Path, manifests.Manifest], tmp_path: Path
) -> None:
    out, manifest = packed
    number, chunk = next((n, c) for n, c in enumerate(manifest.chunks) if c.kind == "zero")
    damaged, body = tmp_path / "damaged.pack", bytearray(out.read_bytes())
    for place in range(chunk.pack_offset, chunk.pack_offset + chunk.pack_length):
        body[place] ^= 0xFF
    damaged.write_bytes(body)
    with pytest.raises(PackError, match=f"chunk {number} of 21 is damaged"):
        unpack.verify(damaged, manifest)


def test_zeros_are_neither_expanded_nor_hashed(
    packed: tuple[Path, manifests.Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of 40 GB is mostly nothing: it is not read like something."""
    out, manifest = packed
    seen: list[str] = []
    expand = unpack.expand

    def counted(frame: bytes, chunk: manifests.Chunk) -> bytes:
        seen.append(chunk.kind)
        return expand(frame, chunk)

    monkeypatch.setattr(unpack, "expand", counted)
    unpack.verify(out, manifest)
    assert seen == ["data"] * sum(chunk.kind == "data" for chunk in manifest.chunks)
    assert {chunk.kind for chunk in manifest.chunks} > {"data"}


def test_the_raw_hash_is_held_against_the_image_where_it_is_asked_for(
    packed: tuple[Path, manifests.Manifest],
) -> None:
    out, manifest = packed
    wrong = dataclasses.replace(manifest, raw_sha256="0" * 64)
    unpack.verify(out, wrong)
    with pytest.raises(PackError, match="the whole image has another sha256"):
        unpack.verify(out, wrong, whole=True)
    with pytest.raises(PackError, match="the whole image has another sha256"):
        unpack.verify(out, dataclasses.replace(wrong, format="pack/1"))


def test_a_chunk_is_expanded_into_room_that_is_there(packed: tuple[Path, manifests.Manifest]) -> None:
    out, manifest = packed
    room = memoryview(bytearray(b"x" * (MIB + 100)))
    with out.open("rb") as file:
        for chunk in manifest.chunks:
            frame = file.read(chunk.pack_length)
            assert unpack.expand_into(frame, chunk, room) == unpack.expand(frame, chunk)
        assert bytes(room[MIB:]) == b"x" * 100
        file.seek(0)
        frame = file.read(manifest.chunks[0].pack_length)
    for broken in (frame[:-1], frame[: len(frame) // 2], frame[:4] + b"\xff" + frame[5:], b"", b"no frame"):
        with pytest.raises(PackError) as caught:
            unpack.expand_into(broken, manifest.chunks[0], room)
        assert caught.value.code == 321
    swelling = zstandard.ZstdCompressor().compress(bytes(256 * MIB))
    with pytest.raises(PackError, match="holds 268435456 bytes"):
        unpack.expand_into(swelling, manifest.chunks[0], room)


def test_a_frame_that_swells_is_refused_before_memory_is_taken() -> None:
    chunk = manifests.Chunk(0, MIB, "data", 0, 1000, "0" * 64)
    swelling = zstandard.ZstdCompressor().compress(bytes(256 * MIB))  # 8 kB that say 256 MiB
    boasting = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 50) + bytes(20)  # says 1 PiB
    for frame in (swelling, boasting):
        with pytest.raises(PackError, match=r"holds [0-9]+ bytes, not 1048576") as caught:
            unpack.expand(frame, chunk)
        assert caught.value.code == 321
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(MIB))
    with pytest.raises(PackError):
        unpack.expand(silent, chunk)


def test_bytes_behind_a_frame_are_refused() -> None:
    data = random.Random(2).randbytes(MIB)
    chunk = manifests.Chunk(0, MIB, "data", 0, 0, hashlib.sha256(data).hexdigest())
    frame = zstandard.ZstdCompressor().compress(data)
    assert unpack.expand(frame, chunk) == data
    with pytest.raises(PackError, match="cannot be read"):
        unpack.expand(frame + b"more", chunk)


@pytest.mark.parametrize("size", [20 * MIB + 512, 33 * MIB, 1 << 34])
def test_a_stretched_table_satisfies_sgdisk(raw: Path, tmp_path: Path, size: int) -> None:
    disk, head = tmp_path / "disk", raw.read_bytes()
    table = gpt.stretch(gpt.read(lambda offset, length: head[offset:][:length], 512), size)
    primary, backup = gpt.build(table)
    with disk.open("wb") as file:
        file.write(gpt.protective_mbr(head, size, 512) + primary)
        file.truncate(size)
        file.seek(size - len(backup))
        file.write(backup)
    said = text(["sgdisk", "--verify", disk])
    assert "No problems found" in said and "Caution" not in said and "Warning" not in said, said
    listed, before = (json.loads(text(["sfdisk", "--json", path])) for path in (disk, raw))
    table_now, table_before = listed["partitiontable"], before["partitiontable"]
    assert table_now["id"] == table_before["id"] and table_now["lastlba"] == size // 512 - 34
    assert [row | {"node": ""} for row in table_now["partitions"]] == [
        row | {"node": ""} for row in table_before["partitions"]
    ]
    assert "MBR: protective" in text(["gdisk", "-l", disk])


def test_a_signed_manifest_satisfies_minisign(packed: tuple[Path, manifests.Manifest], keys: Path) -> None:
    listed = beside(packed[0], ".json")
    mark = signature.sign(listed, keys / "release.key")
    assert mark == beside(packed[0], ".json.minisig")
    said = text(["minisign", "-V", "-p", keys / "release.pub", "-m", listed])
    assert "Signature and comment signature verified" in said and "file:small.pack.json" in said
    assert signature.verify(listed, mark, [keys / "other.pub", keys / "release.pub"]) == "release"


@pytest.fixture
def signed(tmp_path: Path, keys: Path) -> tuple[Path, Path]:
    path = tmp_path / "PACK.json"
    path.write_text("{}\n")
    return path, signature.sign(path, keys / "release.key")


def assert_refused(path: Path, mark: Path, trusted: list[Path], words: str) -> None:
    with pytest.raises(PackError, match=words) as caught:
        signature.verify(path, mark, trusted)
    assert caught.value.code == 326


def test_a_key_that_is_not_trusted_is_refused_in_words(signed: tuple[Path, Path], keys: Path) -> None:
    assert_refused(*signed, [keys / "other.pub"], "PACK.json: signed by a key that is not trusted here")


@pytest.mark.parametrize("order", [("release", "other"), ("other", "release")])
def test_a_tampered_manifest_is_refused_in_words_whatever_key_comes_last(
    signed: tuple[Path, Path], keys: Path, order: tuple[str, str]
) -> None:
    signed[0].write_text("{ }\n")
    trusted = [keys / f"{name}.pub" for name in order]
    assert_refused(*signed, trusted, "the signature does not match: it was changed after it was signed")


def test_a_site_without_keys_trusts_nothing(signed: tuple[Path, Path]) -> None:
    assert_refused(*signed, [], "no public key is trusted here")


@pytest.mark.parametrize("mark", [None, b"", b"untrusted comment: x\nRUR\n", b"\0" * 300])
def test_a_missing_or_broken_signature_is_refused(
    signed: tuple[Path, Path], keys: Path, mark: bytes | None
) -> None:
    signed[1].unlink()
    if mark is not None:
        signed[1].write_bytes(mark)
    assert_refused(*signed, [keys / "release.pub"], "the signature cannot be used: .+")


def test_a_key_is_never_overwritten_and_is_readable_by_its_owner_only(keys: Path) -> None:
    with pytest.raises(RefusedError, match="exists already"):
        signature.keygen(keys, "release")
    assert (keys / "release.key").stat().st_mode & 0o777 == 0o600


def test_signing_with_what_is_no_key_is_refused(signed: tuple[Path, Path], keys: Path) -> None:
    with pytest.raises(PackError, match=r"could not be signed with release\.pub") as caught:
        signature.sign(signed[0], keys / "release.pub")
    assert caught.value.code == 325


def put_labels(path: Path) -> None:
    """As LAYOUT has them."""
    with path.open("r+b") as file:
        for place, label in ((2 * MIB, manifests.ESP_LABEL), (6 * MIB, "CIDATA")):
            file.seek(place)
            file.write(fat_head(label))


def rooted(folder: Path, size: int = 96 * MIB) -> Path:
    """An image whose root is an ext4 with files, deleted files that left their bytes, and much room."""
    path, root, tree = folder / "rooted.raw", folder / "root.fs", folder / "tree"
    tree.mkdir()
    for number in range(4):
        (tree / f"f{number}").write_bytes(random.Random(number).randbytes(5 * MIB))
    root.write_bytes(b"")
    run(["truncate", "-s", str(size - 11 * MIB), root])
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", tree, root])
    run(["debugfs", "-w", "-f", "-", root], stdin=b"rm f1\nrm f2\n")
    path.write_bytes(b"")
    run(["truncate", "-s", str(size), path])
    run(["sfdisk", "-q", path], stdin=LAYOUT.encode())
    run(["dd", f"if={root}", f"of={path}", "bs=1M", "seek=10", "conv=notrunc,sparse"])
    put_labels(path)
    return path


def test_what_the_root_filesystem_left_free_is_packed_as_zeros(tmp_path: Path) -> None:
    raw, out = rooted(tmp_path), tmp_path / "r.pack"
    manifest = pack.build(raw, out, **NAMES, raw_sha256=True)
    was, now = raw.read_bytes(), run(["zstd", "-q", "-dc", out]).stdout
    assert len(was) == len(now) and hashlib.sha256(now).hexdigest() == manifest.raw_sha256
    kinds = {kind: 0 for kind in manifests.KINDS}
    for chunk in manifest.chunks:
        piece = slice(chunk.offset, chunk.offset + chunk.length)
        kinds[chunk.kind] += 1
        assert now[piece] == (was[piece] if chunk.kind != "free" else bytes(chunk.length))
        assert chunk.kind == "data" or not any(now[piece])
    assert kinds["data"] > 10 and kinds["free"] > 30 and kinds["zero"] >= 5
    garbage = [c for c in manifest.chunks if c.kind == "free" and any(was[c.offset : c.offset + c.length])]
    assert len(garbage) > 5, "the deleted files' bytes were there"
    fs = tmp_path / "again.fs"
    fs.write_bytes(now[10 * MIB :][: 85 * MIB])
    run(["e2fsck", "-fn", fs])
    for number in (0, 3):
        run(["debugfs", "-R", f"dump f{number} {tmp_path}/f", fs])
        assert (tmp_path / "f").read_bytes() == random.Random(number).randbytes(5 * MIB)


def test_a_filesystem_that_was_not_unmounted_has_nothing_free(tmp_path: Path) -> None:
    raw, out = rooted(tmp_path), tmp_path / "r.pack"
    with raw.open("r+b") as file:
        file.seek(10 * MIB + 1024 + 0x60)
        file.write(b"\xc6")  # needs_recovery
    manifest = pack.build(raw, out, **NAMES)
    assert {chunk.kind for chunk in manifest.chunks} == {"data", "zero"}
    assert run(["zstd", "-q", "-dc", out]).stdout == raw.read_bytes()


def read_so_far() -> int:
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


def test_a_hole_is_zeros_that_the_image_means_and_is_not_even_read(raw: Path, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.raw"
    sparse.write_bytes(raw.read_bytes())
    run(["truncate", "-s", str(1 << 30), sparse])
    before = read_so_far()
    manifest = pack.build(sparse, tmp_path / "s.pack", **NAMES)
    assert read_so_far() - before < 60 * MIB  # the 21 MiB before it: packed, and hashed
    assert {chunk.kind for chunk in manifest.chunks[21:]} == {"zero"}
    assert len(manifest.chunks) == 1024
    unpack.verify(tmp_path / "s.pack", manifest)


def test_written_zeros_and_holes_give_the_same_pack(raw: Path, tmp_path: Path) -> None:
    dense, sparse = tmp_path / "dense.raw", tmp_path / "sparse.raw"
    run(["cp", "--sparse=never", raw, dense])
    run(["cp", "--sparse=always", raw, sparse])
    made = [pack.build(path, path.with_suffix(".pack"), **NAMES) for path in (dense, sparse)]
    assert made[0] == made[1]
    assert dense.with_suffix(".pack").read_bytes() == sparse.with_suffix(".pack").read_bytes()


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder"])
def test_what_may_never_end_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = {"a pipe": tmp_path / "pipe", "a device": Path("/dev/zero"), "a folder": tmp_path}[kind]
    if kind == "a pipe":
        run(["mkfifo", path])
    with pytest.raises(InputError, match="is no regular file") as caught:
        pack.build(path, tmp_path / "out.pack", **NAMES)
    assert caught.value.code == 327


def test_an_image_larger_than_any_is_refused_without_being_read(raw: Path, tmp_path: Path) -> None:
    huge = tmp_path / "huge.raw"
    huge.write_bytes(raw.read_bytes()[:MIB])
    run(["truncate", "-s", str(source.LARGEST + 512), huge])
    with pytest.raises(InputError, match="more than any image"):
        pack.build(huge, tmp_path / "out.pack", **NAMES)


@pytest.mark.parametrize(
    ("size", "chunk"),
    [(MIB, 1), (64 << 30, 1), ((64 << 30) + 1, 2), (256 << 30, 4), (1 << 40, 8), (4 << 40, 8)],
)
def test_a_large_image_has_larger_chunks_so_that_its_manifest_stays_small(size: int, chunk: int) -> None:
    assert pack.fitting_chunk_size(size) == chunk * MIB


def test_a_higher_level_gives_a_smaller_pack_of_the_same_image(tmp_path: Path) -> None:
    path = tmp_path / "words.raw"
    path.write_bytes(b"")
    run(["truncate", "-s", str(24 * MIB), path])
    run(["sfdisk", "-q", path], stdin=LAYOUT.encode())
    put_labels(path)
    with path.open("r+b") as file:
        file.seek(11 * MIB)
        for number in range(300_000):
            file.write(f"line {number * 7919 % 100_003} of many\n".encode())
    low, high = (pack.build(path, tmp_path / f"{n}.pack", **NAMES, level=n) for n in (1, 15))
    assert high.pack_size < low.pack_size and high.root_hash == low.root_hash
    unpack.verify(tmp_path / "15.pack", high)
