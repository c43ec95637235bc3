"""What a file that is no raw disk with a GUID partition table is instead; asked only to say so."""

from typing import NamedTuple

from provisioner.errors import PackError
from provisioner.imaging import gpt

# how virtual machines' disks begin
VIRTUAL = {
    b"QFI\xfb": "qcow2",
    b"QED\0": "QED",
    b"KDMV": "VMDK",
    b"# Disk D": "VMDK",
    b"conectix": "VHD",
    b"vhdxfile": "VHDX",
    b"<<< ": "VDI",
    b"WithoutF": "Parallels",
    b"WithouFr": "Parallels",
}
# how archives begin, and what unpacks them
PACKED = {
    b"\x1f\x8b": "gunzip",
    b"\xfd7zXZ\0": "unxz",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"BZh": "bunzip2",
    b"\x04\x22\x4d\x18": "unlz4",
    b"PK\3\4": "unzip",
    b"7z\xbc\xaf\x27\x1c": "7z x",
}
ISO_PLACE, ISO_MAGIC = 0x8001, b"CD001"  # ECMA-119, 8.1: the first volume descriptor
HINT = "a GPT with 512-byte sectors"


class Finding(NamedTuple):
    """What a file is, as the end of a sentence, and what to do."""

    words: str
    hint: str


def virtual_disk(head: bytes) -> str:
    """The format of a virtual machine's disk whose first 8 bytes these are; empty for all else."""
    return next((name for magic, name in VIRTUAL.items() if head.startswith(magic)), "")


def instead_of_disk(reader: gpt.Reader, size: int, fault: PackError) -> Finding:
    """Why a file of `size` bytes has no table that can be read; `fault` is what reading it said."""
    head = reader(0, 8)
    for magic, program in PACKED.items():
        if head.startswith(magic):
            return Finding("it is an archive", f"unpack it first: {program}")
    if reader(ISO_PLACE, len(ISO_MAGIC)) == ISO_MAGIC:
        return Finding("it is an ISO 9660 medium", "an installer is added by: provision image add --iso")
    if reader(4096, len(gpt.SIGNATURE)) == gpt.SIGNATURE:
        return Finding("its partition table is made for sectors of 4096 bytes", HINT)
    return Finding(str(fault), _mend(reader, size) or HINT)


def _mend(reader: gpt.Reader, size: int) -> str:
    if size < 3 * 512:
        return ""
    try:
        gpt.read(reader, 512, size // 512 - 1)
    except PackError:
        return ""
    return "the backup of its table is whole: echo write | sfdisk IMAGE makes the first one from it"
