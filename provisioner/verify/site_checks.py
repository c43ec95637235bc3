"""Runs the site's own checks on one host: programs of the service's machine that the profile approves.

The program's checksum is looked at twice: here, so that nothing else leaves this machine, and on the host, of
the copy that runs.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provisioner.domain.requirements import AROUND_CHECK, SiteCheck
from provisioner.errors import ServiceError
from provisioner.system.text import clean
from provisioner.verify import ansible, ssh
from provisioner.verify.evidence_burnin import SiteCheckReport, read_site_check

TASK = "Run the site check"
LARGEST = 16 << 20  # bytes of a program: all of it goes through Ansible's memory


@dataclass(frozen=True)
class SiteCheckOutcome:
    """What came of one check. `printed` is what the host said of it; `unreachable` is why it said nothing
    yet.
    """

    report: SiteCheckReport
    printed: str = ""
    unreachable: str = ""


def run_site_check(
    route: ssh.Route,
    check: SiteCheck,
    *,
    folder: Path,
    work: Path,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> SiteCheckOutcome:
    """Run one check, whose program lies in `folder`, within its limits.

    What is missing, is another program or gives no verdict is an `error` with its reason.
    """
    try:
        program = _approved(check, folder)
    except ServiceError as fault:
        return SiteCheckOutcome(_error(check, f"{fault}: {fault.hint}"))
    play = ansible.run_playbook(
        "site_check",
        route,
        folder=work,
        seconds=check.seconds + AROUND_CHECK,
        is_cancelled=is_cancelled,
        variables={
            "program": base64.b64encode(program).decode(),
            "sha256": check.sha256,
            "seconds": str(check.seconds),
            "memory": str(check.memory),
        },
    )
    printed = play.outputs.get(TASK, "")
    if play.result != "ok":
        unreachable = play.sentence if play.result == "unreachable" else ""
        return SiteCheckOutcome(_error(check, play.sentence), printed, unreachable)
    report = read_site_check(check.name, printed)
    return SiteCheckOutcome(report or _error(check, "what came back from the host is no result"), printed)


def _error(check: SiteCheck, reason: str) -> SiteCheckReport:
    return SiteCheckReport(name=check.name, status="error", reason=clean(reason, 500))


def _approved(check: SiteCheck, folder: Path) -> bytes:
    """The program. Raises ServiceError: it is not there, or another one than the profile names."""
    path = folder / check.program
    if not path.is_file():
        raise ServiceError(f"{path} is not there", hint="lay the program there, readable by the service")
    try:
        with path.open("rb") as file:
            program = file.read(LARGEST + 1)
    except OSError as fault:
        raise ServiceError(
            f"{path} cannot be read: {fault.strerror}", hint="let the service read it"
        ) from fault
    if len(program) > LARGEST:
        raise ServiceError(f"{path} is larger than {LARGEST >> 20} MiB", hint="lay a smaller program there")
    found = hashlib.sha256(program).hexdigest()
    if found != check.sha256:
        raise ServiceError(
            f"{path} is not the program that the profile approves: its SHA-256 is {found}",
            hint="take it back, or approve this one in the profile",
        )
    return program
