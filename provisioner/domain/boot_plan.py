"""What a machine is told to boot, and who asks."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from provisioner.domain.values import FrozenModel, Mac


class Firmware(StrEnum):
    """What the machine's firmware is, as far as its boot answer differs."""

    UEFI = "uefi"
    BIOS = "bios"


class Local(FrozenModel):
    """Boot your own disk: the default answer to anyone, for anything unknown or on any error."""

    firmware: Firmware = Firmware.UEFI


class Ramdisk(FrozenModel):
    """Boot the ramdisk: URLs of kernel and initrd, and the kernel's arguments."""

    kernel: str
    initrd: str
    args: str


class Survey(FrozenModel):
    """Boot the ramdisk on a machine that nobody knows, to say what it is; it carries no order."""

    kernel: str
    initrd: str
    args: str


class Autoinstall(FrozenModel):
    """Boot Ubuntu's installer."""

    kernel: str
    initrd: str
    iso: str
    seed_url: str


BootPlan = Local | Ramdisk | Survey | Autoinstall


class Asker(FrozenModel):
    """Who asks for a boot script, as far as the request tells."""

    mac: Mac
    address: str
    serial: Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .:+/-]{0,64}$")] = ""
    uuid: Annotated[str, Field(pattern=r"^[0-9A-Fa-f-]{0,36}$")] = ""
    firmware: Firmware = Firmware.UEFI
    arch: Annotated[str, Field(pattern=r"^[a-z0-9_]{0,16}$")] = ""  # iPXE's word for its own
