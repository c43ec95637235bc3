"""A deployment, and the terms of its order."""

from typing import Literal, Self, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, JsonValue, StrictBool

from provisioner.domain.acceptance import CheckResult
from provisioner.domain.hardware import DiskInfo
from provisioner.domain.identity import DiskIdentity, MachineIdentity
from provisioner.domain.profile import Hints
from provisioner.domain.progress import Progress
from provisioner.domain.purpose import Purpose
from provisioner.domain.restart import Restart, StartedBy
from provisioner.domain.script_reads import ScriptReads
from provisioner.domain.stage import Stage
from provisioner.domain.values import FrozenModel
from provisioner.errors import UnreadableError
from provisioner.system import disk_names

MOST_ATTEMPTS = 5  # of one deployment: power cuts happen, but not for ever


WriteMode = Literal["delta", "full", "wipe"]  # what differs · all · zeros everywhere, then all


class Terms(FrozenModel):
    """How an order may write the disk, and what its operator knowingly gives up."""

    write_mode: WriteMode = "delta"
    erase_foreign: StrictBool = False
    allow_downgrade: StrictBool = False


class WrittenDisk(DiskInfo):
    """The disk that was written, as the machine itself described it; sizes in bytes."""

    name: str = ""
    logical_sector: int = 0

    def label(self) -> str:
        """Name and serial, as people know it."""
        return f"{self.name or '?'} {self.serial}".rstrip()


class TargetDisk(FrozenModel):
    """Which disk an order may erase: what tells it from others; size in bytes. Unknown without a name."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    name: str = ""
    size: int = 0
    model: str = ""
    serial: str = ""
    wwn: str = ""
    by_path: str = ""

    @property
    def is_known(self) -> bool:
        """Whether a disk was seen at all."""
        return bool(self.name)

    def is_of(self, disk: DiskInfo) -> bool:
        """Whether `disk` is this one: the same size, and the same serial and WWN.

        Where it has neither, the same place and model. Its name may change from boot to boot.
        """
        if self.size != disk.size:
            return False
        own = DiskIdentity(self.serial, self.wwn)
        if own.is_known:
            return own.is_exactly(DiskIdentity(disk.serial, disk.wwn))
        if self.model != disk.model:
            return False
        if self.by_path:
            return disk_names.is_same_path(self.by_path, disk.by_path)
        return self.name == disk.name

    def label(self) -> str:
        """Name, model and serial, as people know it."""
        serial = f"serial {self.serial}" if self.serial else ""
        return " ".join(filter(None, (self.name, self.model, serial)))


class Verdict(BaseModel):
    """How the verification ended; `facts` is what the host said of itself, as it said it.

    `checks` are all that were made; verdicts of an older release have none.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    result: str = ""
    sentences: tuple[str, ...] = ()
    facts: dict[str, JsonValue] = {}
    checks: tuple[CheckResult, ...] = ()
    report: str = ""  # id of the signed report


class Changes(TypedDict, total=False):
    """The fields of a deployment that events may change, each optional."""

    stage: Stage
    stage_since: float
    deadline: float
    expires: float
    attempt: int
    serial: str
    uuid: str
    nonce: str
    nonce_hash: str
    consumed: float
    paused: float
    target: TargetDisk
    token_hash: str
    phone_hash: str
    agent_boot_id: str
    agent_address: str
    last_event: str
    last_event_at: float
    progress: Progress
    power_on: float
    script: ScriptReads
    reboot: bool
    started_by: StartedBy
    firmware_boot: float
    disk: WrittenDisk
    address: str
    host_keys: tuple[str, ...]
    code: int
    reason: str
    hint: str
    verdict: Verdict


class PublicDeployment(BaseModel):
    """What everybody may know of a deployment: the HTTP API shows these fields and no others."""

    model_config = ConfigDict(defer_build=True)

    id: str
    host: str
    mac: str
    image: str
    stage: Stage
    stage_since: float
    deadline: float
    created: float
    expires: float
    consumed: float = 0  # when its nonce was first taken; 0 before, and only then can it expire
    paused: float = 0  # since when nothing new is begun; 0 where it goes on
    attempt: int = 0
    armed_by: str = ""
    serial: str = ""
    uuid: str = ""
    target: TargetDisk = TargetDisk()  # shown when it was ordered, else by the first hello
    erase: bool = True
    stop_after: str = ""
    last_event: str = ""  # the kind of the last sign of life
    last_event_at: float = 0
    progress: Progress = Progress()
    power_on: float = 0
    reboot: bool = False
    disk: WrittenDisk = WrittenDisk()
    address: str = ""
    host_keys: tuple[str, ...] = ()
    code: int = 0
    reason: str = ""
    hint: str = ""
    verdict: Verdict = Verdict()
    run: str = ""
    iso: str = ""
    write_mode: WriteMode = "delta"
    erase_foreign: bool = False
    purpose: Purpose = Purpose.DEPLOY
    restart: Restart = "firmware"  # as its profile said when it was ordered
    started_by: StartedBy = ""  # what started the system on the disk for the first time, as that says
    firmware_boot: float = 0  # when its firmware was first seen to start this disk; 0: not yet, or not noted

    @property
    def lacks_firmware_boot(self) -> bool:
        """Whether its system runs, and nobody has seen yet that the firmware starts this disk."""
        return not self.firmware_boot and "kexec" in (self.started_by or self.restart)

    @property
    def is_verification(self) -> bool:
        """Whether it looks at the host and may write nothing; its `image` is what was deployed before it."""
        return self.purpose is Purpose.VERIFY

    def advise(self, text: str) -> str:
        """Advice about its host in its own terms: who follows it after a verification must erase nothing."""
        return text.replace("provision retry", "provision verify") if self.is_verification else text

    @property
    def noun(self) -> str:
        """What it is, as a sentence calls it."""
        return "verification" if self.is_verification else "deployment"

    @property
    def content(self) -> str:
        """What a list shows of it: the image that it writes, or that it writes none."""
        return "verification" if self.is_verification else self.image

    @property
    def act(self) -> str:
        """What is being done to the host, as a sentence has it: `deployed` or `verified`."""
        return "verified" if self.is_verification else "deployed"

    @property
    def is_unreadable(self) -> bool:
        """Whether it is only what can be read of a damaged row (PV-612), and how it goes is not known."""
        return self.code == UnreadableError.code

    @property
    def machine(self) -> MachineIdentity:
        """The machine that it was ordered for, as far as it was known."""
        return MachineIdentity(serial=self.serial, uuid=self.uuid, macs=(self.mac,))

    @property
    def ended_as_ordered(self) -> bool:
        """Whether it is ready, or ended after the stage at which it was ordered to end."""
        is_held = self.stage == Stage.CANCELLED and self.reason == stop_reason(self.stop_after)
        return self.stage == Stage.READY or (bool(self.stop_after) and is_held)


def stop_reason(stage: str) -> str:
    """The reason of a deployment that ended after `stage`, at which it was ordered to end."""
    return f"stopped after {stage}, as ordered"


class Deployment(PublicDeployment, FrozenModel):
    """One ordered, armed, one-shot attempt to put one image on one host; times in seconds since 1970.

    `iso` names the installer that boots instead of the ramdisk; where it is the image itself, that
    installer also writes the disk. `hints` are those of the order; None in orders of an older release.
    `of_former_host`: its host was removed since, so whoever has that name now is another machine's entry.
    `nonce` and the hashes are for machines only; the nonce itself is there only while a script must name it.
    """

    hints: Hints | None = None
    nonce: str = ""
    nonce_hash: str = ""
    token_hash: str = ""
    phone_hash: str = ""
    agent_boot_id: str = ""
    agent_address: str = ""  # where its hello came from
    script: ScriptReads = ScriptReads()
    of_former_host: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether Ubuntu's installer writes the disk, and not our agent."""
        return bool(self.iso) and self.iso == self.image

    def delayed(self, seconds: float) -> Self:
        """A copy for which so many seconds have not counted: deadline and last sign of life move."""
        return self.changed(deadline=self.deadline + seconds, last_event_at=self.last_event_at + seconds)

    def changed(self, **changes: Unpack[Changes]) -> Self:
        """A copy with these fields replaced; nothing is stored."""
        return self.model_copy(update=changes)
