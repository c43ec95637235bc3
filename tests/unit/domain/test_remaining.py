"""What is left of an order, by the stages that it has."""

import pytest

from provisioner.domain import remaining
from provisioner.domain.deployment import PublicDeployment
from provisioner.domain.purpose import Purpose
from provisioner.domain.stage import STOPS, Stage
from provisioner.domain.waiting import UsualTime

NOW = 1_800_000_000.0
MINUTES = {stage: number for number, stage in enumerate(STOPS, 1)}


def usual(*unknown: str) -> dict[Stage, UsualTime]:
    return {
        Stage(stage): UsualTime(low=1, median=60 * number, high=1, slowest=1, count=3)
        for stage, number in MINUTES.items()
        if stage not in unknown
    }


def order(**values: object) -> PublicDeployment:
    known = {"id": "d-1", "host": "vc-1", "mac": "52:54:00:00:00:01", "image": "vault-os@1"}
    times = dict.fromkeys(("created", "stage_since", "deadline", "expires"), NOW)
    return PublicDeployment.model_validate({**known, **times, "stage": Stage.QUEUED, **values})


def test_an_order_that_ends_earlier_has_fewer_stages() -> None:
    assert remaining.stages_of(order()) == tuple(map(Stage, STOPS))
    assert remaining.stages_of(order(stop_after="writing"))[-1] == Stage.WRITING
    verified = remaining.stages_of(order(purpose=Purpose.VERIFY))
    assert Stage.VERIFYING in verified and not {Stage.WRITING, Stage.SEALING} & set(verified)


@pytest.mark.parametrize(
    ("values", "minutes"),
    [
        ({"stage": Stage.QUEUED}, 1 + 2 + 3 + 4 + 5 + 6),
        ({"stage": Stage.WRITING}, 3 + 4 + 5 + 6),
        ({"stage": Stage.WRITING, "stage_since": NOW - 60}, 2 + 4 + 5 + 6),
        ({"stage": Stage.WRITING, "stage_since": NOW - 900}, 4 + 5 + 6),
        ({"stage": Stage.POWERING, "stop_after": "writing"}, 1 + 2 + 3),
        ({"stage": Stage.POWERING, "purpose": Purpose.VERIFY}, 1 + 2 + 4 + 5),
    ],
)
def test_it_takes_what_its_own_stages_take(values: dict[str, object], minutes: int) -> None:
    assert remaining.seconds_left(order(**values), usual(), NOW) == 60 * minutes


def test_nobody_says_what_one_of_its_stages_needs_that_was_never_seen() -> None:
    assert remaining.seconds_left(order(stage=Stage.POWERING), usual("sealing"), NOW) is None
    short = order(stage=Stage.POWERING, stop_after="writing")
    assert remaining.seconds_left(short, usual("sealing"), NOW) == 60 * (1 + 2 + 3)
