"""Runs: one order for many hosts."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from provisioner.api.answer import Limit, Query, Resource, ServiceAnswer
from provisioner.api.deployments import DeploymentStatus, PlanDigest, StopAfter
from provisioner.domain.deployment import Terms
from provisioner.domain.event import Event
from provisioner.domain.plan import LeftOut, Plan
from provisioner.domain.run import Run
from provisioner.domain.run_report import HostResult
from provisioner.domain.values import FrozenModel


class RunOrder(FrozenModel):
    """An order for the hosts that `select` or `all` means, for those with the names `hosts`, or for those
    that failed in the run `retry`.

    Without `arm` only their plans are answered; with it, `expect_count` must be their number, and `shown` the
    digest of their plans: empty, nothing was shown. `max_parallel`, `stop_after` and `canary` are counts, 0
    for no limit.
    """

    select: str = Field("", max_length=500)
    all: StrictBool = False
    hosts: Annotated[tuple[str, ...], Field(max_length=5000)] = ()
    image: str = ""
    max_parallel: StrictInt = Field(0, ge=0, le=1000)
    stop_after: StrictInt = Field(0, ge=0, le=1000)
    canary: StrictInt = Field(0, ge=0, le=1000)
    retry: str = Field("", max_length=40)
    until: StopAfter = ""
    arm: StrictBool = False
    expect_count: StrictInt = -1
    terms: Terms = Terms()
    shown: PlanDigest = ""


class RunPlan(ServiceAnswer):
    """What an order would do to each host; nothing was armed. `limits` says what cuts its own limits.

    `digest` is that of all plans, in their order, for the order itself.
    """

    plans: tuple[Plan, ...]
    left_out: tuple[LeftOut, ...]
    limits: tuple[str, ...] = ()
    digest: str = ""


class RunArmed(ServiceAnswer):
    """The run, the deployments that were armed, and the hosts that could not be."""

    run: Run
    deployments: tuple[DeploymentStatus, ...]
    left_out: tuple[LeftOut, ...]


class RunQuery(Query):
    """At most `limit` runs."""

    limit: Limit = 100


class RunSummary(Resource):
    """A run, and how many of its hosts are of each kind: `moving`, `waiting`, `ready`, `failed` and so on."""

    run: Run
    counts: dict[str, int]


class RunList(ServiceAnswer):
    """The newest first, of `total` that there are; and the service's time `now` in seconds since 1970."""

    runs: tuple[RunSummary, ...]
    total: int
    now: float


class RunAnswer(ServiceAnswer):
    """A run and its deployments, in the order in which they were armed."""

    run: Run
    deployments: tuple[DeploymentStatus, ...]


class RunEvents(ServiceAnswer):
    """The run, `events` of it, oldest first, all its deployments, and the service's time `now`."""

    run: Run
    events: tuple[Event, ...]
    deployments: tuple[DeploymentStatus, ...]
    now: float


class RunStatus(ServiceAnswer):
    """The run's deployments after those that are queued were told to wait, or to go on."""

    deployments: tuple[DeploymentStatus, ...]


class RunReport(ServiceAnswer):
    """How each host of a run ended, in the order in which they were armed."""

    run: Run
    hosts: tuple[HostResult, ...]


class RunCancelled(ServiceAnswer):
    """The run's deployments after those that were not at rest were cancelled."""

    deployments: tuple[DeploymentStatus, ...]
