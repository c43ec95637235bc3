"""What the worker does over SSH: the verification and the sealing of a deployed host."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from provisioner.deployment import acceptance
from provisioner.deployment.record import record, write
from provisioner.domain import deployment
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.verification import (
    SealDone,
    SealFailed,
    SealTask,
    TaskReport,
    VerifyFailed,
    VerifyPassed,
    VerifyRejected,
    VerifyTask,
    VerifyUnreachable,
)
from provisioner.domain.lifecycle import verification_seconds
from provisioner.errors import PackError
from provisioner.site.site import Site
from provisioner.state.acceptance_reports import StoredReport
from provisioner.state.secrets import deployment_key_file
from provisioner.verify import Expected, GpuKind, PciDevice, SshTarget, TaskResult, Verdict
from provisioner.verify import run as run_verification
from provisioner.verify import seal as run_sealing

LEAST_RUN = 60  # seconds: the deadline ends it anyway
_Task = TypeVar("_Task", bound=TaskReport)


def _target(site: Site, row: Deployment) -> SshTarget:
    return SshTarget(
        name=row.host,
        address=row.address,
        user="provision",
        key=deployment_key_file(site.settings.state),
        host_keys=row.host_keys,
    )


def _expected(site: Site, row: Deployment) -> Expected:
    host = site.database.hosts.get(row.host)
    profile = site.database.profiles.get(host.profile)
    image, version = row.image.split("@", 1)
    return Expected(
        image_id=image,
        image_version=version,
        root_disk_serial=row.disk.serial,
        root_disk_wwn=row.disk.wwn,
        memory_min=profile.memory_min,
        macs=tuple(host.macs) + tuple(nic.mac for nic in profile.nics if nic.mac and nic.role != "bmc"),
        pci=tuple(PciDevice(id=gpu.id, count=gpu.count, name=gpu.name) for gpu in profile.gpus),
        gpu_driver=profile.gpu_driver,
        gpus=tuple(GpuKind(**gpu.model_dump()) for gpu in profile.gpus) if profile.gpu_driver else (),
        firmware=profile.firmware,
        acceptance=profile.acceptance,
        last=acceptance.last_report(site, row.host),
    )


def verify(site: Site, row: Deployment) -> None:
    """One run of the verification. Unreachable is tried again by the loop, until the stage's deadline."""

    def note(task: TaskResult) -> None:
        report = _report(VerifyTask, task).model_copy(update={"action": task.action})
        record(site, row.id, report, source="ansible")

    try:
        seen = examine(site, row, on_task=note, seconds=_seconds(row, site.clock()))
    except PackError as fault:  # a host is not accepted by a report that nobody signed
        event = VerifyFailed(code=fault.code, sentence=str(fault), hint=fault.hint)
        record(site, row.id, event, source="worker")
        return
    with site.database.writing():
        if seen.report:
            site.database.acceptance_reports.add(seen.report)
        write(site, row.id, _verified(row, seen), source="ansible")


@dataclass(frozen=True)
class Examination:
    """What one run of the verification came to. `report` is signed, not stored yet; None: nothing was judged.

    `work` is the folder with its log.
    """

    verdict: Verdict
    report: StoredReport | None
    work: Path


def examine(
    site: Site, row: Deployment, *, on_task: Callable[[TaskResult], None], seconds: int
) -> Examination:
    """Examine the host of a deployment and sign what was found; of this nothing is noted in the database.

    Raises what `on_task` raises, ServiceError (no usable host key), PackError (PV-325: it cannot be signed).
    """
    expected, began = _expected(site, row), site.clock()
    work = site.settings.state / "runs" / f"{row.id}.verify"
    verdict = run_verification(_target(site, row), expected, on_task=on_task, work=work, seconds=seconds)
    report = acceptance.conclude(site, row, expected, verdict, began, work / "evidence")
    return Examination(verdict, report, work)


def _seconds(row: Deployment, now: float) -> int:
    """How long this run may take: what its stage allows one, and not beyond the stage's end."""
    allowed = verification_seconds(row.stage_since, row.deadline)
    return round(max(LEAST_RUN, min(allowed, row.deadline - now)))


def _report(kind: type[_Task], task: TaskResult) -> _Task:
    return kind(task=task.name, result=task.result, sentence=task.sentence, seconds=round(task.seconds, 1))


def _verified(row: Deployment, seen: Examination) -> Payload:
    """The event of a verdict of the verification."""
    verdict = seen.verdict
    sentence = "; ".join(verdict.sentences)
    report = seen.report.id if seen.report else ""
    evidence = deployment.Verdict.model_validate({**verdict.as_data(), "report": report})
    if verdict.result == "unreachable":
        return VerifyUnreachable(sentence=sentence)
    if verdict.result == "rejected":
        hint = f"mend the hardware or the profile, then: provision retry {row.host}"
        return VerifyRejected(code=501, sentence=sentence, hint=hint, verdict=evidence)
    if verdict.result == "incomplete":
        action = next(check.action for check in verdict.checks if check.is_blocking)
        hint = f"{action}; then: provision retry {row.host}"
        return VerifyRejected(code=504, sentence=sentence, hint=hint, verdict=evidence)
    if verdict.result == "failed":
        hint = f"see {seen.work / 'verify.log'}, then: provision retry {row.host}"
        return VerifyFailed(code=502, sentence=sentence, hint=hint)
    return VerifyPassed(verdict=evidence)


def seal(site: Site, row: Deployment) -> None:
    """Take away what only the deployment needed, as the profile says."""
    profile = site.database.profiles.get(site.database.hosts.get(row.host).profile)

    def note(task: TaskResult) -> None:
        record(site, row.id, _report(SealTask, task), source="ansible")

    work = site.settings.state / "runs" / f"{row.id}.seal"
    verdict = run_sealing(_target(site, row), profile.seal, on_task=note, work=work)
    record(site, row.id, _sealed(row, verdict, profile.seal), source="ansible")


def _sealed(row: Deployment, verdict: Verdict, mode: str) -> Payload:
    """The event of a verdict of the sealing."""
    sentence = "; ".join(verdict.sentences)
    if verdict.result == "passed":
        return SealDone(mode=mode)
    if verdict.result == "unreachable":  # the stage's deadline decides; the loop calls again
        return SealTask(task="reach the host", result="unreachable", sentence=sentence)
    hint = f"provision retry {row.host}"
    return SealFailed(code=521, sentence=sentence or "the sealing did not end", hint=hint)
