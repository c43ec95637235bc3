"""What every power driver can do and declares of itself, where a BMC is, what an act gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from provisioner.domain.host import Bmc, BmcDriver

BootDevice = Literal["network", "disk"]
OVER_NETWORK = "{driver} at {address}: boot device network, then power on or reset"


@dataclass(frozen=True)
class BmcAddress:
    """Where a BMC is and how to log in; `name` is the host's, for sentences.

    For TLS: `fingerprint` is the certificate's SHA-256, 64 lower-case hexadecimal digits; without it the file
    `pin` keeps what the first login saw. Without `verify` any certificate will do.

    `system` names one of several systems behind the BMC, `mac` the card from which the host boots; both may
    be empty. `patience`: the seconds for which an act is tried again while the BMC says that it cannot do it
    now.
    """

    driver: str
    address: str
    port: int  # UDP or TCP, as the driver's protocol has it; 0 where there is no BMC
    user: str = ""
    password: str = field(default="", repr=False)
    name: str = ""
    verify: bool = True
    fingerprint: str = ""
    pin: str = ""
    system: str = ""
    patience: float = 60.0
    mac: str = ""


@dataclass(frozen=True)
class PowerResult:
    """The power state, `on`, `off` or `unknown`, as read after the act.

    `confirmed`: a BMC has said it. `note` is a sentence for people. `suite` is the number of the IPMI cipher
    suite of the session (IPMI 2.0, table 22-20), 0 for other protocols.
    """

    state: str
    confirmed: bool = True
    note: str = ""
    suite: int = 0


@dataclass(frozen=True)
class BootResult:
    """The boot device as read back: `network`, `disk`, `default` or the BMC's own word."""

    device: str
    confirmed: bool = True
    note: str = ""


class Power(Protocol):
    """What every driver can do. Each call may take seconds and raises PowerError in words."""

    def state(self) -> PowerResult:
        """Read the power state."""

    def on(self) -> PowerResult:
        """Power on; no harm when it is on."""

    def off(self) -> PowerResult:
        """Power off, hard."""

    def reset(self) -> PowerResult:
        """Restart a host; one that is off is powered on."""

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """What to boot next; read back. Boot flags may lapse after 60 s: power at once."""

    def get_boot(self) -> BootResult:
        """Read the boot device that is set."""


@dataclass(frozen=True, kw_only=True)
class PowerDriver(BmcDriver):
    """All that the service knows of one kind of BMC; each driver's module declares its own as `DRIVER`.

    `connect` makes the driver for one BMC and sends nothing yet. `plan` is what a plan says of it before an
    order, with `{driver}` and `{address}` filled in.
    """

    connect: Callable[[BmcAddress], Power]
    plan: str = OVER_NETWORK

    def sentence(self, bmc: Bmc) -> str:
        """How a host with this BMC will be powered, for a plan."""
        return self.plan.format(driver=self.name, address=bmc.address)
