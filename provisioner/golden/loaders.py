"""Takes a distribution's signed boot loaders out of a disk's ESP, so that Secure Boot keeps working."""

import shutil
from pathlib import Path

from provisioner.golden import disk
from provisioner.golden.disk import ImageIds
from provisioner.run import run

SHIM = "shimx64.efi"
MENU = "grub.cfg"


def signed(raw: Path, offset: int, work: Path, ids: ImageIds) -> Path | None:
    """A folder of the ESP's files with GRUB's stub searching the new root; None where no shim is there.

    `offset` is the ESP's, in bytes. The fallback \\EFI\\BOOT\\BOOTX64.EFI is the shim where it was missing.
    """
    folder = work / "loaders"
    folder.mkdir()
    run(["mcopy", "-n", "-s", "-i", f"{raw}@@{offset}", "::*", f"{folder}/"], check=False, timeout=120)
    vendor = next((path.parent for path in sorted(folder.rglob("*")) if path.name.lower() == SHIM), None)
    if vendor is None:
        shutil.rmtree(folder)
        return None
    for name in sorted(folder.rglob("*")):
        if name.name.lower() == MENU:
            name.write_text(disk.search_script(ids))
    fallback = folder / disk.FALLBACK
    if not fallback.exists():
        fallback.parent.mkdir(parents=True, exist_ok=True)
        for name in sorted(vendor.glob("*.efi")):
            shutil.copyfile(name, fallback if name.name.lower() == SHIM else fallback.with_name(name.name))
        shutil.copyfile(vendor / MENU, fallback.with_name(MENU))
    return folder
