"""The base image: the same bytes from the same inputs, and BIOS boots it from every kind of disk."""

import re
import select
import time
from pathlib import Path

import pytest

from provisioner import run
from provisioner.cli.ramdisk import CACHE
from provisioner.golden import base
from provisioner.lab import qemu

pytestmark = pytest.mark.long


@pytest.mark.timeout(1200)
def test_two_builds_from_nothing_are_the_same_bytes(tmp_path: Path) -> None:
    sums = []
    for number in ("one", "two"):  # each with its own cache, so that packages are installed twice
        out = tmp_path / f"{number}.raw"
        built = base.build(out, name="test-os", version="1", cache=tmp_path / number)
        assert not built.cached
        sums.append(built.sha256)
        out.unlink()
    assert sums[0] == sums[1]


BOOT_LIMIT = 240.0  # seconds from power-on to systemd, on a loaded machine
DEVICES = {"virtio": "virtio-blk-pci", "nvme": "nvme,serial=S1", "ahci": "ide-hd,bus=ide.0"}
STEPS = ("GRUB loading", "Linux version", r"EXT4-fs \(\S+\): mounted", "Welcome to .*Debian GNU/Linux")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("bus", list(DEVICES))
def test_a_bios_boots_the_image_from_the_disk_alone(tmp_path: Path, bus: str) -> None:
    built = base.build(tmp_path / "disk.raw", name="test-os", version="1", cache=CACHE / "base")
    argv = [
        *(qemu.PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-m", "1024", "-vga", "std"),
        *qemu.base(qemu.choose_accelerator(CACHE / "accelerator.json")),
        *("-machine", "graphics=off", "-chardev", "stdio,id=console", "-serial", "chardev:console"),
        *("-drive", f"if=none,id=disk,format=raw,snapshot=on,file={built.path}"),
        *("-device", f"{DEVICES[bus]},drive=disk"),
    ]
    process = run.start(argv, stdout=run.PIPE)
    try:
        said = read_until(process, STEPS[-1], BOOT_LIMIT)
    finally:
        run.stop(process)
    places = [found.start() if (found := re.search(step, said)) else -1 for step in STEPS]
    assert min(places) >= 0 and places == sorted(places), said[-2000:]


def read_until(process: run.Process, pattern: str, limit: float) -> str:
    """What the machine said until the pattern came, its end or the limit."""
    assert process.stdout
    said, until = "", time.monotonic() + limit
    while not re.search(pattern, said):
        if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            break
        if not (block := process.stdout.read1(65536)):  # type: ignore[attr-defined]
            break
        said += block.decode(errors="replace")
    return said
