"""Deployments: what is ordered, planned, under way, and how it ended."""

from typing import Annotated, Literal

from pydantic import Field

from provisioner.api.answer import PersonName, Resource, ServiceAnswer
from provisioner.domain.deployment import Terms, Verdict, WrittenDisk
from provisioner.domain.event import Event
from provisioner.domain.plan import Plan
from provisioner.domain.progress import Progress
from provisioner.domain.stage import STOPS, Stage
from provisioner.domain.values import FrozenModel

StopAfter = Annotated[str, Field(pattern=rf"^(|{'|'.join(STOPS)})$")]
WriteMode = Literal["delta", "full", "wipe"]


class DeploymentOrder(FrozenModel):
    """An order for one host. Without `arm` only its plan is answered.

    With it, `confirmation` must be the plan's challenge, unless `yes`.
    """

    host: str
    image: str = ""
    by: PersonName = "operator"
    arm: bool = False
    yes: bool = False
    confirmation: str = ""
    stop_after: StopAfter = ""
    terms: Terms = Terms()


class DeploymentStatus(Resource):
    """One deployment without what only machines may know; times in seconds since 1970, 0 for never.

    `stop_after` is the stage at which it shall end, empty for none; `code` is the PV code of its failure.
    """

    id: str
    host: str
    mac: str
    image: str
    stage: Stage
    stage_since: float
    deadline: float
    created: float
    expires: float
    attempt: int = 0
    armed_by: str = ""
    serial: str = ""
    erase: bool = True
    stop_after: str = ""
    last_event: str = ""
    last_event_at: float = 0
    progress: Progress = Progress()
    power_on: float = 0
    reboot: bool = False
    disk: WrittenDisk = WrittenDisk()
    address: str = ""
    host_keys: tuple[str, ...] = ()
    code: int = 0
    reason: str = ""
    hint: str = ""
    verdict: Verdict = Verdict()
    run: str = ""
    iso: str = ""
    write_mode: WriteMode = "delta"
    erase_foreign: bool = False


class DeploymentDetails(DeploymentStatus):
    """Likewise; where it has failed, with the last lines of its serial `console`."""

    console: tuple[str, ...] = ()


class PlanAnswer(ServiceAnswer):
    """What an order would do; nothing was armed."""

    plan: Plan


class OrderAnswer(PlanAnswer):
    """The plan, and the deployment that was armed by it."""

    deployment: DeploymentStatus


class DeploymentList(ServiceAnswer):
    """The newest hundred, newest first."""

    deployments: tuple[DeploymentStatus, ...]


class DeploymentAnswer(ServiceAnswer):
    """One deployment, and the service's time `now` in seconds since 1970."""

    deployment: DeploymentDetails
    now: float


class DeploymentCancelled(ServiceAnswer):
    """The deployment after it was cancelled."""

    deployment: DeploymentStatus


class DeploymentEvents(ServiceAnswer):
    """`events` oldest first, the deployment as it is after them, and the service's time `now`."""

    events: tuple[Event, ...]
    deployment: DeploymentDetails
    now: float
