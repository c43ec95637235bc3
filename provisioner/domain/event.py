"""One line of the append-only log."""

from typing import Any

from provisioner.domain.values import FrozenModel


class Event(FrozenModel):
    """One line of the append-only log. `time` is seconds since 1970 by the service's clock."""

    id: int = 0
    time: float
    host: str
    deployment: str
    attempt: int
    kind: str
    source: str
    data: dict[str, Any] = {}
