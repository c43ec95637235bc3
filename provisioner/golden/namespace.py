"""Runs a module of ours as root of a mount namespace, so that no root is needed to build and read images."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.errors import ProgramError
from provisioner.run import run

TIME_LIMIT = 3600.0  # seconds; tens of gigabytes are copied and hashed
FREE = "MemAvailable:"


def inside(module: str, *arguments: object, timeout: float = TIME_LIMIT) -> str:
    """Run `python -m module arguments…` there; what it printed. Raises ProgramError."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user", "--map-auto"]
    argv = ["unshare", *as_root, "--mount", sys.executable, "-m", module, *map(str, arguments)]
    try:
        return run(argv, timeout=timeout).stdout.decode()
    except ProgramError as fault:
        if as_root and "unshare" in str(fault):
            fault.hint = (
                "an ordinary user needs user namespaces, the package uidmap and a line in /etc/subuid"
            )
        raise


@contextmanager
def filesystem(raw: Path, offset: int) -> Iterator[Path]:
    """The ext4 at byte `offset` of a disk image, mounted read-only; to be called inside.

    fuse2fs keeps owners, modes, capabilities, hard links and device nodes, and needs no loop device.
    """
    with tempfile.TemporaryDirectory() as folder:
        run(["fuse2fs", "-o", f"ro,norecovery,offset={offset}", raw, folder])
        try:
            yield Path(folder)
        finally:
            run(["umount", folder])


@contextmanager
def scratch(near: Path, wanted: int) -> Iterator[Path]:
    """An empty folder for `wanted` bytes: in memory where half of it suffices, else beside `near`; inside."""
    with tempfile.TemporaryDirectory(dir=near, prefix="tree-") as folder:
        in_memory = wanted < _free_memory() // 2
        if in_memory:
            run(["mount", "-t", "tmpfs", "-o", "size=100%", "tmpfs", folder])
        Path(folder).chmod(0o755)
        try:
            yield Path(folder)
        finally:
            if in_memory:
                run(["umount", folder])


def _free_memory() -> int:
    """Bytes that can be had without swapping (proc(5))."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(FREE))
