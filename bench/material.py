"""What is written and where to: an image with a real filesystem, its packs, and a dirty disk in memory."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner import run
from provisioner.imaging import pack as packs
from provisioner.imaging import signature
from provisioner.imaging.manifest import Manifest

MIB = 1 << 20
DIRT = b"\xa5" * (4 * MIB)
LAYOUT = """label: gpt
first-lba: 34
start=2048, size=2048, name=bios, type=21686148-6449-6E6F-744E-656564454649
start=4096, size=131072, name=esp, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
start=135168, size=8192, name=cidata, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7
start=143360, name=root, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
"""
ESP, CIDATA, ROOT = 2 * MIB, 66 * MIB, 70 * MIB
EDGE = 34 * 512  # bytes at both ends that hold the tables, which fit the disk and not the image


@dataclass(frozen=True)
class Image:
    """A raw image, its signed pack, and its whole as one zstd stream and with a block map, for the peers."""

    raw: Path
    pack: Path
    manifest: Manifest
    key: Path
    zst: Path
    bmap: Path


def make(folder: Path, size: int, share: float = 0.18) -> Image:
    """`size` bytes, `share` of them used, half of that compressible as programs are, half not."""
    raw, root, tree = folder / "image.raw", folder / "root.fs", folder / "tree"
    tree.mkdir()
    fill(tree, int(size * share))
    for path, length in ((raw, size), (root, size - ROOT - MIB)):
        path.write_bytes(b"")
        os.truncate(path, length)
    run.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", "root", "-d", tree, root], timeout=600)
    run.run(["rm", "-r", tree])
    run.run(["sfdisk", "-q", raw], stdin=LAYOUT.encode())
    for label, place, length in (("VAULTESP", ESP, CIDATA - ESP), ("CIDATA", CIDATA, ROOT - CIDATA)):
        fat = folder / label
        fat.write_bytes(b"")
        os.truncate(fat, length)
        run.run(["mkfs.vfat", "-n", label, fat])
        _place(fat, raw, place)
    _place(root, raw, ROOT)
    root.unlink()
    _, public = signature.keygen(folder, "bench")
    zst, bmap = folder / "image.raw.zst", folder / "image.bmap"
    run.run(["zstd", "-q", "-T0", "-3", "-f", raw, "-o", zst], timeout=600)
    run.run(["bmaptool", "create", "-o", bmap, raw], timeout=600)
    out, manifest = pack(folder, raw, "1")
    return Image(raw, out, manifest, public, zst, bmap)


def pack(folder: Path, raw: Path, version: str) -> tuple[Path, Manifest]:
    """A signed pack of a raw image."""
    out = folder / f"v{version}.pack"
    manifest = packs.build(
        raw, out, name="bench-os", version=version, created="2026-01-01T00:00:00Z", raw_sha256=True
    )
    signature.sign(out.with_name(out.name + ".json"), folder / "bench.key")
    return out, manifest


def fill(tree: Path, total: int) -> None:
    """Files of 64 KiB to 16 MiB: this machine's own programs and libraries, and random bytes, in turn."""
    chance = random.Random(1)
    libraries = sorted(p for p in Path("/usr/lib").rglob("*.so*") if p.is_file() and not p.is_symlink())
    chance.shuffle(libraries)
    number = done = 0
    while done < total:
        length = min(total - done, chance.randrange(64 << 10, 16 * MIB))
        body = bytearray()
        while number % 2 == 0 and len(body) < length:
            body += libraries[chance.randrange(len(libraries))].read_bytes()
        (tree / f"f{number:05}").write_bytes(body[:length] if body else chance.randbytes(length))
        number, done = number + 1, done + length


def _place(source: Path, target: Path, offset: int) -> None:
    run.run(
        ["dd", f"if={source}", f"of={target}", "bs=1M", f"seek={offset // MIB}", "conv=notrunc,sparse"],
        timeout=600,
    )


def changed(image: Image, folder: Path, share: float, version: str) -> tuple[Path, Manifest]:
    """The image with `share` of its data chunks overwritten, as a pack."""
    raw = folder / f"changed-{version}.raw"
    run.run(["cp", "--sparse=always", image.raw, raw], timeout=600)
    chance = random.Random(version)
    inside = [c for c in image.manifest.chunks if c.kind == "data" and c.offset > ROOT + 16 * MIB]
    with raw.open("r+b") as file:
        for chunk in chance.sample(inside, round(len(inside) * share)):
            file.seek(chunk.offset + 4096)
            file.write(chance.randbytes(chunk.length - 4096))
    made = pack(folder, raw, version)
    raw.unlink()
    return made


class Sink:
    """A disk in memory, full of 0xA5: a loop device on a tmpfs file."""

    def __init__(self, backing: Path, device: Path, size: int) -> None:
        self.backing, self.device, self.size = backing, device, size

    def soil(self) -> None:
        """Make every byte 0xA5."""
        with self.device.open("r+b", buffering=0) as file:
            for _ in range(0, self.size, len(DIRT)):
                file.write(DIRT)
            os.fsync(file.fileno())
        self.settle()

    def settle(self) -> None:
        """What was written is in the backing file, and nothing of it in the device's own cache."""
        run.run(["sync"])
        run.run(["blockdev", "--flushbufs", self.device])

    def faults(self, raw: Path, manifest: Manifest) -> str:
        """In words, where the disk is not the image. What the image leaves free may be anything."""
        self.settle()
        wrong = 0
        with self.backing.open("rb") as written, raw.open("rb") as wanted:
            for chunk in manifest.chunks:
                if chunk.kind == "free":
                    continue
                begin, end = (
                    max(EDGE, chunk.offset),
                    min(chunk.offset + chunk.length, manifest.raw_size - EDGE),
                )
                length = end - begin
                is_same = os.pread(written.fileno(), length, begin) == os.pread(
                    wanted.fileno(), length, begin
                )
                wrong += not is_same
        return f"{wrong} of {len(manifest.chunks)} chunks are not the image's" if wrong else ""


@contextmanager
def sink(folder: Path, size: int) -> Iterator[Sink]:
    """As long as the block lasts; `folder` is a tmpfs, and we are root."""
    backing = folder / "sink"
    backing.write_bytes(b"")
    os.truncate(backing, size)
    device = Path(run.text(["losetup", "--show", "--find", "--direct-io=off", backing]))
    try:
        yield Sink(backing, device, size)
    finally:
        run.run(["losetup", "--detach", device])
        backing.unlink()
