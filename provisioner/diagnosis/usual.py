"""How long each stage takes: by the profile's deployments that ended well, and by a host's own starts."""

from collections import defaultdict
from itertools import groupby

from provisioner.domain.deployment import Deployment
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.lifecycle import following
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.waiting import UsualTime, patience, usual_time
from provisioner.state.database import Database
from provisioner.state.events import Move

MOST = 20  # deployments, the newest, of which it is read
LONGEST_START = 5400.0  # seconds: who asks later than that after its power-on was started once more


def times(database: Database, row: Deployment) -> dict[Stage, UsualTime]:
    """Of each stage that enough of them went through; none of what was interrupted counts.

    They are those of the host's profile, by the agent or by an installer as this one, at their first attempt.
    """
    return {} if row.stage in RESTING else of_profile(database, row)


def of_profile(database: Database, row: Deployment) -> dict[Stage, UsualTime]:
    """Likewise of a deployment that may be at rest, by others than itself."""
    alike = database.deployments.completed_alike(row, MOST)
    idents = [ident for ident in alike if ident != row.id]
    seconds: dict[Stage, list[float]] = defaultdict(list)
    for _, moves in groupby(database.events.moves(idents), key=lambda move: move.deployment):
        for stage, length in _lengths(list(moves)):
            seconds[stage].append(length)
    found = {stage: usual_time(lengths) for stage, lengths in seconds.items()}
    return {stage: usual for stage, usual in found.items() if usual}


def learned(database: Database, row: Deployment) -> dict[Stage, float]:
    """Seconds for which a healthy host of this profile may be at a stage, where that is known.

    Of its start one of its own is evidence enough, even one that came after its order had ended.
    """
    found = {stage: usual.patience for stage, usual in times(database, row).items()}
    if start := max(_starts(database, row), default=0.0):
        found[Stage.POWERING] = max(patience(start), found.get(Stage.POWERING, 0.0))
    return found


def _starts(database: Database, row: Deployment) -> list[float]:
    """Seconds of each start that is known of the host itself, from its power-on to its first packet."""
    idents = [*database.deployments.completed(row.host), row.id]
    moves = groupby(database.events.moves(idents), key=lambda move: move.deployment)
    lengths = (length for _, each in moves for length in _lengths(list(each)))
    started = [seconds for stage, seconds in lengths if stage == Stage.POWERING]
    return [*started, *_late_start(database, row)]


def _late_start(database: Database, row: Deployment) -> list[float]:
    """Seconds of the start of the order before, where its firmware asked only after that had ended."""
    before = database.deployments.before(row)
    asked = database.sightings.get(row.mac)
    if before is None or before.stage != Stage.FAILED or not before.power_on or asked is None:
        return []
    if database.events.last_of(before.id, DhcpSeen.kind) or asked.data.when <= before.stage_since:
        return []
    seconds = asked.data.when - before.power_on
    return [seconds] if asked.data.boots and seconds <= LONGEST_START else []


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
