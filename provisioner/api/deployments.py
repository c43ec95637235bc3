"""Deployments: what is ordered, planned, under way, and how it ended."""

from typing import Annotated

from pydantic import Field

from provisioner.api.answer import PersonName, Resource, ServiceAnswer
from provisioner.domain.deployment import PublicDeployment, Terms
from provisioner.domain.event import Event
from provisioner.domain.plan import Plan
from provisioner.domain.stage import STOPS
from provisioner.domain.values import FrozenModel

StopAfter = Annotated[str, Field(pattern=rf"^(|{'|'.join(STOPS)})$")]


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


class DeploymentStatus(PublicDeployment, Resource):
    """One deployment without what only machines may know; times in seconds since 1970, 0 for never.

    `stop_after` is the stage at which it shall end, empty for none; `code` is the PV code of its failure.
    """


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
    """The newest hundred, newest first. `unreadable` says of each row that no list shows why that is so."""

    deployments: tuple[DeploymentStatus, ...]
    unreadable: tuple[str, ...] = ()


class DeploymentAnswer(ServiceAnswer):
    """One deployment, and the service's time `now` in seconds since 1970."""

    deployment: DeploymentDetails
    now: float


class DeploymentCancelled(ServiceAnswer):
    """The deployment after it was cancelled."""

    deployment: DeploymentStatus


class DeploymentResumed(ServiceAnswer):
    """The deployment after a person let it go on."""

    deployment: DeploymentStatus


class DeploymentEvents(ServiceAnswer):
    """`events` oldest first, the deployment as it is after them, and the service's time `now`."""

    events: tuple[Event, ...]
    deployment: DeploymentDetails
    now: float
