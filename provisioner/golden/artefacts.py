"""Makes what is handed out of a raw image: qcow2, vmdk, pack, checksums; the same bytes each time."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.imaging import pack, signature
from provisioner.run import run
from provisioner.system.checksum import sha256

LARGEST = 50 * 10**9  # bytes of the raw image
DOWNLOAD_LIMIT = 600.0  # seconds
GOODPUT = 117.5e6  # bytes per second that TCP carries over 1 Gbit/s Ethernet (1500-byte frames: 94 % of it)
SUMS = "SHA256SUMS"
CONVERT = ("qemu-img", "convert", "-f", "raw", "-O")
CONVERT_LIMIT = 3600.0  # seconds
# where the descriptor of a sparse VMDK says it lies (VMware, Virtual Disk Format 5.0): sectors
_DESCRIPTOR_PLACE = slice(28, 44)
SECTOR = 512


@dataclass(frozen=True)
class Sizes:
    """Bytes of the raw image and of its pack, and the seconds that the pack needs at 1 Gbit/s."""

    raw_bytes: int
    pack_bytes: int
    download_seconds_at_1_gbit: float


def qcow2(raw: Path) -> Path:
    """Write `NAME.qcow2` beside the raw image, compressed by zstd; its path. Raises ProgramError."""
    out = raw.with_suffix(".qcow2")
    run([*CONVERT, "qcow2", "-c", "-o", "compression_type=zstd", raw, out], timeout=CONVERT_LIMIT)
    return out


def vmdk(raw: Path, content_id: str) -> Path:
    """`NAME.vmdk` beside the raw image; `content_id`, eight hexadecimal digits, is its CID."""
    out = raw.with_suffix(".vmdk")
    run([*CONVERT, "vmdk", "-o", "subformat=monolithicSparse", raw, out], timeout=CONVERT_LIMIT)
    with out.open("r+b") as file:
        place = file.read(SECTOR)[_DESCRIPTOR_PLACE]
        offset, length = (int.from_bytes(place[at : at + 8], "little") * SECTOR for at in (0, 8))
        file.seek(offset)
        text = file.read(length).rstrip(b"\0")
        fixed = re.sub(rb"(?m)^CID=[0-9a-f]+", b"CID=" + content_id.encode(), text, count=1)
        file.seek(offset)
        file.write(fixed.ljust(length, b"\0"))
    return out


def packed(raw: Path, *, name: str, version: str, epoch: int, key: Path | None) -> list[Path]:
    """`NAME.pack`, its manifest and, with a key, the signature. Raises PackError, InputError."""
    out = raw.with_suffix(".pack")
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    pack.build(raw, out, name=name, version=version, created=created, raw_sha256=True)
    listed = out.with_name(out.name + ".json")
    return [out, listed, *([signature.sign(listed, key)] if key else [])]


def check_sizes(raw: Path, pack_file: Path) -> Sizes:
    """Measure raw image and pack. Raises ProvisionError (PV-661) over one of the product's limits."""
    size, wire = raw.stat().st_size, pack_file.stat().st_size
    seconds = round(wire / GOODPUT, 1)
    if size > LARGEST:
        raise ProvisionError(
            f"the image has {size / 1e9:.1f} GB, more than {LARGEST / 1e9:.0f} GB",
            hint="provision image diff OLD NEW shows what was added",
            code=661,
        )
    if seconds > DOWNLOAD_LIMIT:
        raise ProvisionError(
            f"a pack of {wire / 1e9:.1f} GB needs {seconds:.0f} s at 1 Gbit/s, not {DOWNLOAD_LIMIT:.0f}",
            hint="provision image diff OLD NEW shows what was added",
            code=661,
        )
    return Sizes(size, wire, seconds)


def checksums(paths: list[Path]) -> dict[str, str]:
    """Write SHA256SUMS, as `sha256sum -c` reads it, beside the first; name → digest."""
    sums = {path.name: sha256(path) for path in sorted(paths, key=lambda path: path.name)}
    lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
    (paths[0].parent / SUMS).write_text("".join(lines))
    return sums
