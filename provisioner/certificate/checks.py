"""The checks of a report as rows, alike ones of several GPUs as one; and what is wrong, with its action."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from pydantic import JsonValue

from provisioner.certificate.values import expectation, text_of
from provisioner.domain.acceptance import AcceptanceReport, CheckResult, CheckStage, Status

WORST = (Status.FAIL, Status.ERROR, Status.SKIPPED, Status.WARN, Status.PASS, Status.NOT_APPLICABLE)
GOOD = (Status.PASS, Status.NOT_APPLICABLE)
STAGES = {stage: number for number, stage in enumerate(CheckStage)}
RESULTS = {Status.FAIL: "FAIL", Status.ERROR: "ERROR", Status.SKIPPED: "SKIPPED", Status.WARN: "WARNING"}


class CheckRow(NamedTuple):
    """A line of the table: result, check, where, observed, expected."""

    cells: tuple[str, str, str, str, str]
    is_blocking: bool


class NamedCheck(NamedTuple):
    """What is wrong: a line of what and where, the reason, and what to do."""

    head: str
    reason: str
    action: str


class CheckFindings(NamedTuple):
    """`failed` keep the host from being accepted, `noted` do not."""

    failed: tuple[NamedCheck, ...]
    noted: tuple[NamedCheck, ...]


def rows(report: AcceptanceReport) -> Iterator[CheckRow]:
    """Each stage, the worst first within it; a stage begins with a row of its name."""
    places = Places(report)
    for stage, groups in stages(report):
        yield CheckRow((stage.upper(), "", "", "", ""), is_blocking=False)
        for group in groups:
            yield _row(group, places)


def stages(report: AcceptanceReport) -> Iterator[tuple[CheckStage, list[list[CheckResult]]]]:
    """The checks of each stage, the worst first; alike ones of several GPUs are one group."""
    ordered = sorted(report.checks, key=lambda check: STAGES[check.stage])
    for stage, checks in groupby(ordered, key=lambda check: check.stage):
        alike: dict[tuple[object, ...], list[CheckResult]] = {}
        for check in sorted(checks, key=lambda check: WORST.index(check.status)):
            alike.setdefault(_key(check), []).append(check)
        yield stage, list(alike.values())


def findings(report: AcceptanceReport) -> CheckFindings:
    """All that is not good, alike ones as one: what failed before what was not made, then by stages."""
    places = Places(report)
    ordered = sorted(report.checks, key=lambda check: (WORST.index(check.status), STAGES[check.stage]))
    alike: dict[tuple[object, ...], list[CheckResult]] = {}
    for check in ordered:
        if check.status not in GOOD:
            alike.setdefault((*_key(check), check.reason, check.action), []).append(check)
    told = [(group[0].is_blocking, _finding(group, places)) for group in alike.values()]
    return CheckFindings(
        failed=tuple(finding for is_blocking, finding in told if is_blocking),
        noted=tuple(finding for is_blocking, finding in told if not is_blocking),
    )


class Places:
    """What checks are of, in words: `GPU 3` for its place on the PCI bus."""

    def __init__(self, report: AcceptanceReport) -> None:
        self._gpus = {gpu.pci_bus_id: gpu for gpu in report.gpus if gpu.pci_bus_id}

    def short(self, scopes: Sequence[str]) -> str:
        """All of them: `all 8 GPUs` where these are all that there are."""
        if len(scopes) > 1 and set(scopes) == set(self._gpus):
            return f"all {len(scopes)} GPUs"
        indexes = [str(self._gpus[scope].index) for scope in scopes if scope in self._gpus]
        numbers = f"GPU{'s' if len(indexes) > 1 else ''} {', '.join(indexes)}" if indexes else ""
        others = [scope for scope in scopes if scope not in self._gpus]
        return ", ".join(filter(None, (numbers, *dict.fromkeys(others))))

    def full(self, scope: str) -> str:
        """One, so that a technician finds it: `GPU 3, slot 5, 0000:41:00.0, serial 1324…`."""
        gpu = self._gpus.get(scope)
        if gpu is None:
            return scope
        slot = f"slot {gpu.slot}" if gpu.slot else ""
        serial = f"serial {gpu.serial}" if gpu.serial else ""
        return ", ".join(filter(None, (f"GPU {gpu.index}", slot, scope, serial)))


def _key(check: CheckResult) -> tuple[object, ...]:
    """Checks with the same key are one row: numbers that passed differ a little from GPU to GPU."""
    observed = "" if check.status is Status.PASS and _is_number(check.observed) else repr(check.observed)
    wanted = (check.operator, repr(check.expected), check.unit)
    return (check.id, check.title, check.status, check.severity, observed, *wanted)


def _row(group: list[CheckResult], places: Places) -> CheckRow:
    first = group[0]
    result = RESULTS.get(first.status, first.status.replace("_", " "))
    return CheckRow(
        (
            result,
            first.title if first.severity == "required" else f"{first.title} (advisory)",
            places.short([check.scope for check in group]),
            observed([check.observed for check in group], first.unit),
            expectation(first.operator, first.expected, first.unit),
        ),
        is_blocking=first.is_blocking,
    )


def observed(values: list[JsonValue], unit: str) -> str:
    """The value in its unit, or the lowest and the highest of several."""
    numbers = [value for value in values if isinstance(value, int | float) and _is_number(value)]
    if not numbers or min(numbers) == max(numbers):
        return text_of(values[0], unit)
    return f"{text_of(min(numbers))} to {text_of(max(numbers), unit)}"


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _finding(group: list[CheckResult], places: Places) -> NamedCheck:
    check = group[0]
    result = RESULTS.get(check.status, check.status)
    where = places.full(check.scope) if len(group) == 1 else places.short([one.scope for one in group])
    seen = text_of(check.observed, check.unit)
    wanted = expectation(check.operator, check.expected, check.unit)
    told = [f"observed {seen}" if seen else "", f"expected {wanted}" if seen and wanted else ""]
    values = f" ({', '.join(filter(None, told))})" if seen else ""
    return NamedCheck(f"{result}: {check.title} ({check.id}), {where}", check.reason + values, check.action)
