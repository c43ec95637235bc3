"""Reads label and size of a FAT filesystem (Microsoft, FAT specification 1.03)."""

import struct

SECTOR = 512  # bytes of a boot sector that say all


def size(sector: bytes) -> int:
    """The bytes of the filesystem by its boot sector; 0 where it is no FAT's, or says none."""
    if not label(sector):
        return 0
    few, many = struct.unpack_from("<H", sector, 19)[0], struct.unpack_from("<I", sector, 32)[0]
    return int((few or many) * struct.unpack_from("<H", sector, 11)[0])


def label(sector: bytes) -> str:
    """The volume label in a boot sector; empty where it is no FAT's. Bytes that are no text become `?`."""
    if len(sector) < SECTOR or sector[510:512] != b"\x55\xaa":
        return ""
    for kind, name in ((sector[54:62], sector[43:54]), (sector[82:90], sector[71:82])):
        if kind.startswith(b"FAT"):
            return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in name).strip()
    return ""
