"""Asks e2fsck whether a filesystem's bitmaps are those of its files; it only reads."""

from provisioner.errors import ProgramError
from provisioner.imaging.ext4 import Verdict
from provisioner.run import run

LIMIT = 3600.0  # seconds; a terabyte of small files takes minutes
UNCORRECTED = 4  # a bit of the exit code (e2fsck(8)): errors were found and left


def check(path: str, offset: int) -> Verdict:
    """Of the ext4 at byte `offset` of a file; `unknown` where e2fsck is missing or cannot read its features.

    `path` has no question mark: e2fsck takes what is behind one for options.
    """
    try:
        done = run(["e2fsck", "-f", "-n", f"{path}?offset={offset}"], check=False, timeout=LIMIT)
    except ProgramError:
        return "unknown"
    if done.returncode == 0:
        return "sound"
    return "wrong" if done.returncode & UNCORRECTED else "unknown"
