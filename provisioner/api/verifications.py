"""Verifications after a deployment: with an SSH key that is given once."""

from typing import Annotated

from pydantic import ConfigDict, Field

from provisioner.api.answer import Resource, ServiceAnswer
from provisioner.api.deployments import DeploymentStatus
from provisioner.domain.acceptance import Level
from provisioner.domain.values import FrozenModel

UserName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$")]
LONGEST_SOAK = 7 * 86400  # seconds
LONGEST_KEY = 32 << 10  # characters; an RSA key of 16,384 bits has some 12,000


class VerificationOrder(FrozenModel):
    """`key`: a private SSH key without a passphrase. It is kept in memory until the verification has ended.

    `level`, and `seconds` of a soak, are the profile's unless given.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    host: str
    user: UserName
    key: str = Field(min_length=1, max_length=LONGEST_KEY, repr=False)
    level: Level | None = None
    seconds: int | None = Field(None, ge=600, le=LONGEST_SOAK)


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

    Once it is done: `result` (passed, rejected, incomplete, unreachable, failed), the `report` that was
    signed, and where it is not passed `sentence`, `hint` and a PV `code`.
    """

    id: str
    host: str
    deployment: str
    created: float
    user: str
    by: str
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


class VerificationAnswer(ServiceAnswer):
    """The verification as it is by now."""

    verification: VerificationStatus


class ExaminationOrder(FrozenModel):
    """Verify a host from the ramdisk: it is restarted, nothing is written."""

    host: str


class ExaminationAnswer(ServiceAnswer):
    """The verification as it was ordered; it goes on as a deployment does."""

    deployment: DeploymentStatus
