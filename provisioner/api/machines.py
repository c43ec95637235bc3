"""Machines that nobody knows yet: seen by DHCP, perhaps inventoried, and how one becomes a host."""

from provisioner.api.answer import Resource, Seconds, ServiceAnswer, WaitQuery
from provisioner.domain.hardware import DeviceInfo, DiskInfo, NicInfo
from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Hints
from provisioner.domain.values import FrozenModel, Text


class MachineQuery(WaitQuery):
    """`after`: seconds since 1970; with `wait`, until a machine was seen later than that."""

    after: Seconds = 0


class UnknownMachine(Resource):
    """One machine; its MACs are joined by its UUID or its inventory. Times in seconds since 1970, 0: never.

    `mac` is the one last seen, `vendor` its card's maker, `architecture` the firmware in words, `port` the
    switch's (RFC 3046), `note` why it got no boot file, `host` the known host that has its UUID.
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
        """When it was last seen or inventoried."""
        return max(self.last_seen, self.inventoried)


class MachineList(ServiceAnswer):
    """All of them, the last seen first, and the service's time `now`."""

    machines: tuple[UnknownMachine, ...]
    now: float


class MachineAnswer(ServiceAnswer):
    """One machine."""

    machine: UnknownMachine


class Adoption(FrozenModel):
    """What an inventory cannot say; without a profile the only one that is known is taken."""

    name: str
    profile: str = ""
    serial: Text = ""
    rack: Text = ""
    bmc: Bmc = Bmc()
    disk: Hints | None = None


class HostAdopted(ServiceAnswer):
    """The host that the machine has become."""

    host: Host
