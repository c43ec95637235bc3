"""The table of what is played on a host with eight GPUs, and what its stand-ins are told."""

import re

import pytest

from provisioner.verify.judge.table import BY_ID
from tests.rehearsal import gpu_host, gpu_plays, gpus
from tests.rehearsal.gpu_plays import BY_NAME, HEALTHY, PLAYS, Play, Stage
from tests.wire import nvmllab

STAGE = Stage(tuple(f"0000:0{bus}:00.0" for bus in range(1, 9)), ("0000:01:00.4", "0000:01:00.5"))
WORDS = {"report": "a-1", "bios": "EDK II", "bios_version": "1.0"}


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
def test_each_play_says_which_checks_block_and_what_is_said(play: Play) -> None:
    assert set(play.blocking) <= set(BY_ID)
    assert bool(play.blocking) is bool(play.sentences) is (play.verdict == "rejected")
    assert len(gpu_plays.sentences(play, STAGE, **WORDS)) >= len(play.blocking)
    for sentence in gpu_plays.sentences(play, STAGE, **WORDS):
        assert "{" not in sentence
        for bus, slot in re.findall(r"GPU 0000:0(\d):00\.0 in slot (\d)", sentence):
            assert bus == slot, "of STAGE, each bus has the number of its slot"


def test_every_fault_of_one_gpu_names_its_slot() -> None:
    host_wide = {"wrong-driver", "nvml-absent", "firmware-drift", "virtual-functions"}
    for play in PLAYS:
        said = " ".join(gpu_plays.sentences(play, STAGE, **WORDS))
        assert ("in slot " in said) is (play.name not in host_wide), play.name


def test_what_stands_for_gpus_has_the_hosts_own_places() -> None:
    told = gpu_plays.wanted(HEALTHY, STAGE)
    assert list(told["functions"]) == list(STAGE.gpus) and told["removed"] == []
    first = told["functions"]["0000:01:00.0"]
    assert (first["vendor"], first["class"], first["driver"]) == ("0x10de", "0x030200", "nvidia")
    scenario = nvmllab.scenario(gpu_plays.case_of(HEALTHY, STAGE)).splitlines()
    places = [line for line in scenario if " nvmlDeviceGetPciInfo_v3 " in line]
    assert [line.split()[2] for line in places] == [place.upper() for place in STAGE.gpus]
    assert [int(line.split()[4]) for line in places] == list(range(1, 9))


def test_a_gpu_that_is_missing_is_on_no_bus() -> None:
    told = gpu_plays.wanted(BY_NAME["missing"], STAGE)
    assert told["removed"] == ["0000:03:00.0"] and "0000:03:00.0" not in told["functions"]


def test_virtual_functions_belong_to_the_first_gpu() -> None:
    told = gpu_plays.wanted(BY_NAME["virtual-functions"], STAGE)["functions"]
    assert [told[place]["physfn"] for place in STAGE.others] == ["0000:01:00.0"] * 2


def test_a_narrow_link_is_narrow_in_sysfs_too() -> None:
    told = gpu_plays.wanted(BY_NAME["narrow-link"], STAGE)["functions"]
    assert [one["current_link_width"] for one in told.values()] == [*["16"] * 3, "8", *["16"] * 4]


def test_the_kernel_names_a_gpu_without_its_function() -> None:
    told = gpu_plays.wanted(BY_NAME["xid-79"], STAGE)["kernel_lines"]
    assert [line.partition(", ")[0] for line in told] == ["NVRM: Xid (PCI:0000:05:00): 79"]


def test_another_profile_holds_for_its_play_alone() -> None:
    usual = gpus.profile("rehearsal-os")
    drifted = gpu_plays.profile_of(BY_NAME["firmware-drift"], usual)
    assert drifted.firmware.bios == ("9.9",) and drifted.acceptance.required == ("firmware.versions",)
    assert (
        gpu_plays.profile_of(HEALTHY, usual)
        == usual
        == drifted.model_copy(update={"firmware": usual.firmware, "acceptance": usual.acceptance})
    )


def test_the_host_has_eight_slots_and_two_functions_more() -> None:
    told = gpu_host.devices()
    assert [word for word in told if "slot=8" in word] == [
        "pcie-root-port,id=gpu8,chassis=8,slot=8,x-width=16,x-speed=16"
    ]
    assert sum(word.startswith("edu,") for word in told) == 10
