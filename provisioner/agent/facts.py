"""What this machine is, read from /sys: disks, network cards, memory, serial."""

import os
import re
from contextlib import suppress
from pathlib import Path

from provisioner.agent import bus_path, media, signatures, write_marker
from provisioner.agent.disks import EMPTY, HALF
from provisioner.agent.protocol import Device, Disk, Nic
from provisioner.agent.sector_reader import SectorReader
from provisioner.agent.sysfs import read_word
from provisioner.domain import identity
from provisioner.errors import PackError, ProgramError
from provisioner.imaging import fat, gpt
from provisioner.imaging.manifest import ESP_LABEL
from provisioner.run import run
from provisioner.system import disk_names
from provisioner.system.placeholders import is_placeholder
from provisioner.system.text import clean, is_identifier

SYS = Path("/sys")
PROC = Path("/proc")
BLANK = "no partition table"
BRIDGES = "06"  # PCI class of what only connects; there are dozens of them
HEAD = 1 << 20  # bytes looked at; file systems and RAID say what they are within them


def serial() -> str:
    """SMBIOS system serial; what vendors write in place of one counts as none."""
    return _identifier(identity.serial(read_word(SYS / "class/dmi/id/product_serial")))


def maker() -> str:
    """SMBIOS system manufacturer (type 1); empty for a placeholder."""
    return clean(_smbios("sys_vendor"))


def product() -> str:
    """SMBIOS product name (type 1); empty for a placeholder."""
    return clean(_smbios("product_name"))


def _smbios(name: str) -> str:
    value = read_word(SYS / "class/dmi/id" / name)
    return "" if is_placeholder(value) else value


def _identifier(value: str) -> str:
    """As it is; one that cannot be read to the last character tells nothing apart, so it counts as none."""
    return value if is_identifier(value) else ""


def uuid() -> str:
    """SMBIOS system UUID (type 1), lower case; empty where the kernel shows none."""
    return read_word(SYS / "class/dmi/id/product_uuid").lower()


def memory() -> int:
    """The main memory that the kernel manages, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def firmware() -> str:
    """`uefi` or `bios`: how this kernel was started."""
    return "uefi" if (SYS / "firmware/efi").exists() else "bios"


def cpu() -> tuple[str, int]:
    """The processor's model name, empty where unknown, and the number of logical processors."""
    lines = read_word(PROC / "cpuinfo").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return clean(names[0] if names else ""), os.cpu_count() or len(names)


def devices() -> list[Device]:
    """Every PCI function but bridges and virtual ones (SR-IOV), sorted by its address."""
    functions = []
    folder = SYS / "bus/pci/devices"
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        vendor, device, kind = (read_word(place / name)[2:] for name in ("vendor", "device", "class"))
        is_virtual = (place / "physfn").is_symlink()
        if vendor and device and not kind.startswith(BRIDGES) and not is_virtual:
            functions.append(Device(f"{vendor}:{device}", kind, place.name))
    return functions


def nics() -> list[Nic]:
    """Every network interface with hardware behind it, sorted by name."""
    cards = []
    for place in sorted((SYS / "class/net").iterdir()):
        if (place / "device").exists():
            driver = (place / "device/driver").resolve().name if (place / "device/driver").exists() else ""
            mac = read_word(place / "address").lower()
            cards.append(Nic(place.name, mac, driver, read_word(place / "carrier") == "1"))
    return cards


def disks() -> list[Disk]:
    """Every disk that has a size and a device node, sorted by name, with its content in words."""
    return [disk(place) for place in sorted((SYS / "block").iterdir()) if media.is_disk(place)]


def disk(place: Path) -> Disk:
    """The disk whose folder below /sys/block is `place`."""
    size = int(read_word(place / "size") or 0) * 512  # always in units of 512 bytes
    sector = int(read_word(place / "queue/logical_block_size") or 512)
    device = Path(disk_names.device_path(place.name))
    foreign, owner = ownership(device, sector, size)
    return Disk(
        name=place.name,
        size=size,
        logical_sector=sector,
        model=clean(_model(place)),
        serial=_number(_serial(place)),
        wwn=_number(read_word(place / "wwid") or read_word(place / "device/wwid")),
        rotational=read_word(place / "queue/rotational") == "1",
        by_path=bus_path.of(place),
        sas_address=bus_path.sas_address(place),
        content=clean(content(device, sector)),
        foreign=clean(foreign),
        owner=owner,
        medium=media.medium(place),
        read_only=media.is_read_only(place),
    )


def ownership(device: Path, sector: int, size: int) -> tuple[str, str]:
    """What of the disk is part of something larger, and the host whose system it holds; both may be empty.

    What cannot be read may be anybody's, so it counts as part of something larger.
    """
    try:
        with device.open("rb", buffering=0) as file:
            reader = SectorReader(file.fileno())
            foreign = signatures.foreign(reader, size, sector)
            table = _table(reader, sector, size)
    except FileNotFoundError:
        return "", ""
    except OSError as fault:
        return f"a disk that cannot be read ({fault.strerror or fault})", ""
    seeds = [part.offset for part in table.partitions if part.name == "cidata"] if table else []
    return foreign, _owner(device, seeds[0]) if seeds else ""


def _table(reader: SectorReader, sector: int, size: int) -> gpt.PartitionTable | None:
    """The GUID partition table, by its backup at the disk's end where the first is gone."""
    for lba in (1, size // sector - 1):
        with suppress(PackError):
            return gpt.read(reader, sector, lba)
    return None


def _owner(device: Path, seed: int) -> str:
    """The host's name in a seed that was not shredded; mtools need not be there."""
    with suppress(ProgramError):
        output = run(["mtype", "-i", f"{device}@@{seed}", "::meta-data"], check=False, timeout=20)
        return hostname(output.stdout[:4096].decode(errors="replace"))
    return ""


def hostname(meta_data: str) -> str:
    """`local-hostname` in the text of a NoCloud meta-data; empty where it says none."""
    match = re.search(r"""^["']?local-hostname["']?:\s*["']?([\w.-]{1,64})""", meta_data, re.MULTILINE)
    return match[1] if match else ""


def _serial(place: Path) -> str:
    """virtio and NVMe have a file; SCSI has the unit's serial number page (SPC-4, VPD page 80h)."""
    for name in ("serial", "device/serial"):
        if text := read_word(place / name):
            return text
    try:
        return (place / "device/vpd_pg80").read_bytes()[4:].decode("ascii", "replace").strip("\0 ")
    except OSError:
        return ""


def _model(place: Path) -> str:
    """SCSI has room for 16 characters; of a SATA disk page 89h has all 40 (SAT-4, 12.4.2; ACS-3, 7.12.7)."""
    name = read_word(place / "device/model") or read_word(place / "device/name")  # of an eMMC
    try:
        words = (place / "device/vpd_pg89").read_bytes()[60:][54:94]
    except OSError:
        return name
    whole = b"".join(words[at : at + 2][::-1] for at in range(0, len(words), 2)).decode("ascii", "replace")
    return whole.strip("\0 ") if name and whole.startswith(name) else name


def _number(value: str) -> str:
    """A serial or WWN that is one disk's own; else it counts as none."""
    return _identifier(disk_names.evidence(value))


def content(device: Path, sector: int) -> str:
    """What a disk holds, in words for people; `sector` is its logical sector size in bytes."""
    try:
        with device.open("rb", buffering=0) as file:
            return _content(SectorReader(file.fileno()), sector, file.seek(0, os.SEEK_END))
    except OSError as fault:
        return f"cannot be read: {fault.strerror or fault}"


def _content(reader: SectorReader, sector: int, size: int) -> str:
    head = reader(0, HEAD)
    half = write_marker.find(head[write_marker.PLACE : write_marker.PLACE + write_marker.LENGTH])
    table = _table(reader, sector, size)
    if half and (table is None or table.this != 1):
        return f"{HALF}{half.name} {half.version}"
    if table:
        return _partitions(reader, table)
    if head[510:512] == b"\x55\xaa" and any(head[446:510]):
        return "an MBR partition table"
    if reader.fault:
        return f"cannot be read: {reader.fault}"
    return _without_table(reader, sector, size, is_blank=not any(head))


def _without_table(reader: SectorReader, sector: int, size: int, *, is_blank: bool) -> str:
    """What lies there by libblkid's names, such as `no partition table, ext4`."""
    if signatures.has_partitions(reader, size, sector):
        return "a partition table of another kind, or for other sectors"
    kinds = signatures.names(reader, size)
    return ", ".join([BLANK, *kinds]) if kinds or not is_blank else EMPTY


def _partitions(reader: SectorReader, table: gpt.PartitionTable) -> str:
    names = [part.name or part.type for part in table.partitions]
    labels = [fat.label(reader(part.offset, 512)) for part in table.partitions]
    ours = "holds an image of ours, " if ESP_LABEL in labels else ""
    which = "GPT" if table.this == 1 else "GPT (only its backup is left)"
    return f"{ours}{which} with {len(names)} partitions: {', '.join(names)[:100]}"
