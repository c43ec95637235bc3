"""`provision verify HOST`: through the service, from the ramdisk; nobody's key is needed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cli import question
from provisioner.cli.output import info, print_record, say
from provisioner.cli.watch import follow
from provisioner.errors import Exit

if TYPE_CHECKING:
    from provisioner.client import Client


@dataclass(frozen=True)
class RamdiskOrder:
    """What is asked for; `timeout` in seconds."""

    host: str
    yes: bool
    no_wait: bool
    timeout: float | None


def verify(client: "Client", order: RamdiskOrder, output: str) -> int:
    """Ask, order, follow. The exit code is that of a deployment that ended so.

    Raises RefusedError, NotFoundError.
    """
    from provisioner.api.examinations import ExaminationOrder
    from provisioner.client.request import request

    host = client.host(order.host).host
    question.require_word(
        host.name,
        f"{host.name}: this restarts the host, and whatever runs on it ends",
        yes=order.yes,
        wanted="to restart it",
        show=lambda: info(f"{host.name} is restarted into the ramdisk, and again; its disk is not written."),
    )
    begun = client.examine(request(ExaminationOrder, host=host.name))
    if order.no_wait:
        print_record(output, "deployment", begun, lambda: say(begun.id), name=begun.id)
        return Exit.DONE
    info(f"Verification {begun.id} started. Ctrl-C detaches; the verification goes on.")
    ended, code = follow(client, begun, timeout=order.timeout)
    if ended.verdict.report:
        report = ended.verdict.report
        info(f"as a file: provision certificate {ended.host} --report {report} --to {ended.host}.pdf")
    if output != "table":
        print_record(output, "deployment", ended, lambda: None, name=ended.id)
    return code
