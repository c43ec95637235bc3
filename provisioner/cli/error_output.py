"""How errors are told: sentences for people, one line of JSON for programs; both to stderr."""

import json
import os
import sys
from contextlib import suppress

import click

from provisioner.api import SCHEMA_VERSION
from provisioner.cli import layout
from provisioner.cli.layout import columns_of
from provisioner.cli.output import MARK, info
from provisioner.cli.signs import shown
from provisioner.errors import ProvisionError
from provisioner.system.units import and_more

MOST_FAULTS = 50  # that are shown of one command


def print_error(fault: ProvisionError) -> None:
    """An error for people, to stderr: what, why, what to do, its code; and all that were found with it."""
    faults = (fault, *fault.also)
    for one in faults[:MOST_FAULTS]:
        _print_fault(one)
    if rest := and_more(len(faults), MOST_FAULTS):
        info(f"… {rest}")


def print_error_line(fault: ProvisionError) -> None:
    """An error for programs, to stderr: one line of JSON; `also` has what was found at the same time."""
    also = {"also": [one.as_json() for one in fault.also]} if fault.also else {}
    document = {"schema_version": SCHEMA_VERSION, "error": fault.as_json(), **also}
    click.echo(json.dumps(document), err=True)


def print_usage(text: str) -> None:
    """How a command is used, to stderr; the error comes below it."""
    with suppress(OSError):
        click.echo(text, err=True)


def _print_fault(fault: ProvisionError) -> None:
    sentence = f"{shown(MARK)} {shown(str(fault))} (PV-{fault.code})"
    first, *more = layout.wrap(sentence, columns_of(sys.stderr), rest="  ")
    mark = click.style(f"{first[:2]}", fg="red", bold=True)
    for each in (f"{mark}{first[2:]}", *more):
        click.echo(each, err=True, color=_wants_colour())
    if fault.hint:
        info(f"  → {fault.hint}")


def _wants_colour() -> bool | None:
    """As rich decides it, which click does not; None where it depends on the terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None
