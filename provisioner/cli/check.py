"""`provision check`: whether the service and its machine are as they have to be, the red lines first."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option, with_service
from provisioner.cli.output import Column, print_rows
from provisioner.errors import CheckError, ProvisionError, RefusedError, UnreachableError

if TYPE_CHECKING:
    from provisioner.client import Client
    from provisioner.domain.check_line import CheckLine
    from provisioner.settings import Settings

SETTINGS = Path("/etc/provisioner/provisioner.toml")
MARKS = {
    "fault": ("✗ fault", "red"),
    "warning": ("! warning", "yellow"),
    "unknown": ("? unknown", "dim"),
    "ok": ("✓ ok", "green"),
}
# what ends a check otherwise than with PV-673, the first that is found
ENDS: "dict[int, type[UnreachableError | RefusedError]]" = {
    620: UnreachableError,
    601: RefusedError,
    622: RefusedError,
    **dict.fromkeys((700, 701, 705, 706, 707, 708), RefusedError),
    670: RefusedError,
}


def _described(line: "CheckLine") -> list[str]:
    code = f" (PV-{line.code})" if line.code else ""
    return [f"{line.sentence}{code}", *([f"→ {line.hint}"] if line.hint else [])]


COLUMNS: "tuple[Column[CheckLine], ...]" = (
    Column("", lambda line: MARKS[line.state]),
    Column("CHECK", lambda line: line.subject),
    Column("", _described),
)


@click.command()
@click.option(
    "--settings",
    "file",
    type=click.Path(path_type=Path),
    default=SETTINGS,
    help="The service's settings, for when it does not answer.",
)
@output_option
@with_service
def check(client: "Client", state: Path | None, file: Path, output: str) -> None:
    """Look at all that the service needs: what is wrong comes first, each with what to do.

    Its database from end to end, rows, ports, clock, free space, keys and certificates, interface, other DHCP
    servers, boot files of each architecture, the worker; and from here, with packets as firmware sends them,
    each boot file by TFTP, the boot script and the ramdisk by HTTP. Where the service does not answer, what
    can be seen without it. Nothing is changed.

    Exit code 0: nothing is wrong (warnings are not). 3 (PV-673): something is. 5 (PV-620): the service does
    not answer. 6: it does not know the token (PV-601), you may not enter its state folder (PV-622), or
    another DHCP server answers, so deployments are refused (PV-670).
    """
    from provisioner.domain.check_line import ORDER

    lines = sorted(_look(client, state, file), key=lambda line: ORDER.index(line.state))
    print_rows(output, "checks", lines, COLUMNS, name=lambda line: f"{line.state} {line.subject}")
    _judge(lines)


def _judge(lines: "list[CheckLine]") -> None:
    """Raises CheckError (PV-673) where a line is red, or the error of ENDS that is among them."""
    faults = [line for line in lines if line.state == "fault"]
    if not faults:
        return
    sentence = f"{len(faults)} of {len(lines)} checks found a fault: " + ", ".join(
        dict.fromkeys(line.subject for line in faults)
    )
    codes = {line.code for line in faults}
    for code, kind in ENDS.items():
        if code in codes:
            raise kind(sentence, hint="do what the lines marked ✗ say", code=code)
    raise CheckError(sentence, hint="do what the lines marked ✗ say", code=673)


def _look(client: "Client", state: Path | None, file: Path) -> "Iterator[CheckLine]":
    """`state` is None for a service on another machine."""
    from provisioner.domain.check_line import CheckLine
    from provisioner.site import checks

    try:
        status = client.service()
    except ProvisionError as fault:
        yield checks.of_fault("service", fault)
        if state:
            yield checks.of_database(state)
            yield from _without_service(state, file)
        return
    sentence = f"{status.version} on {status.interface}, {status.url}"
    yield CheckLine(subject="service", state="ok", sentence=sentence)
    yield from client.checks()
    if state:
        yield checks.of_database(state)
    else:
        hint = f"provision check on the service's machine reads {status.state}"
        sentence = "the database is not read from end to end from here"
        yield CheckLine(subject="database", state="unknown", sentence=sentence, hint=hint)
    yield from _fetch_by_tftp(client)
    yield from _fetch_by_http(client, status.url)


def _without_service(state: Path, file: Path) -> "Iterator[CheckLine]":
    """What settings and database tell, where both can be read."""
    from provisioner import settings
    from provisioner.domain.check_line import CheckLine
    from provisioner.site import checks
    from provisioner.site.site import Site
    from provisioner.state.database import Database

    try:
        known: Settings = settings.load(file, state=str(state))
    except ProvisionError as fault:
        if file == SETTINGS and not file.exists():
            hint = "provision check --settings FILE looks at interface, ports and boot files, too"
            yield CheckLine(subject="settings", state="unknown", sentence=f"there is no {file}", hint=hint)
        else:
            yield checks.of_fault("settings", fault)
        return
    if (state / "provisioner.db").is_file():
        yield from checks.of_service(Site(known, Database(state)))


def _fetch_by_tftp(client: "Client") -> "Iterator[CheckLine]":
    from provisioner.cli.net_check import fetch
    from provisioner.domain.check_line import CheckLine

    fetched, note = fetch(client.net())
    if note:
        yield CheckLine(subject="TFTP", state="unknown", sentence=note)
    for file in fetched:
        if file.fault:
            sentence = f"{file.file}: {file.fault}"
            yield CheckLine(subject="TFTP", state="fault", sentence=sentence, hint=file.hint, code=672)
        else:
            sentence = f"{file.file}, {file.size} bytes in {file.seconds:.2f} s, as the service has it"
            yield CheckLine(subject="TFTP", state="ok", sentence=sentence)


def _fetch_by_http(client: "Client", url: str) -> "Iterator[CheckLine]":
    from provisioner.domain.check_line import CheckLine
    from provisioner.site import checks
    from provisioner.web.machines import probe

    files = {file.name for file in client.net().files if file.http} | {"vmlinuz", "initrd.img"}
    try:
        fetched = [probe.probe_script(url), *(probe.probe_file(url, f"/boot/files/{name}") for name in files)]
    except UnreachableError as fault:
        yield checks.of_fault("HTTP", fault)
        return
    for each in fetched:
        yield CheckLine(
            subject="HTTP",
            state="fault" if each.fault else "ok",
            sentence=f"{url}{each.path}: {each.fault or f'{each.size} bytes'}",
            hint="provision ramdisk build; the log of the service has each request" if each.fault else "",
            code=672 if each.fault else 0,
        )
