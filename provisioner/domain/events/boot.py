"""Events of a host that is ready: its firmware is seen to start the disk that was written, or is not."""

from provisioner.domain.deployment import Deployment
from provisioner.domain.events.payload import Payload
from provisioner.domain.stage import Stage
from provisioner.system.units import duration


class BootProven(Payload):
    """After its power was off, the system that was written came up again: its firmware has started this disk.

    `off` and `on` are when its BMC said that it was so, `seen` when the system answered (seconds since 1970);
    `host_key` is the fingerprint of the SSH host key by which it is known, `address` where it answered.
    `note` is what the BMC said of the boot device, where it did not confirm the disk.
    """

    kind = "boot.proven"
    moves = {Stage.READY: Stage.READY}
    meaning = "the firmware has started this disk: its system is up again after its power was off"
    is_sign_of_life = False

    off: float = 0
    on: float = 0
    seen: float = 0
    host_key: str = ""
    address: str = ""
    note: str = ""

    def apply(self, row: Deployment, now: float) -> Deployment:
        """Stores when that was first seen."""
        return row.changed(firmware_boot=row.firmware_boot or self.seen or now)

    def describe(self) -> str:
        """`its firmware has started this disk: off, then on, and its system answered SSH after 93 s …`."""
        waited = duration(max(0.0, self.seen - self.on))
        note = f" ({self.note})" if self.note else ""
        return (
            "its firmware has started this disk: powered off and on, its system answered by SSH at "
            f"{self.address} after {waited} with its own host key {self.host_key}{note}"
        )


class BootUnproven(Payload):
    """The host was restarted to see that, and it was not seen; code, sentence and hint say what was."""

    kind = "boot.unproven"
    moves = {Stage.READY: Stage.READY}
    meaning = "the host was restarted, and it was not seen that the firmware starts this disk"
    is_sign_of_life = False

    code: int = 0
    sentence: str = ""
    hint: str = ""

    def describe(self) -> str:
        """Why it is not proven."""
        return f"its firmware was not seen to start this disk: {self.sentence}"
