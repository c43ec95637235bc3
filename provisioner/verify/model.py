"""What verification takes and gives: target, expectations, task results, verdicts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provisioner.domain.acceptance import AcceptanceReport, CheckResult
from provisioner.domain.requirements import AcceptedFirmware, Requirements
from provisioner.verify.evidence import GpuEvidence, GpuReport, HostFacts, RootDisk
from provisioner.verify.evidence_burnin import BurninReport, SiteCheckReport

LARGEST_FACTS = 1 << 20  # characters of JSON in an event; eight GPUs behind switches need 60,000
ANY_FIRMWARE = AcceptedFirmware()
NO_GPU_EVIDENCE = GpuEvidence()
NO_REQUIREMENTS = Requirements()  # the level is quick, nothing has a limit


@dataclass(frozen=True)
class SshTarget:
    """A host as SSH reaches it. `key`: the private key's file; `host_keys`: lines `ssh-ed25519 AAAA…`."""

    name: str
    address: str
    user: str
    key: Path
    host_keys: tuple[str, ...]
    port: int = 22


@dataclass(frozen=True)
class PciDevice:
    """`id` is `vendor:device`, four hexadecimal digits each; `name` is for people."""

    id: str
    count: int
    name: str = ""


@dataclass(frozen=True)
class GpuKind:
    """What NVML must show: `count` GPUs of `id`, each with this memory (bytes), PCIe lanes and so on.

    The fields are those of `domain.profile.Gpu`; 0, None and () are not checked.
    """

    id: str
    count: int
    name: str = ""
    memory_min: int = 0
    link_width: int = 0
    ecc: bool | None = None
    link_generation: int = 0
    nvlinks: int = 0
    power_limit: float = 0  # W
    power_tolerance: float = 5
    mig: bool | None = None
    persistence: bool | None = None
    vbios: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """What the order and the profile want. `memory_min` in bytes; empty or 0 means: not checked.

    Without `gpu_driver` (NVIDIA's branch, such as `580`) NVML is not asked and `gpus` is not looked at.
    `last` is the host's report before this one. `unordered` says why nobody knows what was ordered: image and
    disk are not judged then.
    """

    image_id: str
    image_version: str
    root_disk_serial: str
    memory_min: int
    macs: tuple[str, ...]
    pci: tuple[PciDevice, ...]
    gpu_driver: str = ""
    gpus: tuple[GpuKind, ...] = ()
    root_disk_wwn: str = ""  # where several disks may have the serial
    firmware: AcceptedFirmware = ANY_FIRMWARE
    acceptance: Requirements = NO_REQUIREMENTS
    last: AcceptanceReport | None = None
    unordered: str = ""
    profile: str = ""  # whose demands these are, and its hash: it may be another by the time of the report
    profile_sha256: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that was read of a host. None: it was not asked, or what it printed cannot be read.

    `gpu` is how it is after the burn-in, `idle` its GPUs before it; None where there was no burn-in.
    `ramdisk` is the version of the agent where the ramdisk was asked, and not the system on the disk; then
    `disks` are all that it saw, and `gpu.nvml` has the GPUs of the bus.
    """

    facts: HostFacts
    gpu: GpuEvidence = NO_GPU_EVIDENCE
    burnin: BurninReport | None = None
    site_checks: tuple[SiteCheckReport, ...] = ()
    idle: GpuReport | None = None
    ramdisk: str = ""
    disks: tuple[RootDisk, ...] = ()


@dataclass(frozen=True)
class TaskResult:
    """One check or one task; `seconds` is how long it took, `action` what a technician does about it.

    `warning` is advice; what is `unproved` should have been checked and was not.
    """

    name: str
    result: Literal["ok", "deviation", "unreachable", "warning", "unproved"]
    sentence: str
    seconds: float = 0
    action: str = ""


@dataclass(frozen=True)
class Verdict:
    """How it ended. Only `rejected` is about what the host is; `failed` is about the run itself.

    `incomplete`: what must be checked was not, so nobody knows. `sentences` say why it has not passed;
    `evidence` is as much as was read, `checks` are all that were made of it.
    """

    result: Literal["passed", "rejected", "incomplete", "unreachable", "failed"]
    sentences: tuple[str, ...] = ()
    evidence: Evidence | None = None
    checks: tuple[CheckResult, ...] = ()

    def as_data(self) -> dict[str, object]:
        """As an event carries it: `{result, sentences, facts, checks}`; of the facts the GPUs are `nvml`."""
        facts = _bounded(_facts(self.evidence)) if self.evidence else {}
        checks = [json.loads(check.model_dump_json()) for check in self.checks]
        return {"result": self.result, "sentences": list(self.sentences), "facts": facts, "checks": checks}


def _bounded(facts: dict[str, object]) -> dict[str, object]:
    """A row is read again and again, and a host may print megabytes; all of it lies beside the run's log."""
    size = len(json.dumps(facts))
    return facts if size <= LARGEST_FACTS else {"left_out": f"{size} characters: see the run's evidence"}


def _facts(evidence: Evidence) -> dict[str, object]:
    """What was read, as JSON has it; a number that is none becomes null."""
    facts = {**evidence.facts.as_data(), **evidence.gpu.as_data()}
    if evidence.burnin:
        facts["burnin"] = json.loads(evidence.burnin.model_dump_json())
    if checks := [json.loads(check.model_dump_json()) for check in evidence.site_checks]:
        facts["site_checks"] = checks
    return facts
