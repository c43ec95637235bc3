"""A whole disk image as hosts take it, made by sfdisk and mkfs.vfat around any root filesystem."""

import os
from pathlib import Path

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
            fat = path.with_name(label)
            fat.write_bytes(b"")
            os.truncate(fat, length)
            run(["mkfs.vfat", "-n", label, fat])
            file.seek(place)
            file.write(fat.read_bytes())
        file.seek(ROOT)
        file.write(root.read_bytes())
    return path
