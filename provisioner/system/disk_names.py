"""A disk in the notations of lsblk, udev, smartctl, lspci and the kernel, made one that compares equal.

Standard library only: the ramdisk has it too.
"""

import re
from fnmatch import fnmatchcase

from provisioner.system.placeholders import is_nobodys_wwn, is_placeholder

SCSI_MODEL = 16  # characters: what SCSI's INQUIRY has room for, so a SATA disk's model is cut there
_BY_ID, _BY_PATH = "/dev/disk/by-id/", "/dev/disk/by-path/"
_LINKS = (_BY_ID, _BY_PATH, "/dev/")
_BUSES = re.compile(r"^(ata|nvme|scsi|usb|virtio|mmc|memstick|sas)-")
_WWN_PREFIX = re.compile(r"^(wwn-)?(0x|naa\.|eui\.|uuid\.)?")
_NOT_HEXADECIMAL = ("t10.", "nvme.")  # of kernel and udev: makers' words in place of a number
_SAYS_WWN = re.compile(r"wwn-|naa\.|eui\.|uuid\.|nvme-(eui|uuid)\.|(0x|scsi-[23])[0-9a-f]{16}")
_PCI = r"([0-9a-f]{4,5}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_PART = re.compile(r"-part\d+$")
_DEVICE = re.compile(r"(sd|hd|vd|xvd)[a-z]{1,2}|nvme\d+n\d+|mmcblk\d+")
_PARTITION = re.compile(r"(sd|hd|vd|xvd)[a-z]+\d+|(nvme\d+n\d+|mmcblk\d+|pmem\d+|cciss!c\d+d\d+)p\d+")
# what the kernel makes of other devices, of memory or of a network; and an eMMC's areas for firmware
# (JESD84-B51, 6.2), which no operating system is installed into
_NO_DISK = re.compile(
    r"(loop|z?ram|sr|scd|fd|dm-|md(_d)?|nbd|rbd|drbd|bcache|mtd(block)?|ubiblock|romblock|zd|nullb|ublkb"
    r"|pktcdvd)\d.*|md_.+|mtdblock_ro.*|etherd!.+|mmcblk\d+(boot\d+|rpmb|gp\d+)|nvme\d+c\d+n\d+"
)
# what people name in place of a disk: a controller, a character device, a link, a number (lsblk's MAJ:MIN)
_NO_NAME = re.compile(r"nvme\d+|ng\d+n\d+|sg\d+|(mapper|disk|md|block|bsg)!.*|\d+:\d+")
_SAS_PHY = re.compile(r"-sas-(exp0x[0-9a-f]+-)?phy\d+(?=-lun-)")
_PATH = re.compile(rf"pci-{_PCI}(-[\w.:+-]+)?|(platform|acpi|ccw|vmbus)-[\w.:+-]+")


def serial(text: str) -> str:
    """Letters' case aside, and blanks, for which udev writes an underscore."""
    return " ".join(re.split(r"[\s_]+", _bare(text))).strip()


def wwn(text: str) -> str:
    """The digits of a WWN (naa., eui., 0x, wwn-0x or none), which makers print in groups; else its words.

    What names no disk (zeros, or Fs, all over) is empty.
    """
    words = serial(text)
    rest = re.sub(r"^(nvme-(?=eui|uuid|nvme)|scsi-[23]|dm-uuid-mpath-)", "", words)
    digits = re.sub(r"[ :.,+-]", "", _WWN_PREFIX.sub("", rest))
    digits = re.sub(r"(?<=[0-9a-f]{16})0x", "", digits)  # the vendor's extension, which udev has apart
    if not re.fullmatch(r"[0-9a-f]+", digits):
        return rest
    if len(digits) in (17, 33) and digits[0] in "23":
        digits = digits[1:]  # scsi_id and multipath write the designator's type before it (SPC-4, 7.8.6)
    return "" if is_nobodys_wwn(digits) else digits


def wwn_kind(text: str) -> str:
    """Of which kind a WWN is; a disk may have one of each, so two kinds are no contradiction."""
    named = re.match(r"(?:nvme-)?(uuid|nvme|t10)\.", serial(text))
    return named[1] if named else f"{len(wwn(text))} digits"


def device(text: str) -> str:
    """The name below /sys/block: `sda` for `/dev/sda`, `cciss!c0d0` for `/dev/cciss/c0d0`."""
    words = re.sub("/+", "/", text.strip().lower())
    return re.sub(r"^/?(dev|sys/block|sys/class/block)/", "", words).rstrip("/").replace("/", "!")


def device_path(name: str) -> str:
    """Where the device of a disk lies: `/dev/cciss/c0d0` for `cciss!c0d0`, which no path can hold."""
    return f"/dev/{name.replace('!', '/')}"


def is_no_disk(name: str) -> bool:
    """Whether a name below /sys/block is one of what is no disk of its own."""
    return _NO_DISK.fullmatch(name) is not None


def path(text: str) -> str:
    """A place at the bus as udev's by-path writes it; an address as lspci or lshw prints it begins one."""
    words = re.sub("^pci@", "pci-", _bare(text).removeprefix("virtio-"))
    words = re.sub(rf"^(?={_PCI}(-|$))", "pci-", words)
    words = re.sub(r"^pci-(?=[0-9a-f]{2}:[0-9a-f]{2}\.)", "pci-0000:", words)
    return re.sub(r"(-ata-\d+)\.0$", r"\1", re.sub(r"-usbv\d-", "-usb-", words))


def model(text: str) -> str:
    """Blanks are one, and udev's underscores are blanks."""
    return " ".join(re.split(r"[\s_]+", text.strip().lower()))


def tells_apart(number: str) -> bool:
    """Whether a serial or WWN can be one disk's own; makers leave zeros and the like in place of one."""
    words = serial(number)
    if words.startswith(("naa.", "eui.", "uuid.")):
        return bool(wwn(words))
    return bool(words) and not is_placeholder(words.removeprefix("t10."))


def evidence(number: str) -> str:
    """The serial or WWN as it is; empty for what tells no two disks apart."""
    return number if tells_apart(number) else ""


def is_same_wwn(one: str, other: str) -> bool:
    """Whether two WWNs are one number; what names no disk is the same as nothing."""
    return bool(wwn(one)) and wwn(one) == wwn(other)


def is_same_path(wanted: str, has: str, sas_address: str = "") -> bool:
    """Whether a place is the wanted one, or lies below it: a controller's address says all of its disks.

    Where a disk's `sas_address` is known, it may stand in place of its phy: older udev writes it so.
    """
    wanted, has = path(wanted), path(has)
    if not wanted or not has:
        return False
    if sas_address and f"-sas-{path(sas_address)}-" in f"{wanted}-":
        has = _SAS_PHY.sub(f"-sas-{path(sas_address)}", has)
    is_controller = re.fullmatch(f"pci-{_PCI}", has) is not None  # all that was known of where the disk is
    is_below = f"-{wanted}-" in f"-{has}-"
    # an older udev leaves out what stands before the last PCI function (Intel's VMD)
    return is_below or (is_controller and wanted.startswith(f"{has}-")) or wanted.endswith(f"-{has}")


def is_same_device(wanted: str, has: str) -> bool:
    """Whether both name one block device."""
    return device(wanted) == device(has)


def fits_model(pattern: str, has: str, *, may_be_cut: bool) -> bool:
    """Whether a model fits a shell pattern, or is what is left of one that does (`may_be_cut`: SCSI, SATA).

    The maker, its first word, may stand before either, as in labels and lists; a pattern means the whole.
    """
    wanted, known = model(pattern), model(has)
    patterns = [wanted, *wanted.split(" ", 1)[1:]]
    if any(fnmatchcase(known, one) for one in patterns) or [wanted] == known.split(" ", 1)[1:]:
        return True
    if not may_be_cut:
        return False
    is_start = len(known) == SCSI_MODEL and any(one.startswith(known) for one in patterns)
    return is_start or fnmatchcase(known[:SCSI_MODEL].rstrip(), wanted)


def is_serial_of(wanted: str, number: str, disk_model: str, disk_wwn: str) -> bool:
    """Whether a serial is a disk's: alone, behind its model as udev writes it, or its WWN.

    Of a SCSI disk lsblk and udev print the WWN as the serial.
    """
    said, has = serial(wanted), serial(number)
    if has and said == has:
        return True
    if len(wwn(wanted)) >= SCSI_MODEL and is_same_wwn(wanted, disk_wwn):
        return True
    return bool(has) and _is_link_of(said, has, model(disk_model))


def _is_link_of(said: str, has: str, disk_model: str) -> bool:
    """As udev names it by id: bus, maker, model, serial; then an NVMe disk's namespace, or a USB disk's unit.

    Its rules: 60-persistent-storage.rules, ata_id, scsi_id, usb_id.
    """
    rest = re.sub(r"-\d+:\d+$", "", _BUSES.sub("", said))
    if rest == has:
        return rest != said  # virtio has no model
    known = disk_model[:SCSI_MODEL].rstrip()
    ends = (rest, re.sub(r" \d+$", "", rest))
    befores = [end.removesuffix(f" {has}") for end in ends if end.endswith(f" {has}")]
    return bool(known) and any(known in before for before in befores)


def wrong_serial(text: str) -> str:
    """Why no disk can have that serial, as the end of a sentence; empty where one can."""
    words, bare = text.strip().lower(), _bare(text)
    if words.startswith(_BY_PATH) or _PATH.fullmatch(bare):
        return "is a place: write it as by_path"
    if "/" in bare:
        return "is a path; write the serial alone, as lsblk -o NAME,SERIAL prints it"
    if _DEVICE.fullmatch(bare) or (words.startswith("/dev/") and not words.startswith(_BY_ID)):
        return "is a device: write it as name"
    if _PART.search(bare):
        return "is a partition: leave out its -part"
    if _SAYS_WWN.match(bare):
        return wrong_wwn(text)
    return "" if tells_apart(text) else "is what disks without a serial say; name the wwn"


def wrong_wwn(text: str) -> str:
    """Why no disk can have that WWN; empty where one can."""
    number, bare = wwn(text), _bare(text)
    if not number:
        return "is what several disks say; name the serial"
    if _PART.search(bare):
        return "is a partition: leave out its -part"
    if number.startswith(_NOT_HEXADECIMAL):
        return ""
    if not re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{32}", number):
        return "is no WWN: 16 or 32 hexadecimal digits, as lsblk -o NAME,WWN prints them"
    is_naa = re.match(r"(wwn-)?0x|naa\.|scsi-3", bare) is not None
    if is_naa and len(number) == SCSI_MODEL and number[0] == "6":
        return "is the first half of a WWN (its first digit 6 says that there are 32): others share it"
    return ""


def wrong_device(text: str) -> str:
    """Why no disk can have that name; empty where one can."""
    name = device(text)
    if name.startswith("disk!by-path!"):
        return "is a place: write it as by_path"
    if name.startswith("disk!"):
        return "is a link: write serial or wwn, as lsblk -o NAME,SERIAL,WWN prints them"
    if _PARTITION.fullmatch(name):
        return "is a partition: name its disk"
    if _NO_NAME.fullmatch(name) or is_no_disk(name):
        return "is no disk of its own: name the disk, such as nvme0n1 or sda"
    return "" if re.fullmatch(r"[\w.:!-]{1,64}", name, re.ASCII) else "is no name as lsblk prints them"


def wrong_path(text: str) -> str:
    """Why no disk can be there; empty where one can."""
    place = path(text)
    if _PART.search(place):
        return "is a partition: leave out its -part"
    if not _PATH.fullmatch(place):
        return "is no place at a bus: write it as ls /dev/disk/by-path does, such as pci-0000:41:00.0-nvme-1"
    return ""


def _bare(text: str) -> str:
    words = text.strip().lower()
    for link in _LINKS:
        words = words.removeprefix(link)
    return words
