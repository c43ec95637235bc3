"""BMCs: what the worker is asked to do at one, what came of it, and the login it needs."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictInt

from provisioner.api.answer import ErrorBody, Resource, ServiceAnswer
from provisioner.domain.refusal import Refusal
from provisioner.domain.values import FrozenModel

BmcAction = Literal["test", "power", "boot", "identify", "sensors", "rotate"]
BmcArgument = Literal["", "on", "off", "reset", "state", "network", "disk"]


class BmcOrder(FrozenModel):
    """`test` · `power` with `state`, `on`, `off` or `reset` · `boot` with nothing, `network` or `disk`.

    `identify` with `on`, `off`, or nothing and `seconds` · `sensors` · `rotate`: another password.
    """

    host: str
    action: BmcAction
    argument: BmcArgument = ""
    seconds: StrictInt = Field(0, ge=0, le=255)


class BmcOrdered(ServiceAnswer):
    """The number under which the result can be asked for."""

    request: int


class BmcSelection(FrozenModel):
    """The hosts whose BMCs are tested: those that `select` or `all` means, or those with these names."""

    select: str = Field("", max_length=500)
    all: StrictBool = False
    hosts: Annotated[tuple[str, ...], Field(max_length=5000)] = ()


class BmcTestOrdered(Resource):
    """The number of one host's test; 0 where nothing can be asked: by hand, or as `refusal` says."""

    host: str
    request: int = 0
    refusal: Refusal | None = None


class BmcTestsOrdered(ServiceAnswer):
    """A test for each host, in the order of their names; all are worked on at the same time."""

    tests: tuple[BmcTestOrdered, ...]


class BmcOutcome(Resource):
    """What a BMC act came to; each kind has its own keys and no other."""

    model_config = ConfigDict(extra="forbid")


class BmcTest(BmcOutcome):
    """Power `state`, `boot` device as read, and the IPMI cipher `suite`, 0 where there is none."""

    state: str
    boot: str
    suite: int = 0
    note: str = ""


class BmcPower(BmcOutcome):
    """Power `state` (`on`, `off`, `unknown`), and whether it was read back."""

    state: str
    confirmed: bool
    note: str = ""


class BmcBoot(BmcOutcome):
    """The `boot` device (`network`, `disk`, or the BMC's own word), and whether it was read back."""

    boot: str
    confirmed: bool
    note: str = ""


class BmcIdentified(BmcOutcome):
    """The identification `light` (`on`, `off`, `unknown`), and whether it was read back as wanted."""

    light: str
    confirmed: bool
    note: str = ""


class BmcSensorStatus(Resource):
    """One sensor: its value in `unit`, or its `states` in words; `health`: ok, warning, critical, unknown."""

    name: str
    kind: str = ""
    value: float | None = None
    unit: str = ""
    health: str = "unknown"
    states: tuple[str, ...] = ()


class BmcSensors(BmcOutcome):
    """All that could be read; `note` says why some could not."""

    sensors: tuple[BmcSensorStatus, ...]
    note: str = ""


class BmcRotated(BmcOutcome):
    """The `user` that has another password now, told to nobody; `note` says how it was seen to hold."""

    user: str
    note: str


class BootProved(BmcOutcome):
    """The system that was written is up again after its power was off, so its firmware starts that disk.

    It answered SSH at `address`, `seconds` after the power was on, with its `host_key` (fingerprint).
    """

    host_key: str
    address: str
    seconds: float
    note: str = ""


class BmcFailed(BmcOutcome):
    """Why it could not be done."""

    error: ErrorBody


class BmcPending(BmcOutcome):
    """Nothing yet."""


class BmcRequestStatus(Resource):
    """One request; `created` in seconds since 1970, `state` is `open` or `done`."""

    id: int
    created: float
    host: str
    action: str
    argument: str
    state: str
    result: (
        BmcTest
        | BmcPower
        | BmcBoot
        | BmcIdentified
        | BmcSensors
        | BmcRotated
        | BootProved
        | BmcFailed
        | BmcPending
    )


class BmcAnswer(ServiceAnswer):
    """The request as it is by now."""

    request: BmcRequestStatus


class LoginUpdate(FrozenModel):
    """The login of a BMC, at most what IPMI 2.0 (22.28, 22.30) can hold. It is never given back.

    With `host` it is for that host's BMC alone, which others that share the name do not have.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    user: str = Field(min_length=1, max_length=16)
    password: str = Field(min_length=1, max_length=20)
    host: str = Field("", max_length=100)


class LoginUse(Resource):
    """The name of a login, and the hosts whose BMC it is for; the login itself is never given back.

    `own` are those of the hosts whose BMC has a login of its own under that name.
    """

    secret: str
    hosts: tuple[str, ...]
    own: tuple[str, ...] = ()


class LoginList(ServiceAnswer):
    """Every login that is kept, by name."""

    secrets: tuple[LoginUse, ...]


class LoginStored(ServiceAnswer):
    """The name under which the inventory can, or could, use the login.

    `replaced`: another one was kept under it before; `hosts` are those whose BMC it is for.
    """

    secret: str
    replaced: bool = False
    hosts: tuple[str, ...] = ()
