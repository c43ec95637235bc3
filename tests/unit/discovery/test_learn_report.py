"""A profile that is learned from a good host's report accepts that host, and finds what is worse."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.discovery import learn, learn_report
from provisioner.domain.acceptance import AcceptanceReport, ImageSubject, Subject
from provisioner.domain.profile import Gpu, Hints, Profile
from provisioner.errors import RefusedError
from provisioner.power.registry import DRIVERS
from provisioner.state import inventory
from provisioner.verify import Verdict, expectation
from provisioner.verify.model import Evidence, Expected
from provisioner.verify.report import Made, assemble
from provisioner.verify.verification import conclude
from tests.healthy_gpus import FULL, ID, burnin, burnt, evidence, gpu, loaded, nvml

BASE = Profile(
    name="cube", image="vault-os", disks=(Hints(min_size=1 << 40),), gpus=(Gpu(id=ID, count=2, name="H100"),)
)


def judged(seen: Evidence, expected: Expected) -> Verdict:
    return conclude(seen, replace(expected, unordered="no order"), lambda task: None)


def report(seen: Evidence, expected: Expected = FULL) -> AcceptanceReport:
    subject = Subject(name="vc-1", macs=(), image=ImageSubject(name="vault-os", version="1"))
    return assemble(subject, expected, judged(seen, expected), Made("a-20261129-vc-1", 1, 2))


def learned() -> Profile:
    return learn_report.profile(report(evidence()), BASE)


def test_what_a_machine_is_becomes_what_is_expected() -> None:
    profile = learned()
    [kind] = profile.gpus
    assert (kind.id, kind.count, kind.name, kind.memory_min) == (ID, 8, "H100", 85520809984)
    assert (kind.link_width, kind.link_generation, kind.nvlinks) == (16, 5, 18)
    assert (kind.ecc, kind.mig, kind.persistence, kind.power_limit) == (True, False, True, 700)
    assert kind.vbios == ("96.00.89.00.01",)
    assert (profile.gpu_driver, profile.acceptance.level) == ("580", "full")
    assert profile.firmware.bios == ("2.1",) and profile.firmware.nvme == ("E2010600",)
    assert (profile.image, profile.disks) == (BASE.image, BASE.disks), "no report tells these"


def test_what_was_measured_becomes_a_limit_by_the_margins_of_the_manual() -> None:
    seen = report(evidence())
    limits = learned().acceptance.limits
    slowest = min(one.value for gpu in seen.gpus for one in gpu.measured if one.name == "h2d")
    assert limits.h2d_gbps and slowest * 0.89 < limits.h2d_gbps <= slowest * 0.9
    warmest = max(float(str(gpu.after["temperature_max"])) for gpu in seen.gpus)
    assert limits.temperature_max and warmest + 8 <= limits.temperature_max < warmest + 9
    assert limits.nccl_gbps and set(limits.matmul_tflops) >= {"fp32", "bf16"}
    assert (limits.replays_max, limits.ecc_corrected_max) == (10, 10), "of counters that stood at 0"
    text = (Path(__file__).parents[3] / "docs/gpu-acceptance.md").read_text()
    assert "| rates | the slowest GPU's, less 10 % |" in text and "8 °C" in text


def test_the_same_evidence_is_accepted_by_it_also_as_the_inventory_reads_it_back(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {}\n")
    (tmp_path / "profiles.yml").write_text(learn.as_yaml(learned()))
    [read] = inventory.read(tmp_path, DRIVERS)[1]
    assert read == learned()
    again = report(evidence(), expectation.of_profile(read))
    assert again.verdict.status == "accepted", [check for check in again.checks if check.status != "pass"]


WORSE: dict[str, tuple[Callable[[], Evidence], str]] = {
    "one fewer": (lambda: evidence(nvml(*map(gpu, range(7)))), "gpu.count"),
    "narrow": (lambda: evidence(nvml(gpu(0, width=8), *map(gpu, range(1, 8)))), "gpu.link-width"),
    "without ECC": (lambda: evidence(nvml(gpu(0, ecc=False), *map(gpu, range(1, 8)))), "gpu.ecc-mode"),
    "another VBIOS": (lambda: evidence(nvml(gpu(0, vbios="1"), *map(gpu, range(1, 8)))), "gpu.vbios"),
    "hot": (lambda: evidence(burnin=burnin(burnt(0, watch=loaded(temperature_max=77)))), "gpu.temperature"),
    "slow": (lambda: evidence(burnin=burnin(burnt(0, h2d=40.0))), "bandwidth.h2d"),
}


@pytest.mark.parametrize(("worse", "check"), WORSE.values(), ids=list(WORSE))
def test_what_is_worse_is_rejected_by_it(worse: Callable[[], Evidence], check: str) -> None:
    again = report(worse(), expectation.of_profile(learned()))
    assert again.verdict.status == "rejected" and check in again.verdict.blocking, again.verdict


def test_a_report_that_was_not_accepted_teaches_nothing() -> None:
    rejected = report(evidence(nvml(*map(gpu, range(7)))))
    with pytest.raises(RefusedError, match="rejected: it teaches nothing") as raised:
        learn_report.profile(rejected, BASE)
    assert raised.value.code == 574


def test_a_report_that_names_no_gpu_teaches_nothing_either() -> None:
    older = report(evidence())
    older = older.model_copy(
        update={"gpus": tuple(gpu.model_copy(update={"pci_id": ""}) for gpu in older.gpus)}
    )
    assert not learn_report.teaches(older)
    with pytest.raises(RefusedError, match="names no GPUs by their PCI ids"):
        learn_report.profile(older, BASE)


def test_what_some_gpus_do_not_tell_is_not_demanded() -> None:
    untold = {**gpu(0).errors, "persistence": "Not Supported"}
    silent = nvml(gpu(0, persistence=None, errors=untold), *map(gpu, range(1, 8)))
    seen = report(evidence(silent), replace(FULL, gpus=(replace(FULL.gpus[0], persistence=None),)))
    assert seen.verdict.status == "accepted", seen.verdict
    [kind] = learn_report.profile(seen, BASE).gpus
    assert kind.persistence is None and kind.ecc is True
