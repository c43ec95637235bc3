"""What every power driver can do: the protocol, where a BMC is, what an act gives back."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

BootDevice = Literal["network", "disk"]


@dataclass(frozen=True)
class BmcAddress:
    """Where a BMC is and how to log in; `name` is the host's, for sentences.

    For TLS: `fingerprint` is the certificate's SHA-256, 64 lower-case hexadecimal digits; without it the file
    `pin` keeps what the first login saw. Without `verify` any certificate will do.
    """

    driver: str
    address: str
    port: int = 623
    user: str = ""
    password: str = field(default="", repr=False)
    name: str = ""
    verify: bool = True
    fingerprint: str = ""
    pin: str = ""


@dataclass(frozen=True)
class PowerResult:
    """The power state, `on`, `off` or `unknown`, as read after the act."""

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
        """Reset a host that is on."""

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """What to boot next; read back. Boot flags may lapse after 60 s: power at once."""

    def get_boot(self) -> BootResult:
        """Read what is set."""
