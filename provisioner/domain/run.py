"""One order for many hosts."""

from provisioner.domain.deployment import Terms
from provisioner.domain.values import FrozenModel


class Run(FrozenModel):
    """One order for many hosts. `max_parallel` and `stop_after` are counts, 0 for no limit."""

    id: str
    created: float
    by: str
    select: str
    max_parallel: int = 0
    stop_after: int = 0
    until: str = ""
    terms: Terms = Terms()
