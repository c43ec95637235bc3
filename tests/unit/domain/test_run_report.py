"""How each host of a run ended: what is said of it, from its row and its events."""

import pytest

from provisioner.domain.acceptance import CheckResult, CheckStage, Severity, Status
from provisioner.domain.deployment import Deployment, TargetDisk, Verdict, WrittenDisk, stop_reason
from provisioner.domain.event import Event
from provisioner.domain.events.order import OrderArmed, SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerFailed, PowerOn
from provisioner.domain.run_report import host_result
from provisioner.domain.stage import Stage


def deployment(stage: Stage, **other: object) -> Deployment:
    values: dict[str, object] = {
        "id": "d-1",
        "host": "vc-1",
        "mac": "52:54:00:00:00:01",
        "image": "os@1",
        "stage": stage,
        "stage_since": 1060,
        "deadline": 0,
        "created": 900,
        "expires": 0,
    }
    return Deployment.model_validate(values | other)


def events(row: Deployment, *happened: tuple[float, Payload]) -> list[Event]:
    return [Event.of(row, data, source="test", now=now) for now, data in happened]


ARMED = (900.0, OrderArmed(by="ann", image="os@1"))


def test_the_time_in_the_queue_does_not_count() -> None:
    row = deployment(Stage.FAILED, code=201, reason="no answer", hint="look")
    happened = events(row, ARMED, (1000, SlotGiven()), (1060, PowerFailed(code=201, sentence="no answer")))
    result = host_result(row, happened, "S1")
    assert (result.result, result.stage, result.code, result.reason) == (
        "failed",
        "powering",
        201,
        "no answer",
    )
    assert (result.began, result.ended, result.seconds, result.stages) == (1000, 1060, 60, {"powering": 60})
    assert result.serial == "S1"


def test_what_was_never_begun_says_so() -> None:
    row = deployment(Stage.CANCELLED, reason="cancelled by ann")
    result = host_result(row, events(row, ARMED), "")
    assert (result.result, result.stage, result.began, result.seconds) == ("cancelled", "queued", 0, 0)


def test_what_is_under_way_is_open() -> None:
    row = deployment(Stage.NETBOOTING)
    result = host_result(row, events(row, ARMED, (1000, SlotGiven()), (1010, PowerOn())), "")
    assert (result.result, result.ended, result.seconds) == ("open", 0, 0)


def test_what_ended_where_it_was_to_end_is_held() -> None:
    row = deployment(Stage.CANCELLED, stop_after="writing", reason=stop_reason("writing"))
    assert host_result(row, [], "").result == "held"
    other = deployment(Stage.CANCELLED, stop_after="writing", reason="cancelled by ann")
    assert host_result(other, [], "").result == "cancelled"


@pytest.mark.parametrize(
    ("disk", "shown"),
    [
        (WrittenDisk(name="nvme0n1", model="PM9A3", serial="W"), ("nvme0n1 PM9A3", "W")),
        (WrittenDisk(), ("sda", "T")),
    ],
)
def test_the_disk_is_the_written_one_else_the_one_that_was_to_be(
    disk: WrittenDisk, shown: tuple[str, str]
) -> None:
    row = deployment(Stage.READY, disk=disk, target=TargetDisk(name="sda", serial="T"))
    result = host_result(row, [], "")
    assert (result.disk, result.disk_serial) == shown


@pytest.mark.parametrize(
    ("status", "verdict"), [(Status.PASS, "accepted"), (Status.WARN, "accepted_with_warnings")]
)
def test_what_was_signed_is_named_with_what_it_comes_to(status: Status, verdict: str) -> None:
    severity = Severity.ADVISORY if status is Status.WARN else Severity.REQUIRED
    check = CheckResult(
        id="gpu.serial", title="t", stage=CheckStage.SANITY, status=status, severity=severity, reason="r"
    )
    good = check.model_copy(update={"status": Status.PASS, "severity": Severity.REQUIRED})
    seen = Verdict(result="passed", checks=(good, check), report="a-2026-1")
    row = deployment(Stage.READY, verdict=seen)
    result = host_result(row, [], "", "B3")
    assert (result.report, result.verdict, result.rack) == ("a-2026-1", verdict, "B3")
    bare = host_result(deployment(Stage.FAILED), [], "")
    assert (bare.report, bare.verdict, bare.rack) == ("", "", "")
