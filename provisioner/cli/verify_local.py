"""`provision verify --local`: this very machine is judged, without a service, a database and a network."""

import getpass
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cli import verdict_output
from provisioner.cli.output import info, print_record
from provisioner.cli.verdict_output import VerificationFinding, VerificationSummary
from provisioner.domain.acceptance import AcceptanceReport, ImageSubject, Level, Subject
from provisioner.errors import Exit, InputError
from provisioner.verify import TaskResult, Verdict, expectation, local
from provisioner.verify.burnin import BurnInProgress
from provisioner.verify.evidence import FirmwareReport
from provisioner.verify.report import Made, assemble

if TYPE_CHECKING:
    from provisioner.domain.profile import Profile
    from provisioner.verify.model import Expected


@dataclass(frozen=True)
class LocalOrder:
    """What is asked for; `key` signs the report that is written to `target`, or both are None."""

    profile: Path
    name: str
    level: Level | None
    key: Path | None
    target: Path | None
    seconds: int = 0


def verify(order: LocalOrder, output: str, *options: str) -> int:
    """Judge this machine and say what came of it; `options` are further arguments of the burn-in.

    Raises NotAcceptedError (PV-501, PV-504), DeploymentError (PV-502), and what is wrong with the files.
    """
    from provisioner.state import profile_file

    profile = profile_file.read(order.profile, order.name)
    expected = expectation.of_profile(profile, order.level, order.seconds, unordered=local.UNORDERED)
    _require_signable(order)
    if os.geteuid():
        info("This is not root: the kernel's log, serials and containers may be closed to you (use sudo).")
    began, start, lines = time.time(), time.monotonic(), verdict_output.BurnInLines()

    def tell_progress(one: BurnInProgress) -> None:
        lines.tell(one.test, one.gpu, one.done, one.of, one.seconds_left)

    def tell_task(task: TaskResult) -> None:
        verdict_output.tell_task(task.result, task.sentence, task.action)

    verdict = local.run(expected, on_task=tell_task, on_progress=tell_progress, options=options)
    if not verdict.checks or verdict.evidence is None:
        raise verdict_output.not_made("; ".join(verdict.sentences))
    # the clock may be set meanwhile, as after a boot without a network; a report never ends before it began
    ended = began + time.monotonic() - start
    report = _report(profile, expected, verdict, began, ended)
    return _conclude(report, order, output)


def _require_signable(order: LocalOrder) -> None:
    """Before hours are spent. Raises InputError, PackError (PV-325): the key cannot sign."""
    if order.target and not order.key:
        raise InputError(
            "a report is written signed or not at all, and no key is given",
            hint="--key FILE; provision certificate keygen NAME makes one. Without --to it is only shown",
        )
    if order.key and not order.target:
        raise InputError("where the signed report goes to is not said", hint="--to FILE.pdf, .html or .json")
    if order.key and order.target:
        from provisioner.certificate import files, signing

        files.kind_of(order.target)
        signing.require_usable(order.key)


def _report(
    profile: "Profile", expected: "Expected", verdict: Verdict, began: float, ended: float
) -> AcceptanceReport:
    """Of what the machine says of itself; the image's hash stays empty, for nobody has read it back."""
    seen = verdict.evidence
    assert seen is not None  # noqa: S101  whoever calls has looked
    machine, facts = seen.gpu.firmware or FirmwareReport(), seen.facts
    disk = facts.root_disks[0] if facts.root_disks else None
    subject = Subject(
        name=os.uname().nodename,
        macs=facts.macs,
        serial=machine.serial,
        board_serial=machine.board_serial,
        uuid=machine.uuid,
        product=machine.product,
        disk_serial=disk.serial if disk else "",
        disk_wwn=disk.wwn if disk else "",
        profile=profile.name,
        profile_sha256=profile.sha256,
        image=ImageSubject(name=facts.image_id, version=facts.image_version),
    )
    made = Made(f"a-local-{secrets.token_hex(8)}", began, ended, operator=_operator())
    return assemble(subject, expected, verdict, made)


def _operator() -> str:
    """Who typed it, also by sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return ""


def _conclude(report: AcceptanceReport, order: LocalOrder, output: str) -> int:
    key_id = _write(report, order.key, order.target) if order.key and order.target else ""
    findings = tuple(
        VerificationFinding(check.id, check.status, check.reason, check.action)
        for check in report.checks
        if check.status in ("fail", "error", "skipped", "warn")
    )
    summary = VerificationSummary(
        host=report.subject.name,
        serial=report.subject.serial,
        profile=report.subject.profile,
        profile_sha256=report.subject.profile_sha256,
        level=report.level,
        verdict=report.verdict.status,
        findings=findings,
        report=report.report_id if key_id else "",
        key_id=key_id,
        file=str(order.target) if key_id else "",
    )
    print_record(output, "verification", summary, lambda: verdict_output.show(summary), name=summary.host)
    if key_id:
        info(f"{order.target}: report {report.report_id}, signed by the key {key_id}")
    blocking = next((check for check in report.checks if check.is_blocking), None)
    reason, action = (blocking.reason, blocking.action) if blocking else ("no check passed", "")
    if fault := verdict_output.not_accepted(summary.host, summary.verdict, reason, action):
        raise fault
    return Exit.DONE


def _write(report: AcceptanceReport, key: Path, target: Path) -> str:
    """Sign and write it; the number of the key. Raises PackError (PV-325), FileError (PV-150, PV-151)."""
    from provisioner.certificate import canonical, files, minisig, signing

    data = canonical.render(report)
    text = signing.sign(data, key)
    files.write(data, text, target)
    found = minisig.read(text)
    return found.key_id if found else ""
