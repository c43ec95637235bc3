"""`provision host prove-boot`: restarts hosts to see that their firmware starts the disk that was written."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from provisioner.cli import question
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, info, local_time, print_rows
from provisioner.domain.stage import Stage
from provisioner.errors import Exit, InputError, ProvisionError, RefusedError
from provisioner.system.units import duration

if TYPE_CHECKING:
    from provisioner.api.boot_proofs import BootProofOrdered
    from provisioner.client import Client
    from provisioner.domain.deployment import PublicDeployment


def boot_words(row: "PublicDeployment") -> str:
    """What is known of the firmware's own boot of the disk that was written; empty where it is too early."""
    if row.firmware_boot:
        return f"its firmware was seen to start this disk on {local_time(row.firmware_boot)}"
    if row.stage != Stage.READY or not row.lacks_firmware_boot:
        return ""
    return "by kexec: its firmware was not seen yet to start this disk; provision host prove-boot " + row.host


class ProofRow(BaseModel):
    """What came of one host: `result` is proven, unproven or refused; `code` a PV code, `seconds` to SSH."""

    host: str
    result: str
    seconds: float = 0
    address: str = ""
    host_key: str = ""
    note: str = ""
    code: int = 0
    sentence: str = ""
    hint: str = ""


def _words(row: ProofRow) -> str:
    if row.result != "proven":
        return f"{row.sentence} (PV-{row.code}); {row.hint}".rstrip("; ")
    note = f"; {row.note}" if row.note else ""
    return f"answered SSH at {row.address} {duration(row.seconds)} after power on, by {row.host_key}{note}"


COLUMNS: tuple[Column[ProofRow], ...] = (
    Column("HOST", lambda row: row.host),
    Column("FIRMWARE'S BOOT", lambda row: row.result),
    Column("EVIDENCE", _words),
)


@click.command("prove-boot")
@click.argument("names", metavar="[HOST]...", nargs=-1)
@click.option("--select", default="", metavar="EXPR", help="Of the hosts that fit, those that lack it.")
@click.option("--all", "everything", is_flag=True, help="All hosts that lack it.")
@click.option("--yes", is_flag=True, help="Do not ask. For scripts.")
@output_option
@with_client
def prove_boot(
    client: "Client", names: tuple[str, ...], select: str, everything: bool, yes: bool, output: str
) -> int:
    """Restart hosts that are ready, and see that their firmware starts the disk that was written.

    After `restart: kexec` nobody has seen that yet. Each host is switched off by its BMC, hard, until that
    says that it is off; then boot device = disk, and on. What answers SSH then with the host key that was
    made on that disk was started from it by the firmware. No login is needed and nothing is written, so a
    sealed host can be asked, too. Do it before the host has work to lose.

    Refused for a host that is not ready, locked, under way, or without a BMC.

    Exit code: 0 where all are proven, 4 where some are, 3 where none is.
    """
    from provisioner.api.boot_proofs import BootProofOrder
    from provisioner.client.request import request

    if not (names or select or everything):
        raise InputError("which host is not said", hint="provision host prove-boot HOST…, --select or --all")
    which = {"hosts": list(names), "select": select, "all": everything}
    found = client.begin_boot_proofs(request(BootProofOrder, **which, dry_run=True))
    if not found:
        info("no host lacks it: the firmware of each that is ready was seen to start its disk")
        print_rows(output, "proofs", [], COLUMNS, name=lambda row: row.host)
        return Exit.DONE
    if len(found) == 1 and found[0].refusal:
        against = found[0].refusal
        raise RefusedError(against.sentence, hint=against.hint, code=against.code)
    _confirm(found, yes=yes or (len(names) == 1))
    begun = client.begin_boot_proofs(request(BootProofOrder, hosts=[each.host for each in found]))
    rows = [_result(client, each) for each in begun]
    print_rows(output, "proofs", rows, COLUMNS, name=lambda row: row.host)
    return _exit(rows)


def _confirm(found: "Sequence[BootProofOrdered]", *, yes: bool) -> None:
    wanted = [each.host for each in found if not each.refusal]

    def show() -> None:
        info(f"switched off and on, whatever they do: {', '.join(wanted)}")
        for each in found:
            if each.refusal:
                info(f"left out: {each.refusal.sentence}")

    about = f"this restarts {len(wanted)} hosts"
    question.require_word(str(len(wanted)), about, yes=yes, wanted="to restart them", show=show)


def _result(client: "Client", ordered: "BootProofOrdered") -> ProofRow:
    """Those that follow are worked on meanwhile."""
    if against := ordered.refusal:
        return ProofRow(
            host=ordered.host,
            result="refused",
            code=against.code,
            sentence=against.sentence,
            hint=against.hint,
        )
    info(f"{ordered.host}: switched off and on; waiting for its system")
    try:
        seen = client.boot_proof(ordered.host, ordered.request)
    except ProvisionError as fault:
        return ProofRow(
            host=ordered.host, result="unproven", code=fault.code, sentence=str(fault), hint=fault.hint
        )
    return ProofRow(host=ordered.host, result="proven", **seen.model_dump())


def _exit(rows: Sequence[ProofRow]) -> Exit:
    proven = [row for row in rows if row.result == "proven"]
    if len(proven) == len(rows):
        return Exit.DONE
    return Exit.PARTLY if proven else Exit.FAILED
