"""Which block devices are disks that somebody can mean, and which of them only if a hint says so."""

import re
from pathlib import Path

from provisioner.agent.sysfs import read_word

VIRTUAL = ("loop", "ram", "sr", "fd", "zram", "dm-", "md", "nbd", "mtd", "pmem_", "rbd", "drbd", "bcache")
# of an eMMC: areas for firmware (JESD84-B51, 6.2), which no operating system is installed into
BOOT_AREA = re.compile(r"mmcblk\d+(boot\d+|rpmb|gp\d+)")
BMC_MODEL = re.compile(r"virtual|\b(idrac|ilo|imm|bmc|ami|lifecycle|oemdrv)\b", re.IGNORECASE)


def is_disk(place: Path) -> bool:
    """Whether the folder below /sys/block is one of a disk that has a size."""
    name = place.name
    # hidden: one path of a multipath NVMe disk, which shows its disk's serial but has no device
    is_hidden = read_word(place / "hidden") == "1"
    is_other = name.startswith(VIRTUAL) or BOOT_AREA.fullmatch(name) is not None
    return bool(int(read_word(place / "size") or 0)) and not is_hidden and not is_other


def is_read_only(place: Path) -> bool:
    """Whether the kernel takes no writes: a switch at the medium, a BMC's image, a worn-out SSD."""
    return read_word(place / "ro") == "1"


def medium(place: Path) -> str:
    """Why nobody means this disk unless a hint names it, as `a USB medium`; empty for a fixed disk."""
    names = " ".join(read_word(place / "device" / name) for name in ("vendor", "model"))
    is_usb = any(re.fullmatch(r"usb\d+", part) for part in place.resolve().parts)
    is_removable = read_word(place / "removable") == "1"
    if (is_usb or is_removable) and BMC_MODEL.search(names):
        return "a BMC's virtual medium"
    if is_usb:
        return "a USB medium"
    if read_word(place / "device/type") == "SD":
        return "an SD card"
    return "a removable medium" if is_removable else ""
