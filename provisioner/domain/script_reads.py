"""Who has read the boot script of an armed host since its power-on, and how often."""

from typing import Self

from pydantic import ConfigDict

from provisioner.domain import identity
from provisioner.domain.values import FrozenModel

# Firmware and iPXE ask a second time within seconds (HEAD before GET, a lost answer); a machine that starts
# anew takes longer, in a virtual one too.
SAME_BOOT = 5.0
MOST_BOOTS = 3  # that may lead nowhere: the firmware's next entry, a reset by hand
MOST_READS = 8  # however close together


class ScriptReads(FrozenModel):
    """`reads` in `boots`, the last of which began at `last` (seconds since 1970).

    `serial` and `uuid` are those of the first that named one; a maker's placeholder is none.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    reads: int = 0
    boots: int = 0
    last: float = 0
    serial: str = ""
    uuid: str = ""

    def after(self, serial: str, uuid: str, now: float) -> Self:
        """With one more, by who names these; empty for nothing."""
        counted: dict[str, int | float] = {"reads": self.reads + 1}
        if not self.is_same_boot(now):
            counted |= {"boots": self.boots + 1, "last": now}
        named = {"serial": self.serial or identity.serial(serial), "uuid": self.uuid or identity.uuid(uuid)}
        return self.model_copy(update=counted | named)

    def is_same_boot(self, now: float) -> bool:
        """Whether who asks now has not started anew since."""
        return self.boots > 0 and 0 <= now - self.last < SAME_BOOT

    def is_loop(self, now: float) -> bool:
        """Whether who asks now has asked so often that another script would lead nowhere either."""
        return self.reads >= MOST_READS or (self.boots >= MOST_BOOTS and not self.is_same_boot(now))
