"""Events of the agent in the ramdisk, from its hello to its reboot."""

from provisioner.domain import identity
from provisioner.domain.deployment import MOST_ATTEMPTS, Deployment, WrittenDisk
from provisioner.domain.events.netboot import BootRequest
from provisioner.domain.events.payload import Evidence, Failure, Payload, ProgressReport, WriteClaim
from provisioner.domain.progress import Progress
from provisioner.domain.restart import Restart
from provisioner.domain.stage import Stage
from provisioner.system.units import duration, size


class AgentHello(WriteClaim, Evidence):
    """The nonce was right, so the order is consumed. `boot_id` is the kernel's; tokens as hashes."""

    kind = "agent.hello"
    moves = {Stage.POWERING: Stage.WRITING, Stage.NETBOOTING: Stage.WRITING, Stage.WRITING: Stage.WRITING}
    meaning = "the nonce was right: order consumed, token issued"
    closes_stage = True
    same = ("boot_id",)

    nonce: str
    boot_id: str
    token_hash: str
    phone_hash: str
    serial: str = ""
    uuid: str = ""
    address: str = ""

    def refusal(self, row: Deployment) -> str:
        """Refused: an order for the installer."""
        return "this order is for the installer" if row.is_installed else ""

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores the hashes of the tokens and binds them to this boot; the attempt is 1 at least."""
        return (
            super()
            .apply(row, now)
            .changed(
                token_hash=self.token_hash,
                phone_hash=self.phone_hash,
                agent_boot_id=self.boot_id,
                agent_address=self.address,
                serial=row.serial or identity.serial(self.serial),
                uuid=row.uuid or identity.uuid(self.uuid),
                progress=Progress(),
                attempt=max(row.attempt, 1),
            )
        )

    def describe(self) -> str:
        """That the agent runs, and which disk it may write, where that is known."""
        may = f", and may write {self.target.label()}" if self.target.is_known else ""
        return f"the agent in the ramdisk says hello{may}"


class AgentProgress(ProgressReport):
    """Bytes are moving: `done` and `total` bytes of the image, `rate` bytes per second."""

    kind = "agent.progress"
    moves = {Stage.WRITING: Stage.WRITING}
    meaning = "bytes are moving"
    same = ("phase", "disk")

    seq: int = -1
    phase: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0
    note: str = ""
    disk: str = ""


def _refuse_attempt(row: Deployment) -> str:
    return f"{MOST_ATTEMPTS} attempts were made" if row.attempt >= MOST_ATTEMPTS else ""


def _next_attempt(row: Deployment) -> Deployment:
    return row.changed(
        nonce="", nonce_hash="", token_hash="", phone_hash="", attempt=row.attempt + 1, progress=Progress()
    )


class PeerLied(Evidence):
    """Another host gave this one what is not the image's; `host` is its name, where its address tells it."""

    kind = "agent.peer-lied"
    moves = {Stage.WRITING: Stage.WRITING}
    meaning = "another host gave it wrong bytes"
    is_sign_of_life = False
    same = ("address", "host")

    address: str = ""
    host: str = ""

    def describe(self) -> str:
        """Who it was, and that nothing came of it."""
        who = f"{self.host} ({self.address})" if self.host else self.address
        return f"{who} gave bytes that are not the image's: none was written, it is asked for nothing more"


class AgentSilent(Payload):
    """Who writes the disk (`who`: agent or installer) said nothing for so many `seconds`."""

    kind = "agent.silent"
    moves = {Stage.WRITING: Stage.POWERING}
    meaning = "no word from the agent: power it again"

    seconds: float
    who: str = "agent"

    def refusal(self, row: Deployment) -> str:
        """Refused once `MOST_ATTEMPTS` attempts were made."""
        return _refuse_attempt(row)

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Begins the next attempt: nonce and token hashes are cleared, so none of this one is valid."""
        return _next_attempt(row)

    def describe(self) -> str:
        """Who was silent, for how long, and that the host is powered again."""
        return f"no word from the {self.who} for {duration(self.seconds)}: powering it again"


class NetbootAgain(BootRequest):
    """Its firmware asked DHCP while the disk was being written: it had lost its power."""

    kind = "netboot.again"
    moves = {Stage.WRITING: Stage.POWERING}
    meaning = "it booted from the network in the middle of writing"

    def refusal(self, row: Deployment) -> str:
        """Refused once `MOST_ATTEMPTS` attempts were made."""
        return _refuse_attempt(row)

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Begins the next attempt: nonce and token hashes are cleared, so none of this one is valid."""
        return _next_attempt(row)

    def describe(self) -> str:
        """A fixed sentence: what it did, and that the host is powered again."""
        return "it booted from the network in the middle of writing: powering it again"


class AgentWritten(Payload):
    """All is on the disk, verified and read back; bytes as the agent counted them."""

    kind = "agent.written"
    moves = {Stage.WRITING: Stage.RESTARTING, Stage.RESTARTING: Stage.RESTARTING}
    meaning = "written, verified, read back"
    closes_stage = True

    disk: WrittenDisk
    seconds: float = 0
    bytes_written: int = 0
    bytes_fetched: int | None = None  # unknown: an older agent
    bytes_saved: int = 0  # of the image, that the disk held already
    bytes_from_peers: int = 0  # of those that were fetched
    bytes_given: int = 0  # that other hosts got from this one

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores the disk that was written."""
        return row.changed(disk=self.disk)

    def describe(self) -> str:
        """`written, verified and read back in 20 s: nvme0n1 7Q1K, 12.6 MB fetched, 31.5 MB written`."""
        time = f" in {duration(self.seconds)}" if self.seconds else ""
        return f"written, verified and read back{time}: {self.disk.label()}{self._bytes()}"

    def _bytes(self) -> str:
        if self.bytes_fetched is None:
            return ""
        of_peers = f" ({size(self.bytes_from_peers)} from other hosts)" if self.bytes_from_peers else ""
        parts = ["", f"{size(self.bytes_fetched)} fetched{of_peers}", f"{size(self.bytes_written)} written"]
        if self.bytes_saved:
            parts.append(f"{size(self.bytes_saved)} were right already")
        if self.bytes_given:
            parts.append(f"{size(self.bytes_given)} given to other hosts")
        return ", ".join(parts)


class AgentFailed(Failure):
    """The agent cannot finish; code, sentence and hint say why."""

    kind = "agent.failed"
    moves = {Stage.WRITING: Stage.FAILED}
    meaning = "the agent cannot finish, and says why"


class AgentRebooting(Payload):
    """The agent was told to reboot into the disk."""

    kind = "agent.rebooting"
    moves = {Stage.RESTARTING: Stage.RESTARTING}
    meaning = "the agent was told to reboot"

    def describe(self) -> str:
        """A fixed sentence: it reboots into the disk."""
        return "the agent reboots into the disk"


class AgentRestarting(Payload):
    """How the agent, told to use kexec, starts the disk: `how` is kexec, or firmware in any doubt."""

    kind = "agent.restarting"
    moves = {Stage.RESTARTING: Stage.RESTARTING}
    meaning = "the agent starts the disk by kexec, or says why the firmware does"

    how: Restart
    sentence: str = ""

    def describe(self) -> str:
        """What it said: what is started by kexec, or why the firmware starts the disk."""
        return self.sentence or f"the agent starts the disk by {self.how}"
