"""The cause of which a deployment has ended: its last event, and what else speaks of that."""

from provisioner.diagnosis.observations import Observations
from provisioner.diagnosis.verification import findings
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.events.payload import Failure

OF_DISKS = (303, 311, 312, 313, 314, 319)  # for which it helps to know which disks there are
MOST_DISKS = 12


def ended(seen: Observations) -> tuple[Cause, ...]:
    """What the verification found, each for itself; else the one thing that ended it."""
    if found := tuple(findings(seen)):
        return found
    row, last = seen.row, next(reversed(seen.events), None)
    time = last.time if last else row.stage_since
    sentence = row.reason or (last.describe() if last else "no reason was given")
    told = last.data.describe() if last and isinstance(last.data, Failure) else f"it is {row.stage}"
    disks = _disks(seen) if row.code in OF_DISKS else ()
    retry = f"provision retry {row.host}"
    actions = (row.hint, *([] if retry in row.hint else [f"then: {retry}"]))
    evidence = (Sight(sentence=told, time=time), *disks)
    return (
        Cause(
            code=row.code or 300, sentence=sentence, evidence=evidence, actions=tuple(filter(None, actions))
        ),
    )


def _disks(seen: Observations) -> tuple[Sight, ...]:
    """The disks that its ramdisk last showed."""
    disks = seen.hardware.disks[:MOST_DISKS] if seen.hardware else ()
    words = [
        ", ".join(filter(None, (disk.name, disk.model, disk.serial, disk.medium, disk.foreign)))
        for disk in disks
    ]
    return tuple(Sight(sentence=f"it has the disk {each}", time=seen.hardware_at) for each in words)
