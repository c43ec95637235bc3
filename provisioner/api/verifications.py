"""Verifications after a deployment: with an SSH key that is given once."""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, StrictInt

from provisioner.api.answer import Resource, ServiceAnswer
from provisioner.domain.acceptance import Level
from provisioner.domain.values import FrozenModel


def is_verification_id(text: str) -> bool:
    """Whether it is the id of one with an SSH key; a host may be called `v-1`."""
    return bool(re.fullmatch(r"v-[0-9a-f]{16}", text))


def _without_zone(value: object) -> object:
    if "%" in str(value):
        raise ValueError("an address with a zone is of one machine alone; give it without")
    return value


UserName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$")]
# no zone (%eth0) of IPv6: the address comes into arguments of ssh, to which a % means something
HostAddress = Annotated[IPv4Address | IPv6Address, BeforeValidator(_without_zone)]
LONGEST_SOAK = 7 * 86400  # seconds
LONGEST_KEY = 32 << 10  # characters; an RSA key of 16,384 bits has some 12,000


class VerificationOrder(FrozenModel):
    """`key`: a private SSH key without a passphrase. It is kept in memory until the verification has ended.

    `level`, and `seconds` of a soak, are the profile's unless given, and `address` is that of the deployment.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    host: str
    user: UserName
    key: str = Field(min_length=1, max_length=LONGEST_KEY, repr=False)
    address: HostAddress | None = None
    level: Level | None = None
    seconds: StrictInt | None = Field(None, ge=600, le=LONGEST_SOAK)


class VerificationTaskStatus(Resource):
    """One check as it is told: `result` ok, warning, unproved or deviation; `time` in seconds since 1970."""

    time: float
    name: str
    result: str
    sentence: str
    action: str = ""


class BurnInProgressStatus(Resource):
    """How far the burn-in is; `test` is empty where none runs."""

    test: str = ""
    gpu: str = ""
    done: float = 0
    of: float = 0
    seconds_left: float = 0


class VerificationStatus(Resource):
    """One verification; `created` in seconds since 1970, `state` is `open` or `done`.

    `address` is empty where the host is looked for at that of its deployment. Once it is done: `result`
    (passed, rejected, incomplete, unreachable, failed), the `report` that was signed, and where it is not
    passed `sentence`, `hint` and a PV `code`.
    """

    id: str
    host: str
    deployment: str
    created: float
    user: str
    by: str
    address: str = ""
    level: Level | None = None
    seconds: int = 0
    state: str
    burnin: BurnInProgressStatus = BurnInProgressStatus()
    tasks: tuple[VerificationTaskStatus, ...] = ()
    result: str = ""
    report: str = ""
    sentence: str = ""
    hint: str = ""
    code: int = 0


class OpenVerification(Resource):
    """One that goes on, by whom (`by`) and as which `user`; `created` in seconds since 1970."""

    id: str
    host: str
    created: float
    user: str
    by: str
    burnin: BurnInProgressStatus = BurnInProgressStatus()


class VerificationAnswer(ServiceAnswer):
    """The verification as it is by now."""

    verification: VerificationStatus
