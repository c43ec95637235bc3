"""What a profile may say of the disk that is erased."""

from typing import Any

import pytest
from pydantic import ValidationError

from provisioner.domain.profile import Hints, Profile
from provisioner.validation import sentences


def test_the_first_of_a_profiles_disks_is_the_one_that_is_written() -> None:
    assert Profile(name="p").disk == Hints()
    assert Profile(name="p", disks=(Hints(serial="Z1"), Hints(serial="Z2"))).disk == Hints(serial="Z1")


@pytest.mark.parametrize("disks", [[], ()])
def test_a_profile_that_names_no_disk_at_all_is_refused(disks: object) -> None:
    with pytest.raises(ValidationError, match="no disk is named: leave it out where the host has only one"):
        Profile.model_validate({"name": "p", "disks": disks})


CUBE: dict[str, Any] = {"name": "cube", "gpu_driver": "580", "gpus": [{"id": "10de:2330"}]}


def test_a_profiles_hash_is_of_what_it_says_and_of_nothing_else() -> None:
    whole = Profile.model_validate(CUBE)
    assert len(whole.sha256) == 64
    said = {**CUBE, "memory_min": 0, "seal": "full", "acceptance": {"level": "quick"}, "deadlines": {}}
    assert Profile.model_validate(said).sha256 == whole.sha256, "what it says anyway changes nothing"
    again = Profile.model_validate_json(whole.model_dump_json())
    assert again.sha256 == whole.sha256, "nor that it was stored"
    for change in (
        {"name": "other"},
        {"memory_min": 1},
        {"gpus": [{"id": "10de:2330", "mig": False}]},
        {"acceptance": {"limits": {"h2d_gbps": 40}}},
        {"firmware": {"bios": ["1"]}},
        {"deadlines": {"powering": 900}},
    ):
        assert Profile.model_validate(CUBE | change).sha256 != whole.sha256, change


def test_a_profiles_hash_stays_what_it_was() -> None:
    """Reports name it: a release that changes it makes every host another one's."""
    known = "552767a94c4b99e8"
    assert Profile.model_validate(CUBE).sha256.startswith(known)


def test_what_the_inventory_says_in_words_is_understood() -> None:
    """Every scalar of YAML comes as a text."""
    gpu = {"id": "10de:2330", "nvlinks": "18", "power_limit": "700", "mig": "off", "persistence": "on"}
    limits = {
        "h2d_gbps": "45.5",
        "matmul_tflops": {"bf16": "500"},
        "replays_max": "0",
        "temperature_max": "85",
    }
    check = {"name": "nfs", "program": "nfs.py", "sha256": "a" * 64, "seconds": "10", "memory": "1G"}
    acceptance = {"level": "full", "limits": limits, "required": ["dcgm.tests"], "checks": [check]}
    profile = Profile.model_validate({**CUBE, "gpus": [gpu], "acceptance": acceptance})
    [kind] = profile.gpus
    assert (kind.nvlinks, kind.power_limit, kind.mig, kind.persistence) == (18, 700, False, True)
    assert profile.acceptance.limits.matmul_tflops == {"bf16": 500}
    assert (profile.acceptance.level, profile.acceptance.checks[0].memory) == ("full", 1 << 30)


@pytest.mark.parametrize(
    ("acceptance", "sentence"),
    [
        ({"level": "heavy"}, "acceptance.level: 'heavy' is none of"),
        (
            {"required": ["gpu.count"]},
            "required: 'gpu.count' is required anyway, or no check at all; one of: gpu.serial, ",
        ),
        ({"required": ["dcgm.tests", "dcgm.tests"]}, "required: a check is there twice"),
        ({"limits": {"h2d": 3}}, "acceptance.limits.h2d: is not a known key"),
        ({"limits": {"h2d_gbps": 0}}, "acceptance.limits.h2d_gbps: must be more than 0"),
        ({"limits": {"h2d_gbps": "inf"}}, "acceptance.limits.h2d_gbps: a finite number is expected"),
        ({"limits": {"matmul_tflops": {"fp8": 3}}}, "acceptance.limits.matmul_tflops.fp8: 'fp8' is none of"),
        ({"limits": {"replays_max": -1}}, "acceptance.limits.replays_max: must be at least 0"),
        (
            {"checks": [{"name": "nfs", "program": "../nfs", "sha256": "a" * 64}]},
            "acceptance.checks.0.program: is not of the form that is needed: letters, digits",
        ),
        (
            {"checks": [{"name": "nfs", "program": "nfs", "sha256": "A" * 64}]},
            "acceptance.checks.0.sha256: is not of the form that is needed: 64 of 0 to 9 and a to f",
        ),
        ({"checks": [{"name": "nfs", "program": "nfs"}]}, "acceptance.checks.0.sha256: is missing"),
        (
            {"checks": [{"name": "nfs", "program": "nfs", "sha256": "a" * 64}] * 2},
            "checks: a name is there twice",
        ),
    ],
)
def test_demands_that_mean_nothing_are_refused_in_words(acceptance: Any, sentence: str) -> None:
    with pytest.raises(ValidationError) as fault:
        Profile.model_validate(CUBE | {"acceptance": acceptance})
    assert sentence in sentences(fault.value)
