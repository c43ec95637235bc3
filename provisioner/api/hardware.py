"""What a ramdisk has seen of a machine's hardware; the same words as the agent's hello and inventory."""

from provisioner.api.answer import Resource
from provisioner.domain.hardware import DeviceInfo, DiskInfo, NicInfo


class HardwareFacts(Resource):
    """A machine as its last hello or inventory described it; nothing is set before the first.

    `memory` in bytes, `cpus` logical processors, `firmware` is `uefi` or `bios`.
    """

    boot_id: str = ""
    mac: str = ""
    macs: tuple[str, ...] = ()
    serial: str = ""
    uuid: str = ""
    memory: int = 0
    version: str = ""
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
