"""`provision host apply` and `import`: files become what is known; what they change is shown."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.cli import question
from provisioner.cli.options import output_option, with_client
from provisioner.cli.output import Column, console, info, line, page_lines, print_rows
from provisioner.errors import InventoryError
from provisioner.power import registry
from provisioner.system.units import counted, named

if TYPE_CHECKING:
    from provisioner.api.hosts import InventoryApplied
    from provisioner.client import Client
    from provisioner.domain.host import Host
    from provisioner.domain.inventory_diff import FieldChange, InventoryChange
    from provisioner.domain.profile import Profile

SIGNS = {"added": "+", "changed": "~", "removed": "-"}
COLUMNS: "tuple[Column[InventoryChange], ...]" = (
    Column("KIND", lambda change: change.kind),
    Column("NAME", lambda change: change.name),
    Column("CHANGE", lambda change: change.change),
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what is wrong, or what would change; change nothing.")
@click.option("--prune", is_flag=True, help="Remove the hosts and profiles that the folder does not have.")
@click.option("--yes", is_flag=True, help="Do not ask before something is removed. For scripts.")
@output_option
@with_client
def apply(client: "Client", folder: Path, dry_run: bool, prune: bool, yes: bool, output: str) -> None:
    """Add or replace the hosts and profiles of an inventory folder: all of them, or none.

    With --dry-run, --prune or -o what it changes is printed: + added, ~ changed (each key), - removed.
    """
    from provisioner.domain import inventory_diff
    from provisioner.state import inventory

    listed = cache(client.hosts)
    staying = (lambda: ()) if prune else listed
    hosts, profiles = inventory.read(folder, registry.DRIVERS, advise=info, known=staying)
    _require_some(folder, hosts, profiles, listed() if prune else ())
    changes: Sequence[InventoryChange] = ()
    if is_shown := dry_run or prune or output != "table":
        before = (listed(), client.profiles())
        changes = inventory_diff.between(before, (hosts, profiles), prune=prune)
    gone = [change for change in changes if change.change == "removed"]
    apply = partial(
        client.apply,
        hosts,
        profiles,
        remove_hosts=[change.name for change in gone if change.kind == "host"],
        remove_profiles=[change.name for change in gone if change.kind == "profile"],
        shown=listed() if prune else None,  # whoever confirms it has seen what was known then
    )
    if is_shown:
        tried = apply(dry_run=True)  # what is refused is said before anything is shown or asked
        show_changes(output, changes)
        _advise_names(listed(), hosts, changes)
        tell_advice(tried)
    if dry_run:
        right = f"{counted(len(hosts), 'host')} and {counted(len(profiles), 'profile')}"
        return info(f"{right} are right; nothing was changed")
    _ask(gone, yes=yes)
    applied = apply()
    if not is_shown:
        tell_advice(applied)
    removed = len(applied.removed_hosts) + len(applied.removed_profiles)
    more = f", {removed} are removed" if removed else ""
    taken = f"{counted(len(applied.hosts), 'host')} and {counted(len(applied.profiles), 'profile')}"
    return info(f"{taken} are known now{more}")


def _require_some(
    folder: Path, hosts: "Sequence[Host]", profiles: "Sequence[Profile]", pruned: "Sequence[Host]"
) -> None:
    """That all is to be forgotten is never said by an empty file. Raises InventoryError."""
    if not (hosts or profiles):
        raise InventoryError(
            f"{folder}: there is neither a host nor a profile in it; nothing was changed",
            hint="is it the right folder? hosts.yml and profiles.yml say what there is",
        )
    if pruned and not hosts:
        raise InventoryError(
            f"{folder}: there is no host in it, and --prune would forget all {len(pruned)}; "
            "nothing was changed",
            hint="is it the right folder? One that is gone: provision host remove HOST",
        )


def tell_advice(applied: "InventoryApplied") -> None:
    """What was taken, and would be refused when it is deployed; to stderr."""
    for sentence in applied.advice:
        info(sentence)


def show_changes(output: str, changes: "Sequence[InventoryChange]") -> None:
    """What is added, changed, removed: lines for people, paged as plans are; else data."""
    if output != "table":
        return print_rows(output, "changes", changes, COLUMNS, name=lambda change: change.name)
    if page_lines(console(), *(line(text) for change in changes for text in _lines(change))):
        counts = Counter(change.change for change in changes)
        info(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    return None


def _lines(change: "InventoryChange") -> "Iterator[str]":
    what = change.name if change.kind == "host" else f"profile {change.name}"
    serial = f"serial {change.serial}" if change.serial else ""
    machine = ", ".join(filter(None, (*change.macs, serial)))
    yield f"{SIGNS[change.change]} {what}{f'  {machine}' if machine else ''}"
    for field in change.fields:
        yield f"    {_told(field)}"


def _told(field: "FieldChange") -> str:
    before, after = (json.dumps(value, ensure_ascii=False) for value in (field.before, field.after))
    if field.before is None:
        return f"{field.field}: {after}"
    now = "is left out now" if field.after is None else f"→ {after}"
    return f"{field.field}: {before} {now}"


def _advise_names(
    known: "Sequence[Host]", hosts: "Sequence[Host]", changes: "Sequence[InventoryChange]"
) -> None:
    """A host that is removed, and one that is added with its MAC, is mostly one that was renamed."""
    gone = {change.name for change in changes if (change.kind, change.change) == ("host", "removed")}
    owners = {mac: host.name for host in known if host.name in gone for mac in host.macs}
    for host in hosts:
        for before in dict.fromkeys(owners[mac] for mac in host.macs if mac in owners):
            info(
                f"{host.name} has the MAC of {before}: provision host rename {before} {host.name} "
                "keeps its history and its address"
            )


def _ask(gone: "Sequence[InventoryChange]", *, yes: bool) -> None:
    if gone:
        count = str(len(gone))
        about = f"this removes {named(change.name for change in gone)}"
        question.require_word(count, about, yes=yes, wanted=f"to remove {count} of them")


@click.command("import")
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option("--profile", default="", help="The profile of hosts whose line names none.")
@click.option("--dry-run", is_flag=True, help="Say what is wrong, or what would change; change nothing.")
@output_option
@with_client
def import_(client: "Client", file: Path, profile: str, dry_run: bool, output: str) -> None:
    """Add the hosts of a table, a host a line, or change them: all of them, or none.

    Of a host that is known, only what its line or --profile says is changed.

    The first line names the columns: name, mac, serial, uuid, rack, profile, bmc_address, bmc_driver (ipmi
    unless it says otherwise), bmc_secret, bmc_mac, bmc_port, bmc_system. Separators are commas, semicolons
    or tabs; several MACs stand in one cell, or in several columns mac.
    """
    from provisioner.domain import inventory_diff
    from provisioner.state import inventory
    from provisioner.state.inventory_csv import CsvTable

    known, profiles = client.hosts(), client.profiles()
    names = {one.name for one in profiles}
    table = CsvTable.at(file)
    hosts = inventory.read_table(table, registry.DRIVERS, names, known, profile=profile, advise=info)
    if not hosts:
        raise InventoryError(f"{file}: no line names a host", hint="a host a line, below the headings")
    applied = client.apply(hosts, [], dry_run=dry_run, shown=known)
    show_changes(output, inventory_diff.between((known, []), (hosts, [])))
    tell_advice(applied)
    if dry_run:
        return info(f"{counted(len(hosts), 'host')} can be taken; nothing was changed")
    return info(f"{counted(len(hosts), 'host')} {'is' if len(hosts) == 1 else 'are'} known now")
