"""Of what kind each host of a run is, who waits for whom, and what an order that is repeated keeps."""

import pytest

from provisioner.domain import retry, run_totals
from provisioner.domain.deployment import Deployment, Terms, stop_reason
from provisioner.domain.event import Event
from provisioner.domain.events.order import OrderArmed
from provisioner.domain.host import Host
from provisioner.domain.purpose import Purpose
from provisioner.domain.run import Run, RunProgress
from provisioner.domain.stage import Stage
from provisioner.errors import RefusedError, UnreadableError


def deployment(number: int, stage: Stage, **other: object) -> Deployment:
    values: dict[str, object] = {"id": f"d-{number}", "host": f"vc-{number}", "mac": "52:54:00:00:00:01"}
    times = {"stage_since": 0, "deadline": 0, "created": 0, "expires": 0}
    return Deployment.model_validate({**values, "image": "os@1", "stage": stage, **times, **other})


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (deployment(1, Stage.READY), run_totals.READY),
        (deployment(1, Stage.QUEUED), run_totals.WAITING),
        (deployment(1, Stage.WRITING), run_totals.MOVING),
        (deployment(1, Stage.FAILED), "failed"),
        (deployment(1, Stage.CANCELLED), "cancelled"),
        (
            deployment(1, Stage.CANCELLED, stop_after="writing", reason=stop_reason("writing")),
            run_totals.HELD,
        ),
        (deployment(1, Stage.WRITING, code=UnreadableError.code), "unreadable"),
    ],
)
def test_each_host_is_of_one_kind(row: Deployment, kind: str) -> None:
    assert run_totals.kind(row) == kind
    assert run_totals.counts([row]) == {kind: 1} and run_totals.describe({kind: 1}) == f"1 {kind}"


def test_who_waits_for_a_canary_is_named_while_it_goes_on() -> None:
    run = Run(id="r-1", created=0, by="ann", select="", canary=1)
    rows = (deployment(1, Stage.WRITING), deployment(2, Stage.QUEUED), deployment(3, Stage.QUEUED))
    progress = RunProgress(run, rows)
    assert [row.host for row in progress.followers_of("d-1")] == ["vc-2", "vc-3"]
    assert progress.followers_of("d-2") == () and not progress.is_gate_open
    assert progress.rest_hindrance == "the canary vc-1"
    ended = RunProgress(run, (deployment(1, Stage.READY), *rows[1:]))
    assert ended.followers_of("d-1") == () and ended.is_gate_open and ended.rest_hindrance == ""


def test_a_retry_keeps_the_terms_of_its_order() -> None:
    terms = Terms(write_mode="full", allow_downgrade=True)
    row = deployment(1, Stage.FAILED, write_mode="wipe", erase_foreign=True)
    armed = Event.of(row, OrderArmed(by="ann", image="os@1", **terms.model_dump()), source="ann", now=0)
    assert retry.terms_of(row, [armed]) == terms
    assert retry.terms_of(row, []) == Terms(write_mode="wipe", erase_foreign=True)


def test_no_verification_is_repeated_as_a_deployment() -> None:
    retry.require_deployment(deployment(1, Stage.FAILED))
    with pytest.raises(RefusedError, match="retry would erase its disk"):
        retry.require_deployment(deployment(1, Stage.FAILED, purpose=Purpose.VERIFY))


def test_a_retry_is_of_the_same_machine() -> None:
    row = deployment(1, Stage.FAILED)
    retry.require_same_machine(row, Host(name="vc-1", macs=(row.mac,), profile="cube"))
    with pytest.raises(RefusedError, match="another machine"):
        retry.require_same_machine(row, Host(name="vc-1", macs=("52:54:00:00:00:02",), profile="cube"))
