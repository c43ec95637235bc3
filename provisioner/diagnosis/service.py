"""Causes that lie with the service itself: its own disk, its worker, its queue."""

from provisioner.diagnosis.observations import Observations
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.stage import Stage
from provisioner.state.alive import SILENT
from provisioner.state.disk_usage import HINT, LEAST_ROOM
from provisioner.system.units import size

OF_SERVICE = frozenset({609, 674})  # codes of what hinders all hosts alike, and is mended once for all


def own_disk_full(seen: Observations) -> Cause | None:
    """Our disk has no room: nothing can be written down. Room speaks against it."""
    if seen.free >= LEAST_ROOM:
        return None
    told = Sight(sentence=f"{size(seen.free)} are free on the disk of the state folder", time=seen.now)
    return Cause(code=609, sentence="our own disk is full", evidence=(told,), actions=(HINT,))


def worker_silent(seen: Observations) -> Cause | None:
    """The worker does not look at deployments any more. Its sign of life speaks against it."""
    if not seen.worker_seen or seen.now - seen.worker_seen < SILENT:
        return None
    told = Sight(sentence="the worker last looked at deployments", time=seen.worker_seen)
    return Cause(
        code=674,
        sentence="the service's worker does nothing any more",
        evidence=(told,),
        actions=(
            "is worker among the services? Its log says why: systemctl restart provisioner-worker",
            "provision check",
        ),
    )


def no_slot(seen: Observations) -> Cause | None:
    """Its order expired in the queue. To wait there for one's turn is no cause."""
    if seen.row.stage != Stage.QUEUED or not seen.is_late:
        return None
    return Cause(
        code=140,
        sentence="no slot became free",
        evidence=(Sight(sentence="it was queued", time=seen.row.stage_since),),
        actions=("provision status shows what is under way",),
    )
