"""The files that any machine may fetch to boot."""

from pathlib import Path

BOOT_FILES = ("vmlinuz", "initrd.img", "local.efi", "snponly.efi", "snponly-arm64.efi", "undionly.kpxe")


def boot_file(state: Path, name: str) -> Path | None:
    """A file that any machine may fetch; None for any other name."""
    path = state / "ramdisk" / name
    return path if name in BOOT_FILES and path.is_file() else None
