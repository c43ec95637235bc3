"""Events of Ubuntu's installer, where it boots instead of the ramdisk."""

from provisioner.domain import identity
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.payload import Evidence, Failure, Payload, ProgressReport, WriteClaim
from provisioner.domain.progress import Progress
from provisioner.domain.stage import Stage


class SeedServed(Evidence):
    """cloud-init has read the user-data at this `address`."""

    kind = "seed.served"
    moves = {Stage.POWERING: Stage.NETBOOTING, Stage.NETBOOTING: Stage.NETBOOTING}
    meaning = "the installer has read its seed"
    same = ("address",)

    address: str = ""

    def describe(self) -> str:
        """A fixed sentence: the seed was read."""
        return "the installer has read its seed"


def _refuse_agent(row: Deployment) -> str:
    return "" if row.is_installed else "this order is not for an installer"


class InstallerBegan(WriteClaim):
    """Its first report had the nonce: it consumes the order. The phone-home's token as hash."""

    kind = "installer.began"
    moves = {Stage.POWERING: Stage.WRITING, Stage.NETBOOTING: Stage.WRITING}
    meaning = "the installer's first report had the nonce: order consumed"
    closes_stage = True

    nonce: str
    phone_hash: str

    def refusal(self, row: Deployment) -> str:
        """Refused for an order that the agent writes."""
        return _refuse_agent(row)

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores the hash of the phone-home's token; clears progress, disk and boot of an earlier attempt."""
        return (
            super()
            .apply(row, now)
            .changed(
                phone_hash=self.phone_hash,
                progress=Progress(),
                disk=WrittenDisk(),
                agent_boot_id="",
                attempt=max(row.attempt, 1),
            )
        )

    def describe(self) -> str:
        """A fixed sentence: it reports, and its seed can no longer be fetched."""
        return "the installer reports, its seed is closed now"


class InstallerDisk(WriteClaim):
    """It asked which disk it may erase, and was told."""

    kind = "installer.disk"
    moves = {Stage.WRITING: Stage.WRITING}
    meaning = "the installer was told which disk it may erase"

    disk: WrittenDisk
    boot_id: str
    serial: str = ""
    uuid: str = ""

    def refusal(self, row: Deployment) -> str:
        """Refused for an order that the agent writes."""
        return _refuse_agent(row)

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores the disk, and binds the answer to this boot."""
        return (
            super()
            .apply(row, now)
            .changed(
                disk=self.disk,
                agent_boot_id=self.boot_id,
                serial=row.serial or identity.serial(self.serial),
                uuid=row.uuid or identity.uuid(self.uuid),
            )
        )

    def describe(self) -> str:
        """Name and serial of the disk that it may erase."""
        return f"the installer may erase {self.disk.label()}"


class InstallerProgress(ProgressReport):
    """An event of curtin, subiquity or cloud-init, in words; `failed` and `unwinds` as in `Progress`."""

    kind = "installer.progress"
    moves = {Stage.WRITING: Stage.WRITING}
    meaning = "the installer goes on"
    same = ("phase", "origin", "failed", "unwinds")

    phase: str = ""
    origin: str = ""
    failed: str = ""
    unwinds: bool = False

    def refusal(self, row: Deployment) -> str:
        """Refused for an order that the agent writes."""
        return _refuse_agent(row)


class InstallerDone(Payload):
    """It has finished; `name` is the step that said so."""

    kind = "installer.done"
    moves = {Stage.WRITING: Stage.RESTARTING}
    meaning = "installed; it reboots by itself"
    closes_stage = True

    name: str = ""

    def refusal(self, row: Deployment) -> str:
        """Refused for an order that the agent writes."""
        return _refuse_agent(row)

    def describe(self) -> str:
        """A fixed sentence: it has finished and reboots."""
        return "the installer has finished and reboots"


class InstallerFailed(Failure):
    """It cannot finish, or may not begin; code, sentence and hint say why."""

    kind = "installer.failed"
    moves = {Stage.WRITING: Stage.FAILED}
    meaning = "the installer cannot finish, or may not begin"

    def refusal(self, row: Deployment) -> str:
        """Refused for an order that the agent writes."""
        return _refuse_agent(row)
