"""The package in a machine with systemd: from the bundle to a restored site, as docs/install.md says."""

import re
import select
import sys
import time
from pathlib import Path

import pytest

from provisioner import run
from provisioner.cli.ramdisk import CACHE
from provisioner.golden import base
from provisioner.imaging import signature
from provisioner.lab import qemu

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("installed.sh")
SIZE = 8 << 30  # bytes of the disk, most of them holes
LIMIT = 3000.0  # seconds from power-on to the end, on a loaded machine without KVM
USER_DATA = """#cloud-config
runcmd:
- [mkdir, -p, /mnt/packages]
- [mount, -o, ro, LABEL=PACKAGES, /mnt/packages]
- [sh, /mnt/packages/installed.sh]
"""
NETWORK = """version: 2
ethernets:
  lan:
    match: {name: "en*"}
    addresses: [10.77.0.1/24]
    optional: true
"""
STEPS = re.findall(r"^step (\S+) ", SCRIPT.read_text(), flags=re.MULTILINE)
MOST = {"dhcp": 2.5}  # points of exposure; 2.0 unless it is here


def make_bundle(folder: Path) -> Path:
    """The package of this checkout, the ramdisk, what both need, signed by `release`."""
    signature.keygen(folder, "release")
    provision = (sys.executable, "-m", "provisioner")
    package = run.text(
        [sys.executable, ROOT / "debian" / "build.py", "--out", folder], timeout=1800, cwd=ROOT
    )
    ramdisk = ("ramdisk", "build", "--out", folder / "ramdisk", "--cache", CACHE)
    run.run([*provision, *ramdisk], timeout=1200)
    words = (
        "--deb",
        package.splitlines()[-1],
        "--sign",
        folder / "release.key",
        "--ramdisk",
        folder / "ramdisk",
    )
    out = folder / "site.bundle"
    run.run([*provision, "bundle", "make", out, *words, "--trust", folder / "release.pub"], timeout=1800)
    return out


def make_disks(folder: Path, bundle: Path) -> tuple[Path, Path]:
    """The system's, with a seed that runs the script, and one with bundle, key and script."""
    system, packages = folder / "system.raw", folder / "packages.raw"
    base.build(system, name="test-os", version="1", cache=CACHE / "base")
    put_seed(system, folder)
    with system.open("r+b") as disk:
        disk.truncate(SIZE)
    with packages.open("wb") as disk:
        disk.truncate((bundle.stat().st_size + (64 << 20)) // (1 << 20) * (1 << 20))
    run.run(["mkfs.vfat", "-n", "PACKAGES", packages])
    run.run(["mcopy", "-i", packages, bundle, folder / "release.pub", SCRIPT, "::"], timeout=300)
    return system, packages


def put_seed(disk: Path, folder: Path) -> None:
    """Into the image's own partition CIDATA, as the agent does it."""
    texts = {"user-data": USER_DATA, "meta-data": "instance-id: i-1\nlocal-hostname: site\n"}
    for name, text in {**texts, "network-config": NETWORK}.items():
        (folder / name).write_text(text)
    listed = run.text(["sfdisk", "--json", disk])
    parts = {
        match[2].lower(): int(match[1])
        for match in re.finditer(r'"start": (\d+),[^}]*?"name": "([^"]+)"', listed, flags=re.DOTALL)
    }
    place = f"{disk}@@{parts['cidata'] * 512}"
    run.run(["mcopy", "-o", "-i", place, *(folder / name for name in (*texts, "network-config")), "::"])


def boot(folder: Path, system: Path, packages: Path) -> str:
    """What it says on its serial port until the script's end."""
    argv = [
        *(qemu.PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-m", "2048", "-smp", "2"),
        *qemu.base(qemu.choose_accelerator(CACHE / "accelerator.json")),
        *("-machine", "graphics=off", "-chardev", f"stdio,id=console,logfile={folder}/serial.log"),
        *("-serial", "chardev:console", "-device", "virtio-rng-pci"),
        *("-drive", f"if=none,id=system,format=raw,file={system}", "-device", "virtio-blk-pci,drive=system"),
        *("-drive", f"if=none,id=packages,format=raw,readonly=on,file={packages}"),
        *("-device", "virtio-blk-pci,drive=packages"),
        # a network card in a switch of its own: nobody else is there
        *("-netdev", "hubport,id=lan,hubid=0", "-device", "virtio-net-pci,netdev=lan"),
    ]
    process = run.start(argv, stdout=run.PIPE)
    assert process.stdout
    said, until = "", time.monotonic() + LIMIT
    try:
        while "@@ end" not in said:
            wait = max(0.0, until - time.monotonic())
            if not select.select([process.stdout], [], [], wait)[0]:
                break
            if not (block := process.stdout.read1(65536)):  # type: ignore[attr-defined]
                break
            said += block.decode(errors="replace")
    finally:
        run.stop(process)
    return said.replace("\r", "")


@pytest.mark.timeout(7200)
def test_a_site_is_installed_from_its_bundle_serves_and_comes_back_from_its_backup(tmp_path: Path) -> None:
    said = boot(tmp_path, *make_disks(tmp_path, make_bundle(tmp_path)))
    told = [line for line in said.splitlines() if "@@ " in line]
    print("\n".join(told))
    assert "@@ end" in said, said[-3000:]
    assert [line for line in told if "FAILED" in line] == [], "\n".join(told)
    assert [name for name in STEPS if f"@@ {name}: ok" not in said] == []
    points = dict(re.findall(r"exposure level for provisioner-(\w+)\.service: ([0-9.]+)", said))
    assert len(points) == 7 and all(float(point) <= MOST.get(name, 2.0) for name, point in points.items())
