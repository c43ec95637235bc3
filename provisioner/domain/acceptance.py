"""The report of a host's acceptance, `vaultcube.gpu-acceptance/1`: identity, measurements, verdict.

Times are in seconds since 1970, memory in bytes, rates in GB/s (10^9 bytes), temperatures in °C, power in W.
None is what was not told; a GPU's `errors` say why.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from provisioner.domain.values import Count, FrozenModel, Readable, Words

Exact = Annotated[Readable, Field(max_length=300)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]


class Level(StrEnum):
    """How much is done: `quick` takes under a minute, `standard` five, `full` thirty, `soak` hours."""

    QUICK = "quick"
    STANDARD = "standard"
    FULL = "full"
    SOAK = "soak"


class CheckStage(StrEnum):
    """In this order; a failed sanity check leaves the later stages out."""

    SANITY = "sanity"
    VALIDATION = "validation"
    PERFORMANCE = "performance"
    STRESS = "stress"


class Status(StrEnum):
    """How one check ended. `error`: it could not be made; `skipped`: it was not; both say nothing good."""

    PASS = "pass"  # noqa: S105  no password
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not_applicable"


class Severity(StrEnum):
    """`required`: without a pass the host is not accepted. `advisory`: a miss is a warning."""

    REQUIRED = "required"
    ADVISORY = "advisory"


class CheckResult(FrozenModel):
    """One check of one thing.

    `id` is the check's, such as `gpu.link-width`; `scope` is `host`, or the GPU's place on the PCI bus.
    `observed` and `expected` are values in `unit`, compared by `operator`; `reason` is a sentence, `action`
    what a technician does about it, `source` who said what was observed (`nvml`, `sysfs`, `kernel log`, …).
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$")]
    title: str
    scope: Exact = "host"
    stage: CheckStage
    status: Status
    severity: Severity
    observed: JsonValue = None
    expected: JsonValue = None
    operator: Literal["==", "!=", ">=", "<=", "in", ""] = ""
    unit: str = ""
    source: str = ""
    reason: str = ""
    action: str = ""
    evidence: tuple[str, ...] = ()
    duration_s: float = 0

    @model_validator(mode="after")
    def _what_is_not_good_has_a_reason(self) -> Self:
        if self.status not in (Status.PASS, Status.NOT_APPLICABLE) and not self.reason:
            raise ValueError(f"{self.id} is {self.status} without a reason")
        if self.status is Status.WARN and self.severity is Severity.REQUIRED:
            raise ValueError(f"{self.id} is required, so it cannot end in a warning")
        if self.status is Status.FAIL and self.severity is Severity.ADVISORY:
            raise ValueError(f"{self.id} is advisory, so it cannot fail")
        return self

    @property
    def is_blocking(self) -> bool:
        """Whether the host cannot be accepted because of it."""
        unproved = self.status in (Status.ERROR, Status.SKIPPED)
        return self.status is Status.FAIL or (unproved and self.severity is Severity.REQUIRED)


VerdictStatus = Literal["accepted", "accepted_with_warnings", "rejected", "incomplete"]


class AcceptanceVerdict(FrozenModel):
    """What the checks come to: `counts` has a number for each status, `blocking` the ids of checks."""

    status: VerdictStatus
    counts: dict[Status, int]
    blocking: tuple[str, ...] = ()


def reach_verdict(checks: Sequence[CheckResult]) -> AcceptanceVerdict:
    """`rejected` where one failed; `incomplete` where a required one was not made, or none was at all."""
    blocking = tuple(dict.fromkeys(check.id for check in checks if check.is_blocking))
    told = Counter(check.status for check in checks)
    counts = {status: told[status] for status in Status}
    status: VerdictStatus = "accepted"
    if counts[Status.FAIL]:
        status = "rejected"
    elif blocking or not counts[Status.PASS]:
        status = "incomplete"
    elif counts[Status.WARN] or counts[Status.ERROR] or counts[Status.SKIPPED]:
        status = "accepted_with_warnings"
    return AcceptanceVerdict(status=status, counts=counts, blocking=blocking)


class ImageSubject(FrozenModel):
    """The image: `root_hash`, or `sha256` of its raw bytes, as it was read back from the disk.

    `manifest_sha256` is that of its signed manifest.
    """

    name: Exact
    version: Exact
    sha256: Sha256 = ""
    manifest_sha256: Sha256 = ""
    root_hash: Sha256 = ""


class Subject(FrozenModel):
    """The physical unit that is judged."""

    site: Exact = ""
    name: Exact
    macs: tuple[Exact, ...]
    serial: Exact = ""  # of the system, as SMBIOS has it
    board_serial: Exact = ""
    uuid: Exact = ""
    product: Exact = ""
    disk_serial: Exact = ""
    disk_wwn: Exact = ""
    rack: Exact = ""
    profile: Exact = ""
    profile_sha256: Sha256 = ""
    deployment: Exact = ""
    image: ImageSubject


class FirmwareVersion(FrozenModel):
    """One part's firmware: `part` is bios, bmc, vbios, nic or nvme, `place` which one of them."""

    part: Literal["bios", "bmc", "vbios", "nic", "nvme"]
    place: Exact = ""
    version: Exact


class HostReport(FrozenModel):
    """The machine beside its GPUs."""

    kernel: Words = ""
    cpu: Words = ""
    memory_bytes: Count = 0
    firmware: tuple[FirmwareVersion, ...] = ()
    nvme: tuple[Exact, ...] = ()


class GpuMeasurement(FrozenModel):
    """What was measured on one GPU: `name` is h2d, d2h, d2d, matmul-fp32, memory-pattern and so on."""

    name: Exact
    value: float
    unit: Exact
    samples: Count = 1


class GpuSubject(FrozenModel):
    """One GPU: who it is, and how it was before and after."""

    index: Count
    uuid: Exact = ""
    serial: Exact = ""
    name: Words = ""
    pci_bus_id: Exact = ""
    pci_id: Exact = ""  # vendor:device, of which a profile counts so many
    slot: Exact = ""  # as SMBIOS names it
    vbios: Exact = ""
    memory_bytes: Count | None = None
    before: dict[str, JsonValue] = {}
    after: dict[str, JsonValue] = {}
    measured: tuple[GpuMeasurement, ...] = ()
    errors: dict[Words, Words] = {}


class Xid(FrozenModel):
    """One of NVIDIA's driver errors since boot: `category` and `action` by NVIDIA's XID document."""

    number: Count
    pci_bus_id: Exact = ""
    at: float = 0
    count: Count = 1
    category: str = ""
    action: str = ""
    text: Words = ""


class Artifact(FrozenModel):
    """Raw output that is kept beside the report."""

    path: Exact
    size: Count
    sha256: Sha256


class Baseline(FrozenModel):
    """The host's report before this one, and what is worse since; `siblings` are hosts of its profile."""

    report_id: str = ""
    regressions: tuple[str, ...] = ()
    siblings: Count = 0
    outliers: tuple[str, ...] = ()


class AcceptanceReport(FrozenModel):
    """All of it. What is signed is its canonical JSON, byte by byte."""

    format: Literal["vaultcube.gpu-acceptance/1"] = "vaultcube.gpu-acceptance/1"
    report_id: Annotated[str, Field(pattern=r"^a-[a-z0-9-]{8,60}$")]
    started_at: float
    finished_at: float
    tool: str
    operator: Words = ""
    level: Level
    subject: Subject
    host: HostReport
    stack: dict[Words, Words] = {}
    gpus: tuple[GpuSubject, ...] = ()
    checks: tuple[CheckResult, ...]
    xid: tuple[Xid, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    verdict: AcceptanceVerdict
    baseline: Baseline = Baseline()

    @model_validator(mode="after")
    def _the_verdict_is_that_of_the_checks(self) -> Self:
        if self.verdict != reach_verdict(self.checks):
            raise ValueError("the verdict is not what its checks come to")
        return self
