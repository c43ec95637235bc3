"""Events of the boot from the network, and of the network itself."""

from provisioner.domain import identity
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.payload import Evidence, Failure, Payload
from provisioner.domain.purpose import ANY
from provisioner.domain.stage import Stage


class BootRequest(Payload):
    """A DHCP request of firmware; `arch` is option 93 (RFC 4578, 2.1), `vendor_class` option 60."""

    address: str = "?"
    arch: int | None = None
    uuid: str = ""
    vendor_class: str = ""


class DhcpSeen(BootRequest):
    """The host's firmware sent its first DHCP packet after we powered it."""

    kind = "dhcp.seen"
    moves = {Stage.POWERING: Stage.NETBOOTING}
    meaning = "first packet after our power-on"
    purposes = ANY

    def describe(self) -> str:
        """The IPv4 address that it is given."""
        return f"first network packet, it gets {self.address}"


class ScriptServed(Evidence):
    """iPXE was sent its script; `boots` is ramdisk or installer, serial and UUID are SMBIOS's."""

    kind = "script.served"
    moves = {Stage.POWERING: Stage.NETBOOTING, Stage.NETBOOTING: Stage.NETBOOTING}
    meaning = "iPXE has its script"
    purposes = ANY
    same = ("boots", "address", "serial", "uuid")

    boots: str = "ramdisk"
    address: str = ""
    serial: str = ""
    uuid: str = ""

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Counts it; a serial or UUID that names no single machine is none."""
        serial, uuid = identity.serial(self.serial), identity.uuid(self.uuid)
        return row.changed(script=row.script.after(serial, uuid, now))

    def describe(self) -> str:
        """Which of ramdisk and installer it loads."""
        return f"iPXE has its script, loading the {self.boots}"


class FileServed(Evidence):
    """It was sent a file that its script names, by HTTP: kernel or ramdisk."""

    kind = "file.served"
    moves = {Stage.NETBOOTING: Stage.NETBOOTING}
    meaning = "it fetched kernel or ramdisk"
    purposes = ANY
    same = ("name",)

    name: str = ""
    address: str = ""

    def describe(self) -> str:
        """Which file it was."""
        return f"it fetched {self.name}"


class NetbootLooped(Failure):
    """It asked for its boot script again and again, and what it was given never said hello."""

    kind = "netboot.looped"
    moves = {Stage.POWERING: Stage.FAILED, Stage.NETBOOTING: Stage.FAILED}
    meaning = "it boots from the network again and again, and gets nowhere"
    purposes = ANY


class DhcpServer(Evidence):
    """Another DHCP server: what it offered last, what it names to boot; times in seconds since 1970."""

    same = ("address", "mac")

    address: str = ""
    mac: str = ""
    interface: str = ""
    offer: str = ""
    boots: str = ""
    since: float = 0
    heard: float = 0


class DhcpServerSeen(DhcpServer):
    """It answers on a network of ours. Belongs to no deployment."""

    kind = "dhcp.foreign"
    meaning = "another DHCP server answers"

    def describe(self) -> str:
        """IPv4 address and MAC of the other server."""
        return f"another DHCP server answers: {self.address} ({self.mac})"


class DhcpServerGone(DhcpServer):
    """It has not been heard for so long that it is gone. Belongs to no deployment."""

    kind = "dhcp.foreign.gone"
    meaning = "the other DHCP server is gone"

    def describe(self) -> str:
        """IPv4 address and MAC of the other server."""
        return f"another DHCP server is gone: {self.address} ({self.mac})"
