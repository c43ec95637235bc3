"""`provision audit …`: who did what; whether anything in it was changed since."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, info, local_time, print_field, print_record, print_rows, write
from provisioner.errors import AuditError, InputError
from provisioner.system import file_fault

if TYPE_CHECKING:
    from provisioner.client import Client
    from provisioner.domain.audit import Line
    from provisioner.domain.audit_export import Head

FILE = click.Path(path_type=Path)


@click.group()
def audit() -> None:
    """Who did what: list, verify, export; the key that signs it."""


def _seconds(text: str, option: str) -> float:
    """Seconds since 1970 of a day or a time. Raises InputError (PV-100)."""
    if not text:
        return 0.0
    try:
        when = datetime.fromisoformat(text)
    except ValueError as fault:
        hint = "as 2026-11-29, or 2026-11-29T14:00, in local time"
        raise InputError(f"{option} {text!r} is no time", hint=hint) from fault
    return when.timestamp()


@audit.command("list")
@click.option("--kind", default="", help="A kind of line, or the beginning of one: login, secret.read.")
@click.option("--host", default="", help="Of this host alone.")
@click.option("--by", default="", help="By this person, or this process of the service.")
@click.option("--since", default="", metavar="TIME", help="From then on: 2026-11-29, or 2026-11-29T14:00.")
@click.option("--until", default="", metavar="TIME", help="Before then.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@output_option
@with_client
def list_(
    client: "Client", kind: str, host: str, by: str, since: str, until: str, limit: int, output: str
) -> None:
    """Print the newest lines, the newest last: orders, refusals, power, logins, what secrets were read."""
    from provisioner.api.audit import AuditQuery
    from provisioner.domain.audit import Line

    query = AuditQuery(
        kind=kind,
        host=host,
        by=by,
        since=_seconds(since, "--since"),
        until=_seconds(until, "--until"),
        limit=limit,
    )
    lines = [Line.model_validate_json(raw) for raw in reversed(client.audit(query))]
    print_rows(output, "lines", lines, COLUMNS, name=lambda line: str(line.number))


def _what(line: "Line") -> str:
    words = [line.what, line.sentence]
    count = f"({line.count} times)" if line.count > 1 else ""
    return " ".join(filter(None, [": ".join(filter(None, words)), count])) or "–"


COLUMNS: "tuple[Column[Line], ...]" = (
    Column("LINE", lambda line: str(line.number)),
    Column("TIME", lambda line: local_time(line.time)),
    Column("KIND", lambda line: line.kind.value if line.result == "done" else f"{line.kind} ({line.result})"),
    Column("BY", lambda line: line.by or line.address),
    Column("HOST", lambda line: line.host),
    Column("WHAT", _what),
)


@audit.command()
@click.argument("file", metavar="[FILE]", required=False, type=FILE)
@click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="The site's public key: 64 digits, or its file."
)
@click.option(
    "--earlier", type=FILE, multiple=True, help="An older export: what it has must be in this one. Repeat it."
)
@output_option
@with_client
def verify(
    client: "Client", file: Path | None, keys: tuple[str, ...], earlier: tuple[Path, ...], output: str
) -> None:
    """Say whether any line was changed, lost, added or moved: of the service, or of an exported FILE.

    Of a FILE no service is asked. Whoever owns the service's machine could write all of it anew, and sign it:
    only --earlier, an export that you kept elsewhere, finds that. Without --key it is not known whose
    signature it is.
    """
    from provisioner.domain import audit_export

    known = tuple(map(_key, keys))
    kept = [_head_of(path, known) for path in earlier]
    head = audit_export.verify(_lines(file), known, kept) if file else _of_service(client, known, kept)
    for one in kept:
        if one.number < head.first - 1:
            info(f"the earlier one ends with line {one.number}; what was between is gone: nothing joins them")
    print_record(output, "audit", head, lambda: _show(head), name=str(head.number))
    info(f"whole: {head.count} lines, number {head.first} to {head.number}; none was changed, lost or added")
    if not known and file:
        info("--key was not given: compare the key above with that of provision audit key, at the site")


def _of_service(client: "Client", keys: Sequence[str], earlier: "list[Head]") -> "Head":
    from provisioner.domain import audit_export

    signed = client.audit_heads()
    heads = [audit_export.read_head(text.encode() + b"\n") for text in signed.heads]
    found = audit_export.verify_lines(client.audit_lines(), heads, keys or (signed.key,), earlier)
    newest = max((one.head.number for one in heads), default=0)
    if newest < found.number:
        info(f"lines {newest + 1} to {found.number} are not signed yet; that is done within minutes")
    return found


def _key(text: str) -> str:
    """A public key that was typed, or the file that holds one. Raises InputError (PV-100)."""
    from provisioner.system import ed25519

    if ed25519.is_key(text):
        return text
    try:
        found = Path(text).read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        hint = "provision audit key prints the site's"
        raise InputError(f"{text!r} is no public key, and no file with one", hint=hint) from fault
    if not ed25519.is_key(found):
        raise InputError(f"{text} holds no public key", hint="provision audit key > FILE writes one")
    return found


def _head_of(path: Path, keys: Sequence[str]) -> "Head":
    from provisioner.domain import audit_export

    return audit_export.verify(_lines(path), keys)


def _lines(path: Path) -> Iterator[bytes]:
    """A file's lines, of a length that is no longer than one may be. Raises FileError (PV-150)."""
    from provisioner.domain.audit_chain import LARGEST

    try:
        with path.open("rb") as file:
            while line := file.readline(LARGEST + 1):
                yield line
    except OSError as fault:
        raise file_fault.explained(fault, path) from fault


def _show(head: "Head") -> None:
    print_field("Lines", f"{head.first} to {head.number}")
    print_field("Hash", head.hash)
    print_field("Signed", local_time(head.time))
    print_field("Key", head.key)


@audit.command()
@click.option("--to", "target", type=FILE, help="The file to write; without it, to standard output.")
@with_client
def export(client: "Client", target: Path | None) -> None:
    """Write all lines with a head that was signed for it, as JSON Lines. Keep the file on another machine.

    provision audit verify FILE says, without a service, whether anything in it was changed; a later export is
    compared with it by --earlier.
    """
    from provisioner.domain import audit_export
    from provisioner.system import outputs

    newest = audit_export.read_head(client.sign_audit().heads[-1].encode() + b"\n")
    lines = audit_export.write(client.audit_lines(newest.head.number), newest)
    data = b"".join(lines)
    try:
        head = audit_export.verify(data.splitlines(keepends=True))
    except AuditError as fault:
        info(f"{fault} (PV-{fault.code}): it is written as it is")
        head = newest.head
    if target is None:
        return write(data.decode(errors="replace"))
    outputs.write(target, data, mode=0o600)
    info(f"{target}: {head.count} lines up to number {head.number}, signed")
    return None


@dataclass(frozen=True)
class AuditKey:
    """The public key, 64 hexadecimal digits."""

    key: str


@audit.command()
@output_option
@with_client
def key(client: "Client", output: str) -> None:
    """Print the public key that signs the audit; who verifies an export has to get it from the site."""
    found = AuditKey(client.audit_heads().key)
    print_record(output, "audit", found, lambda: write(found.key + "\n"), name=found.key)
