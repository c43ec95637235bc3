"""Which block devices are disks that somebody can mean, and which of them only if a hint says so."""

import re
from itertools import pairwise
from pathlib import Path

from provisioner.agent.sysfs import read_word
from provisioner.system import disk_names

BMC_MODEL = re.compile(
    r"virtual|\b(idrac|ilo|imm|xcc|cimc|bmc|openbmc|ami|aten|lifecycle|oemdrv|kvm|gadget)\b", re.IGNORECASE
)
# a machine's own buses, on which `removable` means a bay from which the disk can be pulled (AHCI's hot plug),
# or nothing (some RAID controllers set it so that the kernel reads the partitions again)
_FIXED_BUS = re.compile(r"ata\d+|nvme\d+|virtio\d+|host\d+")
_LOOSE_BUS = re.compile(r"usb\d+|fw\d+|memstick\d+")


def is_disk(place: Path) -> bool:
    """Whether the folder below /sys/block is one of a disk that has a size."""
    # hidden: one path of a multipath NVMe disk, which shows its disk's serial but has no device
    is_hidden = read_word(place / "hidden") == "1"
    is_made = ("virtual", "block") in pairwise(place.resolve().parts)
    has_size = bool(int(read_word(place / "size") or 0))
    return has_size and not is_hidden and not is_made and not disk_names.is_no_disk(place.name)


def is_read_only(place: Path) -> bool:
    """Whether the kernel takes no writes: a switch at the medium, a BMC's image, a worn-out SSD."""
    return read_word(place / "ro") == "1"


def medium(place: Path) -> str:
    """Why nobody means this disk unless a hint names it, as `a USB medium`; empty for a fixed disk."""
    names = " ".join(read_word(place / "device" / name) for name in ("vendor", "model"))
    parts = place.resolve().parts
    is_loose = any(map(_LOOSE_BUS.fullmatch, parts))
    is_removable = read_word(place / "removable") == "1"
    if (is_loose or is_removable) and BMC_MODEL.search(names):
        return "a BMC's virtual medium"
    if is_loose:
        return "a USB medium" if any(part.startswith("usb") for part in parts) else "an external medium"
    if read_word(place / "device/type") == "SD":
        return "an SD card"
    if place.name.startswith("pmem"):
        return "persistent memory"
    if read_word(place / "queue/zoned") == "host-managed":
        return "a disk that can be written in order only (zoned)"
    is_bay = any(map(_FIXED_BUS.fullmatch, parts))
    return "a removable medium" if is_removable and not is_bay else ""
