"""Runs: one order for many hosts."""

from pydantic import Field

from provisioner.api.answer import PersonName, ServiceAnswer
from provisioner.api.deployments import DeploymentStatus, StopAfter
from provisioner.domain.deployment import Terms
from provisioner.domain.event import Event
from provisioner.domain.plan import LeftOut, Plan
from provisioner.domain.run import Run
from provisioner.domain.values import FrozenModel


class RunOrder(FrozenModel):
    """An order for the hosts that `select` or `all` means. Without `arm` only their plans are answered.

    With it, `expect_count` must be their number. `max_parallel` and `stop_after` are counts, 0 for no limit.
    """

    select: str = Field("", max_length=500)
    all: bool = False
    image: str = ""
    max_parallel: int = Field(0, ge=0, le=1000)
    stop_after: int = Field(0, ge=0, le=1000)
    until: StopAfter = ""
    by: PersonName = "operator"
    arm: bool = False
    expect_count: int = -1
    terms: Terms = Terms()


class RunPlan(ServiceAnswer):
    """What an order would do to each host; nothing was armed."""

    plans: tuple[Plan, ...]
    left_out: tuple[LeftOut, ...]


class RunArmed(ServiceAnswer):
    """The run, the deployments that were armed, and the hosts that could not be."""

    run: Run
    deployments: tuple[DeploymentStatus, ...]
    left_out: tuple[LeftOut, ...]


class RunAnswer(ServiceAnswer):
    """A run and its deployments, in the order in which they were armed."""

    run: Run
    deployments: tuple[DeploymentStatus, ...]


class RunEvents(ServiceAnswer):
    """`events` of all its deployments, oldest first, the deployments, and the service's time `now`."""

    events: tuple[Event, ...]
    deployments: tuple[DeploymentStatus, ...]
    now: float


class RunCancelled(ServiceAnswer):
    """The run's deployments after those that were not at rest were cancelled."""

    deployments: tuple[DeploymentStatus, ...]
