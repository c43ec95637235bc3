"""Puts a root file system on a disk that boots by UEFI and BIOS: GPT, ESP, BIOS boot, CIDATA, root last."""

import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from provisioner import run
from provisioner.imaging.manifest import ESP_LABEL

SECTOR = 512
MIB = 1 << 20
FALLBACK = "EFI/BOOT/BOOTX64.EFI"  # what a firmware starts that remembers nothing (UEFI 2.10, 3.5.1.1)
# name, offset, length in MiB (0: as long as the root), type
LAYOUT = (
    ("bios", 1, 1, "21686148-6449-6E6F-744E-656564454649"),
    ("esp", 2, 32, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
    ("cidata", 34, 4, "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"),
    ("root", 38, 0, "0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
)
COMMON = (
    *("part_gpt", "ext2", "search", "search_fs_uuid", "configfile", "linux", "normal"),
    *("serial", "terminal", "echo", "test", "boot"),
)
EFI_MODULES = (*COMMON, "fat", "efi_gop", "all_video")
BIOS_MODULES = (*COMMON, "biosdisk")


@dataclass(frozen=True)
class ImageIds:
    """Ids that are the same for the same name and version (UUIDv5, RFC 9562 §5.5)."""

    namespace: uuid.UUID
    name: str
    version: str

    def of(self, what: str) -> uuid.UUID:
        """The UUID of `what` (`disk`, `root-filesystem`, …), the same for the same name and version."""
        return uuid.uuid5(self.namespace, f"{self.name}@{self.version}/{what}")

    def serial(self, what: str) -> str:
        """A FAT volume id (BS_VolID, FAT specification 1.03): eight hexadecimal digits."""
        return self.of(what).hex[:8]


def assemble(raw: Path, root: Path, ids: ImageIds, *, epoch: int, loaders: Path | None = None) -> None:
    """Write the disk image `raw` around the root file system `root`.

    `loaders` is a folder whose files the ESP gets instead of our GRUB: a distribution's signed ones.
    """
    work = raw.parent
    end = LAYOUT[-1][1] * MIB + root.stat().st_size
    with raw.open("wb") as file:
        file.truncate(end + MIB)
    _partition(raw, root.stat().st_size, ids)
    _place(raw, _esp(work, ids, epoch, loaders), "esp")
    _place(raw, _fat(work / "cidata.fat", 4, "CIDATA", ids.serial("cidata"), epoch), "cidata")
    _place(raw, root, "root")
    _install_bios(raw, work, ids)


def _partition(raw: Path, root_size: int, ids: ImageIds) -> None:
    lines = ["label: gpt", f"label-id: {ids.of('disk')}", "sector-size: 512"]
    for name, start, length, kind in LAYOUT:
        sectors = (length * MIB or root_size) // SECTOR
        lines.append(
            f"start={start * MIB // SECTOR}, size={sectors}, type={kind}, uuid={ids.of(name)}, name={name}"
        )
    run.run(["sfdisk", "--quiet", raw], stdin="\n".join(lines).encode())


def _place(raw: Path, part: Path, name: str) -> None:
    offset = next(start for label, start, _, _ in LAYOUT if label == name)
    run.run(
        ["dd", f"if={part}", f"of={raw}", "bs=1M", f"seek={offset}", "conv=notrunc,sparse", "status=none"],
        timeout=300,
    )


def _fat(path: Path, mebibytes: int, label: str, serial: str, epoch: int) -> Path:
    with path.open("wb") as file:
        file.truncate(mebibytes * MIB)
    clock = {"SOURCE_DATE_EPOCH": str(epoch)}
    run.run(["mkfs.vfat", "--invariant", "-i", serial, "-n", label, path], env=clock)
    return path


def search_script(ids: ImageIds) -> str:
    """What GRUB does first: find the root by its id and read the menu there."""
    root = ids.of("root-filesystem")
    lines = (
        f"search --no-floppy --fs-uuid --set=root {root}",
        "set prefix=($root)/boot/grub",
        "configfile $prefix/grub.cfg",
    )
    return "\n".join(lines) + "\n"


def _image(work: Path, target: str, modules: tuple[str, ...], ids: ImageIds) -> Path:
    config, out = work / "embedded.cfg", work / f"{target}.img"
    config.write_text(search_script(ids))
    run.run(["grub-mkimage", "-O", target, "-p", "/boot/grub", "-c", config, "-o", out, *modules])
    return out


def _esp(work: Path, ids: ImageIds, epoch: int, loaders: Path | None) -> Path:
    path = _fat(work / "esp.fat", 32, ESP_LABEL, ids.serial("esp"), epoch)
    clock = {"SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC"}
    if loaders is None:
        loaders = work / "esp"
        (loaders / FALLBACK).parent.mkdir(parents=True, exist_ok=True)
        _image(work, "x86_64-efi", EFI_MODULES, ids).replace(loaders / FALLBACK)
    for source in sorted(loaders.rglob("*")):
        name = f"::{source.relative_to(loaders)}"
        run.run(
            ["mmd", "-i", path, name] if source.is_dir() else ["mcopy", "-i", path, source, name], env=clock
        )
    return path


def _install_bios(raw: Path, work: Path, ids: ImageIds) -> None:
    """What grub-bios-setup does, without a device: boot.img in LBA 0, core.img in the BIOS boot partition."""
    core = bytearray(_image(work, "i386-pc", BIOS_MODULES, ids).read_bytes())
    boot = bytearray(Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()[:440])
    lba = LAYOUT[0][1] * MIB // SECTOR
    sectors = -(-len(core) // SECTOR)
    struct.pack_into("<Q", boot, 0x5C, lba)  # where core.img begins
    boot[0x66:0x68] = b"\x90\x90"  # trust the drive number that the BIOS gives
    struct.pack_into("<QHH", core, 0x1F4, lba + 1, sectors - 1, 0x820)  # the rest of core.img, to 0x8200
    with raw.open("r+b") as disk:
        disk.write(boot)
        disk.seek(lba * SECTOR)
        disk.write(core)
