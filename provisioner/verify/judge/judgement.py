"""Makes every check of the table of what a host has shown. No I/O: the same evidence, the same results."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import JsonValue

from provisioner.domain.acceptance import CheckResult, CheckStage, Level, Severity, Status, reach_verdict
from provisioner.verify.judge.finding import Check, Finding, left_out, needless, unproved
from provisioner.verify.judge.seen import Seen
from provisioner.verify.judge.table import BY_ID, CHECKS
from provisioner.verify.model import Evidence, Expected, TaskResult

LEVELS = tuple(Level)
NOT_IN_RAMDISK = "not made: it needs the system on the disk with NVIDIA's driver, this was the ramdisk"
OTHER_WAYS = "provision verify HOST --key FILE, or provision verify --local on the host itself, makes it"


def judge(evidence: Evidence, expected: Expected) -> tuple[CheckResult, ...]:
    """A result for each thing that was checked, in the order of the table.

    A failed sanity check leaves the later stages out: what they would find has another reason. Without a GPU
    driver in the profile there are no checks of GPUs.
    """
    seen, results = Seen(evidence, expected), list[CheckResult]()
    for check in CHECKS:
        if expected.gpu_driver or not check.is_of_gpus:
            broken = _broken(results) if check.stage is not CheckStage.SANITY else ""
            results += _made(check, seen, broken)
    return tuple(results)


def sanity_failure(evidence: Evidence, expected: Expected) -> str:
    """The sanity check that failed first, after which nothing else is worth being made; empty for none."""
    seen = Seen(evidence, expected)
    sanity = (check for check in CHECKS if check.stage is CheckStage.SANITY)
    made = [
        result
        for check in sanity
        if expected.gpu_driver or not check.is_of_gpus
        for result in _made(check, seen, "")
    ]
    return _broken(made)


def _broken(results: Sequence[CheckResult]) -> str:
    """The sanity check that failed first; empty where none has."""
    failed = (each.id for each in results if each.status is Status.FAIL)
    sanity = (name for name in failed if BY_ID[name].stage is CheckStage.SANITY)
    return next(sanity, "")


def _made(check: Check, seen: Seen, broken: str) -> Iterator[CheckResult]:
    wanted = seen.expected.acceptance
    is_required = check.severity is Severity.REQUIRED or check.id in wanted.required
    if LEVELS.index(check.level) > LEVELS.index(wanted.level):
        findings = [needless(f"it is made from level {check.level} on, this is {wanted.level}")]
    elif broken:
        findings = [left_out(f"it was left out, as {broken} failed")]
    elif seen.evidence.ramdisk and not check.is_in_ramdisk:
        findings = _unmade(check, seen)
    else:
        # that a check says nothing is never a pass
        findings = list(check.findings(seen)) or [unproved("the check came to no result")]
    for finding in findings:
        yield _result(check, finding, is_required, check.id in wanted.required)


def _unmade(check: Check, seen: Seen) -> list[Finding]:
    """Of the ramdisk: what the profile does not demand stays so, all else was not looked at."""
    findings = list(check.findings(seen))
    is_needless = all(one.status is Status.NOT_APPLICABLE and not one.is_absence for one in findings)
    return findings if findings and is_needless else [replace(left_out(NOT_IN_RAMDISK), action=OTHER_WAYS)]


def _result(check: Check, finding: Finding, is_required: bool, is_demanded: bool) -> CheckResult:
    """The finding as a report has it; what is demanded and absent was not checked."""
    status = finding.status
    if status is Status.FAIL and not is_required:
        status = Status.WARN
    if finding.is_absence and is_demanded:
        status = Status.SKIPPED
    is_good = status in (Status.PASS, Status.NOT_APPLICABLE)
    return CheckResult(
        id=check.id,
        title=check.title,
        scope=finding.scope,
        stage=check.stage,
        status=status,
        severity=Severity.REQUIRED if is_required else Severity.ADVISORY,
        observed=_plain(finding.observed),
        expected=_plain(finding.expected),
        operator=finding.operator,
        unit=check.unit,
        source=check.source,
        reason=finding.reason,
        action="" if is_good else finding.action or check.action,
    )


def _plain(value: object) -> JsonValue:
    """As JSON has it; a number that is none is nothing."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def tasks(results: Sequence[CheckResult]) -> Iterator[TaskResult]:
    """The results as lines of a deployment's story.

    What does not apply is not told; nor, of a host that is rejected, what was left out for that.
    """
    is_rejected = reach_verdict(results).status == "rejected"
    for each in results:
        if each.status is Status.NOT_APPLICABLE or (is_rejected and each.status is Status.SKIPPED):
            continue
        check = BY_ID[each.id]
        name = f"{check.task} {each.scope}" if check.names_scope else check.task
        yield TaskResult(name, _word(each), each.reason, each.duration_s, each.action)


def _word(result: CheckResult) -> Literal["ok", "deviation", "unproved", "warning"]:
    if result.status is Status.PASS:
        return "ok"
    if result.is_blocking:
        return "deviation" if result.status is Status.FAIL else "unproved"
    return "warning"
