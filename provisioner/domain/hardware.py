"""What a machine's hardware is, as its ramdisk last reported it."""

from pydantic import BaseModel, ConfigDict


class HardwareModel(BaseModel):
    """Frozen. A key that this release does not know is skipped: the reporting ramdisk may be newer."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)


class DiskInfo(HardwareModel):
    """A disk as the kernel shows it, sizes in bytes; `content`, `foreign`, `owner` are words for people.

    `medium` says why nobody means it unless a hint names it, `a USB medium`; it is empty for a fixed disk.
    `sas_address` is that of its port, which by-path names of some udev have in place of the phy.
    """

    name: str
    size: int = 0
    logical_sector: int = 512
    model: str = ""
    serial: str = ""
    wwn: str = ""
    rotational: bool = False
    by_path: str = ""
    sas_address: str = ""
    content: str = ""
    foreign: str = ""
    owner: str = ""
    medium: str = ""
    read_only: bool = False


class NicInfo(HardwareModel):
    """A network interface as the kernel shows it."""

    name: str
    mac: str
    driver: str = ""
    up: bool = False


class DeviceInfo(HardwareModel):
    """A PCI function: `id` is vendor:device, `kind` the class code (six digits), `place` 0000:17:00.0."""

    id: str
    kind: str = ""
    place: str = ""


class HardwareFacts(HardwareModel):
    """A machine as its last hello or inventory described it; nothing is set before the first.

    `memory` in bytes, `cpus` logical processors, `firmware` is `uefi` or `bios`.
    """

    boot_id: str = ""  # of the kernel that reported it; empty where it was an inventory
    mac: str = ""
    macs: tuple[str, ...] = ()
    serial: str = ""
    uuid: str = ""
    memory: int = 0
    version: str = ""  # of the agent
    disks: tuple[DiskInfo, ...] = ()
    nics: tuple[NicInfo, ...] = ()
    maker: str = ""
    product: str = ""
    cpu: str = ""
    cpus: int = 0
    firmware: str = ""
    devices: tuple[DeviceInfo, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether a ramdisk of ours has ever run there."""
        return bool(self.model_fields_set)
