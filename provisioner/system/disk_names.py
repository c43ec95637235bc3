"""A disk in the notations of lsblk, udev, smartctl, lspci and the kernel, made one that compares equal.

Standard library only: the ramdisk has it too.
"""

import re
from fnmatch import fnmatchcase

SCSI_MODEL = 16  # characters: what SCSI's INQUIRY has room for, so a SATA disk's model is cut there
_LINKS = ("/dev/disk/by-id/", "/dev/disk/by-path/", "/dev/")
_BUSES = re.compile(r"^(ata|nvme|scsi|usb|virtio|mmc|sas)-")
_WWN_PREFIX = re.compile(r"^(wwn-)?(0x|naa\.|eui\.|uuid\.)?")
_NOT_HEXADECIMAL = ("t10.", "nvme.")  # of kernel and udev: makers' words in place of a number
_PCI = r"([0-9a-f]{4,5}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_PARTITION = re.compile(r"((sd|hd|vd|xvd)[a-z]+\d+|(nvme\d+n|mmcblk|cciss!c\d+d)\d+p\d+)")
_NO_DISK = re.compile(r"(nvme\d+(c\d+n\d+)?|(dm-|md|loop|sr|ram|zram|nbd|fd)\d+|mapper!.*|disk!.*|md!.*)")
_NO_NUMBER = re.compile(r"[0 .:-]+|f{4,}|none|null|unknown|not specified|n/?a|default string")
_PATH = re.compile(r"(pci|platform|acpi|ccw|vmbus)-[\w.:+-]+")


def serial(text: str) -> str:
    """Letters' case aside, and blanks, for which udev writes an underscore."""
    return " ".join(re.split(r"[\s_]+", _bare(text))).strip()


def wwn(text: str) -> str:
    """The digits of a WWN (naa., eui., 0x, wwn-0x or none), which makers print in groups; else its words.

    Zeros, or Fs, all over name no disk, so it is empty.
    """
    words = serial(text)
    rest = re.sub(r"^(nvme-(?=eui|uuid|nvme)|scsi-[23]|dm-uuid-mpath-)", "", words)
    digits = re.sub(r"[ :-]", "", _WWN_PREFIX.sub("", rest))
    if not re.fullmatch(r"[0-9a-f]+", digits):
        return rest
    if len(digits) in (17, 33) and digits[0] in "23":
        digits = digits[1:]  # scsi_id and multipath write the designator's type before it (SPC-4, 7.8.6)
    return "" if re.fullmatch("0+|f{8,}", digits) else digits


def device(text: str) -> str:
    """The name below /sys/block: `sda` for `/dev/sda`, `cciss!c0d0` for `/dev/cciss/c0d0`."""
    return text.strip().lower().removeprefix("/dev/").replace("/", "!")


def device_path(name: str) -> str:
    """Where the device of a disk lies: `/dev/cciss/c0d0` for `cciss!c0d0`, which no path can hold."""
    return f"/dev/{name.replace('!', '/')}"


def path(text: str) -> str:
    """A place at the bus as udev's by-path writes it; an address as lspci prints it begins one."""
    words = _bare(text).removeprefix("virtio-")
    if re.fullmatch(_PCI, words):
        words = f"pci-{words}" if words.count(":") == 2 else f"pci-0000:{words}"
    return re.sub(r"(-ata-\d+)\.0$", r"\1", re.sub(r"-usbv\d-", "-usb-", words))


def model(text: str) -> str:
    """Blanks are one, and udev's underscores are blanks."""
    return " ".join(re.split(r"[\s_]+", text.strip().lower()))


def tells_apart(number: str) -> bool:
    """Whether a serial or WWN can be one disk's own; makers leave zeros and the like in place of one."""
    return bool(serial(number)) and not _NO_NUMBER.fullmatch(re.sub(r"^(naa|eui|t10)\.", "", serial(number)))


def is_same_wwn(one: str, other: str) -> bool:
    """Whether two WWNs are one number; what names no disk is the same as nothing."""
    return bool(wwn(one)) and wwn(one) == wwn(other)


def is_same_path(wanted: str, has: str) -> bool:
    """Whether a place is the wanted one, or lies below it: a controller's address says all of its disks."""
    wanted, has = path(wanted), path(has)
    if not wanted or not has:
        return False
    is_controller = re.fullmatch(f"pci-{_PCI}", has) is not None  # all that was known of where the disk is
    is_below = f"-{wanted}-" in f"-{has}-"
    # an older udev leaves out what stands before the last PCI function (Intel's VMD)
    return is_below or (is_controller and wanted.startswith(f"{has}-")) or wanted.endswith(f"-{has}")


def is_same_device(wanted: str, has: str) -> bool:
    """Whether both name one block device."""
    return device(wanted) == device(has)


def fits_model(pattern: str, has: str, *, may_be_cut: bool) -> bool:
    """Whether a model fits a shell pattern, or is what is left of one that does (`may_be_cut`: SCSI, SATA).

    The maker may stand before it, as labels and lists have it.
    """
    wanted, known = model(pattern), model(has)
    patterns = [wanted, *wanted.split(" ", 1)[1:]]
    if any(fnmatchcase(known, one) for one in patterns):
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
    said = model(_BUSES.sub("", said))
    composed = (f"{model(disk_model)} {has}", f"{model(disk_model)[:SCSI_MODEL]} {has}")
    is_longer = said.startswith(model(disk_model)) and said.endswith(f" {has}")
    return bool(has and disk_model) and (said in composed or is_longer or said[:-2] == composed[0])


def wrong_serial(text: str) -> str:
    """Why no disk can have that serial, as the end of a sentence; empty where one can."""
    if "/" in _bare(text):
        return "is a path; write the serial alone, as lsblk -o NAME,SERIAL prints it"
    return "" if tells_apart(text) else "is what disks without a serial say; name the wwn"


def wrong_wwn(text: str) -> str:
    """Why no disk can have that WWN; empty where one can."""
    number = wwn(text)
    if not number:
        return "is what several disks say; name the serial"
    if number.startswith(_NOT_HEXADECIMAL):
        return ""
    if not re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{32}", number):
        return "is no WWN: 16 or 32 hexadecimal digits, as lsblk -o NAME,WWN prints them"
    is_udevs = re.match(r"(wwn-)?0x", _bare(text)) is not None
    if is_udevs and len(number) == SCSI_MODEL and number[0] == "6":
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
    if _NO_DISK.fullmatch(name):
        return "is no disk of its own: name the disk, such as nvme0n1 or sda"
    return "" if re.fullmatch(r"[\w.:!-]{1,64}", name, re.ASCII) else "is no name as lsblk prints them"


def wrong_path(text: str) -> str:
    """Why no disk can be there; empty where one can."""
    place = path(text)
    if re.search(r"-part\d+$", place):
        return "is a partition: leave out its -part"
    if not _PATH.fullmatch(place):
        return "is no place at a bus: write it as ls /dev/disk/by-path does, such as pci-0000:41:00.0-nvme-1"
    return ""


def _bare(text: str) -> str:
    words = text.strip().lower()
    for link in _LINKS:
        words = words.removeprefix(link)
    return words
