"""What a machine's hardware is, as its ramdisk last reported it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DiskInfo:
    """A disk as the kernel shows it, sizes in bytes; `content`, `foreign`, `owner` are words for people."""

    name: str
    size: int = 0
    logical_sector: int = 512
    model: str = ""
    serial: str = ""
    wwn: str = ""
    rotational: bool = False
    by_path: str = ""
    content: str = ""
    foreign: str = ""
    owner: str = ""


@dataclass(frozen=True)
class NicInfo:
    """A network interface as the kernel shows it."""

    name: str
    mac: str
    driver: str = ""
    up: bool = False


@dataclass(frozen=True)
class DeviceInfo:
    """A PCI function: `id` is vendor:device, `kind` the class code (six digits), `place` 0000:17:00.0."""

    id: str
    kind: str = ""
    place: str = ""


@dataclass(frozen=True)
class Hardware:
    """A machine's inventory. `memory` in bytes; texts are empty where the firmware (SMBIOS) has none.

    `boot_id` is that of the ramdisk which reported it, `version` that of the agent.
    """

    mac: str = ""
    macs: tuple[str, ...] = ()
    serial: str = ""
    uuid: str = ""
    memory: int = 0
    version: str = ""
    boot_id: str = ""
    disks: tuple[DiskInfo, ...] = ()
    nics: tuple[NicInfo, ...] = ()
    maker: str = ""
    product: str = ""
    cpu: str = ""
    cpus: int = 0
    firmware: str = ""
    devices: tuple[DeviceInfo, ...] = ()
