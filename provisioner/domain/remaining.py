"""What is left of an order: the stages that it goes through, and how long those usually take."""

from collections.abc import Mapping

from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.stage import STOPS, Stage
from provisioner.domain.timeline import ONLY_DEPLOYED
from provisioner.domain.waiting import UsualTime


def stages_of(row: PublicDeployment) -> tuple[Stage, ...]:
    """All stages of this order, from its power-on to its end: a verification has fewer, as one that ends."""
    last = STOPS.index(row.stop_after) if row.stop_after in STOPS else len(STOPS)
    active = (Stage(stage) for stage in STOPS[: last + 1])
    return tuple(stage for stage in active if not (row.is_verification and stage in ONLY_DEPLOYED))


def seconds_left(row: PublicDeployment, usual: Mapping[Stage, UsualTime], now: float) -> float | None:
    """Seconds to its end as hosts like it need them; None where a stage of it is not known well enough."""
    stages = stages_of(row)
    ahead = stages[stages.index(row.stage) :] if row.stage in stages else stages
    if not ahead or any(stage not in usual for stage in ahead):
        return None
    first, *rest = (usual[stage].median for stage in ahead)
    spent = now - row.stage_since if row.stage in stages else 0.0
    return max(0.0, first - spent) + sum(rest)
