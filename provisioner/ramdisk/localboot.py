"""Builds local.efi, the GRUB that finds and starts what a host's own disks hold."""

import io
import tarfile
from pathlib import Path

from provisioner.run import find, run

MODULES = (
    *("part_gpt", "part_msdos", "fat", "search", "search_label", "search_fs_file", "chain", "regexp"),
    *("normal", "configfile", "minicmd", "ls", "test", "echo", "reboot", "halt", "sleep", "memdisk", "tar"),
)


def build(out: Path, *, config: str, modules: Path) -> None:
    """Write the program; `config` is its script, `modules` GRUB's folder `x86_64-efi`.

    The script lies in a memory disk: what is embedded directly is read by GRUB's rescue parser, which knows
    neither `if` nor `for`.
    """
    disk = out.with_suffix(".memdisk")
    disk.write_bytes(_memory_disk(config))
    try:
        run(
            [
                *(
                    find("grub-mkimage", "grub-common"),
                    "--format=x86_64-efi",
                    "--directory",
                    modules,
                    "--prefix=(memdisk)/boot/grub",
                ),
                *("--memdisk", disk, "--output", out, *MODULES),
            ]
        )
    finally:
        disk.unlink()


def _memory_disk(config: str) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo("boot/grub/grub.cfg")  # time 0, owner 0
        member.size = len(config.encode())
        tar.addfile(member, io.BytesIO(config.encode()))
    return held.getvalue()
