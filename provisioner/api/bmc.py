"""BMCs: what the worker is asked to do at one, what came of it, and the login it needs."""

from typing import Literal

from pydantic import ConfigDict, Field

from provisioner.api.answer import ErrorBody, Resource, ServiceAnswer
from provisioner.domain.values import FrozenModel

BmcAction = Literal["test", "power", "boot"]
BmcArgument = Literal["", "on", "off", "reset", "state", "network", "disk"]


class BmcOrder(FrozenModel):
    """`test` · `power` with `state`, `on`, `off` or `reset` · `boot` with nothing, `network` or `disk`."""

    host: str
    action: BmcAction
    argument: BmcArgument = ""


class BmcOrdered(ServiceAnswer):
    """The number under which the result can be asked for."""

    request: int


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
    result: BmcTest | BmcPower | BmcBoot | BmcFailed | BmcPending


class BmcAnswer(ServiceAnswer):
    """The request as it is by now."""

    request: BmcRequestStatus


class LoginUpdate(FrozenModel):
    """The login of a BMC, at most what IPMI 2.0 (22.28, 22.30) can hold. It is never given back."""

    model_config = ConfigDict(hide_input_in_errors=True)

    user: str = Field(min_length=1, max_length=16)
    password: str = Field(min_length=1, max_length=20)


class LoginStored(ServiceAnswer):
    """The name under which the inventory can use the login."""

    secret: str
