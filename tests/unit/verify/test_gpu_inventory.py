"""Which GPUs there are, by the PCI bus, by NVML and by the profile: every sentence of what does not fit."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.domain.acceptance import CheckResult, Severity, Status
from provisioner.verify.evidence import BusGpu, GpuReport
from provisioner.verify.judge import CHECKS, judge
from provisioner.verify.model import Evidence, Expected, GpuKind
from tests.healthy_gpus import FULL, H100, PLACES, QUICK, evidence, gpu, nvml
from tests.unit.verify.test_judge import FAULTS, SITE, only

GOLDEN = Path(__file__).parents[2] / "golden" / "judge" / "results.json"
L40 = GpuKind("10de:26b9", 2, "L40S")
MIXED = replace(QUICK, gpus=(H100, L40))
SANITY = (
    "gpu.driver",
    "gpu.count",
    "gpu.bus",
    "gpu.values",
    "gpu.uuid",
    "gpu.memory",
    "gpu.link-width",
    "gpu.ecc-mode",
)
MODULE, LIBRARY = "580.95.05", "13.580.95.05"


def told(report: GpuReport, expected: Expected = QUICK) -> list[str]:
    """What is wrong by the checks of the inventory."""
    results = judge(evidence(report, pcie=None), expected)
    return [each.reason for each in results if each.id in SANITY and each.status is Status.FAIL]


def silent(state: Any, **changes: Any) -> GpuReport:
    return nvml(state=state, gpus=(), driver=None, **changes)


def card(bus: str, *, ident: str = H100.id, driver: str = "nvidia", kind: str = "030200") -> BusGpu:
    return BusGpu(bus=bus, id=ident, driver=driver, pci_class=kind)


def unplaced(index: int, **errors: str) -> Any:
    return gpu(0).model_copy(update={"index": index, "bus": "", "id": "", "uuid": None, "errors": errors})


LOST = "GPU is lost"
SEVEN = tuple(gpu(number) for number in range(7))
BUS = tuple(card(place) for place in PLACES)
STRANGER = gpu(7, id="10de:20b5", name="A100")
SECOND_STRANGER = gpu(6, id="10de:20b5", name=None)
CASES: dict[str, tuple[GpuReport, list[str]]] = {
    "healthy": (nvml(), []),
    "no module": (
        silent("no module"),
        ["the image has no nvidia-ml-py (Python module pynvml), so NVML cannot be asked"],
    ),
    "no library": (
        silent("no library"),
        [f"NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA kernel module {MODULE} is loaded"],
    ),
    "neither library nor module": (
        silent("no library", module=""),
        ["NVML's library (libnvidia-ml.so.1) is missing, the NVIDIA kernel module is not loaded either"],
    ),
    "not reached": (
        silent("not loaded"),
        [
            f"NVML's library {LIBRARY} does not reach the NVIDIA kernel module {MODULE}, which is there: "
            "/dev/nvidiactl is missing, or closed to the user who asks"
        ],
    ),
    "nothing to drive": (
        silent("not loaded", module="", graphics=()),
        [
            "no GPU of NVIDIA's is on the PCI bus, 8 10de:2330 (H100 SXM) expected; its kernel module is not "
            "loaded"
        ],
    ),
    "not loaded": (
        silent("not loaded", module=""),
        [f"the NVIDIA kernel module is not loaded, NVML's library is {LIBRARY}"],
    ),
    "another driver for all": (
        silent(
            "not loaded", module="", library=None, graphics=tuple(card(p, driver="nouveau") for p in PLACES)
        ),
        ["the NVIDIA kernel module is not loaded, its GPUs have the driver nouveau, NVML's library is there"],
    ),
    "another driver for the only one": (
        silent("not loaded", module="", graphics=(card(PLACES[0], driver="vfio-pci"),)),
        [
            "the NVIDIA kernel module is not loaded, its GPU has the driver vfio-pci, NVML's library is "
            f"{LIBRARY}"
        ],
    ),
    "other drivers for some": (
        silent(
            "not loaded",
            module="",
            graphics=(
                card(PLACES[0], driver="vfio-pci"),
                card(PLACES[1], driver="nouveau"),
                card(PLACES[2], driver="nouveau"),
                card(PLACES[3], driver=""),
                card("0000:02:00.0", ident="10de:1cb3", driver="nouveau", kind="030000"),
            ),
        ),
        [
            "the NVIDIA kernel module is not loaded, 2 of 4 GPUs have the driver nouveau, 1 of 4 GPUs has "
            f"the driver vfio-pci, NVML's library is {LIBRARY}"
        ],
    ),
    "mismatch": (
        silent("mismatch", library="13.570.1"),
        [f"the NVIDIA kernel module {MODULE} does not fit NVML's library 13.570.1"],
    ),
    "mismatch of unknown ones": (
        silent("mismatch", library=None, module=""),
        ["the NVIDIA kernel module does not fit NVML's library"],
    ),
    "mismatch that is mended": (
        silent("mismatch", reason="Driver/library version mismatch"),
        [
            "NVML says that module and library do not fit (Driver/library version mismatch), both are "
            f"{MODULE} now: restart the host"
        ],
    ),
    "hangs": (
        silent("silent", reason="no answer within 120 s"),
        ["NVML hangs (no answer within 120 s), as it does when a GPU has fallen off its bus"],
    ),
    "died": (silent("killed"), ["the process that asked NVML died: its library or the driver is broken"]),
    "does not count": (nvml(reason=LOST, gpus=()), [f"NVML does not count its GPUs: {LOST}"]),
    "an unknown driver": (
        nvml(driver=None),
        ["NVIDIA driver of unknown version, the profile wants branch 580"],
    ),
    "too many": (
        nvml(
            *map(gpu, range(8)),
            gpu(0).model_copy(update={"index": 8, "bus": "0000:f0:00.0", "uuid": "GPU-8"}),
        ),
        ["8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 9"],
    ),
    "a stranger in the place of one": (
        nvml(*SEVEN, STRANGER),
        [
            "8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 7; GPU 0000:db:00.0 (10de:20b5, A100) is not "
            "in the profile"
        ],
    ),
    "strangers in the places of two": (
        nvml(*SEVEN[:6], SECOND_STRANGER, STRANGER),
        [
            "8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 6; GPU 0000:ba:00.0 (10de:20b5) and GPU "
            "0000:db:00.0 (10de:20b5, A100) are not in the profile"
        ],
    ),
    "a stranger more": (
        nvml(
            *map(gpu, range(8)),
            gpu(0, index=8, bus="0000:f0:00.0", id="10de:20b5", uuid="GPU-8", name="A100"),
        ),
        ["GPU 0000:f0:00.0 (10de:20b5, A100) is not in the profile"],
    ),
    "the board's own screen, which answers": (
        nvml(
            *map(gpu, range(8)),
            gpu(0, index=8, bus="0000:02:00.0", id="10de:1cb3", uuid="GPU-8"),
            graphics=(*BUS, card("0000:02:00.0", ident="10de:1cb3", kind="030000")),
        ),
        [],
    ),
    "the board's own screen, which is silent": (
        nvml(
            *map(gpu, range(8)),
            unplaced(8, handle=LOST),
            graphics=(*BUS, card("0000:02:00.0", ident="10de:1cb3", driver="", kind="030000")),
        ),
        [],
    ),
    "one lost, and no driver bound to it": (
        nvml(*SEVEN, graphics=(*BUS[:7], card(PLACES[7], driver=""))),
        ["GPU 0000:db:00.0 (10de:2330, no driver bound) is on the PCI bus and missing from NVML"],
    ),
    "one that NVML counts and gets no answer from": (
        nvml(*SEVEN, unplaced(7, handle=LOST, pci="never asked")),
        [f"GPU 0000:db:00.0 (10de:2330, driver nvidia) does not answer NVML: {LOST}"],
    ),
    "one whose place is not told": (
        nvml(*SEVEN, unplaced(7, pci="Unknown Error")),
        ["GPU 0000:db:00.0 (10de:2330, driver nvidia) does not answer NVML: Unknown Error"],
    ),
    "of two lost ones the bound one is silent": (
        nvml(*SEVEN[:6], unplaced(6, handle=LOST), graphics=(*BUS[:7], card(PLACES[7], driver="vfio-pci"))),
        [
            f"GPU 0000:ba:00.0 (10de:2330, driver nvidia) does not answer NVML: {LOST}",
            "GPU 0000:db:00.0 (10de:2330, driver vfio-pci) is on the PCI bus and missing from NVML",
        ],
    ),
    "one that is gone from the bus, too": (
        nvml(*SEVEN, unplaced(7, handle=LOST), graphics=BUS[:7]),
        [f"GPU number 7 of NVML does not answer, and is nowhere on the PCI bus: {LOST}"],
    ),
    "two silent ones, of which one is gone from the bus": (
        nvml(*SEVEN[:6], unplaced(6, handle=LOST), unplaced(7, handle="Unknown Error"), graphics=BUS[:7]),
        [
            f"GPU 0000:ba:00.0 (10de:2330, driver nvidia) does not answer NVML: {LOST} or Unknown Error",
            "another GPU that NVML counts does not answer, and is nowhere on the PCI bus: Unknown Error",
        ],
    ),
    "lost and missing": (
        nvml(*SEVEN[:6], graphics=BUS[:7]),
        [
            "8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 6 and the PCI bus 1 more",
            "GPU 0000:ba:00.0 (10de:2330, driver nvidia) is on the PCI bus and missing from NVML",
        ],
    ),
    "three with one UUID": (
        only(uuid="GPU-1").model_copy(
            update={"gpus": (gpu(0, uuid="GPU-1"), gpu(1), gpu(2, uuid="GPU-1"), *map(gpu, range(3, 8)))}
        ),
        ["GPU 0000:18:00.0, GPU 0000:2a:00.0 and GPU 0000:3a:00.0 have the same UUID GPU-1"],
    ),
    "several things untold": (
        only(memory=None, ecc=None, width=None, errors={"memory": "a", "ecc": "a", "width": "b"}),
        ["GPU 0000:18:00.0 tells no memory and ECC mode: a; no PCIe link width: b"],
    ),
    "untold without a reason": (only(uuid=None), ["GPU 0000:18:00.0 tells no UUID: no reason given"]),
    "a narrow link that can no more": (
        only(width=8, width_max=8),
        ["GPU 0000:18:00.0 has a PCIe link of x8, the profile wants x16"],
    ),
    "a narrow link that tells no maximum": (
        only(width=8, width_max=None),
        ["GPU 0000:18:00.0 has a PCIe link of x8, the profile wants x16"],
    ),
    "a link that has shrunk below its maximum": (
        only(width=8, width_max=4),
        ["GPU 0000:18:00.0 has a PCIe link of x8, the profile wants x16"],
    ),
    "ECC that the next restart changes": (
        only(ecc=False, ecc_pending=True),
        ["GPU 0000:18:00.0: ECC is off, the profile wants it on, the next restart changes it"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_of_the_inventory_has_its_sentences(name: str) -> None:
    report, sentences = CASES[name]
    assert told(report) == sentences


def test_gpus_of_two_kinds_are_counted_each_for_itself() -> None:
    both = nvml(*map(gpu, range(7)), gpu(7, id=L40.id, memory=46068 << 20), graphics=())
    assert told(both, MIXED) == [
        "8 GPUs 10de:2330 (H100 SXM) expected, NVML shows 7",
        "2 GPUs 10de:26b9 (L40S) expected, NVML shows 1",
    ]
    one = replace(QUICK, gpus=(replace(H100, count=1, name=""),))
    assert told(nvml(gpu(0), gpu(1), graphics=()), one) == ["1 GPU 10de:2330 expected, NVML shows 2"]
    whole = nvml(
        *map(gpu, range(8)),
        gpu(0, index=8, bus="0:8", id=L40.id, uuid="8"),
        gpu(0, index=9, bus="0:9", id=L40.id, uuid="9"),
        graphics=(),
    )
    [count] = [each for each in judge(evidence(whole), MIXED) if each.id == "gpu.count"]
    assert count.reason == "NVML shows 8 10de:2330 (H100 SXM) and 2 10de:26b9 (L40S)"


def test_mixed_ecc_is_told_where_the_profile_names_no_mode() -> None:
    free = replace(QUICK, gpus=(replace(H100, ecc=None),))
    mixed = nvml(gpu(0, ecc=False), gpu(1, ecc=False), *map(gpu, range(2, 8)))
    assert told(mixed, free) == ["ECC is off on GPU 0000:18:00.0, GPU 0000:2a:00.0 and on on the others"]
    assert told(nvml(*(gpu(number, ecc=False) for number in range(8))), free) == []


def test_nothing_that_nvml_did_not_tell_is_said_to_be_good() -> None:
    for report in (silent("no module"), nvml(gpus=()), only(memory=None, ecc=None, width=None, uuid=None)):
        results = judge(evidence(report), QUICK)
        passed = {each.id for each in results if each.status is Status.PASS and each.id in SANITY}
        assert passed <= {"gpu.driver", "gpu.bus", "gpu.count"}, report.state
    lost = judge(evidence(nvml(*SEVEN)), QUICK)
    [count] = [each for each in lost if each.id == "gpu.count"]
    assert (count.status, count.reason) == (
        Status.SKIPPED,
        "which of them does not answer is told by gpu.bus",
    )


def test_what_the_table_says_of_each_check_is_meant() -> None:
    """A flag that is changed by mistake leaves a check out, or makes it required of nobody."""
    flags = {
        "host": {check.id for check in CHECKS if not check.is_of_gpus},
        "several": {check.id for check in CHECKS if check.names_scope},
        "if there": {check.id for check in CHECKS if check.is_conditional},
        "advice": {check.id for check in CHECKS if check.severity is Severity.ADVISORY},
        "standard": {check.id for check in CHECKS if check.level == "standard"},
    }
    assert flags == {
        "host": {
            *("os.image", "disk.root", "memory.size", "net.card", "pci.devices"),
            *("firmware.versions", "site.check", "site.warning"),
        },
        "several": {"pci.devices", "site.check"},
        "if there": {"container.gpus", "container.reload", "nccl.run", "dcgm.tests", "dcgm.warnings"},
        "advice": {
            *("gpu.serial", "gpu.ecc-history", "pcie.aer-nonfatal", "kernel.xid-application"),
            *("nvswitch.sxid-nonfatal", "firmware.versions", "site.warning", "dcgm.warnings"),
        },
        "standard": {
            *(
                "burnin.run",
                "burnin.errors",
                "bandwidth.h2d",
                "bandwidth.d2h",
                "bandwidth.d2d",
                "matmul.rate",
            ),
            *("pcie.generation", "pcie.width-load", "pcie.replays-load"),
            *("gpu.throttle-load", "gpu.ecc-load", "gpu.temperature"),
            *("nccl.run", "nccl.bandwidth", "dcgm.tests", "dcgm.warnings"),
        },
    }


def shown(result: CheckResult) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(result.model_dump_json())
    return {
        name: data[name] for name in ("id", "status", "observed", "expected", "operator", "unit", "action")
    }


def test_each_result_has_what_was_observed_and_what_was_expected() -> None:
    """All of them, whole: UPDATE_GOLDEN=1 renews tests/golden/judge/results.json."""
    results: dict[str, list[dict[str, Any]]] = {}
    seen: list[tuple[str, Evidence, Expected]] = [
        ("healthy", evidence(), FULL),
        ("site", evidence(), SITE),
        *((f"{one.check}: {one.sentence}", one.seen(), one.expected) for one in FAULTS),
    ]
    for name, shows, expected in seen:
        whole = [shown(each) for each in judge(shows, expected)]
        is_all = name == "healthy"
        results[name] = [each for each in whole if is_all or each["status"] in ("fail", "warn", "error")]
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)
    assert GOLDEN.read_text() == text, f"UPDATE_GOLDEN=1 renews {GOLDEN.name}"
