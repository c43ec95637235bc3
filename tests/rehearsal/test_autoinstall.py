"""The installer's seed before real judges: cloud-init's own schema, a guest's cloud-init, a real iPXE.

Ubuntu's installer is not there: a small stand-in, started in a guest with Debian's cloud-init, does what
subiquity does with the answers (takes them from cloud-init, writes /autoinstall.yaml, runs the
early-commands, posts events by cloud-init's webhook). It installs nothing.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from provisioner import run
from provisioner.api.hosts import InventoryUpdate
from provisioner.client import Client
from provisioner.cloudinit import autoinstall
from provisioner.domain.profile import Installer
from provisioner.golden import base
from provisioner.lab import machine, network, qemu, supplies
from provisioner.lab.service import Service
from provisioner.power.protocol import BmcAddress
from provisioner.ramdisk import initramfs
from provisioner.system import namespaces

PROGRAMS = Path(__file__).with_name("programs")

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("CACHE", Path.home() / ".cache" / "provisioner"))
HOST, MAC, PASSWORD = "vc-1", "52:54:00:00:00:01", "lab-secret"
DEADLINES = {"powering": 600, "netbooting": 900, "writing": 900}
REQUEST = autoinstall.Request(
    deployment="d-01JD8",
    hostname="vc-0042",
    mac="52:54:00:12:34:56",
    server="http://10.77.0.1",
    seed_url="http://10.77.0.1/autoinstall/52-54-00-12-34-56/n0nce",
    token="phone-token",
    public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyKeyKey provisioner",
    image="ubuntu@24.04.1",
    installer=Installer(),
)
# exit 3: cloud-init refused; the tree is unpacked into memory and forgotten with the namespace
JUDGE = """
set -e
mount -t tmpfs -o size=2G tree "$1"
tar -C "$1" --exclude='./dev/*' --exclude='./boot/*' --exclude='./usr/lib/modules/*' -xf "$2"
mkdir -p "$1/seeds"
cp "$3"/* "$1/seeds"
for seed in "$1"/seeds/*; do
    chroot "$1" cloud-init schema --config-file "/seeds/${seed##*/}" || exit 3
done
"""


def judge(folder: Path, texts: dict[str, str]) -> tuple[int, str]:
    """What cloud-init of the base image says of these cloud-configs."""
    (folder / "seeds").mkdir(parents=True)
    (folder / "root").mkdir()
    for name, text in texts.items():
        (folder / "seeds" / name).write_text(text)
    as_root = () if os.geteuid() == 0 else ("--map-root-user", "--map-auto")
    place = [str(folder / "root"), str(base.packages(CACHE / "base")), str(folder / "seeds")]
    argv = ["unshare", *as_root, "--mount", "sh", "-c", JUDGE, "sh", *place]
    done = run.run(argv, check=False, timeout=600)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def test_cloud_inits_own_schema_takes_what_we_serve_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    text = autoinstall.build(REQUEST)["user-data"]
    whole = yaml.safe_load(text)
    ours = {
        key: value for key, value in whole.items() if key != "autoinstall"
    }  # which cloud-init only hands on
    target = whole["autoinstall"]["user-data"]
    texts = {"installer": ours, "first-boot": target}
    right = {name: "#cloud-config\n" + yaml.safe_dump(body) for name, body in texts.items()}
    code, said = judge(tmp_path / "right", right)
    assert (code, said.count("Valid cloud-config")) == (0, 2), said
    wrong = {**target, "ssh_deletekeys": "perhaps"}
    code, said = judge(tmp_path / "wrong", {"user-data": "#cloud-config\n" + yaml.safe_dump(wrong)})
    assert code == 3 and "ssh_deletekeys" in said, said


UNIT = """
[Unit]
Description=A stand-in for Ubuntu's installer
After=cloud-final.service
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /run/stand-in.py
"""
ORDER = """/scripts/init-bottom/udev "$@"
[ -e /conf/param.conf ] && . /conf/param.conf
/scripts/init-bottom/standin "$@"
"""
# the initramfs has klibc's few programs: no cp. After cloud-final, which itself waits for multi-user.target.
PLACE = """#!/bin/sh
[ "$1" = prereqs ] && exit 0
mkdir -p /run/systemd/system/cloud-init.target.wants
cat /standin/stand-in.py >/run/stand-in.py
cat /standin/stand-in.service >/run/systemd/system/stand-in.service
ln -s ../stand-in.service /run/systemd/system/cloud-init.target.wants/stand-in.service
"""


def make_iso(folder: Path) -> Path:
    """The base image's kernel and initramfs where the live ISO has its own; the root is the guest's disk."""
    tree, unpacked = base.packages(CACHE / "base"), folder / "boot"
    unpacked.mkdir()
    run.run(["tar", "-C", unpacked, "--wildcards", "-xf", tree, "./boot/vmlinuz-*", "./boot/initrd.img-*"])
    [kernel], [initrd] = ([*unpacked.glob(f"boot/{name}-*")] for name in ("vmlinuz", "initrd.img"))
    more: initramfs.Tree = {
        "conf/conf.d/standin": initramfs.file(b"ROOT=LABEL=vault-root\n"),
        "scripts/init-bottom/ORDER": initramfs.file(ORDER.encode()),
        "scripts/init-bottom/standin": initramfs.file(PLACE.encode(), program=True),
        "standin/stand-in.py": initramfs.file((PROGRAMS / "cloud_init_installer.py").read_bytes()),
        "standin/stand-in.service": initramfs.file(UNIT.encode()),
    }
    casper = folder / "iso" / "casper"
    casper.mkdir(parents=True)
    shutil.copy(kernel, casper / "vmlinuz")
    packed = initrd.read_bytes()
    (casper / "initrd").write_bytes(packed + bytes(-len(packed) % 512) + initramfs.segment(more))
    iso = folder / "live.iso"
    run.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-o", iso, folder / "iso"])
    return iso


def in_the_lab(name: str, folder: Path) -> str:
    """Run a test of this file again inside the lab's namespace; what it said."""
    network.check()
    base.packages(CACHE / "base")
    supplies.provide(CACHE, lambda _: None)
    place = ["-p", "no:cacheprovider", "--basetemp", str(folder / "inside")]
    argv = [*namespaces.UNSHARE, sys.executable, "-m", "pytest", "-q", "-rP", *place, f"{__file__}::{name}"]
    done = run.run(argv, env={network.MARK: "1"}, cwd=ROOT, timeout=880, check=False)
    said = done.stdout.decode()
    assert done.returncode == 0 and "1 passed" in said, said
    return said


@contextmanager
def ordered(folder: Path) -> Iterator[tuple[machine.Machine, Client, str]]:
    """A machine behind a BMC, and a service that was just told to install on it."""
    machine.copy(supplies.provide(CACHE, lambda _: None).raw, folder / "disk.raw", 1 << 30)
    disk = qemu.Disk(folder / "disk.raw", "LABDISK1")
    described = qemu.MachineSpec(HOST, MAC, (disk,), serial_number="S-1", firmware="bios")
    accelerator = qemu.choose_accelerator(CACHE / "accelerator.json")
    with ExitStack() as stack:
        lan = stack.enter_context(network.Lan())
        bmc = BmcAddress("ipmi", lan.bmc(HOST), 623, user="lab", password=PASSWORD, name=HOST)
        plugged = machine.Machine(
            described, folder / "vc", tap=lan.tap(HOST), bmc=bmc, accelerator=accelerator
        )
        host = stack.enter_context(plugged)
        service = Service(folder / "s", folder / "log", interface=network.BRIDGE, address=network.ADDRESS)
        client = stack.enter_context(service).client
        client.put_secret("lab", "lab", PASSWORD)
        secret = {"driver": "ipmi", "address": bmc.address, "secret": "lab"}
        profile = {"name": "cube", "image": "stand-in", "method": "autoinstall", "deadlines": DEADLINES}
        update = InventoryUpdate.model_validate(
            {
                "hosts": [{"name": HOST, "macs": [MAC], "profile": "cube", "bmc": secret}],
                "profiles": [profile],
            }
        )
        client.apply(update.hosts, update.profiles)
        client.add_image(make_iso(folder), iso=True, name="stand-in", version="1")
        yield host, client, client.arm(HOST, yes=True).id


def test_a_guests_cloud_init_reads_the_seed_asks_for_its_disk_and_reports(tmp_path: Path) -> None:
    if not network.inside():
        in_the_lab("test_a_guests_cloud_init_reads_the_seed_asks_for_its_disk_and_reports", tmp_path)
        return
    # a socket's path has 108 bytes at most, pytest's folder alone is longer
    with tempfile.TemporaryDirectory(prefix="pv-") as folder, ordered(Path(folder)) as (host, client, ident):
        behind = host.wait_console(r"Command line: .*", timeout=300)
        line = host.serial_log.read_bytes()[:behind].decode(errors="replace").split("Command line: ")[-1]
        host.wait_console("stand-in: (done|failed.*)", since=behind, timeout=600)
        said = host.serial_log.read_bytes()[behind:].decode(errors="replace")
        print(line, *(text for text in said.splitlines() if text.startswith("stand-in")), sep="\n")
        assert "ds=nocloud-net;s=http://10.77.0.1/autoinstall/52-54-00-00-00-01/" in line
        assert "cloud-config-url=/dev/null BOOTIF=01-52-54-00-00-00-01 " in line
        assert f"stand-in: instance {ident} named {HOST} from DataSourceNoCloudNet" in said
        assert 'stand-in: match {"path": "/dev/vda"}' in said and "stand-in: done" in said
        row = client.deployment(ident)
        events = [event.kind for event in client.events(ident).events]
        assert row.stage == "restarting", row
        wanted = ["seed.served", "installer.began", "installer.disk", "installer.done"]
        assert [kind for kind in events if kind in wanted] == wanted
        assert (row.disk.serial, row.serial) == ("LABDISK1", "S-1")
