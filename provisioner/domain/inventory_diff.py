"""What an inventory would change of what is known: hosts and profiles that are added, changed, removed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from provisioner.domain.host import Host
from provisioner.domain.profile import Profile
from provisioner.domain.values import FrozenModel

Known = Host | Profile
Plain = dict[str, JsonValue]
LOCK = "locked"  # an operator's word: a file may say it, and never takes it back


class FieldChange(FrozenModel):
    """One key that says something else, as an inventory has it (`bmc.address`); null: nothing is said."""

    field: str
    before: JsonValue
    after: JsonValue


class InventoryChange(FrozenModel):
    """One host or profile that would not be what it is; `fields` of one that is changed, by name.

    `macs` and `serial` tell which machine a host is that is removed.
    """

    kind: Literal["host", "profile"]
    name: str
    change: Literal["added", "changed", "removed"]
    fields: tuple[FieldChange, ...] = ()
    macs: tuple[str, ...] = ()
    serial: str = ""


def between(
    known: tuple[Sequence[Host], Sequence[Profile]],
    wanted: tuple[Sequence[Host], Sequence[Profile]],
    *,
    prune: bool = False,
) -> list[InventoryChange]:
    """From what is known to what is wanted, hosts first, each by name; what stays as it is, is left out.

    What is known and not wanted is removed with `prune`, else it stays; so does a lock.
    """
    hosts = _of_kind("host", _by_name(known[0]), _by_name(wanted[0]), prune=prune)
    profiles = _of_kind("profile", _by_name(known[1]), _by_name(wanted[1]), prune=prune)
    machines = {host.name: {"macs": host.macs, "serial": host.serial} for host in known[0]}
    return [
        change.model_copy(update=machines[change.name]) if change.change == "removed" else change
        for change in hosts
    ] + [*profiles]


def _by_name(items: Sequence[Known]) -> dict[str, Plain]:
    return {item.name: _plain(item) for item in items}


def _plain(item: Known) -> Plain:
    """As an inventory says it; what a subclass adds to tell of its state is not of it."""
    model = Host if isinstance(item, Host) else Profile
    body: Plain = item.model_dump(mode="json", include=set(model.model_fields), exclude_defaults=True)
    return body


def _of_kind(
    kind: Literal["host", "profile"], before: Mapping[str, Plain], after: Mapping[str, Plain], *, prune: bool
) -> Iterator[InventoryChange]:
    for name in sorted({*before, *after}):
        if name not in before:
            yield InventoryChange(kind=kind, name=name, change="added", fields=())
        elif name in after:
            if fields := tuple(_fields(before[name], after[name])):
                yield InventoryChange(kind=kind, name=name, change="changed", fields=fields)
        elif prune:
            yield InventoryChange(kind=kind, name=name, change="removed", fields=())


def _fields(before: Plain, after: Plain, above: str = "") -> Iterator[FieldChange]:
    kept = {LOCK} & before.keys() if not above else set()
    for key in sorted({*before, *after} - kept):
        old, new, name = before.get(key), after.get(key), f"{above}{key}"
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _fields(old, new, f"{name}.")
        else:
            yield FieldChange(field=name, before=old, after=new)
