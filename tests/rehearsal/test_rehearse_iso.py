"""`provision rehearse --iso` with a stand-in for Ubuntu's live-server ISO, which cannot be had here.

Its kernel and initrd are those of our ramdisk, with a program in the agent's place that does an installer's
steps by what the real one gets: kernel arguments, ISO, seed, early-commands, webhooks. It fetches the whole
ISO, installs 2 MiB of its own words on the disk that the service names, and posts the events of a whole
installation (tests/golden/autoinstall). No system comes up from that disk, so the rehearsal ends there.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from provisioner import ramdisk, run
from provisioner.golden import base
from provisioner.ramdisk import initramfs

PROGRAMS = Path(__file__).with_name("programs")

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("CACHE", Path.home() / ".cache" / "provisioner"))
EVENTS = ROOT / "tests" / "golden" / "autoinstall" / "events-installed.jsonl"
INFO = 'Ubuntu-Server 0.1 "Stand-In" - Release amd64 (20260101)\n'
AGENT = f"{ramdisk.AGENT_FOLDER}/provisioner/agent"
LIBRARY = ("urllib", "http", "email", "html", "encodings", "json", "collections", "importlib")


def make_iso(folder: Path) -> Path:
    """Kernel, initrd and `.disk/info` where the live ISO has its own."""
    built = ramdisk.build(folder / "ramdisk", cache=CACHE / "ramdisk")
    tree = folder / "tree"
    tree.mkdir()
    library = [f"./usr/lib/python3.11/{name}" for name in LIBRARY]
    wanted = [*library, "./usr/lib/python3/dist-packages/yaml"]
    run.run(["tar", "-C", tree, "--exclude=*.pyc", "-xf", base.packages(CACHE / "base"), *wanted])
    more: initramfs.Tree = {
        **initramfs.read_tree(tree),
        f"{AGENT}/__main__.py": initramfs.file((PROGRAMS / "iso_installer.py").read_bytes()),
        f"{AGENT}/__pycache__/__main__.cpython-311.pyc": initramfs.file(b""),  # else it is taken unchecked
        "standin/events.jsonl": initramfs.file(EVENTS.read_bytes()),
    }
    for name in ("casper", ".disk"):
        (folder / "iso" / name).mkdir(parents=True)
    (folder / "iso/casper/vmlinuz").write_bytes(built.path("vmlinuz").read_bytes())
    initrd = built.path("initrd.img").read_bytes() + initramfs.segment(more)
    (folder / "iso/casper/initrd").write_bytes(initrd)
    (folder / "iso/.disk/info").write_text(INFO)
    iso = folder / "stand-in.iso"
    run.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-o", iso, folder / "iso"])
    return iso


def test_a_host_is_rehearsed_with_an_installers_iso_until_it_is_written(tmp_path: Path) -> None:
    iso, report = make_iso(tmp_path), tmp_path / "report.json"
    # a socket's path has 108 bytes at most, pytest's folder alone is longer
    with tempfile.TemporaryDirectory(prefix="pv-") as folder:
        words = ["rehearse", "--iso", iso, "--stop-after", "writing", "--cache", CACHE]
        kept = Path(folder) / "kept"
        argv = [sys.executable, "-m", "provisioner", *words, "--report", report, "--keep", kept]
        done = run.run(argv, timeout=1400, check=False)
        print(done.stderr.decode())
        said = (kept / "autoinstall/vault-1/serial.log").read_text(errors="replace")
        size = (kept / "autoinstall/disk1.raw").stat()
    assert done.returncode == 0, done.stderr.decode()
    assert f"stand-in: ISO of {iso.stat().st_size} bytes" in said and "stand-in: disk /dev/vda" in said
    assert size.st_blocks * 512 < size.st_size / 10, "the disk is sparse"
    found = json.loads(report.read_text())
    assert found["result"] == "stopped after writing" and found["image"]["name"] == "ubuntu@0.1"
    checks = {check["name"]: check for check in found["checks"]}
    assert all(check["ok"] for check in checks.values()), checks
    assert "LABDISK1" in checks["the named disk"]["seen"]
    assert {"the recorded console", "the installer's steps", "the stranger's disk"} <= set(checks)
