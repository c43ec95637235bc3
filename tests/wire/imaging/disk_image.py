"""A whole disk image as hosts take it, made by sfdisk and mkfs.vfat around any root filesystem."""

import os
from pathlib import Path

import zstandard

from provisioner.imaging import digests, fat, gpt
from provisioner.imaging.manifest import ROLES, Chunk, Manifest, Partition
from provisioner.run import run

MIB = 1 << 20
BIOS, ESP, CIDATA, ROOT = MIB, 2 * MIB, 10 * MIB, 14 * MIB
TYPES = {
    "bios": "21686148-6449-6E6F-744E-656564454649",
    "esp": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "cidata": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    "root": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
}


def layout(size: int, **others: str) -> str:
    """sfdisk's script for a root of `size` bytes; `others` are rows by role, "" leaves one out."""
    places = {"bios": (BIOS, MIB), "esp": (ESP, 8 * MIB), "cidata": (CIDATA, 4 * MIB), "root": (ROOT, size)}
    rows = {
        role: f"start={begin // 512}, size={length // 512}, type={TYPES[role]}, name={role}"
        for role, (begin, length) in places.items()
    }
    return "label: gpt\n" + "\n".join(row for row in (rows | others).values() if row) + "\n"


def disk_image(path: Path, root: Path, script: str = "") -> Path:
    """The image at `path`: `root`'s bytes lie at ROOT, both FAT filesystems are labelled as they must be."""
    size = root.stat().st_size
    path.write_bytes(b"")
    os.truncate(path, ROOT + size + MIB)
    run(["sfdisk", "-q", path], stdin=(script or layout(size)).encode())
    with path.open("r+b") as file:
        for place, label, length in ((ESP, "VAULTESP", 8 * MIB), (CIDATA, "CIDATA", 4 * MIB)):
            made = path.with_name(label)
            made.write_bytes(b"")
            os.truncate(made, length)
            run(["mkfs.vfat", "-n", label, made])
            file.seek(place)
            file.write(made.read_bytes())
        file.seek(ROOT)
        file.write(root.read_bytes())
    return path


def fat_head(label: str) -> bytes:
    """A boot sector that says no more than its filesystem's kind and label."""
    head = b"\xeb\x3c\x90".ljust(43, b"\0") + label.encode().ljust(11) + b"FAT16   "
    return head.ljust(510, b"\0") + b"\x55\xaa"


def ungated(raw: Path, out: Path, parts: tuple[Partition, ...]) -> Manifest:
    """A pack, and its manifest beside it, of an image that nobody looked at; all of its chunks hold data."""
    body, chunks, frames, place = raw.read_bytes(), [], [], 0
    for offset in range(0, len(body), MIB):
        piece = body[offset : offset + MIB]
        frame = zstandard.ZstdCompressor().compress(piece)
        known = (digests.digest(piece), digests.checksum(piece))
        chunks.append(Chunk(offset, len(piece), "data", place, len(frame), *known))
        frames.append(frame)
        place += len(frame)
    out.write_bytes(b"".join(frames))
    manifest = Manifest("os", "1", "", len(body), 512, MIB, tuple(chunks), parts)
    out.with_name(out.name + ".json").write_bytes(manifest.dump())
    return manifest


def partitions(body: bytes) -> tuple[Partition, ...]:
    """What the image's own table says of those that have a role, the first of each."""
    table = gpt.read(lambda offset, length: body[offset : offset + length], 512)
    found = {part.name: part for part in reversed(table.partitions) if part.name in ROLES}
    return tuple(
        Partition(part.name, part.guid, fat.label(body[part.offset :][:512]), part.offset, part.length)
        for part in reversed(found.values())
    )
