"""What a machine's hardware is, as its ramdisk last reported it."""

from pydantic import BaseModel, ConfigDict

from provisioner.domain.host import Host
from provisioner.domain.identity import MachineIdentity, Match


class HardwareModel(BaseModel):
    """Frozen. A key that this release does not know is skipped: the reporting ramdisk may be newer."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True, from_attributes=True)


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


class NeighbourInfo(HardwareModel):
    """The switch at the other end of the cable of the card `nic`, by its own words (LLDP, IEEE 802.1AB).

    `vlan` is that of untagged frames, 0 where it does not say.
    """

    nic: str
    chassis: str = ""
    port: str = ""
    port_description: str = ""
    system: str = ""
    vlan: int = 0

    def describe(self) -> str:
        """For people: `eth0 at sw3 Ethernet1/17 (rack B3), VLAN 20`."""
        about = f" ({self.port_description})" if self.port_description not in ("", self.port) else ""
        vlan = f", VLAN {self.vlan}" if self.vlan else ""
        return f"{self.nic} at {self.system or self.chassis} {self.port}{about}{vlan}"


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
    neighbours: tuple[NeighbourInfo, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether a ramdisk of ours has ever run there."""
        return bool(self.model_fields_set)

    def is_of(self, host: Host) -> bool:
        """Whether the host, as the inventory has it now, can be the machine that said this.

        It is another where serial or UUID differ, or where it has none of the host's cards.
        """
        macs = tuple(filter(None, (self.mac, *self.macs)))
        said = MachineIdentity(serial=self.serial, uuid=self.uuid, macs=macs)
        meant = MachineIdentity(serial=host.serial, uuid=host.uuid, macs=host.macs)
        return said.compare(meant) is not Match.DIFFERENT
