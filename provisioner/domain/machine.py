"""A machine that no host is."""

from provisioner.domain.hardware import DeviceInfo, DiskInfo, HardwareFacts, HardwareModel, NicInfo
from provisioner.system.units import named, size

MOST_DISKS = 8  # of one machine that are named


class UnknownMachine(HardwareModel):
    """One machine; its MACs are those that its inventory named. Times in seconds since 1970, 0: never.

    `mac` is the one last seen, `vendor` its card's maker, `architecture` the firmware in words, `port` the
    switch's (RFC 3046), `note` why it got no boot file, or which other cards have its UUID, `host` the known
    host that has it.
    """

    mac: str
    macs: tuple[str, ...]
    vendor: str
    architecture: str
    uuid: str
    address: str
    hostname: str
    port: str
    note: str
    host: str
    first_seen: float
    last_seen: float
    count: int
    inventoried: float
    serial: str
    maker: str
    product: str
    cpu: str
    cpus: int
    memory: int
    firmware: str
    disks: tuple[DiskInfo, ...]
    nics: tuple[NicInfo, ...]
    devices: tuple[DeviceInfo, ...]

    @property
    def changed(self) -> float:
        """When it was last seen or inventoried, in seconds since 1970."""
        return max(self.last_seen, self.inventoried)

    def describe(self) -> str:
        """What it is, as far as that is known: `Supermicro SYS-421, serial S1, 512.0 GB, disks: …`."""
        if self.host:
            return f"a network card of {self.host}"
        if not self.inventoried:
            return _joined(self.hostname, f"port {self.port}" if self.port else "", self.note)
        model = f"{self.maker} {self.product}".strip()
        serial = f"serial {self.serial}" if self.serial else ""
        disks = named((f"{disk.model} {size(disk.size)}".strip() for disk in self.disks), MOST_DISKS)
        return _joined(model, serial, size(self.memory), f"disks: {disks or 'none'}")

    @property
    def hardware(self) -> HardwareFacts:
        """What it reported, as a host's hardware is kept."""
        return HardwareFacts(
            mac=self.mac,
            macs=self.macs,
            serial=self.serial,
            uuid=self.uuid,
            memory=self.memory,
            disks=self.disks,
            nics=self.nics,
            maker=self.maker,
            product=self.product,
            cpu=self.cpu,
            cpus=self.cpus,
            firmware=self.firmware,
            devices=self.devices,
        )


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)
