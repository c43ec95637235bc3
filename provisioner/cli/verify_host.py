"""`provision verify HOST --key FILE`: through the service, by an SSH key that is given for this one time."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cli import verdict_output
from provisioner.cli.options import operator_name
from provisioner.cli.output import info, print_field, print_record
from provisioner.cli.polling import poll
from provisioner.domain.acceptance import Level
from provisioner.errors import Exit, NotAcceptedError, ProvisionError, UnreachableError
from provisioner.system import file_fault

if TYPE_CHECKING:
    from provisioner.api.certificates import CertificateInfo
    from provisioner.api.verifications import VerificationOrder, VerificationStatus
    from provisioner.client import Client


@dataclass(frozen=True)
class KeyOrder:
    """What is asked for; `user` is who types it unless given, as ssh has it, `address` its deployment's."""

    host: str
    level: Level | None
    seconds: int
    key: Path
    user: str
    address: str = ""


def verify(client: "Client", order: KeyOrder, output: str) -> int:
    """Begin it, tell what is found, say what came of it.

    Raises NotAcceptedError (PV-501, PV-504), DeploymentError (PV-502, PV-573), UnreachableError (PV-502).
    """
    begun = client.begin_verification(_body(order))
    info(f"{begun.host} is verified, {begun.id}; the key is in the service's memory until that has ended.")
    try:
        ended = _follow(client, begun.id)
    except KeyboardInterrupt:
        info(f"Detached; it goes on. What came of it: provision certificate list {begun.host}")
        info(f"  to end it: provision cancel {begun.host}")
        return Exit.DETACHED
    report = client.certificate(ended.report).certificate if ended.report else None
    print_record(output, "verification", ended, lambda: _show(ended, report), name=ended.report or ended.id)
    if fault := _fault(ended):
        raise fault
    return Exit.DONE


def _body(order: KeyOrder) -> "VerificationOrder":
    from provisioner.api.verifications import LONGEST_KEY, VerificationOrder
    from provisioner.client.request import request

    try:
        with order.key.open("rb") as file:
            text = file.read(LONGEST_KEY + 1).decode(errors="replace")
    except OSError as fault:
        raise file_fault.explained(fault, order.key) from fault
    user = order.user or operator_name()
    asked = {"host": order.host, "user": user, "key": text, "level": order.level}
    asked["address"] = order.address or None
    return request(VerificationOrder, **asked, seconds=order.seconds or None)


def _follow(client: "Client", ident: str) -> "VerificationStatus":
    """Tell each check as it comes, and the burn-in's progress, until it has ended."""
    told, lines = 0, verdict_output.BurnInLines()

    def ask(wait: float) -> "VerificationStatus":
        return client.verification(ident, told, wait)

    for row in poll(ask, info):
        if row.burnin.test:
            now = row.burnin
            lines.tell(now.test, now.gpu, now.done, now.of, now.seconds_left)
        for task in row.tasks[told:]:
            verdict_output.tell_task(task.result, task.sentence, task.action, task.time)
        told = len(row.tasks)
        if row.state == "done":
            return row
    raise AssertionError("poll goes on until it is told to end")


def _show(row: "VerificationStatus", report: "CertificateInfo | None") -> None:
    print_field("Host", row.host)
    print_field("Verdict", report.verdict.replace("_", " ") if report else f"none: {row.result}")
    print_field("Report", report.report if report else "none")
    if report:
        info(f"as a file: provision certificate {row.host} --report {report.report} --to {row.host}.pdf")


def _fault(row: "VerificationStatus") -> ProvisionError | None:
    """The error of how it ended; None where the host was accepted."""
    if row.result == "passed":
        return None
    sentence = f"{row.host}: {row.sentence}"
    if row.result in ("rejected", "incomplete"):
        return NotAcceptedError(sentence, hint=row.hint, code=row.code)
    if row.result == "unreachable":
        return UnreachableError(sentence, hint=row.hint, code=row.code)
    return verdict_output.not_made(sentence, row.hint, row.code)
