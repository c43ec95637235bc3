"""The stages of a deployment."""

from enum import StrEnum


class Stage(StrEnum):
    """What a deployment waits for now; the table of what follows is in domain/lifecycle.py."""

    QUEUED = "queued"
    POWERING = "powering"
    NETBOOTING = "netbooting"
    WRITING = "writing"
    RESTARTING = "restarting"
    VERIFYING = "verifying"
    SEALING = "sealing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


RESTING: frozenset[Stage] = frozenset({Stage.READY, Stage.REJECTED, Stage.FAILED, Stage.CANCELLED})
UNSUCCESSFUL: frozenset[Stage] = frozenset({Stage.FAILED, Stage.REJECTED})
ACTIVE: frozenset[Stage] = frozenset(set(Stage) - RESTING - {Stage.QUEUED})
STOPS: tuple[str, ...] = tuple(stage.value for stage in Stage if stage in ACTIVE)  # where an order may end
UNDER_WAY: tuple[Stage, ...] = tuple(stage for stage in Stage if stage not in RESTING)
