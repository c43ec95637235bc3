"""The report of a verification, unsigned: assembled from what a host has shown and what was judged of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner import __version__
from provisioner.domain.acceptance import (
    AcceptanceReport,
    Artifact,
    FirmwareVersion,
    HostReport,
    Subject,
    reach_verdict,
)
from provisioner.system.checksum import sha256
from provisioner.verify import xids
from provisioner.verify.evidence import FirmwareReport
from provisioner.verify.model import Evidence, Expected, Verdict
from provisioner.verify.subjects import subjects

RAMDISK = "ramdisk"  # in a report's `stack` where the host was looked at from the ramdisk


@dataclass(frozen=True)
class Made:
    """How a report came about; times in seconds since 1970. `evidence`: where raw outputs are, if kept."""

    report_id: str
    began: float
    finished: float
    operator: str = ""
    evidence: Path | None = None


def assemble(subject: Subject, expected: Expected, verdict: Verdict, made: Made) -> AcceptanceReport:
    """The report of a verdict that has evidence; it is compared with no other yet."""
    seen = verdict.evidence
    assert seen is not None  # noqa: S101  whoever calls has looked
    return AcceptanceReport(
        report_id=made.report_id,
        started_at=made.began,
        finished_at=made.finished,
        tool=f"vaultcube-provisioner {__version__}",
        operator=made.operator,
        level=expected.acceptance.level,
        subject=subject,
        host=_host_report(seen),
        stack=_stack(seen),
        gpus=subjects(seen, expected),
        checks=verdict.checks,
        xid=xids.summarise(seen.gpu.kernel_log) if seen.gpu.kernel_log else (),
        artifacts=tuple(_artifacts(made.evidence)) if made.evidence else (),
        verdict=reach_verdict(verdict.checks),
    )


def _host_report(seen: Evidence) -> HostReport:
    machine, gpus = seen.gpu.firmware or FirmwareReport(), seen.gpu.nvml.gpus if seen.gpu.nvml else ()
    parts = [FirmwareVersion(part=one.part, place=one.place, version=one.version) for one in machine.parts]
    vbios = [FirmwareVersion(part="vbios", place=gpu.bus, version=gpu.vbios) for gpu in gpus if gpu.vbios]
    return HostReport(
        kernel=seen.facts.kernel,
        cpu=machine.cpu,
        memory_bytes=seen.facts.memory,
        firmware=(*parts, *vbios),
        nvme=tuple(f"{one.about} {one.place}".strip() for one in machine.parts if one.part == "nvme"),
    )


def _stack(seen: Evidence) -> dict[str, str]:
    """What runs on it, name → version, as far as it was told."""
    stack = dict(seen.gpu.firmware.stack) if seen.gpu.firmware else {}
    if seen.ramdisk:
        return {**stack, RAMDISK: seen.ramdisk}
    if seen.gpu.nvml:
        stack |= {"driver": seen.gpu.nvml.driver or "", "cuda": seen.gpu.nvml.cuda or ""}
    return {name: version for name, version in stack.items() if version}


def _artifacts(folder: Path) -> Iterator[Artifact]:
    """The raw outputs that lie beside the verification's log."""
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        yield Artifact(path=path.name, size=path.stat().st_size, sha256=sha256(path))
