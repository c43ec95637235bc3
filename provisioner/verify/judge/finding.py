"""What a check's function says, and a row of the table of checks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from provisioner.domain.acceptance import CheckStage, Level, Severity, Status
from provisioner.verify.judge.seen import Seen


@dataclass(frozen=True)
class Finding:
    """One sentence of one check. A miss is `FAIL` here; of a check that is advice it becomes a warning.

    `is_absence`: it is not applicable as the host has nothing of the kind; a profile may require it all the
    same. `action` is what to do where the check's own is not it. Observed and expected are values, or by GPU.
    """

    status: Status
    reason: str
    scope: str = "host"
    observed: object = None
    expected: object = None
    operator: Literal["==", "!=", ">=", "<=", "in", ""] = ""
    action: str = ""
    is_absence: bool = False


@dataclass(frozen=True)
class Check:
    """A row of the table: what is checked, when, by whom it is told, what a technician does about it.

    `task` is its name in a deployment's story. `level`: from which on it is made. `is_of_gpus`: it is made
    where the profile names a GPU driver. `is_conditional`: it is required of a host that has the thing at
    all. `names_scope`: its task is named with what it is about. `is_in_ramdisk`: it needs no driver, so the
    ramdisk makes it, too.
    """

    id: str
    title: str
    task: str
    stage: CheckStage
    source: str
    action: str
    findings: Callable[[Seen], Iterable[Finding]]
    threshold: str  # in words, for the manual
    severity: Severity = Severity.REQUIRED
    unit: str = ""
    level: Level = Level.QUICK
    is_of_gpus: bool = True
    is_conditional: bool = False
    names_scope: bool = False
    is_in_ramdisk: bool = False

    @property
    def is_on_demand(self) -> bool:
        """Whether a profile may require it although it is not required everywhere."""
        return self.is_conditional or self.severity is Severity.ADVISORY


def good(reason: str, observed: object = None, expected: object = None, scope: str = "host") -> Finding:
    """It is as it must be."""
    return Finding(Status.PASS, reason, scope, observed, expected)


def miss(
    reason: str,
    scope: str = "host",
    observed: object = None,
    expected: object = None,
    operator: Literal["==", "!=", ">=", "<=", "in", ""] = "",
    action: str = "",
) -> Finding:
    """It is not as it must be."""
    return Finding(Status.FAIL, reason, scope or "host", observed, expected, operator, action)


def unproved(reason: str, scope: str = "host") -> Finding:
    """It should have been looked at, and could not be."""
    return Finding(Status.ERROR, reason, scope or "host")


def left_out(reason: str, scope: str = "host") -> Finding:
    """It was not looked at."""
    return Finding(Status.SKIPPED, reason, scope or "host")


def needless(reason: str, observed: object = None) -> Finding:
    """Nothing was demanded."""
    return Finding(Status.NOT_APPLICABLE, reason, observed=observed)


def absent(reason: str) -> Finding:
    """The host has nothing of the kind."""
    return Finding(Status.NOT_APPLICABLE, reason, is_absence=True)
