"""How a run ended, host by host."""

from collections.abc import Sequence
from typing import Literal

from provisioner.domain import timeline
from provisioner.domain.acceptance import VerdictStatus, reach_verdict
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.values import FrozenModel

UNREADABLE = "unreadable"


class HostResult(FrozenModel):
    """One host of a run.

    `result` is `ready`, `failed`, `rejected`, `cancelled`, `held` (it ended where it was ordered to end), or
    `open` while it is not at rest, `unreadable` where its row is damaged.
    `stage` is the last that it reached. `began` and `ended` in seconds since
    1970, 0 for never; `seconds` between them, and in each of the `stages` of its last attempt. `disk` and
    `disk_serial` are those of the disk that was written, else of the one that was to be. `report` is the id
    of its signed acceptance report, `verdict` what that comes to; both are empty where there is none.
    """

    host: str
    deployment: str
    result: str
    stage: Stage
    code: int
    reason: str
    hint: str
    image: str
    disk: str
    disk_serial: str
    serial: str
    attempt: int
    began: float
    ended: float
    seconds: float
    stages: dict[Stage, float]
    rack: str = ""
    report: str = ""
    verdict: VerdictStatus | Literal[""] = ""


def host_result(row: Deployment, events: Sequence[Event], serial: str, rack: str = "") -> HostResult:
    """The result of a deployment with these events, oldest first, on the machine of this serial and rack."""
    story = timeline.read(events)
    records = [record for record in story.stages.values() if record.began]
    last = max(records, key=lambda record: record.began, default=None)
    began = next((event.time for event in events if event.kind == SlotGiven.kind), 0.0)
    ended = row.stage_since if row.stage in RESTING else 0.0
    disk = row.disk if row.disk.name else row.target
    return HostResult(
        host=row.host,
        deployment=row.id,
        result=_result(row),
        stage=last.stage if last else Stage.QUEUED,
        code=row.code,
        reason=row.reason,
        hint=row.hint,
        image=row.image,
        disk=f"{disk.name} {disk.model}".strip(),
        disk_serial=disk.serial,
        serial=row.serial or serial,
        attempt=row.attempt,
        began=began,
        ended=ended,
        seconds=round(ended - began, 1) if began and ended else 0.0,
        stages={record.stage: round(record.seconds(record.ended), 1) for record in records},
        rack=rack,
        report=row.verdict.report,
        verdict=reach_verdict(row.verdict.checks).status if row.verdict.report else "",
    )


def _result(row: Deployment) -> str:
    if row.is_unreadable:
        return UNREADABLE
    if row.stage not in RESTING:
        return "open"
    return "held" if row.ended_as_ordered and row.stage != Stage.READY else row.stage.value
