"""Makes the root file system of a base image from a tar, as root of a mount namespace, into one file."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from provisioner.run import run, text

TIME_LIMIT = 1800.0  # seconds for one program, with tens of gigabytes
FILES_GONE = ("etc/hostname", "etc/resolv.conf", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed")
# what differs from build to build: byte code that is written while packages are installed, apt's own folders
TREES_GONE = (
    "usr/share/python3/debpython/__pycache__",
    "var/cache/apt/archives/partial",
    "var/lib/apt/lists/partial",
)
TREES_EMPTY = ("var/log", "var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "tmp", "var/tmp", "run")


def main(tree: Path, overlay: Path, out: Path, ident: str, size: int, epoch: int) -> None:
    """Unpack on a tmpfs, whose order of names depends on the tar alone, clean, and let mke2fs copy it."""
    with tempfile.TemporaryDirectory() as folder:
        run(["mount", "-t", "tmpfs", "-o", "mode=0755,size=4g", "tmpfs", folder])
        try:
            root = Path(folder)
            # an ordinary user may not make device nodes, and the kernel mounts its own /dev anyway
            unpack = ["tar", "--extract", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
            run([*unpack, "--exclude=./dev/*", "--file", tree, "--directory", root], timeout=300)
            _overlay(overlay, root)
            _clean(root)
            clamp(root, epoch)
            make(root, out, ident, size, epoch)
        finally:
            run(["umount", folder])


def _overlay(source: Path, root: Path) -> None:
    for path in sorted(source.rglob("*")):
        target = root / path.relative_to(source)
        if path.is_dir():
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
        else:
            target.write_bytes(path.read_bytes())
            target.chmod(0o644)
    release = root / "usr/lib/os-release"  # os-release(5) has fields for images
    release.write_text(release.read_text() + (root / "etc/image-id").read_text())
    (root / "etc/image-id").unlink()


def _clean(root: Path) -> None:
    for name in FILES_GONE:
        (root / name).unlink(missing_ok=True)
    for name in TREES_GONE:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in TREES_EMPTY:
        for path in sorted((root / name).rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()) and name in ("tmp", "run", "var/tmp"):
                    path.rmdir()
            else:
                path.unlink()
    (root / "etc/machine-id").write_text("")  # empty, not "uninitialized": no first-boot presets


def clamp(root: Path, epoch: int) -> None:
    """Give everything below `root`, and itself, one time; `epoch` in seconds."""
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            os.utime(os.path.join(folder, name), (epoch, epoch), follow_symlinks=False)  # noqa: PTH118
    os.utime(root, (epoch, epoch))


def make(root: Path, out: Path, ident: str, size: int, epoch: int) -> None:
    """Copy the tree into an ext4 of `size` bytes in the file `out`; the same bytes from the same tree."""
    with out.open("wb") as file:
        file.truncate(size)
    # C: names are sorted alike in every language
    clock = {"E2FSPROGS_FAKE_TIME": str(epoch), "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C"}
    extended = f"hash_seed={ident},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "vault-root", "-U", ident, "-m", "1", "-E", extended]
    run([*argv, "-d", root, out], timeout=TIME_LIMIT, env=clock)
    _clamp_inodes(out, epoch, clock)
    run(["e2fsck", "-f", "-n", out], timeout=TIME_LIMIT, env=clock)


def _clamp_inodes(out: Path, epoch: int, clock: dict[str, str]) -> None:
    """mke2fs copies the change times of the tree, which nothing can set; debugfs can."""
    count = re.search(r"Inode count:\s+(\d+)", text(["dumpe2fs", "-h", out]))
    free = re.search(r"Free inodes:\s+(\d+)", text(["dumpe2fs", "-h", out]))
    if not count or not free:
        raise SystemExit("dumpe2fs does not tell the number of inodes")
    used = int(count[1]) - int(free[1])
    fields = ("atime", "ctime", "mtime", "crtime")
    script = [
        f"sif <{n}> {field} @{epoch}\nsif <{n}> {field}_extra 0"
        for n in (2, *range(11, used + 20))
        for field in fields
    ]
    commands = out.with_name("inodes.debugfs")
    commands.write_text("\n".join(script) + "\n")
    run(["debugfs", "-w", "-f", commands, out], timeout=TIME_LIMIT, env=clock)
    commands.unlink()


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        Path(sys.argv[3]),
        sys.argv[4],
        int(sys.argv[5]),
        int(sys.argv[6]),
    )
