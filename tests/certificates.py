"""Reports of units as tests need them: eight healthy GPUs, a rejected unit, one of hostile words."""

from pathlib import Path

from provisioner.domain.acceptance import (
    AcceptanceReport,
    Artifact,
    Baseline,
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
    Xid,
    reach_verdict,
)
from provisioner.imaging import signature

BEGUN = 1_795_948_415.25  # 2026-11-29 10:33:35 UTC
ADDRESSES = ("18", "2a", "3a", "5d", "9a", "ab", "ba", "db")
PLACES = [f"0000:{each}:00.0" for each in ADDRESSES]


def gpu(index: int, **other: object) -> GpuSubject:
    """A healthy GPU."""
    told = {"width": 16, "width_max": 16, "generation": 5, "generation_max": 5, "ecc": True, "replays": 0}
    values = {
        "index": index,
        "uuid": f"GPU-8f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f{index}",
        "serial": f"165482300012{index}",
        "name": "NVIDIA H200",
        "pci_bus_id": PLACES[index],
        "slot": f"{index + 1}",
        "vbios": "96.00.B7.00.02",
        "memory_bytes": 150_754_820_096,
        "before": told,
        "after": told,
        "measured": (
            GpuMeasurement(name="h2d", value=55.1 + index / 10, unit="GB/s", samples=5),
            GpuMeasurement(name="d2h", value=54.3 + index / 10, unit="GB/s", samples=5),
            GpuMeasurement(name="matmul-fp32", value=51.9 - index / 20, unit="TFLOPS", samples=3),
            GpuMeasurement(name="temperature", value=61.0 + index, unit="°C"),
        ),
    }
    return GpuSubject.model_validate({**values, **other})


def check(name: str, title: str, stage: CheckStage, scope: str = "host", **other: object) -> CheckResult:
    """A required check that passed, unless it is said otherwise."""
    values = {"id": name, "title": title, "scope": scope, "stage": stage, "status": Status.PASS}
    return CheckResult.model_validate({**values, "severity": Severity.REQUIRED, "source": "nvml", **other})


def of_each(
    name: str, title: str, stage: CheckStage, observed: list[object], **other: object
) -> list[CheckResult]:
    """The same check of all eight GPUs."""
    places = zip(PLACES, observed, strict=True)
    return [check(name, title, stage, place, observed=value, **other) for place, value in places]


def healthy_checks() -> list[CheckResult]:
    """As eight healthy GPUs give them."""
    sanity, validation = CheckStage.SANITY, CheckStage.VALIDATION
    performance, stress = CheckStage.PERFORMANCE, CheckStage.STRESS
    lanes = {"expected": 16, "operator": ">=", "unit": "lanes"}
    fast = {"expected": 50, "operator": ">=", "unit": "GB/s", "source": "cuda"}
    return [
        check("gpu.count", "GPUs on the PCI bus and in NVML", sanity, observed=8, expected=8, operator="=="),
        check("gpu.driver", "Driver branch", sanity, observed="580.95.05", expected="580", operator="=="),
        *of_each("gpu.answers", "GPU answers NVML", sanity, [True] * 8, expected=True, operator="=="),
        *of_each("gpu.link-width", "PCIe link width", validation, [16] * 8, **lanes),
        *of_each("gpu.ecc", "ECC mode", validation, ["on"] * 8, expected="on", operator="=="),
        *of_each("gpu.row-remap", "No row remapping pending", validation, [False] * 8),
        check("host.xid", "No critical Xid since boot", validation, observed=0, expected=0, operator="=="),
        check(
            "host.container", "A container keeps its GPUs", validation, observed=8, expected=8, operator="=="
        ),
        *of_each("gpu.h2d", "Bandwidth host to GPU", performance, [55.1 + n / 10 for n in range(8)], **fast),
        *of_each("gpu.matmul", "Matrix product equals the CPU's", performance, [True] * 8, source="cuda"),
        *of_each("gpu.burn", "Faulty results under load", stress, [0] * 8, expected=0, operator="=="),
    ]


def healthy(**other: object) -> AcceptanceReport:
    """A unit of eight GPUs that is accepted."""
    checks = other.pop("checks", healthy_checks())
    assert isinstance(checks, list)
    values = {
        "report_id": "a-20261129-vc-0042-7f3a",
        "started_at": BEGUN,
        "finished_at": BEGUN + 1874.5,
        "tool": "provision 0.1.0",
        "operator": "Ann Άλφα Жанна",
        "level": Level.FULL,
        "subject": subject(),
        "host": HostReport(
            kernel="6.8.0-48-generic",
            cpu="2 × Intel Xeon Platinum 8558",
            memory_bytes=2_164_663_517_184,
            firmware=(
                FirmwareVersion(part="bios", version="2.3a"),
                FirmwareVersion(part="bmc", version="01.03.12"),
                FirmwareVersion(part="nic", place="0000:1a:00.0", version="22.41.1000 (MT_0000000834)"),
                FirmwareVersion(part="nvme", place="S6CKNT0W700123", version="GDC7502Q"),
            ),
            nvme=("SAMSUNG MZQL23T8HCLS-00A07 S6CKNT0W700123",),
        ),
        "stack": {"driver": "580.95.05", "CUDA": "13.0", "container toolkit": "1.18.0", "docker": "28.5.1"},
        "gpus": tuple(gpu(index) for index in range(8)),
        "checks": tuple(checks),
        "artifacts": (Artifact(path="dcgmi-diag.json", size=18_221, sha256="ab" * 32),),
        "verdict": reach_verdict(checks),
        "baseline": Baseline(report_id="a-20260901-vc-0042-11aa", siblings=7),
    }
    return AcceptanceReport.model_validate({**values, **other})


def subject(**other: object) -> Subject:
    """The unit that is judged."""
    values = {
        "site": "Athens 2",
        "name": "vc-0042",
        "macs": ("ac:1f:6b:0a:42:10", "ac:1f:6b:0a:42:11"),
        "serial": "S411795X4A12345",
        "board_serial": "ZM23BS012345",
        "uuid": "4c4c4544-0042-4a10-8042-b3c04f513233",
        "product": "Supermicro SYS-821GE-TNHR",
        "disk_serial": "S6CKNT0W700123",
        "disk_wwn": "eui.36434b3057001230025384300000001",
        "rack": "B3/U12",
        "profile": "cube-h200",
        "profile_sha256": "1c" * 32,
        "deployment": "d-01jd8",
        "image": ImageSubject(
            name="vault-os", version="2026.11.2", sha256="5e" * 32, manifest_sha256="c0" * 32
        ),
    }
    return Subject.model_validate({**values, **other})


def rejected() -> AcceptanceReport:
    """A unit with one GPU on a narrow link, one with uncorrectable errors, and tests that were left out."""
    left_out = "a check of the stage before failed, so it was not made"
    checks = [
        one
        if one.stage in (CheckStage.SANITY, CheckStage.VALIDATION)
        else one.model_copy(update={"status": Status.SKIPPED, "observed": None, "reason": left_out})
        for one in healthy_checks()
    ]
    narrow = {
        "status": Status.FAIL,
        "observed": 8,
        "reason": "GPU 0000:3a:00.0 has a PCIe link of x8, the profile wants x16, and it can x16.",
        "action": "Power the unit off and reseat the GPU in slot 3 and its riser.",
    }
    broken = {
        "status": Status.FAIL,
        "observed": True,
        "reason": "A row of GPU 0000:9a:00.0 waits to be remapped after an uncorrectable error.",
        "action": "Restart the unit; if it comes back, replace the GPU in slot 5.",
    }
    warm = {
        "status": Status.WARN,
        "severity": Severity.ADVISORY,
        "observed": 84.0,
        "expected": 80,
        "operator": "<=",
        "unit": "°C",
        "reason": "It is 6 °C warmer than the median of its siblings.",
        "action": "Look whether its air path is free.",
    }
    for number, one in enumerate(checks):
        if (one.id, one.scope) == ("gpu.link-width", PLACES[2]):
            checks[number] = one.model_copy(update=narrow)
        if (one.id, one.scope) == ("gpu.row-remap", PLACES[4]):
            checks[number] = one.model_copy(update=broken)
    checks.append(check("gpu.temperature", "Temperature", CheckStage.VALIDATION, PLACES[6], **warm))
    worse = {"width": 8, "width_max": 16, "generation": 4, "generation_max": 5, "ecc": True}
    gpus = [gpu(index, measured=()) for index in range(8)]
    gpus[2] = gpu(2, measured=(), before=worse, after=worse)
    return healthy(
        report_id="a-20261129-vc-0042-8b1c",
        checks=checks,
        gpus=tuple(gpus),
        xid=(
            Xid(
                number=63,
                pci_bus_id=PLACES[4],
                at=BEGUN - 300,
                category="row remapping event",
                action="restart the unit",
                text="Row Remapper: New row marked for remapping, reset gpu to activate.",
            ),
        ),
        baseline=Baseline(
            report_id="a-20260901-vc-0042-11aa",
            regressions=("GPU 2: PCIe link x16 then, x8 now",),
            siblings=7,
            outliers=("GPU 6: 84 °C, the median of 63 others is 78 °C",),
        ),
    )


def make_key(folder: Path, name: str = "site") -> tuple[Path, Path]:
    """A key pair, secret and public."""
    return signature.keygen(folder, name)
