"""A fleet of identical machines: who is slow or hot is named, and of healthy ones nobody."""

import random
from dataclasses import replace
from typing import Any

import pytest

from provisioner.domain.acceptance import (
    AcceptanceReport,
    CheckResult,
    CheckStage,
    FirmwareVersion,
    GpuMeasurement,
    GpuSubject,
    HostReport,
    ImageSubject,
    Level,
    Severity,
    Status,
    Subject,
    reach_verdict,
)
from provisioner.verify.judge import judge
from provisioner.verify.subjects import subjects
from provisioner.verify.twins import MEASURES, Twin, compare, outliers, regressions, twin_of
from tests import healthy_gpus as healthy
from tests.healthy_gpus import PLACES

STAGES = {"powering": 240.0, "netbooting": 60.0, "writing": 95.0, "restarting": 260.0, "verifying": 120.0}
RATES = {
    "h2d": 55.0,
    "d2h": 55.5,
    "d2d": 2600.0,
    "matmul-fp32": 51.0,
    "matmul-fp16": 690.0,
    "matmul-bf16": 700.0,
}


def machine(name: str, chance: random.Random, noise: float = 0.02) -> Twin:
    """One of a healthy fleet: each number with normally distributed noise, as a share of it."""

    def about(value: float, share: float = noise) -> float:
        return value * chance.gauss(1, share)

    values: dict[tuple[str, str], float] = {}
    for number, place in enumerate(PLACES):
        gpu = f"GPU {place}"
        values |= {(test, gpu): about(rate) for test, rate in RATES.items()}
        # those at the back are warmer, in every chassis
        values["temperature_max", gpu] = chance.gauss(62 + 1.5 * number, 1.8)
        values["pcie_width_min", gpu], values["pcie_generation_min_under_load", gpu] = 16, 5
    values["nccl", ""], values["write", ""] = about(450), about(3.1)
    values |= {("stage", stage): about(seconds, 0.05) for stage, seconds in STAGES.items()}
    return Twin(name, values, {"bios": frozenset({"2.1"}), "nvme": frozenset({"E2010600"})})


def fleet(seed: int, size: int = 12, noise: float = 0.02) -> list[Twin]:
    chance = random.Random(seed)
    return [machine(f"vc-{number}", chance, noise) for number in range(size)]


def changed(twin: Twin, **values: Any) -> Twin:
    return replace(twin, values={**twin.values, **values.pop("values", {})}, **values)


def named(machines: list[Twin]) -> dict[str, tuple[str, ...]]:
    found = {own.name: outliers(own, [each for each in machines if each is not own]) for own in machines}
    return {name: sentences for name, sentences in found.items() if sentences}


def test_a_slow_disk_and_a_hot_gpu_are_named_and_none_of_the_other_ten() -> None:
    machines = fleet(7)
    machines[3] = changed(machines[3], values={("write", ""): 1.4})
    machines[8] = changed(machines[8], values={("temperature_max", f"GPU {PLACES[2]}"): 84.0})
    found = named(machines)
    assert set(found) == {"vc-3", "vc-8"}
    [slow], [hot] = found["vc-3"], found["vc-8"]
    assert slow.startswith("vc-3: writing of the disk 1.4 GB/s, its 11 siblings 3.")
    assert hot.startswith(f"vc-8, GPU {PLACES[2]}: temperature under load 84 °C, its 11 siblings 6")


def test_of_a_thousand_healthy_fleets_hardly_one_has_a_false_alarm() -> None:
    chance = random.Random(1)
    alarmed = 0
    for seed in range(1000):
        alarmed += bool(named(fleet(seed, chance.choice((4, 8, 12)), chance.uniform(0.002, 0.02))))
    assert alarmed < 10, f"{alarmed} of 1000 fleets in which anybody is named"


@pytest.mark.parametrize("kind", [kind for kind in MEASURES if kind not in ("nccl", "write", "stage")])
def test_what_is_far_on_the_bad_side_is_named_and_on_the_good_side_not(kind: str) -> None:
    machines, key = fleet(5), (kind, f"GPU {PLACES[0]}")
    value = machines[0].values[key]
    worse, better = (value * 1.5, value * 0.5) if MEASURES[kind].bad == "high" else (value * 0.5, value * 1.5)
    assert len(outliers(changed(machines[0], values={key: worse}), machines[1:])) == 1
    assert outliers(changed(machines[0], values={key: better}), machines[1:]) == ()


@pytest.mark.parametrize(("kind", "value"), [("pcie_width_min", 15), ("pcie_generation_min_under_load", 4)])
def test_one_lane_or_one_generation_less_is_named(kind: str, value: int) -> None:
    machines = fleet(5)
    [sentence] = outliers(changed(machines[0], values={(kind, f"GPU {PLACES[0]}"): value}), machines[1:])
    assert f" {value}, its 11 siblings " in sentence


def test_a_slow_stage_is_named_by_its_seconds() -> None:
    machines = fleet(5)
    [sentence] = outliers(changed(machines[0], values={("stage", "powering"): 900.0}), machines[1:])
    assert sentence.startswith("vc-0, powering: stage 900 s, its 11 siblings 2")
    assert outliers(changed(machines[0], values={("stage", "netbooting"): 89.0}), machines[1:]) == ()


def test_fewer_than_three_siblings_judge_nobody() -> None:
    machines = fleet(5)
    slow = changed(machines[0], values={("write", ""): 0.1}, firmware={"bios": frozenset({"1.0"})})
    assert outliers(slow, machines[1:3]) == ()
    assert len(outliers(slow, machines[1:4])) == 2
    bare = [replace(each, values={}, firmware={}) for each in machines[2:]]
    assert outliers(slow, [machines[1], *bare]) == (), "nor those that have no such number"


def test_siblings_that_agree_to_the_digit_make_nobody_an_outlier() -> None:
    alike = [Twin(f"vc-{number}", {("h2d", "GPU 0"): 55.0}) for number in range(12)]
    assert outliers(changed(alike[0], values={("h2d", "GPU 0"): 49.6}), alike[1:]) == ()
    assert len(outliers(changed(alike[0], values={("h2d", "GPU 0"): 49.4}), alike[1:])) == 1


def test_siblings_that_are_far_apart_themselves_make_nobody_an_outlier() -> None:
    wide = [Twin(f"vc-{number}", {("h2d", "GPU 0"): 30.0 + 4 * number}) for number in range(8)]
    assert outliers(Twin("vc-9", {("h2d", "GPU 0"): 20.0}), wide) == ()


def test_firmware_that_no_sibling_has_is_named_where_most_agree() -> None:
    machines = fleet(5)
    old = changed(machines[0], firmware={"bios": frozenset({"1.9"}), "nvme": frozenset({"E2010600"})})
    assert outliers(old, machines[1:]) == ("vc-0: bios has firmware 1.9, its 11 siblings 2.1",)
    mixed = [
        replace(each, firmware={"bios": frozenset(str(number % 5))}) for number, each in enumerate(machines)
    ]
    assert outliers(old, mixed[1:]) == ()
    assert outliers(old, [old, *machines[2:]]) == (), "another one has it too"


def test_disks_of_two_kinds_may_have_two_firmwares() -> None:
    both = {"nvme": frozenset({"E2", "F1"})}
    machines = [replace(each, firmware=both) for each in fleet(5)]
    assert outliers(changed(machines[0], firmware={"nvme": frozenset({"F1"})}), machines[1:]) == ()
    odd = changed(machines[0], firmware={"nvme": frozenset({"F1", "X"})})
    assert outliers(odd, machines[1:]) == ("vc-0: nvme has firmware X, its 11 siblings E2 and F1",)


def check(name: str, status: Status) -> CheckResult:
    return CheckResult(
        id=name,
        title=name,
        stage=CheckStage.VALIDATION,
        status=status,
        severity=Severity.ADVISORY if status is Status.WARN else Severity.REQUIRED,
        reason="so it is",
    )


def report(
    *gpus: GpuSubject, checks: tuple[CheckResult, ...] = (), firmware: str = "2.1"
) -> AcceptanceReport:
    return AcceptanceReport(
        report_id="a-20260101-1",
        started_at=1,
        finished_at=2,
        tool="provision",
        level=Level.FULL,
        subject=Subject(name="vc-1", macs=(), image=ImageSubject(name="vault-os", version="1")),
        host=HostReport(firmware=(FirmwareVersion(part="bios", version=firmware),)),
        gpus=gpus,
        checks=checks,
        verdict=reach_verdict(checks),
    )


def card(number: int = 0, *, rate: float = 55.0, after: Any = None, **before: Any) -> GpuSubject:
    return GpuSubject(
        index=number,
        pci_bus_id=PLACES[number],
        serial="S1",
        vbios="96",
        before={"ecc_aggregate_uncorrected": 0, "replays": 3, "persistence": True} | before,
        after={"temperature_max": 68.0, "pcie_width_min": 16} | (after or {}),
        measured=(GpuMeasurement(name="h2d", value=rate, unit="GB/s"),),
    )


PLACE = f"GPU {PLACES[0]}"


@pytest.mark.parametrize(
    ("now", "sentences"),
    [
        (report(card()), ()),
        (report(card(rate=50.0)), ()),
        (report(card(rate=49.4)), (f"{PLACE}: copies from the host 49.4 GB/s, 55 GB/s the last time",)),
        (report(card(rate=99.0)), ()),
        (report(card(replays=4)), (f"{PLACE}: 4 PCIe replays, 3 the last time",)),
        (report(card(replays=0)), ()),
        (
            report(card(ecc_aggregate_uncorrected=2)),
            (f"{PLACE}: 2 memory errors that ECC could not correct, 0 the last time",),
        ),
        (  # it was counted in this very burn-in
            report(card(after={"ecc_aggregate_uncorrected": 2})),
            (f"{PLACE}: 2 memory errors that ECC could not correct, 0 the last time",),
        ),
        (report(card(after={"replays": 9})), ()),
        (report(card(after={"temperature_max": 76.0})), ()),
        (
            report(card(after={"temperature_max": 77.0})),
            (f"{PLACE}: temperature under load 77 °C, 68 °C the last time",),
        ),
        (
            report(card(after={"pcie_width_min": 15})),
            (f"{PLACE}: PCIe lanes under load 15, 16 the last time",),
        ),
        (
            report(card(rate=10.0).model_copy(update={"serial": "S2"})),
            (f"{PLACE}: its serial was S1, it is S2",),
        ),
        (
            report(card().model_copy(update={"vbios": "97", "serial": ""})),
            (f"{PLACE}: its VBIOS was 96, it is 97",),
        ),
        (report(), (f"{PLACE} is gone",)),
        (report(card(), card(1)), ()),
        (report(card(), firmware="2.2"), ("bios: its firmware was 2.1, it is 2.2",)),
    ],
)
def test_what_is_worse_than_the_last_time_is_named(now: AcceptanceReport, sentences: tuple[str, ...]) -> None:
    assert regressions(now, report(card())) == sentences


@pytest.mark.parametrize(
    ("was", "is_now", "is_told"),
    [
        (Status.PASS, Status.FAIL, True),
        (Status.PASS, Status.WARN, True),
        (Status.PASS, Status.ERROR, True),
        (Status.PASS, Status.SKIPPED, False),
        (Status.PASS, Status.PASS, False),
        (Status.FAIL, Status.FAIL, False),
        (Status.SKIPPED, Status.FAIL, False),
    ],
)
def test_a_check_that_passed_and_does_no_more_is_named(was: Status, is_now: Status, is_told: bool) -> None:
    old = report(checks=(check("gpu.throttle", was),))
    now = report(checks=(check("gpu.throttle", Status.PASS), check("gpu.throttle", is_now)))
    told = regressions(now, old)
    assert told == (("gpu.throttle passed the last time: so it is",) if is_told else ())


def test_a_check_of_which_one_result_failed_had_not_passed() -> None:
    old = report(checks=(check("gpu.throttle", Status.FAIL), check("gpu.throttle", Status.PASS)))
    assert regressions(report(checks=(check("gpu.throttle", Status.FAIL),)), old) == ()


def test_a_report_has_both_comparisons() -> None:
    now, old, machines = report(card(replays=9)), report(card()), fleet(5)
    own = changed(machines[0], values={("write", ""): 0.1})
    found = compare(now, old, own, machines[1:])
    assert (found.report_id, found.siblings) == ("a-20260101-1", 11)
    assert len(found.regressions) == len(found.outliers) == 1
    assert compare(now, None, own, ()) == type(found)()


def test_what_is_compared_is_taken_from_the_report_and_from_the_deployment() -> None:
    seen = healthy.evidence()
    gpus = subjects(seen, healthy.FULL)
    whole = report(*gpus, checks=judge(seen, healthy.FULL))
    twin = twin_of(whole, write_rate=3.1, stages={"writing": 95.0})
    assert twin.values["h2d", PLACE] == 55.0
    assert twin.values["temperature_max", PLACE] == 68
    assert (twin.values["nccl", ""], twin.values["write", ""], twin.values["stage", "writing"]) == (
        450,
        3.1,
        95,
    )
    assert twin.firmware == {"bios": {"2.1"}}
    assert {kind for kind, _ in twin.values} == set(MEASURES)
    bare = twin_of(report(card()))
    assert set(bare.values) == {("h2d", PLACE), ("temperature_max", PLACE), ("pcie_width_min", PLACE)}


def test_nvme_disks_are_compared_by_their_kind_as_each_has_its_own_serial() -> None:
    disks = [
        FirmwareVersion(part="nvme", place=place, version=v) for place, v in (("S5", "E2"), ("S6", "F1"))
    ]
    firmware = (*disks, FirmwareVersion(part="nic", place="0:1", version="20"))
    one = report().model_copy(update={"host": HostReport(firmware=firmware)})
    assert twin_of(one).firmware == {"nvme": {"E2", "F1"}, "nic 0:1": {"20"}}


def test_the_vbios_is_told_of_its_gpu_alone() -> None:
    new, old = (
        report(card()).model_copy(
            update={
                "host": HostReport(firmware=(FirmwareVersion(part="vbios", place=PLACE, version=version),))
            }
        )
        for version in ("97", "96")
    )
    assert regressions(new, old) == ()


def test_a_reports_gpus_say_who_they_are_and_how_they_were() -> None:
    first, *others = subjects(healthy.evidence(), healthy.FULL)
    assert len(others) == 7
    assert (first.pci_bus_id, first.slot, first.serial, first.uuid) == (
        PLACES[0],
        "1",
        "1652323010400",
        "GPU-0",
    )
    assert (
        first.before["ecc"] is True and "serial" not in first.before and "retired_pages" not in first.before
    )
    assert first.after["pcie_width_min"] == 16
    assert [one.name for one in first.measured] == [*healthy_order()]
    read_again = healthy.evidence(healthy.nvml(healthy.gpu(0, ecc_volatile_corrected=2, throttle=4)))
    twice = subjects(replace(read_again, idle=healthy.nvml()), healthy.FULL)[0]
    assert (twice.before["ecc_volatile_corrected"], twice.after["ecc_volatile_corrected"]) == (0, 2)
    assert (twice.before["throttle"], twice.after["pcie_width_min"]) == (1, 16)
    without = subjects(healthy.evidence(burnin=None), healthy.FULL)[0]
    assert (without.after, without.measured) == ({}, ())
    lost = healthy.nvml(healthy.gpu(0, uuid=None, serial=None, bus=""), graphics=())
    assert subjects(healthy.evidence(lost), healthy.FULL)[0].uuid == ""


def healthy_order() -> list[str]:
    return [test.name for test in healthy.burnt(0).tests if test.value is not None]
