"""Deployments: what is ordered, planned, under way, and how it ended."""

from typing import Annotated

from pydantic import Field, StrictBool

from provisioner.api.answer import Limit, Query, Resource, Seconds, ServiceAnswer
from provisioner.api.verifications import OpenVerification, VerificationStatus
from provisioner.domain.cause import Cause
from provisioner.domain.deployment import PublicDeployment, Terms
from provisioner.domain.event import Event
from provisioner.domain.plan import Plan
from provisioner.domain.stage import STOPS
from provisioner.domain.values import FrozenModel
from provisioner.domain.waiting import UsualTime

StopAfter = Annotated[str, Field(pattern=rf"^(|{'|'.join(STOPS)})$")]

PlanDigest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]  # SHA-256 of what a plan decides


class DeploymentOrder(FrozenModel):
    """An order for one host. Without `arm` only its plan is answered.

    With it, `confirmation` must be the plan's challenge, unless `yes`; and `shown` the plan's digest, so that
    what was shown is what is done. Empty, nothing was shown.
    """

    host: str
    image: str = ""
    arm: StrictBool = False
    yes: StrictBool = False
    confirmation: str = ""
    stop_after: StopAfter = ""
    terms: Terms = Terms()
    shown: PlanDigest = ""


class DeploymentStatus(PublicDeployment, Resource):
    """One deployment without what only machines may know; times in seconds since 1970, 0 for never.

    `stop_after` is the stage at which it shall end, empty for none; `code` is the PV code of its failure.
    """


class DeploymentDetails(DeploymentStatus):
    """Likewise; where it has failed, with the last lines of its serial `console`.

    `awaits` is the sign of life that comes next, in words, and `usual` how long its stage takes with hosts of
    its profile, where enough of them have ended well. `causes` say what hinders it while it waits, or why it
    has failed, the most certain first. `verification` is what goes on with its host by an SSH key.
    """

    console: tuple[str, ...] = ()
    awaits: str = ""
    usual: UsualTime | None = None
    causes: tuple[Cause, ...] = ()
    verification: OpenVerification | None = None


class PlanAnswer(ServiceAnswer):
    """What an order would do; nothing was armed."""

    plan: Plan


class OrderAnswer(PlanAnswer):
    """The plan, and the deployment that was armed by it."""

    deployment: DeploymentStatus


class DeploymentQuery(Query):
    """At most `limit` of the hosts that `select` means, which have changed `since` then or are under way."""

    select: str = ""
    since: Seconds = 0
    limit: Limit = 100


class DeploymentList(ServiceAnswer):
    """Newest first, of `total` that fit, and the service's time `now` in seconds since 1970.

    `unreadable` says of each row that no list shows why that is so. `verifications` go on by an SSH key, with
    the hosts that the query means.
    """

    deployments: tuple[DeploymentStatus, ...]
    total: int = 0
    unreadable: tuple[str, ...] = ()
    verifications: tuple[OpenVerification, ...] = ()
    now: float = 0.0


class DeploymentAnswer(ServiceAnswer):
    """One deployment, and the service's time `now` in seconds since 1970."""

    deployment: DeploymentDetails
    now: float


class DeploymentCancelled(ServiceAnswer):
    """What was under way, after it was cancelled: the deployment, or a host's verification by an SSH key."""

    deployment: DeploymentStatus | None = None
    verification: VerificationStatus | None = None


class DeploymentResumed(ServiceAnswer):
    """The deployment after a person let it go on."""

    deployment: DeploymentStatus


class DeploymentEvents(ServiceAnswer):
    """`events` oldest first, the deployment as it is after them, and the service's time `now`."""

    events: tuple[Event, ...]
    deployment: DeploymentDetails
    now: float
