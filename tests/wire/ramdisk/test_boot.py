"""A whole ramdisk, built from Debian's archive, twice the same, and booted in a virtual machine."""

import os
import py_compile
import shutil
import time
from pathlib import Path

import pytest

from provisioner import ramdisk, run
from provisioner.ramdisk import initramfs

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

GREETING = Path(__file__).with_name("programs") / "greeting.py"
AGENT_MAIN = f"{ramdisk.AGENT_FOLDER}/provisioner/agent/__main__.py"
# the ramdisk's byte code is not compared with its source: to replace a program is to replace both
AGENT_CODE = f"{ramdisk.AGENT_FOLDER}/provisioner/agent/__pycache__/__main__.cpython-311.pyc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ramdisk")
    run.run(["minisign", "-G", "-W", "-p", place / "site.pub", "-s", place / "site.key"])
    return place


@pytest.fixture(scope="module")
def built(folder: Path) -> ramdisk.RamdiskFiles:
    return ramdisk.build(folder / "out", cache=folder / "cache", keys=[folder / "site.pub"])


def boot(built: ramdisk.RamdiskFiles, folder: Path, arguments: str, until: bytes) -> str:
    """The serial console of a machine that boots the ramdisk with an agent that only says hello."""
    code = py_compile.compile(
        str(GREETING),
        str(folder / "greeting.pyc"),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    assert code
    greeting = initramfs.segment(
        {
            AGENT_MAIN: initramfs.file(GREETING.read_bytes()),
            AGENT_CODE: initramfs.file(Path(code).read_bytes()),
        }
    )
    (folder / "initrd").write_bytes(built.path("initrd.img").read_bytes() + greeting)
    for name in ("virtio", "nvme"):
        (folder / name).write_bytes(b"")
        os.truncate(folder / name, 64 << 20)
    run.run(["mformat", "-i", f"{folder}/virtio@@1048576", "-F", "-T", "100000", "::"])
    console = folder / "console"
    console.write_bytes(b"")
    argv = [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", "512", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{console}", "-kernel", built.path("vmlinuz"), "-initrd", folder / "initrd"),
        *("-append", f"console=ttyS0 pv.server=http://10.0.2.2:1 pv.nonce=x {arguments}"),
        *("-drive", f"file={folder}/virtio,format=raw,if=virtio"),
        *("-drive", f"file={folder}/nvme,format=raw,if=none,id=n", "-device", "nvme,drive=n,serial=N1"),
        *(
            "-netdev",
            "user,id=a,restrict=on",
            "-device",
            "virtio-net-pci,netdev=a,mac=52:54:00:00:00:01,romfile=",
        ),
        *("-netdev", "user,id=b,restrict=on", "-device", "e1000e,netdev=b,mac=52:54:00:00:00:02,romfile="),
    ]
    with run.running(argv) as machine:
        deadline = time.monotonic() + 180
        while until not in console.read_bytes() and machine.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)  # a console file has nothing that could be awaited
    return console.read_bytes().decode(errors="replace")


def test_kernel_and_ramdisk_stay_below_32_megabytes(built: ramdisk.RamdiskFiles) -> None:
    assert built.files["vmlinuz"][0] + built.files["initrd.img"][0] < 32_000_000
    assert ramdisk.read(built.folder) == built


def test_two_builds_give_the_same_bytes(built: ramdisk.RamdiskFiles, folder: Path) -> None:
    shutil.copytree(folder / "cache/debs", folder / "other cache/debs")
    again = ramdisk.build(folder / "other", cache=folder / "other cache", keys=[folder / "site.pub"])
    assert again.files == built.files


def test_a_build_from_the_cache_takes_seconds(built: ramdisk.RamdiskFiles, folder: Path) -> None:
    started = time.monotonic()
    again = ramdisk.build(folder / "third", cache=folder / "cache", keys=[folder / "site.pub"])
    assert again.files == built.files and time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("arguments", "driver"),
    [
        ("pv.mac=52:54:00:00:00:01", "virtio_net"),
        ("pv.mac=52:54:00:00:00:01 BOOTIF=01-52-54-00-00-00-02", "e1000e"),
    ],
)
def test_the_agent_runs_on_the_card_that_was_booted_from(
    built: ramdisk.RamdiskFiles, folder: Path, arguments: str, driver: str
) -> None:
    console = boot(built, folder, arguments, until=b"site.pub end")
    assert f"driver {driver}" in console and "python says hello" in console
    assert "minisign 0." in console and "bytes free" in console
    assert "disks: nvme0n1 vda keys: site.pub end" in console.replace("sr0 ", "").replace("fd0 ", "")


def test_a_missing_network_card_is_said_with_those_that_are_there(
    built: ramdisk.RamdiskFiles, folder: Path
) -> None:
    console = boot(built, folder, "pv.mac=52:54:00:00:00:09", until=b"(3 s)")
    assert "waiting for the network card 52:54:00:00:00:09" in console
    assert "52:54:00:00:00:01" in console and "52:54:00:00:00:02" in console
