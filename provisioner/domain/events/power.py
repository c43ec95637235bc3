"""Events of the BMC: power, boot device, the serial console."""

from provisioner.domain.deployment import Deployment
from provisioner.domain.events.payload import Evidence, Failure, Payload
from provisioner.domain.purpose import ANY
from provisioner.domain.script_reads import ScriptReads
from provisioner.domain.stage import UNDER_WAY, Stage
from provisioner.system.checksum import sha256_text


class PowerBegan(Payload):
    """A new nonce for this boot; it is redacted where it is stored."""

    kind = "power.began"
    moves = {Stage.POWERING: Stage.POWERING}
    meaning = "a nonce was made, the BMC is being told"
    purposes = ANY
    is_noted = False

    nonce: str

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores the nonce, its hash and the time of power-on; the attempt is 1 at least."""
        return row.changed(
            nonce=self.nonce,
            nonce_hash=sha256_text(self.nonce),
            power_on=now,
            attempt=max(row.attempt, 1),
            reboot=False,
            script=ScriptReads(),
        )

    def describe(self) -> str:
        """A fixed sentence: what the BMC is told."""
        return "telling the BMC: boot from the network, power on"


class PowerReport(Payload):
    """What a BMC did: `act` is on or reset; `confirmed` says that power and boot device were read back."""

    act: str = "on"
    state: str = ""
    boot: str = "?"
    confirmed: bool = False
    note: str = ""


class PowerAsked(PowerReport):
    """A host without a BMC: a person presses the button."""

    kind = "power.asked"
    moves = {Stage.POWERING: Stage.POWERING}
    meaning = "a person was asked to press the button"
    purposes = ANY

    def describe(self) -> str:
        """What the person is asked to press."""
        return self.note or "press the power button"


class PowerOn(PowerReport):
    """The BMC has set boot device and power."""

    kind = "power.on"
    moves = {Stage.POWERING: Stage.POWERING, Stage.NETBOOTING: Stage.NETBOOTING}
    meaning = "the BMC did it and read it back"
    purposes = ANY

    def describe(self) -> str:
        """Boot device and power, and whether they were read back."""
        boot = f"boot device {self.boot}" + (" (read back)" if self.confirmed else "")
        return f"{boot}, power {self.act}" + (f"; {self.note}" if self.note else "")


class PowerDelayed(Evidence):
    """The BMC cannot do it now, or did not answer: it is asked again after `pause` seconds.

    `code`, `sentence` and `hint` are those of its error; `act` is the order that was being given (`on`, `off`
    or `reset`), empty where none was yet.
    """

    kind = "power.delayed"
    moves = {Stage.POWERING: Stage.POWERING}
    meaning = "the BMC cannot do it now, and is asked again"
    purposes = ANY
    same = ("sentence",)

    code: int = 0
    sentence: str = ""
    hint: str = ""
    pause: float = 0
    act: str = ""

    def describe(self) -> str:
        """What the BMC said, and when it is asked again."""
        return f"{self.sentence or 'the BMC cannot do it now'}; asked again after {self.pause:.0f} s"


class PowerFailed(Failure):
    """The BMC did not set boot device or power; code, sentence and hint say why."""

    kind = "power.failed"
    moves = {Stage.POWERING: Stage.FAILED}
    meaning = "the BMC did not do it"
    purposes = ANY


class ConsoleLost(Failure):
    """The recording of the console broke off, for the first time."""

    kind = "console.lost"
    moves = {stage: stage for stage in UNDER_WAY if stage != Stage.QUEUED}
    meaning = "its serial console is not recorded for now"
    purposes = ANY
    is_sign_of_life = False
    is_noted = False

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Changes nothing: the event is evidence only."""
        return row

    def describe(self) -> str:
        """Why the serial console is not recorded."""
        return f"the serial console is not recorded for now: {super().describe()}"
