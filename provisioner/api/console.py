"""The recorded serial console of a deployment."""

from typing import Annotated

from provisioner.api.answer import Resource, ServiceAnswer, WaitQuery, WholeNumber
from provisioner.api.deployments import DeploymentStatus
from provisioner.domain.sparse import OnlySet


class ConsoleQuery(WaitQuery):
    """Bytes from `offset` on, or of the last `lines` where that is not 0."""

    offset: WholeNumber = 0
    lines: WholeNumber = 0


class ConsoleMark(Resource):
    """A note beside the bytes: `began`, `again`, `lost`, `full` or `ended`; `time` in seconds since 1970."""

    time: float
    offset: int
    mark: str
    sentence: str = ""
    hint: str = ""
    code: int = 0


class ConsoleOutput(ServiceAnswer):
    """The next bytes, base64; ask for `offset` next time. `live` says whether more may come.

    `newest` is what a full recording kept of its newest bytes, base64.
    """

    deployment: DeploymentStatus
    data: str
    offset: int
    live: bool
    newest: str
    marks: tuple[Annotated[ConsoleMark, OnlySet], ...]
