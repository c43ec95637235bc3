"""A whole golden image from a tiny machine's disk: repeatable, complete, explained; and the templates."""

import hashlib
import json
import os
import struct
import sys
from pathlib import Path

import pytest

from provisioner import run
from provisioner.cli import run as command_line
from provisioner.errors import Exit, InputError, ProvisionError
from provisioner.golden import disk, files, inspection, seeds
from provisioner.golden.normalise import GoldenImage, NormaliseRequest, normalise
from provisioner.imaging import manifest as manifests
from provisioner.imaging import signature, unpack
from provisioner.system import shipped

EPOCH = 1767225600
STATUS = "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.4\n"
CAPABILITY = struct.pack(
    "<IIIII", 0x02000001, 1 << 13, 0, 0, 0
)  # cap_net_raw, capability(7) in its version 2


def tree(root: Path, *, dirt: str, motd: str = "hello\n") -> Path:
    """A system as small as can be; `dirt` is what differs from build to build."""
    texts = {
        "usr/lib/os-release": "ID=debian\nIMAGE_ID=tiny-os\nIMAGE_VERSION=1\n",
        "boot/vmlinuz-6": "kernel",
        "boot/initrd.img-6": "initramfs",
        "etc/passwd": "root:x:0:0::/root:/bin/sh\npacker:x:1000:1000::/home/packer:/bin/sh\n",
        "etc/shadow": f"root:*:{20000 + len(dirt)}:0:99999:7:::\npacker:!:1:0:99999:7:::\n",
        "etc/motd": motd,
        "etc/machine-id": dirt,
        "etc/ssh/ssh_host_ed25519_key": f"-----BEGIN OPENSSH PRIVATE KEY-----{dirt}",
        "home/packer/.ssh/authorized_keys": dirt,
        "var/lib/dpkg/status": STATUS,
        f"var/log/journal/{dirt}/system.journal": dirt,
        f"tmp/{dirt}": dirt,
        "bin/ping": "#!/bin/sh\n",
    }
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("opt", "srv", "root", "proc", "sys", "run"):
        (root / name).mkdir()
    (root / "vmlinuz").symlink_to("boot/vmlinuz-6")
    (root / "bin/ping").chmod(0o4755)
    os.setxattr(root / "bin/ping", "security.capability", CAPABILITY)
    os.link(root / "bin/ping", root / "bin/ping6")
    os.chown(root / "etc/shadow", 0, 42)
    os.truncate(root / "etc/motd", 3 << 20)  # a hole
    return root


def machine(folder: Path, *, dirt: str, motd: str = "hello\n", ident: str = "build") -> Path:
    """The disk of a machine with that system, as Packer leaves it."""
    folder.mkdir()
    root = tree(folder / "root", dirt=dirt, motd=motd)
    ext4 = folder / "root.ext4"
    ext4.touch()
    os.truncate(ext4, 64 << 20)
    run.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, ext4])
    raw = folder / "disk.raw"
    disk.assemble(raw, ext4, disk.ImageIds(disk.uuid.uuid4(), ident, dirt), epoch=len(dirt))
    return raw


def make(tmp_path: Path, name: str, **more: str) -> GoldenImage:
    raw = machine(tmp_path / f"{name}-machine", **more)
    return normalise(NormaliseRequest(raw, "raw", tmp_path / name, "tiny-os", "1", EPOCH))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> GoldenImage:
    return make(tmp_path_factory.mktemp("first"), "one", dirt="a")


def test_two_machines_that_differ_in_dirt_give_the_same_bytes(first: GoldenImage, tmp_path: Path) -> None:
    second = make(tmp_path, "two", dirt="another", ident="elsewhere")
    assert second.sums == first.sums
    assert set(first.sums) == {
        f"tiny-os-1.{end}" for end in ("raw", "qcow2", "vmdk", "pack", "pack.json", "files.jsonl", "cdx.json")
    }
    run.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=second.raw.parent)


def test_one_touched_file_is_the_only_difference_told(
    first: GoldenImage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = make(tmp_path, "two", dirt="a", motd="HELLO\n")
    assert second.raw_sha256 != first.raw_sha256
    code = command_line(["image", "diff", str(first.raw.parent), str(second.raw)])
    assert code == Exit.FAILED
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("content    etc/motd: ")
    assert command_line(["image", "diff", str(first.raw), str(first.raw.parent)]) == Exit.DONE


def test_a_touched_file_is_named_in_json_too(
    first: GoldenImage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (first.raw.parent / "tiny-os-1.files.jsonl").read_text().splitlines()
    other = tmp_path / "other.files.jsonl"
    other.write_text("\n".join(line for line in lines if '"bin/ping6"' not in line) + "\n")
    assert command_line(["image", "diff", str(first.raw.parent), str(other), "-o", "json"]) == Exit.FAILED
    found = json.loads(capsys.readouterr().out)["differences"]
    assert [(one["kind"], one["path"]) for one in found] == [("removed", "bin/ping6")]


def test_the_image_keeps_what_matters_and_loses_the_rest(first: GoldenImage) -> None:
    found = {entry.path: entry for entry in files.load(first.raw.parent / "tiny-os-1.files.jsonl").entries}
    ping = found["bin/ping"]
    assert (ping.mode, ping.xattrs) == ("4755", {"security.capability": CAPABILITY.hex()})
    assert found["bin/ping6"].same == "bin/ping"
    assert found["etc/shadow"].owner == "0:42"
    assert found["etc/machine-id"].size == 0 and found["etc/motd"].size == 3 << 20
    assert {entry.mtime for entry in found.values()} == {EPOCH}
    gone = ("etc/ssh/ssh_host_ed25519_key", "home/packer", "tmp/a", "var/log/journal/a")
    assert not [path for path in gone if path in found]
    assert {"proc", "sys", "run", "tmp", "var/log/journal"} <= found.keys()


def test_fstab_menu_and_loaders_agree_with_the_file_systems(first: GoldenImage) -> None:
    root = inspection.root_of(first.raw)
    said = run.text(["blkid", "-p", "-O", str(root.offset), "-o", "export", first.raw])
    uuid = next(line.removeprefix("UUID=") for line in said.splitlines() if line.startswith("UUID="))
    inner = f"{first.raw}?offset={root.offset}"
    assert f"UUID={uuid} / ext4" in run.text(["debugfs", "-R", "cat /etc/fstab", inner])
    menu = run.text(["debugfs", "-R", "cat /boot/grub/grub.cfg", inner])
    assert f"root=UUID={uuid} " in menu
    esp = next(part for part in inspection.partitions(first.raw) if part.name == "esp")
    loader = run.run(["mtype", "-i", f"{first.raw}@@{esp.offset}", "::EFI/BOOT/BOOTX64.EFI"]).stdout
    assert loader.startswith(b"MZ") and uuid.encode() in loader
    run.run(["e2fsck", "-f", "-n", inner])


def test_partitions_are_those_that_the_catalogue_asks_for(first: GoldenImage) -> None:
    listed = manifests.load(first.raw.parent / "tiny-os-1.pack.json")
    assert [part.role for part in listed.partitions] == ["bios", "esp", "cidata", "root"]
    assert [part.label for part in listed.partitions][1:3] == ["VAULTESP", "CIDATA"]
    assert listed.raw_sha256 == first.raw_sha256
    unpack.verify(first.raw.parent / "tiny-os-1.pack", listed)


@pytest.mark.parametrize("form", ["qcow2", "vmdk"])
def test_other_formats_give_the_same_raw_bytes_back(first: GoldenImage, tmp_path: Path, form: str) -> None:
    back = tmp_path / "back.raw"
    run.run(["qemu-img", "convert", "-f", form, "-O", "raw", first.raw.with_suffix(f".{form}"), back])
    assert hashlib.sha256(back.read_bytes()).hexdigest() == first.raw_sha256


@pytest.mark.parametrize("form", ["qcow2", "vmdk", "vdi"])
def test_the_disk_of_another_hypervisor_gives_the_same_image(
    first: GoldenImage, tmp_path: Path, form: str
) -> None:
    raw = machine(tmp_path / "machine", dirt="b")
    other = tmp_path / f"disk.{form}"
    run.run(["qemu-img", "convert", "-f", "raw", "-O", form, raw, other])
    made = normalise(NormaliseRequest(other, form, tmp_path / "out", "tiny-os", "1", EPOCH))
    assert made.raw_sha256 == first.raw_sha256


def test_a_disk_that_was_cut_off_is_refused_before_it_is_read(tmp_path: Path) -> None:
    raw, other = machine(tmp_path / "machine", dirt="b"), tmp_path / "disk.qcow2"
    run.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, other])
    os.truncate(other, other.stat().st_size * 2 // 3)
    with pytest.raises(InputError, match=r"disk\.qcow2 is damaged") as caught:
        normalise(NormaliseRequest(other, "qcow2", tmp_path / "out", "tiny-os", "1", EPOCH))
    assert caught.value.code == 327


def test_a_signed_loader_of_the_distribution_is_kept(tmp_path: Path) -> None:
    raw = machine(tmp_path / "machine", dirt="b")
    esp = next(part for part in inspection.partitions(raw) if part.name == "esp")
    there = f"{raw}@@{esp.offset}"
    for name, text in (("shimx64.efi", "MZ shim"), ("grubx64.efi", "MZ grub"), ("grub.cfg", "old root")):
        (tmp_path / name).write_text(text)
        run.run(["mmd", "-D", "s", "-i", there, "::EFI/ubuntu"], check=False)
        run.run(["mcopy", "-i", there, tmp_path / name, f"::EFI/ubuntu/{name}"])
    run.run(["mdel", "-i", there, "::EFI/BOOT/BOOTX64.EFI"])
    made = normalise(NormaliseRequest(raw, "raw", tmp_path / "out", "tiny-os", "1", EPOCH))
    inside = f"{made.raw}@@{esp.offset}"
    assert run.run(["mtype", "-i", inside, "::EFI/BOOT/BOOTX64.EFI"]).stdout == b"MZ shim"
    assert run.run(["mtype", "-i", inside, "::EFI/BOOT/grubx64.efi"]).stdout == b"MZ grub"
    stub = run.text(["mtype", "-i", inside, "::EFI/ubuntu/grub.cfg"])
    assert "old root" not in stub and "search --no-floppy --fs-uuid --set=root" in stub
    assert made.statistics.signed_loaders is True


def test_a_pack_is_signed_where_a_key_is_given(tmp_path: Path) -> None:
    secret, public = signature.keygen(tmp_path, "release")
    raw = machine(tmp_path / "machine", dirt="b")
    made = normalise(NormaliseRequest(raw, "raw", tmp_path / "out", "tiny-os", "1", EPOCH, key=secret))
    listed = made.raw.with_suffix(".pack.json")
    assert signature.verify(listed, listed.with_name(listed.name + ".minisig"), [public]) == "release"


def test_a_disk_of_another_image_is_refused(tmp_path: Path) -> None:
    raw = machine(tmp_path / "machine", dirt="b")
    with pytest.raises(ProvisionError, match=r"os-release says tiny-os@1, not tiny-os@2"):
        normalise(NormaliseRequest(raw, "raw", tmp_path / "out", "tiny-os", "2", EPOCH))


def test_a_machine_that_was_switched_off_is_refused(tmp_path: Path) -> None:
    raw = machine(tmp_path / "machine", dirt="b")
    root = inspection.root_of(raw)
    with raw.open("r+b") as file:  # the superblock's s_state: not cleanly unmounted
        file.seek(root.offset + 1024 + 0x3A)
        file.write(struct.pack("<H", 0))
    with pytest.raises(ProvisionError, match="not clean") as caught:
        normalise(NormaliseRequest(raw, "raw", tmp_path / "out", "tiny-os", "1", EPOCH))
    assert caught.value.code == 660


def test_the_disk_of_a_failed_last_step_is_kept_where_asked(tmp_path: Path) -> None:
    raw = machine(tmp_path / "machine", dirt="b")
    argv = ["--disk", raw, "--out", tmp_path / "out", "--name", "tiny-os", "--version", "9", "--epoch", EPOCH]
    done = run.run(
        [sys.executable, "-m", "provisioner.golden", *map(str, argv), "--keep", str(tmp_path / "kept")],
        check=False,
    )
    assert done.returncode == Exit.USAGE and b"PV-660" in done.stderr
    assert (tmp_path / "kept" / "disk.raw").samefile(raw)


# ---- Packer itself


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed")
    seeds.write(folder)
    (folder / "site.yml").write_text("- hosts: all\n")
    (folder / "base.raw").write_bytes(bytes(512))
    return folder


def validate(seed: Path, template: str, *more: str) -> None:
    ours = {"seed": seed, "iso_url": seed / "base.raw", "iso_checksum": "none", "playbook": seed / "site.yml"}
    words = [word for name, value in ours.items() for word in ("-var", f"{name}={value}")]
    path = shipped.folder("packer") / template
    run.run(["packer", "validate", *words, *more, path], env={"CHECKPOINT_DISABLE": "1"})


@pytest.mark.parametrize(
    "template", ["ubuntu-24.04-demo-box.pkr.hcl", "virtualbox.pkr.hcl", "vmware.pkr.hcl"]
)
def test_packer_finds_every_template_valid_alone(seed: Path, template: str) -> None:
    validate(seed, template)


def test_packer_finds_debians_variables_valid(seed: Path) -> None:
    variables = shipped.folder("packer") / "debian-12-base.pkrvars.hcl"
    validate(seed, "ubuntu-24.04-demo-box.pkr.hcl", f"-var-file={variables}")


def test_templates_are_written_as_packer_formats_them() -> None:
    run.run(["packer", "fmt", "-check", shipped.folder("packer")])


# ---- the bill of materials

WRITE_A_BILL = Path(__file__).with_name("programs") / "write_bill.py"


def test_the_bill_is_the_same_in_every_process() -> None:
    seeds_of_hashes = ({"PYTHONHASHSEED": seed} for seed in ("0", "1", "2"))
    texts = {run.run([sys.executable, WRITE_A_BILL], env=env).stdout for env in seeds_of_hashes}
    assert len(texts) == 1
