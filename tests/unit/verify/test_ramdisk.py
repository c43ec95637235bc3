"""What is judged from the ramdisk: a fault that is seen rejects, and what was not looked at is never good."""

import json
from dataclasses import replace
from typing import Any

import pytest

from provisioner.agent import protocol
from provisioner.domain.acceptance import Status
from provisioner.domain.requirements import AcceptedFirmware, Requirements
from provisioner.verify import ramdisk
from provisioner.verify.evidence import FirmwarePart, FirmwareReport, PcieReport
from provisioner.verify.judge import judge
from provisioner.verify.judge.judgement import NOT_IN_RAMDISK, OTHER_WAYS
from provisioner.verify.judge.table import CHECKS
from provisioner.verify.model import Evidence, Expected, PciDevice, TaskResult, Verdict
from tests.healthy_gpus import FACTS, ID, LIMITS, PLACES, QUICK, way

HOPS = tuple(hop for number in range(8) for hop in way(number))
WANTED = replace(
    QUICK,
    pci=(PciDevice(ID, 8, "H100 SXM"),),
    memory_min=1 << 30,
    root_disk_serial="S5XX",
    acceptance=Requirements(limits=LIMITS, required=("firmware.versions",)),
)
PLAIN = replace(WANTED, gpu_driver="", gpus=(), firmware=AcceptedFirmware(), acceptance=Requirements())


def told(gpus: int = 8, serial: str = "S5XX", bios: str = "2.1", **pcie: Any) -> dict[str, str]:
    """What an agent reports of a healthy host, but for what is changed."""
    facts = {**FACTS.model_dump(mode="json"), "memory": 1 << 30, "pci": [ID] * gpus, "image_id": "ramdisk"}
    devices = [protocol.Device(ID, "030200", place) for place in PLACES[:gpus]]
    hardware = protocol.Inventory(
        *("52:54:00:00:00:01", [], "S1", "", 1 << 30, "2.0"),
        disks=[protocol.Disk("nvme0n1", 1 << 30, 512, serial=serial)],
        devices=devices,
    )
    parts = (
        FirmwarePart(part="bios", version=bios),
        FirmwarePart(part="nvme", place="S5XX", version="E2010600"),
    )
    report = PcieReport(gpus=PLACES, functions=HOPS).model_copy(update=pcie)
    collected = {
        "facts": json.dumps(facts),
        "pcie": report.model_dump_json(),
        "firmware": FirmwareReport(parts=parts).model_dump_json(),
    }
    return ramdisk.printed(protocol.Examination("n", "b", hardware, {**collected, "other": "unknown"}))


def judged(expected: Expected = WANTED, **changes: Any) -> tuple[Verdict, list[TaskResult]]:
    tasks: list[TaskResult] = []
    return ramdisk.judge_ramdisk(seen(**changes), expected, tasks.append), tasks


def seen(**changes: Any) -> Evidence:
    found = ramdisk.evidence(told(**changes))
    assert found
    return found


def statuses(verdict: Verdict) -> dict[str, list[Status]]:
    found: dict[str, list[Status]] = {}
    for check in verdict.checks:
        found.setdefault(check.id, []).append(check.status)
    return found


def test_a_healthy_host_with_gpus_is_incomplete_and_says_what_else_to_do() -> None:
    verdict, tasks = judged()
    assert verdict.result == "incomplete" and verdict.sentences == (NOT_IN_RAMDISK,)
    made = {check.id for check in CHECKS if check.is_in_ramdisk}
    for check in verdict.checks:
        if check.id not in made and check.status is not Status.NOT_APPLICABLE:
            assert (check.status, check.reason, check.action) == (
                Status.SKIPPED,
                NOT_IN_RAMDISK,
                OTHER_WAYS,
            ), check.id
    found = statuses(verdict)
    passed = ("memory.size", "pci.devices", "pcie.path", "pcie.aer-fatal", "firmware.versions")
    assert {name: found[name] for name in passed} == {name: [Status.PASS] for name in passed}
    [line] = [task for task in tasks if task.result == "unproved"]
    assert NOT_IN_RAMDISK in line.sentence, "told once, however many they are"


def test_nothing_that_needs_the_driver_is_ever_passed_or_left_as_not_applicable() -> None:
    verdict, _ = judged()
    for name in ("gpu.driver", "gpu.count", "gpu.memory", "gpu.ecc-mode", "gpu.ecc-errors", "kernel.xid"):
        assert statuses(verdict)[name] == [Status.SKIPPED], name


def test_a_host_without_a_driver_in_its_profile_can_be_accepted() -> None:
    verdict, tasks = judged(PLAIN)
    assert verdict.result == "passed" and not [task for task in tasks if task.result == "unproved"]


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a GPU is missing": ({"gpus": 7}, "8 PCI devices 10de:2330 (H100 SXM) expected, 7 found"),
    "a link of x8": (
        {"functions": (HOPS[0].model_copy(update={"width": 8}), *HOPS[1:])},
        f"GPU {PLACES[0]} in slot 1 has a link of x8, it could have x16: reseat what is below it",
    ),
    "a fatal error": (
        {"functions": (HOPS[0].model_copy(update={"aer_fatal": 2}), *HOPS[1:])},
        f"GPU {PLACES[0]} in slot 1 has counted 2 fatal PCIe errors: reseat it and its riser",
    ),
    "another firmware": ({"bios": "2.2"}, "BIOS has firmware 2.2, the profile accepts 2.1"),
    "another disk": (
        {"serial": "OTHER"},
        "disk serial S5XX, which was written, is not there; seen: serial OTHER",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_is_seen_rejects(name: str) -> None:
    changes, sentence = FAULTS[name]
    verdict, _ = judged(**changes)
    assert verdict.result == "rejected" and verdict.sentences == (sentence,)


def test_what_the_ramdisk_itself_is_says_nothing_of_the_host() -> None:
    found = seen()
    assert (found.facts.image_id, found.facts.root_disks, found.facts.cloud_init) == ("", (), "")
    assert found.ramdisk == "2.0"


@pytest.mark.parametrize("name", ["facts", "hardware"])
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_a_report_without_facts_is_no_evidence(name: str, text: str) -> None:
    assert ramdisk.evidence({**told(), name: text}) is None


@pytest.mark.parametrize("name", ["pcie", "firmware"])
def test_what_one_program_did_not_say_is_not_judged_as_good(name: str) -> None:
    without = {key: text for key, text in told().items() if key != name}
    found = ramdisk.evidence(without)
    assert found
    results = {check.id: check for check in judge(found, WANTED)}
    check = results["pcie.path" if name == "pcie" else "firmware.versions"]
    assert check.status is Status.SKIPPED and check.is_blocking
