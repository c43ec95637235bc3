"""Reads a raw image as it is, in a mount namespace: every file, every package, every partition."""

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.errors import InputError, PackError
from provisioner.golden import files, namespace, sbom
from provisioner.golden.files import FileEntry, FileManifest
from provisioner.imaging import gpt
from provisioner.system.checksum import sha256

SECTOR = 512
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"  # partition type: a Linux file system
RELEASE = "usr/lib/os-release"


@dataclass(frozen=True)
class Inspection:
    """The content of an image: its per-file manifest, its packages, and os-release(5) as name → value."""

    manifest: FileManifest
    packages: list[sbom.InstalledPackage]
    release: dict[str, str]


def inspect(raw: Path, raw_sha256: str = "") -> Inspection:
    """Read the image. Raises InputError (no raw image with a root), ProgramError (it cannot be mounted)."""
    root = root_of(raw)
    parts = [(part.name or part.guid, part.offset, part.length) for part in partitions(raw)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "found.json"
        namespace.inside(__name__, raw.absolute(), root.offset, report)
        body = json.loads(report.read_text())
    release = body["release"]
    manifest = FileManifest(
        image=f"{release.get('IMAGE_ID', '')}@{release.get('IMAGE_VERSION', '')}",
        raw_sha256=raw_sha256 or sha256(raw),
        areas=files.areas(raw, parts),
        entries=tuple(FileEntry(**entry) for entry in body["entries"]),
    )
    return Inspection(manifest, [sbom.InstalledPackage(**package) for package in body["packages"]], release)


def partitions(raw: Path) -> list[gpt.PartitionEntry]:
    """The partitions of a raw disk image in their order. Raises InputError where it has no GPT."""
    with raw.open("rb") as file:
        descriptor = file.fileno()
        try:
            table = gpt.read(lambda offset, length: os.pread(descriptor, length, offset), SECTOR)
        except PackError as fault:
            raise InputError(f"{raw.name} is no raw disk image: {fault}", code=327) from fault
    return sorted(table.partitions, key=lambda part: part.offset)


def root_of(raw: Path) -> gpt.PartitionEntry:
    """The partition named root, else the largest with a Linux file system. Raises InputError."""
    table = partitions(raw)
    named = [part for part in table if part.name == "root"]
    linux = sorted((part for part in table if part.type == LINUX), key=lambda part: part.length)
    if not named and not linux:
        raise InputError(f"{raw.name} has no partition named root", code=322)
    return (named or linux)[-1]


def main(raw: Path, offset: int, out: Path) -> None:
    """In the namespace: write what the root at byte `offset` holds to `out`, as JSON."""
    with namespace.filesystem(raw, offset) as root:
        release = root / RELEASE
        lines = release.read_text().splitlines() if release.is_file() else []
        fields = dict(line.split("=", 1) for line in lines if "=" in line)
        body = {
            "entries": [asdict(entry) for entry in files.scan(root)],
            "packages": [asdict(package) for package in sbom.packages(root)],
            "release": {key: value.strip("\"'") for key, value in fields.items()},
        }
    out.write_text(json.dumps(body))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
