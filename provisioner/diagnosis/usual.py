"""How long each stage usually takes: by the deployments of the same profile that ended well."""

from collections import defaultdict
from itertools import groupby

from provisioner.domain.deployment import Deployment
from provisioner.domain.lifecycle import following
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.waiting import UsualTime, usual_time
from provisioner.state.database import Database
from provisioner.state.events import Move

MOST = 20  # deployments, the newest, of which it is read


def times(database: Database, row: Deployment) -> dict[Stage, UsualTime]:
    """Of each stage that enough of them went through; none of what was interrupted counts.

    They are those of the host's profile, by the agent or by an installer as this one, at their first attempt.
    """
    if row.stage in RESTING:
        return {}
    idents = database.deployments.completed_alike(row, MOST)
    seconds: dict[Stage, list[float]] = defaultdict(list)
    for _, moves in groupby(database.events.moves(idents), key=lambda move: move.deployment):
        for stage, length in _lengths(list(moves)):
            seconds[stage].append(length)
    found = {stage: usual_time(lengths) for stage, lengths in seconds.items()}
    return {stage: usual for stage, usual in found.items() if usual}


def _lengths(moves: list[Move]) -> list[tuple[Stage, float]]:
    """Stages and their seconds, of the moves of one deployment, oldest first."""
    stage, since, found = Stage.QUEUED, 0.0, []
    for move in moves:
        after = following(stage, move.kind) or stage
        if after != stage:
            if since:
                found.append((stage, move.time - since))
            stage, since = after, move.time
    return found
