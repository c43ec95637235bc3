"""Files by their hashes: counted, put in place whole, or not at all."""

import shutil
from pathlib import Path

from provisioner.system.checksum import sha256


def is_right(path: Path, digest: str) -> bool:
    """Whether `path` is a regular file, no link, with this SHA-256 (hexadecimal)."""
    return path.is_file() and not path.is_symlink() and sha256(path) == digest


def place(source: Path, target: Path, *, move: bool) -> None:
    """Bring a file to its place; who looks sees all of it or the old one. A move stays on one file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = source if move else target.with_name(f".{target.name}.partial")
    if not move:
        shutil.copyfile(source, partial)
    partial.chmod(0o644)
    partial.replace(target)


def write(target: Path, text: str | bytes) -> None:
    """Give a file its content at once, by rename(2); text as UTF-8, mode 0644."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.write_bytes(text if isinstance(text, bytes) else text.encode())
    partial.chmod(0o644)
    partial.replace(target)
