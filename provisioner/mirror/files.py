"""Files by their hashes: counted, put in place whole, or not at all."""

import shutil
from pathlib import Path

from provisioner.system import file_fault, outputs
from provisioner.system.checksum import sha256


def is_right(path: Path, digest: str) -> bool:
    """Whether `path` is a regular file, no link, with this SHA-256 (hexadecimal)."""
    return path.is_file() and not path.is_symlink() and sha256(path) == digest


def place(source: Path, target: Path, *, move: bool) -> None:
    """Bring a file to its place; who looks sees all of it or the old one. A move stays on one file system.

    Raises FileError (PV-150, PV-151); then nothing is there that was not before.
    """
    partial = source if move else target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not move:
            shutil.copyfile(source, partial)
        partial.chmod(0o644)
        partial.replace(target)
    except OSError as fault:
        if not move:
            partial.unlink(missing_ok=True)
        raise file_fault.explained(fault, target) from fault


def write(target: Path, text: str | bytes) -> None:
    """Give a file its content at once; text as UTF-8, mode 0644. Raises FileError (PV-150, PV-151)."""
    outputs.write(target, text, mode=0o644)
