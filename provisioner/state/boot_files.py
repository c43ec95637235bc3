"""The files that any machine may fetch to boot."""

from functools import lru_cache
from pathlib import Path

from provisioner.domain.bootfiles import TFTP_FILES, USUAL, TftpFile
from provisioner.system.checksum import sha256

BOOT_FILES = ("vmlinuz", "initrd.img", "local.efi", "snponly.efi", "snponly-arm64.efi", "undionly.kpxe")


def boot_file(state: Path, name: str) -> Path | None:
    """A file that any machine may fetch; None for any other name."""
    path = state / "ramdisk" / name
    return path if name in BOOT_FILES and path.is_file() else None


def tftp_files(state: Path) -> tuple[TftpFile, ...]:
    """The boot files that TFTP serves; one that every site needs is listed where it is missing, too."""
    paths = {name: boot_file(state, name) for name in TFTP_FILES}
    return tuple(
        _digest(path, path.stat().st_size, path.stat().st_mtime_ns) if path else TftpFile(name)
        for name, path in paths.items()
        if path or name in USUAL
    )


@lru_cache(16)
def _digest(path: Path, size: int, mtime_ns: int) -> TftpFile:
    """Read once for each version of a file."""
    return TftpFile(path.name, size, sha256(path))
