"""A table of hosts out of a spreadsheet: what is wrong with it, line by line; what it would change; taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Response, request
from pydantic import RootModel

from provisioner.api.hosts import InventoryApplied, InventoryUpdate
from provisioner.domain import inventory_diff
from provisioner.domain.host import Host
from provisioner.domain.inventory_diff import InventoryChange
from provisioner.domain.person import Role
from provisioner.errors import InputError, InventoryError, ProvisionError
from provisioner.power import registry
from provisioner.state import inventory, inventory_csv
from provisioner.state.inventory_csv import CsvTable
from provisioner.state.inventory_faults import Faults
from provisioner.web.operators import hosts, profiles
from provisioner.web.pages import submitted
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_site

PASTED = "table"  # what sentences call a table that was pasted
MOST_FAULTS = 100
EXAMPLE = """name,mac,serial,rack,profile,bmc_address,bmc_secret
vc-0042,ac:1f:6b:0a:42:10,S210042,B3/U12,cube,10.20.0.42,rack-b3
"""


class ShownHosts(RootModel[tuple[Host, ...]]):
    """The hosts of a table as they were when it was shown what would change."""


@dataclass(frozen=True)
class TableCheck:
    """What a table would change, and what is noted about it; `shown` are its hosts as they were then."""

    text: str
    hosts: tuple[Host, ...]
    changes: tuple[InventoryChange, ...]
    advice: tuple[str, ...]
    shown: ShownHosts


def ask() -> Shown:
    """Where a table is pasted or given as a file."""
    return _form({}, "", None, None)


def take() -> Shown | Response:
    """What it would change; with `step` apply, the change."""
    form = request.form.to_dict()
    table = _table(form)
    if form.get("step") == "apply":
        _, fault = submitted.attempt(lambda: _apply(table, form))
        if fault is None:
            return go("/hosts")
        return _form(form, form.get("table", ""), None, fault)
    checked, fault = submitted.attempt(lambda: _check(table, form))
    return _form(form, checked.text if checked else _readable(table), checked, fault)


def _table(form: Mapping[str, str]) -> CsvTable:
    """The file that was given, else what was pasted."""
    given = request.files.get("file")
    if given and given.filename:
        return CsvTable(given.filename[-80:], given.read(inventory_csv.LARGEST + 1))
    return CsvTable(PASTED, form.get("table", "").encode(errors="replace"))


def _readable(table: CsvTable) -> str:
    return table.data.decode("utf-8-sig", "replace") if table.name == PASTED else ""


def _read(table: CsvTable, profile: str, known: Sequence[Host]) -> tuple[list[Host], list[str]]:
    """Its hosts, and what is noted of them. Raises InventoryError, with every fault behind the first."""
    if not table.data.strip():
        raise InputError("there is no table", hint="paste one, or choose a file", code=110)
    names = {each.name for each in profiles.list_all().profiles}
    noted: list[str] = []
    found = inventory.read_table(table, registry.DRIVERS, names, known, profile=profile, advise=noted.append)
    if not found:
        raise InventoryError(f"{table.name}: no line names a host", hint="a host a line, below the headings")
    return found, noted


def _check(table: CsvTable, form: Mapping[str, str]) -> TableCheck:
    known = the_site().database.hosts.all()
    found, noted = _read(table, form.get("profile", ""), known)
    names = {host.name for host in found}
    before = tuple(host for host in known if host.name in names)
    tried = _put(found, before, dry_run=True)
    changes = inventory_diff.between((before, []), (found, []))
    text = inventory_csv.text_of(table, Faults()) or ""
    advice = (*noted, *tried.advice)
    return TableCheck(text, tuple(found), tuple(changes), advice, ShownHosts(before))


def _apply(table: CsvTable, form: Mapping[str, str]) -> InventoryApplied:
    shown = submitted.from_json(ShownHosts, form.get("shown", "")).root
    found, _ = _read(table, form.get("profile", ""), the_site().database.hosts.all())
    return _put(found, shown, dry_run=False)


def _put(found: list[Host], shown: tuple[Host, ...], *, dry_run: bool) -> InventoryApplied:
    return hosts.apply(InventoryUpdate(hosts=tuple(found), shown=shown, dry_run=dry_run))


def _form(
    form: Mapping[str, str], text: str, checked: TableCheck | None, fault: ProvisionError | None
) -> Shown:
    faults = [fault, *fault.also] if fault else []
    values = {
        "form": form,
        "text": text,
        "checked": checked,
        "faults": faults[:MOST_FAULTS],
        "more": max(0, len(faults) - MOST_FAULTS),
        "profiles": [profile.name for profile in profiles.list_all().profiles],
        "columns": inventory_csv.WORDS,
        "example": EXAMPLE,
    }
    return Shown("host_import.html", values, submitted.status_with(fault))


PAGES = (
    Page("GET", "/hosts/import", ask, Role.OPERATOR),
    Page("POST", "/hosts/import", take, Role.OPERATOR),
)
