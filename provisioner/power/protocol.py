"""What every power driver can do and declares of itself, where a BMC is, what an act gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from provisioner.domain.bmc_driver import BmcDriver

if TYPE_CHECKING:
    from provisioner.domain.host import Bmc

BootDevice = Literal["network", "disk"]
ALWAYS = 256  # of seconds for the identification light: IPMI can count to 255
OVER_NETWORK = "{driver} at {address}: boot device network, then power on or reset"


@dataclass(frozen=True)
class BmcAddress:
    """Where a BMC is and how to log in; `name` is the host's, for sentences.

    For TLS: `fingerprint` is the certificate's SHA-256, 64 lower-case hexadecimal digits; without it the file
    `pin` keeps what the first login saw. Without `verify` any certificate will do.

    `answer_within`: the seconds in which a BMC must have answered a login, or a connection; `done_within`:
    those in which one try of an act must have ended, 0 where that is the driver's to say.

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
    answer_within: float = 15.0
    done_within: float = 0.0
    mac: str = ""
    secret: str = ""  # the name under which the login is kept


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


@dataclass(frozen=True)
class IdentifyResult:
    """The identification light, `on`, `off` or `unknown`; `confirmed`: read back as it was asked for."""

    light: str
    confirmed: bool = True
    note: str = ""


@dataclass(frozen=True)
class SensorReading:
    """One sensor: its value in `unit`, or states in words; `health`: ok, warning, critical, unknown."""

    name: str
    kind: str = ""
    value: float | None = None
    unit: str = ""
    health: str = "unknown"
    states: tuple[str, ...] = ()


@dataclass(frozen=True)
class SensorsResult:
    """All sensors that could be read; `note` says why some could not."""

    sensors: tuple[SensorReading, ...]
    note: str = ""


@dataclass(frozen=True)
class BmcStatus:
    """Power state and boot device as `PowerResult` and `BootResult` have them, read by one login."""

    state: str
    boot: str
    note: str = ""
    suite: int = 0


@dataclass(frozen=True)
class BmcAccount:
    """A user of a BMC: number or place, name (anonymous where that is empty), role as the BMC says."""

    number: int
    name: str
    is_enabled: bool
    role: str = ""


@dataclass(frozen=True)
class AccountsResult:
    """The users of a BMC; `note` says why some could not be read."""

    accounts: tuple[BmcAccount, ...]
    note: str = ""


@dataclass(frozen=True)
class PasswordResult:
    """That a BMC took another password for a user; only a login with it shows that it holds."""

    user: str


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


@runtime_checkable
class Chassis(Protocol):
    """What a driver may do besides: a light for whoever stands before the rack, and what sensors say."""

    def identify(self, seconds: int) -> IdentifyResult:
        """The light for so many seconds; 0: off, ALWAYS: until it is switched off."""

    def sensors(self) -> SensorsResult:
        """Read all sensors."""


@runtime_checkable
class StatusReader(Protocol):
    """What a driver may do besides: read by one login what otherwise takes two."""

    def status(self) -> BmcStatus:
        """Power state and boot device."""


@runtime_checkable
class Accounts(Protocol):
    """What a driver may do besides: the BMC's users, and another password for the one that we log in as."""

    def accounts(self) -> AccountsResult:
        """Who may log in."""

    def set_password(self, password: str) -> PasswordResult:
        """Ours is this one from now on."""


@dataclass(frozen=True, kw_only=True)
class PowerDriver(BmcDriver):
    """All that the service knows of one kind of BMC; each driver's module declares its own as `DRIVER`.

    `connect` makes the driver for one BMC and sends nothing yet. `plan` is what a plan says of it before an
    order, with `{driver}` and `{address}` filled in.
    """

    connect: Callable[[BmcAddress], Power]
    plan: str = OVER_NETWORK

    def sentence(self, bmc: "Bmc") -> str:
        """How a host with this BMC will be powered, for a plan."""
        return self.plan.format(driver=self.title, address=bmc.address)
