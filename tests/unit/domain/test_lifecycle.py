"""The tables of the lifecycle."""

import os
import re
from pathlib import Path

import pytest

from provisioner.domain.acceptance import Level
from provisioner.domain.events.payload import Failure
from provisioner.domain.events.registry import KINDS
from provisioner.domain.lifecycle import (
    ROWS,
    TABLE,
    allowed,
    deadline,
    following,
    picture,
    verification_seconds,
)
from provisioner.domain.profile import Gpu, Profile
from provisioner.domain.purpose import VERIFYING, Purpose
from provisioner.domain.requirements import Requirements, SiteCheck
from provisioner.domain.stage import ACTIVE, RESTING, UNSUCCESSFUL, Stage
from provisioner.worker.loop import FAILURES

ROOT = Path(__file__).parents[3]
PROFILE = Profile(name="cube")


def test_no_stage_can_wait_for_ever() -> None:
    for stage in set(Stage) - RESTING:
        assert deadline(stage, PROFILE, 1000.0, 5000.0) <= 5000.0
        assert following(stage, "deadline.passed") == Stage.FAILED
        assert following(stage, "order.cancelled") == Stage.CANCELLED


def test_the_deadlines_allow_what_real_machines_need() -> None:
    """A server's POST of 10 minutes before each of its boots; the others as they are."""
    post = 600
    booting = (Stage.POWERING, Stage.NETBOOTING, Stage.RESTARTING)
    assert all(ROWS[stage].deadline > post for stage in booting)
    assert ROWS[Stage.RESTARTING].deadline >= 3 * post  # POST, the first boot, cloud-init
    assert {stage: ROWS[stage].deadline for stage in (Stage.WRITING, Stage.VERIFYING, Stage.SEALING)} == {
        Stage.WRITING: 7200,
        Stage.VERIFYING: 1800,
        Stage.SEALING: 600,
    }


def test_nothing_leads_out_of_a_resting_stage() -> None:
    assert {pair for pair, after in TABLE.items() if pair[0] in RESTING and after != pair[0]} == set()


def test_what_is_noted_of_a_deployment_at_rest_is_only_how_its_firmware_starts_it() -> None:
    noted = {pair for pair in TABLE if pair[0] in RESTING}
    assert noted == {(Stage.READY, "boot.proven"), (Stage.READY, "boot.unproven")}
    assert not any(KINDS[kind].is_sign_of_life for _, kind in noted)


def test_every_stage_is_reached_and_has_a_sign_of_life() -> None:
    assert {after for after in TABLE.values()} | {Stage.QUEUED} == set(Stage)
    assert set(ROWS) == set(Stage) - RESTING
    assert all(row.awaits and row.action for row in ROWS.values())


@pytest.mark.parametrize(
    ("memory", "learned", "start", "restart"),
    [
        (0, {}, 900, 1800),
        (1 << 40, {}, 900, 1800),
        (4 << 40, {}, 1800, 2700),
        (0, {Stage.POWERING: 300.0}, 900, 1800),
        (0, {Stage.POWERING: 2000.0}, 2060, 2960),
        (4 << 40, {Stage.POWERING: 1000.0, Stage.RESTARTING: 4000.0}, 1800, 4060),
    ],
)
def test_a_host_that_starts_slowly_is_given_the_time(
    memory: int, learned: dict[Stage, float], start: float, restart: float
) -> None:
    """By its memory, and by what was learned: never less than ours, and for each of its starts."""
    cube = Profile(name="cube")
    assert allowed(Stage.POWERING, cube, memory, learned) == start
    assert allowed(Stage.RESTARTING, cube, memory, learned) == restart
    assert deadline(Stage.POWERING, cube, 50, None, memory, learned) == 50 + start
    told = Profile(name="cube", deadlines={Stage.POWERING: 1500})
    assert allowed(Stage.POWERING, told, memory, learned) == 1500, "a profile's word is the last"
    assert allowed(Stage.RESTARTING, told) == 2400


def test_a_profile_may_override_a_deadline_but_not_the_expiry() -> None:
    patient = Profile(name="cube", deadlines={Stage.POWERING: 1200})
    assert deadline(Stage.POWERING, patient, 0, 9999) == 1200
    assert deadline(Stage.POWERING, patient, 0, 600) == 600


def test_only_who_knows_the_nonce_leads_to_writing() -> None:
    entering = {k for (before, k), after in TABLE.items() if after == Stage.WRITING != before}
    assert entering == {"agent.hello", "installer.began"}
    assert following(Stage.QUEUED, "agent.hello") is following(Stage.QUEUED, "installer.began") is None


def test_ready_is_reached_through_verification_and_sealing_only() -> None:
    ends = [
        (pair, KINDS[pair[1]].purposes)
        for pair, after in TABLE.items()
        if after == Stage.READY and pair[0] != after
    ]
    assert [pair for pair, purposes in ends if Purpose.DEPLOY in purposes] == [(Stage.SEALING, "seal.done")]
    verified = [pair for pair, purposes in ends if purposes == VERIFYING]
    assert verified == [(Stage.VERIFYING, "verify.concluded")] and len(ends) == 2
    assert {s for (s, _), after in TABLE.items() if after == Stage.SEALING and s != Stage.SEALING} == {
        Stage.VERIFYING
    }


def test_what_fails_a_stage_is_an_event_of_the_table_with_a_reason() -> None:
    assert all((stage, failure.kind) in TABLE for stage, failure in FAILURES.items())
    unsuccessful = {kind for (_, kind), after in TABLE.items() if after in UNSUCCESSFUL}
    assert all(issubclass(KINDS[kind], Failure) for kind in unsuccessful)
    assert all(found.meaning for found in KINDS.values() if found.moves)
    assert ACTIVE | RESTING | {Stage.QUEUED} == set(Stage)


def test_the_printed_picture_in_the_docs_is_this_table() -> None:
    page = ROOT / "docs" / "how-a-host-is-deployed.md"
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(re.sub(r"stateDiagram-v2\n.*?(?=```)", picture(), page.read_text(), flags=re.DOTALL))
    assert picture() in page.read_text(), "UPDATE_GOLDEN=1 prints it again"


@pytest.mark.parametrize(
    ("acceptance", "more"),
    [
        (Requirements(), 0),
        (Requirements(level=Level.STANDARD), 1800 + 900),
        (Requirements(level=Level.FULL), 7200 + 900),
        (Requirements(level=Level.SOAK, soak_seconds=36_000), 36_000 + 7200 + 900),
        (Requirements(level=Level.FULL, soak_seconds=36_000), 7200 + 900),
        (Requirements(checks=(SiteCheck(name="nfs", program="nfs", sha256="0" * 64, seconds=30),)), 150),
    ],
)
def test_a_verification_has_the_time_of_its_burn_in_and_its_site_checks(
    acceptance: Requirements, more: int
) -> None:
    gpus = (Gpu(id="10de:2330"),)
    profile = Profile(name="cube", gpu_driver="580", gpus=gpus, acceptance=acceptance)
    assert allowed(Stage.VERIFYING, profile) == 1800 + more
    assert verification_seconds(1000, 1000 + 1800 + more) == 1500 + more
    assert allowed(Stage.SEALING, profile) == 600
    own = profile.model_copy(update={"deadlines": {Stage.VERIFYING: 900}})
    assert allowed(Stage.VERIFYING, own) == 900, "its own word counts"


def test_a_profile_gives_its_burn_in_the_time_that_it_takes() -> None:
    soak = {"level": "soak", "soak_seconds": 7200}
    said = {"name": "cube", "gpu_driver": "580", "gpus": [{"id": "10de:2330"}], "acceptance": soak}
    with pytest.raises(ValueError, match="verifying ends after 7200 s, the burn-in of level soak takes 7200"):
        Profile.model_validate({**said, "deadlines": {"verifying": 7200}})
    assert Profile.model_validate({**said, "deadlines": {"verifying": 8100}}).deadlines


@pytest.mark.parametrize("seconds", [599, 7 * 86_400 + 1])
def test_a_soak_is_bounded(seconds: int) -> None:
    with pytest.raises(ValueError, match="soak_seconds"):
        Requirements(soak_seconds=seconds)
