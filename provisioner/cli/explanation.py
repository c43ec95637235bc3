"""`provision explain PV-nnn`: what an error code means and what to do, without a network."""

import re
from dataclasses import dataclass

import click

from provisioner.cli.options import output_option
from provisioner.cli.output import Column, print_rows, say
from provisioner.errors import InputError
from provisioner.explanations.codes import CODES


@dataclass(frozen=True)
class ErrorCode:
    """One code, what has happened where it is shown, what to do."""

    code: str
    meaning: str
    remedy: str


COLUMNS = (
    Column[ErrorCode]("CODE", lambda row: row.code),
    Column[ErrorCode]("MEANING", lambda row: [row.meaning, f"→ {row.remedy}"]),
)


@click.command()
@click.argument("code", metavar="[PV-NNN]", required=False)
@output_option
def explain(code: str | None, output: str) -> None:
    """Say what an error code means and what to do; works offline. Without a code, all of them."""
    numbers = [_number(code)] if code else sorted(CODES)
    rows = [ErrorCode(f"PV-{number}", *CODES[number]) for number in numbers]
    if code and output == "table":
        say(f"{rows[0].code}  {rows[0].meaning}")
        say(f"        {rows[0].remedy}")
    else:
        print_rows(output, "codes", rows, COLUMNS, name=lambda row: row.code)


def _number(code: str) -> int:
    match = re.fullmatch(r"(?:PV-?)?(\d{3})", code.strip(), re.IGNORECASE)
    if not match or int(match[1]) not in CODES:
        raise InputError(f"there is no code {code!r}", hint="codes look like PV-210")
    return int(match[1])
