"""The power of the machine that the service runs on goes, and with it what its disk had only in its cache.

The state folder lies on ext4, its disk behind nbdkit's cache filter: what was flushed is kept when nbdkit is
killed, all else is gone. `CRASH_CUTS` says how many cuts, `CRASH_SEED` which.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from provisioner import run
from provisioner.errors import ProgramError

CUTS = int(os.environ.get("CRASH_CUTS", "5"))
SEED = int(os.environ.get("CRASH_SEED") or random.randrange(1 << 32))
PROGRAMS = Path(__file__).with_name("programs")
MOUNT = 'set -e; mount -t ext4 "$1" "$2"; mkdir -m 700 -p "$2/s"; shift 2; exec "$@"'
SIZE = 64 << 20  # bytes of the disk
START_LIMIT = 60.0  # seconds
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


class Disk:
    """A file that is the medium of a disk with a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.medium = folder, folder / "medium"
        with self.medium.open("wb") as file:
            file.truncate(SIZE)
        run.run(["mkfs.ext4", "-q", "-F", self.medium])
        self.device, self.mounted = folder / "device", folder / "mounted"
        self.mounted.mkdir()

    @contextmanager
    def powered(self, cache: str) -> Iterator[Callable[[], None]]:
        """At `device`; what is yielded cuts its power."""
        socket, device = self.folder / "nbd.sock", self.device
        device.touch()
        nbd = ("--filter=cache", "file", self.medium, f"cache={cache}")
        node = f"driver=nbd,node-name=disk,server.type=unix,server.path={socket}"
        export = f"type=fuse,id=disk,node-name=disk,mountpoint={device},writable=on"
        with ExitStack() as stack:
            server = run.start(["nbdkit", "-f", "-U", socket, *nbd])
            stack.callback(run.stop, server)
            await_that(socket.exists, "the disk")
            argv = ["qemu-storage-daemon", "--blockdev", node, "--export", export]
            stack.enter_context(run.running(argv, log=self.folder / "device.log"))
            await_that(lambda: device.stat().st_size == SIZE, "the device")

            def cut() -> None:
                server.kill()
                server.wait()

            yield cut

    @contextmanager
    def mounting(self, device: Path, program: str) -> Iterator[list[str]]:
        """The command line of a program that is given the state folder on the disk, or on its medium alone.

        The disk is mounted, and ext4's journal replayed, in a namespace that ends with the program.
        """
        loop = run.text(["losetup", "--find", "--show", device])
        words = [*("unshare", "--mount", "sh", "-c", MOUNT, "sh"), loop, str(self.mounted)]
        try:
            yield [*words, sys.executable, str(PROGRAMS / program), str(self.mounted / "s")]
        finally:
            run.run(["losetup", "--detach", loop], check=False)


def await_that(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + START_LIMIT
    while not condition():
        assert time.monotonic() < until, f"{what} is not there"
        time.sleep(0.01)


def write_until_cut(disk: Disk, cut: Callable[[], None], seconds: float) -> int:
    """Commit until `seconds` after the first commit; the last one that was acknowledged."""
    with disk.mounting(disk.device, "committer.py") as argv:
        process = run.start(argv, stdout=run.PIPE)
        try:
            assert process.stdout
            assert process.stdout.readline() == b"1\n"
            time.sleep(seconds)
            cut()
            rest = process.stdout.read().split()  # it ends by itself: its disk is gone
            return int(rest[-1]) if rest else 1
        finally:
            run.stop(process)
            assert process.stdout
            process.stdout.close()


def found_after(disk: Disk) -> list[int]:
    """The numbers that are there when the machine comes up; ProgramError where a start would fail."""
    with disk.mounting(disk.medium, "examiner.py") as argv:
        return [int(number) for number in run.text(argv).split()]


@pytest.mark.timeout(60 + 20 * CUTS)
def test_what_was_committed_outlives_a_power_cut_and_the_database_is_whole(tmp_path: Path) -> None:
    print(f"CRASH_SEED={SEED} CRASH_CUTS={CUTS}")
    chance = random.Random(SEED)
    for number in range(CUTS):
        (tmp_path / str(number)).mkdir()
        disk = Disk(tmp_path / str(number))
        with disk.powered("writeback") as cut:
            committed = write_until_cut(disk, cut, chance.uniform(0, 1.5))
        found = found_after(disk)
        print(f"cut {number}: {committed} were committed, {len(found)} are there")
        assert found == list(range(1, len(found) + 1)), "one is missing between others"
        assert committed <= len(found) <= committed + 1, f"CRASH_SEED={SEED}, cut {number}"
        disk.medium.unlink()


def test_a_disk_that_lies_about_its_flushes_would_be_found(tmp_path: Path) -> None:
    """The test above can fail: without flushes nothing of what was committed is there."""
    disk = Disk(tmp_path)
    with disk.powered("unsafe") as cut:
        committed = write_until_cut(disk, cut, 0.5)
    assert committed > 1
    with pytest.raises((ProgramError, AssertionError)):
        assert len(found_after(disk)) >= committed
