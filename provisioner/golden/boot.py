"""What the image's own files say of its partitions: fstab and GRUB's menu, the same ids as on the disk."""

import re
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import InputError
from provisioner.system import shipped

KERNELS = ("boot/vmlinuz", "vmlinuz")  # Ubuntu's link, Debian's
SETTINGS = ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT")
_SETTING = re.compile(rf"(?m)^({'|'.join(reversed(SETTINGS))})=(?:[\"']([^\"'\n]*)[\"']|(\S*))$")
ARGUMENTS = "console=tty0 console=ttyS0,115200 net.ifnames=1"


@dataclass(frozen=True)
class FilesystemIds:
    """The UUID of the root file system, the serial of the ESP's FAT (eight hexadecimal digits)."""

    root: str
    esp: str


def write(root: Path, ids: FilesystemIds) -> None:
    """Write etc/fstab and boot/grub/grub.cfg. Raises InputError where there is no kernel."""
    lines = [f"UUID={ids.root} / ext4 defaults,errors=remount-ro 0 1"]
    if (root / "boot/efi").is_dir():  # where Ubuntu's packages update the signed loader
        serial = f"{ids.esp[:4]}-{ids.esp[4:]}".upper()
        lines.append(f"UUID={serial} /boot/efi vfat umask=0077,nofail 0 1")
    _put(root / "etc/fstab", "\n".join(lines) + "\n")
    _put(root / "boot/grub/grub.cfg", menu(root, ids.root))


def menu(root: Path, uuid: str) -> str:
    """GRUB's menu: the linked kernel, with the roles' arguments. Raises InputError: there is no kernel."""
    kernel = next((name for name in KERNELS if (root / name).is_symlink()), None)
    if kernel is None:
        raise InputError(
            "the image has no kernel: neither /boot/vmlinuz nor /vmlinuz is there",
            hint="install linux-generic (Ubuntu) or linux-image-amd64 (Debian)",
            code=660,
        )
    arguments = kernel_arguments(root) or ARGUMENTS
    text = shipped.file("images", "base/grub.cfg").read_text()
    folder = kernel.removesuffix("vmlinuz")
    for old, new in (
        ("/vmlinuz", f"/{folder}vmlinuz"),
        ("/initrd.img", f"/{folder}initrd.img"),
        (ARGUMENTS, arguments),
        ("ROOT_UUID", uuid),
    ):
        text = text.replace(old, new)
    return text


def kernel_arguments(root: Path) -> str:
    """What update-grub would give the kernel, from /etc/default/grub and grub.d/*.cfg; empty for nothing."""
    values = dict.fromkeys(SETTINGS, "")
    for path in [root / "etc/default/grub", *sorted((root / "etc/default/grub.d").glob("*.cfg"))]:
        if not path.is_symlink() and path.is_file():
            for name, quoted, bare in _SETTING.findall(path.read_text()):
                text = quoted or bare
                for old in (f"${{{name}}}", f"${name}"):
                    text = text.replace(old, values[name])
                values[name] = text
    return " ".join(" ".join(values.values()).split())


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)
