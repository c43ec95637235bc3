"""Events of the system on the disk: it is chosen, it comes up, it says what it is."""

from pydantic import BaseModel, ConfigDict

from provisioner.domain.deployment import Deployment
from provisioner.domain.events.payload import Failure, Payload
from provisioner.domain.purpose import ANY
from provisioner.domain.restart import StartedBy
from provisioner.domain.stage import Stage

KEXEC_LOADER = 0xD  # type_of_loader >> 4 of a kernel that kexec has loaded


class RootDisk(BaseModel):
    """The disk below the root file system, as the system says; `size` in bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True, coerce_numbers_to_str=True)

    name: str = ""
    serial: str = ""
    wwn: str = ""
    size: int = 0


class DiskChosen(Payload):
    """The boot device is the disk; `note` says in words where the BMC did not confirm it."""

    kind = "disk.chosen"
    moves = {Stage.RESTARTING: Stage.RESTARTING}
    meaning = "boot device = disk was set, or refused and noted"
    purposes = ANY

    note: str = ""

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Allows the agent to reboot."""
        return row.changed(reboot=True)

    def describe(self) -> str:
        """That the disk was read back as boot device, or what the BMC did instead."""
        return self.note or "boot device disk (read back)"


class SystemReport(BaseModel):
    """What the system on the disk says of itself; `host_keys` are lines as `ssh-ed25519 AAAA…`.

    `loader` is who loaded its kernel, as the kernel shows it in /proc/sys/kernel/bootloader_type (Linux,
    Documentation/arch/x86/boot.rst, type_of_loader); `kexec`: our agent's word is on its command line.
    """

    model_config = ConfigDict(defer_build=True)

    host_keys: tuple[str, ...] = ()
    image_id: str = ""
    image_version: str = ""
    root_disk: RootDisk = RootDisk()
    machine_id: str = ""
    boot_id: str = ""
    address: str = ""
    loader: int | None = None
    kexec: bool = False

    @property
    def started_by(self) -> StartedBy:
        """What started its kernel: kexec has a number of its own, and our agent adds a word."""
        if self.kexec or (self.loader is not None and self.loader >> 4 == KEXEC_LOADER):
            return "kexec"
        return "" if self.loader is None else "firmware"


class OsPhoned(SystemReport, Payload):
    """The system that was written has booted and reported."""

    kind = "os.phoned"
    moves = {Stage.RESTARTING: Stage.VERIFYING}
    meaning = "the OS on the disk reported"
    closes_stage = True

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores its address and SSH host keys; what opened the disk's writing is cleared.

        The token's hash stays until the deployment is at rest: who lost our answer repeats the report.
        """
        return row.changed(
            token_hash="",
            nonce="",
            nonce_hash="",
            host_keys=self.host_keys,
            address=self.address,
            started_by=self.started_by,
            firmware_boot=now if self.started_by == "firmware" else 0,
        )

    def describe(self) -> str:
        """The image, `id@version`, that the system reports."""
        how = ", started by kexec" if self.started_by == "kexec" else ""
        return f"the system on the disk reports {self.image_id}@{self.image_version}{how}"


class OsWrong(SystemReport, Failure):
    """Another system has booted than was written; code, sentence and hint say which."""

    kind = "os.wrong"
    moves = {Stage.RESTARTING: Stage.FAILED}
    meaning = "another system came up than was written"
