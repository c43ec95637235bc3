"""What the worker does for a verification by the ramdisk: it judges what was reported, signs, and says so."""

from dataclasses import replace

from provisioner.deployment import acceptance
from provisioner.deployment.record import record, try_record, write
from provisioner.domain import deployment
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.examination import HostReleased, VerifyConcluded
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.verification import VerifyFailed, VerifyRejected, VerifyTask
from provisioner.domain.stage import Stage
from provisioner.errors import NotNowError, ProvisionError
from provisioner.site.site import Site
from provisioner.state import examinations
from provisioner.verify import TaskResult, Verdict, ramdisk
from provisioner.worker import verification

SILENCE = 60.0  # seconds since the boot device was set; the agent asks every two
UNREADABLE = "what the ramdisk has reported of the host cannot be read"


def is_silent(row: Deployment, unheard: float) -> bool:
    """Whether the agent does not ask any more: it has restarted by itself, or lost its power."""
    return row.is_verification and row.stage == Stage.RESTARTING and row.reboot and unheard > SILENCE


def release(site: Site, row: Deployment) -> None:
    """Its report is whole, so it is judged; what became of the host is for a person to see."""
    try_record(site, row.id, HostReleased(heard=False), source="worker")


def judge(site: Site, row: Deployment) -> None:
    """Judge the report, sign what came of it, and end the verification."""
    try:
        _judge(site, row)
    except NotNowError:  # it says nothing of the host, which is judged when there is room
        raise
    except ProvisionError as fault:  # a host is not accepted by a report that nobody signed
        failed = VerifyFailed(code=fault.code, sentence=str(fault), hint=fault.hint)
        record(site, row.id, failed, source="worker")


def _judge(site: Site, row: Deployment) -> None:
    def note(task: TaskResult) -> None:
        told = VerifyTask(
            task=task.name,
            result=task.result,
            sentence=task.sentence,
            seconds=round(task.seconds, 1),
            action=task.action,
        )
        record(site, row.id, told, source="ramdisk")

    began = row.consumed
    deployed = site.database.deployments.last_written(row.host)
    seen = ramdisk.evidence(examinations.read(site.settings.state, row.id))
    if seen is None or deployed is None:
        hint = f"provision console {row.host} has what it said; then verify it again"
        raise ProvisionError(UNREADABLE, hint=hint, code=502)
    expected = replace(verification.expected_of(site, deployed), last=None)
    verdict = ramdisk.judge_ramdisk(seen, expected, note)
    folder = examinations.folder(site.settings.state, row.id)
    report = acceptance.conclude(site, deployed, expected, verdict, began, folder, later_by=row.armed_by)
    with site.database.writing():
        if report:
            site.database.acceptance_reports.add(report)
        write(site, row.id, _ended(row, verdict, report.id if report else ""), source="ramdisk")


def _ended(row: Deployment, verdict: Verdict, report: str) -> Payload:
    """How the verification ends; the host's deployment stays what it is."""
    sentence = "; ".join(verdict.sentences)
    evidence = deployment.Verdict.model_validate({**verdict.as_data(), "report": report})
    if verdict.result == "passed":
        return VerifyConcluded(verdict=evidence)
    action = next((check.action for check in verdict.checks if check.is_blocking), "")
    if verdict.result == "rejected":
        hint = f"{action}; then: provision verify {row.host}"
        return VerifyRejected(code=501, sentence=sentence, hint=hint, verdict=evidence)
    hint = (
        f"provision verify {row.host} --key FILE, or provision verify --local on the host itself,"
        " makes the other checks"
    )
    return VerifyRejected(code=504, sentence=sentence, hint=hint, verdict=evidence)
