"""What the worker does over SSH: the verification and the sealing of a deployed host."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TypeVar

from provisioner.deployment import acceptance
from provisioner.deployment.record import record, write
from provisioner.domain import deployment
from provisioner.domain.acceptance import Level
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.verification import (
    SealDone,
    SealFailed,
    SealTask,
    TaskReport,
    VerifyFailed,
    VerifyPassed,
    VerifyProgress,
    VerifyRejected,
    VerifyTask,
    VerifyUnreachable,
)
from provisioner.domain.lifecycle import verification_seconds
from provisioner.domain.stage import Stage
from provisioner.errors import NotNowError, PackError
from provisioner.site import opened_secrets
from provisioner.site.site import Site
from provisioner.state.acceptance_reports import StoredReport
from provisioner.verify import Expected, SshTarget, TaskResult, Verdict, expectation
from provisioner.verify import run as run_verification
from provisioner.verify import seal as run_sealing
from provisioner.verify.burnin import BurnInProgress, OnProgress

LEAST_RUN = 60  # seconds: the deadline ends it anyway
PROGRESS = 5.0  # seconds between two reports of a burn-in that are kept; each GPU gives some a second
PARTS = 1000  # of a test, in a report
_Task = TypeVar("_Task", bound=TaskReport)


@contextmanager
def _target(site: Site, row: Deployment) -> Iterator[SshTarget]:
    with opened_secrets.ssh_key(site, row.id, row.host) as key:
        yield SshTarget(
            name=row.host, address=row.address, user="provision", key=key, host_keys=row.host_keys
        )


def expected_of(site: Site, row: Deployment, level: Level | None = None, soak_seconds: int = 0) -> Expected:
    """What its profile and its order demand of a host; level and soak in place of the profile's, if given."""
    host = site.database.hosts.get(row.host)
    image, version = row.image.split("@", 1)
    expected = expectation.of_profile(site.database.profiles.get(host.profile), level, soak_seconds)
    return replace(
        expected,
        image_id=image,
        image_version=version,
        root_disk_serial=row.disk.serial,
        root_disk_wwn=row.disk.wwn,
        macs=(*host.macs, *expected.macs),
        last=acceptance.last_report(site, row.host),
    )


def verify(site: Site, row: Deployment) -> None:
    """One run of the verification. Unreachable is tried again by the loop, until the stage's deadline."""

    def note(task: TaskResult) -> None:
        report = _report(VerifyTask, task).model_copy(update={"action": task.action})
        record(site, row.id, report, source="ansible")

    try:
        seen = examine(
            site,
            row,
            on_task=note,
            on_progress=_paced(lambda report: record(site, row.id, report, source="burn-in")),
            is_cancelled=lambda: _is_over(site, row),
            seconds=_seconds(row, site.clock()),
        )
    except PackError as fault:  # a host is not accepted by a report that nobody signed
        event = VerifyFailed(code=fault.code, sentence=str(fault), hint=fault.hint)
        record(site, row.id, event, source="worker")
        return
    with site.database.writing():
        if seen.report:
            site.database.acceptance_reports.add(seen.report)
        write(site, row.id, _verified(row, seen), source="ansible")


def _untold(progress: BurnInProgress) -> None:
    """Nobody wants to know."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Examination:
    """What one run of the verification came to. `report` is signed, not stored yet; None: nothing was judged.

    `work` is the folder with its log.
    """

    verdict: Verdict
    report: StoredReport | None
    work: Path


def examine(
    site: Site,
    row: Deployment,
    *,
    on_task: Callable[[TaskResult], None],
    seconds: int,
    on_progress: OnProgress = _untold,
    is_cancelled: Callable[[], bool] = _never,
) -> Examination:
    """Examine the host of a deployment and sign what was found; of this nothing is noted in the database.

    Raises what `on_task` raises, ServiceError (no usable host key), PackError (PV-325: it cannot be signed).
    """
    expected, began = expected_of(site, row), site.clock()
    work = site.settings.state / "runs" / f"{row.id}.verify"
    with _target(site, row) as target:
        verdict = run_verification(
            target,
            expected,
            on_task=on_task,
            on_progress=on_progress,
            is_cancelled=is_cancelled,
            checks=site.settings.acceptance.checks,
            work=work,
            seconds=seconds,
        )
    report = acceptance.conclude(site, row, expected, verdict, began, work / "evidence")
    return Examination(verdict, report, work)


def _is_over(site: Site, row: Deployment) -> bool:
    """Whether nobody waits for its verdict any more: it was cancelled, or its deadline has passed."""
    now = site.database.deployments.get(row.id)
    return (now.stage, now.attempt) != (Stage.VERIFYING, row.attempt)


def _paced(tell: Callable[[VerifyProgress], object]) -> OnProgress:
    """Tells a report every few seconds; where it cannot be kept now, the burn-in goes on without it."""
    next_at = 0.0

    def note(progress: BurnInProgress) -> None:
        nonlocal next_at
        if monotonic() < next_at:
            return
        next_at = monotonic() + PROGRESS
        try:
            tell(_progress(progress))
        except NotNowError:
            return

    return note


def _progress(said: BurnInProgress) -> VerifyProgress:
    share = min(1.0, said.done / said.of) if said.of else 0.0
    return VerifyProgress(
        test=said.test or "its start",
        gpu=said.gpu,
        done=round(PARTS * share),
        total=PARTS,
        left=said.seconds_left,
    )


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
    with _target(site, row) as target:
        verdict = run_sealing(target, profile.seal, on_task=note, work=work)
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
