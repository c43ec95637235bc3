"""What a ramdisk has seen of a machine's hardware; the same words as the agent's hello and inventory."""

from provisioner.api.answer import Resource


class DiskFacts(Resource):
    """One disk; sizes in bytes. `content`, `foreign` and `owner` are words for people, empty for nothing."""

    name: str
    size: int
    logical_sector: int = 512
    model: str = ""
    serial: str = ""
    wwn: str = ""
    rotational: bool = False
    by_path: str = ""
    content: str = ""
    foreign: str = ""
    owner: str = ""


class NicFacts(Resource):
    """One network interface."""

    name: str
    mac: str
    driver: str = ""
    up: bool = False


class PciFacts(Resource):
    """One PCI function: `id` is vendor:device, `kind` the class code, hexadecimal; `place` is its address."""

    id: str
    kind: str = ""
    place: str = ""


class HardwareFacts(Resource):
    """A machine as its last hello or inventory described it; nothing is set before the first.

    `memory` in bytes, `cpus` logical processors, `firmware` is `uefi` or `bios`.
    """

    nonce: str = ""
    boot_id: str = ""
    mac: str = ""
    macs: tuple[str, ...] = ()
    serial: str = ""
    uuid: str = ""
    memory: int = 0
    version: str = ""
    disks: tuple[DiskFacts, ...] = ()
    nics: tuple[NicFacts, ...] = ()
    maker: str = ""
    product: str = ""
    cpu: str = ""
    cpus: int = 0
    firmware: str = ""
    devices: tuple[PciFacts, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether a ramdisk of ours has ever run there."""
        return bool(self.model_fields_set)
