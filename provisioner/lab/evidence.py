"""Reads disks that no machine has open: what they hold, and whether it is what it must be."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner import run
from provisioner.errors import ProgramError
from provisioner.imaging.manifest import Manifest

BLOCK = 1 << 20  # bytes
TABLE = 34  # sectors: protective MBR, header and entries of a GPT (UEFI 2.10, 5.3)
PATTERN = 0xA5  # what a new disk is filled with: never zeros, which would hide a forgotten write
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"  # UEFI 2.10, table 5.7
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"  # GRUB's
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"

Range = tuple[int, int]  # offset, length


def is_untouched(path: Path) -> bool:
    """Whether every byte is still 0xA5."""
    wanted = bytes([PATTERN]) * BLOCK
    return all(block == wanted[: len(block)] for _, block in _blocks(path))


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    offset = 0
    with path.open("rb") as source:
        while block := source.read(BLOCK):
            yield offset, block
            offset += len(block)


def may_differ(manifest: Manifest) -> list[Range]:
    """Where a written disk may differ from its image: LBA 0-33, seed, its backup GPT, what is free."""
    sector = manifest.logical_sector_size
    seed = manifest.partition("cidata")
    backup = (TABLE - 1) * sector
    return [
        (0, TABLE * sector),
        (seed.offset, seed.length),
        (manifest.raw_size - backup, backup),
        *_free(manifest),
    ]


def _free(manifest: Manifest) -> list[Range]:
    """What the image leaves free, neighbours as one."""
    ranges: list[Range] = []
    for chunk in manifest.chunks:
        if chunk.kind == "free":
            begins = ranges.pop() if ranges and sum(ranges[-1]) == chunk.offset else (chunk.offset, 0)
            ranges.append((begins[0], begins[1] + chunk.length))
    return ranges


def differences(disk: Path, image: Path, allowed: list[Range], *, most: int = 5) -> list[int]:
    """Offsets of the first blocks in which `disk` is not `image`, outside of `allowed`."""
    offsets: list[int] = []
    with disk.open("rb") as written:
        for offset, wanted in _blocks(image):
            block = written.read(len(wanted))
            if block != wanted and _masked(offset, block, allowed) != _masked(offset, wanted, allowed):
                offsets.append(offset)
                if len(offsets) == most:
                    break
    return offsets


def _masked(offset: int, block: bytes, allowed: list[Range]) -> bytes:
    masked = bytearray(block)
    for start, length in allowed:
        first = max(start - offset, 0)
        last = min(start + length - offset, len(block))
        if first < last:
            masked[first:last] = bytes(last - first)
    return bytes(masked)


@dataclass(frozen=True)
class Identity:
    """What must stay the same on a host's disk from boot to boot."""

    esp: str  # SHA-256 of the whole partition
    machine_id: str
    instance_id: str
    host_key: str  # SHA-256 of the private key's file


def identity(disk: Path) -> Identity:
    """Read it from a disk that was written and has booted. Raises ProgramError."""
    esp, root = boot_and_root(disk)
    with disk.open("rb") as source:
        source.seek(esp[0])
        digest = hashlib.sha256(source.read(esp[1])).hexdigest()
    return Identity(
        esp=digest,
        machine_id=_file(disk, root[0], "/etc/machine-id").decode().strip(),
        instance_id=_file(disk, root[0], "/var/lib/cloud/data/instance-id").decode().strip(),
        host_key=hashlib.sha256(_file(disk, root[0], HOST_KEY)).hexdigest(),
    )


def boot_and_root(disk: Path) -> tuple[Range, Range]:
    """The partition that the firmware starts (ESP, else BIOS boot) and the largest one, by sfdisk.

    Whoever made the table: our image, or an installer. Raises ProgramError.
    """
    table = json.loads(run.text(["sfdisk", "--json", disk]))["partitiontable"]
    sector = int(table.get("sectorsize", 512))
    parts = [(part["type"], (part["start"] * sector, part["size"] * sector)) for part in table["partitions"]]
    boots = [place for wanted in (ESP, BIOS_BOOT) for kind, place in parts if kind.upper() == wanted]
    if not boots:
        raise ProgramError(f"{disk.name} has no partition that firmware could start")
    return boots[0], max((place for _, place in parts), key=lambda place: place[1])


def _file(disk: Path, offset: int, path: str) -> bytes:
    """A file of an ext4 file system that begins at `offset`; its journal is not replayed."""
    content = run.run(["debugfs", "-R", f"cat {path}", f"{disk}?offset={offset}"]).stdout
    if not content:  # debugfs ends with 0 whatever happens
        raise ProgramError(f"{disk.name} holds no {path}, or an empty one")
    return content


def table_fault(disk: Path) -> str:
    """What a program that we did not write finds wrong with a disk's partition table; empty when nothing.

    It also finds a backup that does not lie in the last sectors. It mends in memory what it can before it
    looks, and says so: that is a fault too.
    """
    done = run.run(["sgdisk", "--verify", disk], check=False)
    output = (done.stdout + done.stderr).decode(errors="replace")
    is_mended = re.search(r"corrupt|[Ii]nvalid|ERROR|Creating new GPT|Warning!", output)
    whole = "No problems found" in output and not is_mended
    return "" if whole else " ".join(output.split()) or "sgdisk says nothing"


def root_size(disk: Path, manifest: Manifest) -> int:
    """Bytes of the root file system, by its own superblock. Raises ProgramError."""
    place = f"{disk}?offset={manifest.partition('root').offset}"
    header = run.text(["dumpe2fs", "-h", place])
    fields = dict(re.findall(r"^(Block count|Block size):\s+(\d+)$", header, re.MULTILINE))
    if len(fields) != 2:
        raise ProgramError(f"{disk.name} holds no ext4 file system where its root must be")
    return int(fields["Block count"]) * int(fields["Block size"])


def boots_nothing(disk: Path, manifest: Manifest) -> str:
    """Empty where neither table nor ESP of a half-written disk can start anything; else what could."""
    size, sector = disk.stat().st_size, manifest.logical_sector_size
    esp = manifest.partition("esp")
    with disk.open("rb") as source:
        places = {"MBR": 0, "GPT": sector, "backup GPT": size - sector, "ESP": esp.offset}
        for name, offset in places.items():
            source.seek(offset)
            if any(source.read(sector)):
                return f"its {name} is not empty"
    return ""
