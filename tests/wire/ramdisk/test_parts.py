"""The parts of the ramdisk against the programs that know them: cpio, zstd, dpkg, depmod, minisign, GRUB."""

from pathlib import Path

import pytest

from provisioner import ramdisk
from provisioner.errors import InputError
from provisioner.ramdisk import initramfs, kernel, localboot, packages
from provisioner.run import run, text
from provisioner.system import shipped

GRUB_MODULES = Path("/usr/lib/grub/x86_64-efi")
TREE = {
    "usr/bin/tool": initramfs.file(b"#!/bin/sh\n", program=True),
    "empty": initramfs.file(b""),
    "bin": initramfs.link("usr/bin"),
    "dev/console": initramfs.device(5, 1),
}


def package(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A real .deb with these files."""
    (folder / name / "DEBIAN").mkdir(parents=True)
    control = (
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    (folder / name / "DEBIAN/control").write_text(control)
    for path, content in files.items():
        (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / path).write_bytes(content)
    run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", folder / name, folder / f"{name}.deb"])
    return folder / f"{name}.deb"


def test_cpio_unpacks_what_we_pack(tmp_path: Path) -> None:
    run(["cpio", "-idm", "--quiet"], stdin=initramfs.archive(TREE), cwd=tmp_path)
    assert (tmp_path / "usr/bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "usr/bin/tool").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bin").readlink() == Path("usr/bin")
    assert (tmp_path / "empty").stat().st_size == 0


def test_cpio_lists_a_device_with_its_numbers() -> None:
    listed = run(["cpio", "-tv", "--quiet"], stdin=initramfs.archive(TREE)).stdout.decode()
    (line,) = [line for line in listed.splitlines() if line.endswith("dev/console")]
    assert line.startswith("crw-------") and "5,   1" in line


def test_zstd_unpacks_a_segment_once_its_padding_is_gone() -> None:
    unpacked = run(["zstd", "-dc"], stdin=initramfs.segment(TREE).rstrip(b"\0")).stdout
    assert unpacked == initramfs.archive(TREE)


def test_a_key_that_minisign_made_is_trusted(tmp_path: Path) -> None:
    run(["minisign", "-G", "-W", "-p", tmp_path / "site.pub", "-s", tmp_path / "site.key"])
    assert list(ramdisk.trust([tmp_path / "site.pub"])) == ["etc/provisioner/keys/site.pub"]
    with pytest.raises(InputError, match="no minisign public key"):
        ramdisk.trust([tmp_path / "site.key"])


def test_a_package_is_unpacked_into_a_merged_usr(tmp_path: Path) -> None:
    deb = package(tmp_path, "tool", {"lib/a/x.so": b"1", "usr/lib/a/y.so": b"2", "usr/share/doc/z": b"3"})
    (choice,) = packages.parse_choices("tool\n    usr/lib/*\n    !*/y.so\n")
    packages.select(choice, packages.unpack(deb, tmp_path / "work"), tmp_path / "root")
    kept = [
        str(path.relative_to(tmp_path / "root")) for path in (tmp_path / "root").rglob("*") if path.is_file()
    ]
    assert kept == ["usr/lib/a/x.so"]


def test_a_package_that_lost_a_wanted_file_stops_the_build(tmp_path: Path) -> None:
    unpacked = packages.unpack(package(tmp_path, "tool", {"usr/bin/tool": b""}), tmp_path / "work")
    (choice,) = packages.parse_choices("tool\n    usr/bin/tool\n    usr/bin/gone\n")
    with pytest.raises(InputError, match="tool holds nothing like usr/bin/gone"):
        packages.select(choice, unpacked, tmp_path / "root")


def test_a_package_without_a_kernel_is_refused_in_words(tmp_path: Path) -> None:
    deb = package(tmp_path, "linux-image-amd64", {"usr/share/doc/x": b""})
    with pytest.raises(InputError, match="holds 0 kernels"):
        kernel.take_apart(deb, [], tmp_path / "root", tmp_path / "vmlinuz", tmp_path / "work")


def test_local_efi_is_the_same_program_every_time(tmp_path: Path) -> None:
    for name in ("first", "second"):
        localboot.build(tmp_path / name, config="echo hello", modules=GRUB_MODULES)
    first = (tmp_path / "first").read_bytes()
    assert first[:2] == b"MZ" and first == (tmp_path / "second").read_bytes()


def test_local_efis_script_reaches_the_program(tmp_path: Path) -> None:
    for name in ("a", "b"):
        localboot.build(tmp_path / name, config=f"echo {name * 9}", modules=GRUB_MODULES)
    assert b"echo aaaaaaaaa" in (tmp_path / "a").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_grub_understands_the_script_of_local_efi() -> None:
    run(["grub-script-check", shipped.file("images", "ramdisk/local.cfg")])


@pytest.mark.parametrize("script", ["init", "udhcpc.script"])
def test_busybox_understands_the_ramdisks_scripts(script: str) -> None:
    run(["busybox", "sh", "-n", shipped.file("images", f"ramdisk/{script}")])


def test_all_programs_that_the_first_program_uses_are_in_busybox() -> None:
    used = "mount mkdir cat cut tr sed tail sync reboot sleep wc find grep sort modprobe basename readlink ip"
    used += " udhcpc seq tee uname mv sh tail"
    assert set(used.split()) <= set(text(["busybox", "--list"]).split())
