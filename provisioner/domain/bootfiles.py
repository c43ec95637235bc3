"""Which of our boot files firmware of each architecture can run, and which are served by TFTP."""

from dataclasses import dataclass

USUAL = frozenset({"undionly.kpxe", "snponly.efi"})  # those that `provision ramdisk build` makes


@dataclass(frozen=True)
class BootFile:
    """What firmware of one architecture is given: over TFTP, or over HTTP if it is an HTTP client."""

    name: str
    http: bool = False


# option 93 (IANA, "Processor Architecture Types") → iPXE's binary; what is absent gets an address only
ARCHITECTURES: dict[int, BootFile] = {
    0: BootFile("undionly.kpxe"),  # BIOS
    7: BootFile("snponly.efi"),  # registered as EBC, sent by x64 firmware that follows RFC 4578
    9: BootFile("snponly.efi"),  # UEFI x64
    11: BootFile("snponly-arm64.efi"),  # UEFI arm64
    16: BootFile("snponly.efi", http=True),  # UEFI x64, HTTP boot
    19: BootFile("snponly-arm64.efi", http=True),  # UEFI arm64, HTTP boot
}
TFTP_FILES = tuple(sorted({boot.name for boot in ARCHITECTURES.values() if not boot.http}))


@dataclass(frozen=True)
class TftpFile:
    """A boot file as the service has it: bytes, and SHA-256 in hex; 0 and empty where it is missing."""

    name: str
    size: int = 0
    sha256: str = ""
