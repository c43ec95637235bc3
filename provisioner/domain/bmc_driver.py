"""What a kind of BMC is to those who only read and tell of hosts.

The short-lived processes of drivers read this file; it has no models, which take long to import.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BmcDriver:
    """What a power driver declares of itself for those who read, check and tell of hosts.

    `port` is where such a BMC listens unless the inventory says otherwise; without one there is no BMC.
    `recorder` is the module that records its serial console, run as a process; empty where it gives none.
    `has_systems`: one such BMC can have several systems, and an inventory may name the host's.
    """

    name: str  # as the inventory says it
    title: str = ""  # as sentences say it
    port: int | None = None
    recorder: str = ""
    has_systems: bool = False

    @property
    def has_bmc(self) -> bool:
        """Whether power is switched over a network at all, and not by a person."""
        return self.port is not None
