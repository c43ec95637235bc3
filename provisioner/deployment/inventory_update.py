"""Applies an inventory to what is known: all of it or nothing, and everything that is in its way is told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from provisioner.deployment import bmc_addresses, removal
from provisioner.domain import inventory_diff
from provisioner.domain.event import Event
from provisioner.domain.events.inventory import HostChanged
from provisioner.domain.host import Host
from provisioner.domain.inventory_diff import InventoryChange
from provisioner.domain.profile import Profile
from provisioner.errors import InputError, ProvisionError, RefusedError, UnreadableError, raise_together
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.system.units import named

HELD = (*removal.MACHINE, "disk", "profile")  # what a deployment relies on until it is at rest


@dataclass(frozen=True)
class Removals:
    """The names of hosts and profiles that are to be forgotten."""

    hosts: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()


class _InTheWay:
    """What forbids a change: all of it is told, where any of it would be enough to refuse."""

    def __init__(self) -> None:
        self._found: list[ProvisionError] = []

    @contextmanager
    def gather(self) -> Iterator[None]:
        """What is refused inside is kept, and what comes behind goes on."""
        try:
            yield
        except (RefusedError, InputError, UnreadableError) as fault:
            self._found.append(fault)

    def end(self) -> None:
        """Raise all that was kept."""
        raise_together(self._found)


def replace(
    site: Site,
    hosts: list[Host],
    profiles: list[Profile],
    gone: Removals,
    *,
    by: str,
    dry_run: bool = False,
    only_new: bool = False,
    shown: Sequence[Host] | None = None,
) -> None:
    """Add or replace hosts and profiles and remove others, in one transaction; a `dry_run` changes nothing.

    A lock of before stays, whatever is said of it. With `only_new` no host is replaced. `shown` are the hosts
    as they were when it was made out of them: all that is known of the names of `hosts` and `gone`.

    Raises, and changes nothing then, RefusedError (PV-614), and what `remove_host` and `remove_profile`
    raise; InventoryError: PV-110 for what no two hosts may share, PV-111 for a BMC's address that is not its
    own; InputError (PV-110) for a host that is known with `only_new`; RefusedError: PV-132 where a host that
    is deployed would get another machine, BMC, disk or profile, PV-146 where one is not as it was `shown`.
    """
    with removal.writing(site, dry_run=dry_run):
        before = site.database.hosts.known([*(host.name for host in hosts), *gone.hosts])
        if only_new:
            _require_unknown(before)
        _require_shown(before, hosts, shown)
        _check(site, hosts, profiles, gone)
        hosts = _write(site, hosts, profiles, gone, before, by)
        bmc_addresses.check(site, hosts)
        replaced = [host for name, host in before.items() if name not in gone.hosts]
        _note_changes(site, replaced, hosts, by)
    if not dry_run:
        for name in gone.hosts:
            removal.forget_files(site, name)


def _check(site: Site, hosts: list[Host], profiles: list[Profile], gone: Removals) -> None:
    """Against what is known within this transaction: nobody adds another host with these MACs meanwhile."""
    names = {profile.name for profile in [*profiles, *site.database.profiles.all()]}
    staying = [host for host in site.database.hosts.all() if host.name not in gone.hosts]
    inventory.check(hosts, names - set(gone.profiles), staying)


def _write(
    site: Site,
    hosts: list[Host],
    profiles: list[Profile],
    gone: Removals,
    before: Mapping[str, Host],
    by: str,
) -> list[Host]:
    """The hosts as they are written, with the locks of before."""
    in_the_way = _InTheWay()
    for name in gone.hosts:
        with in_the_way.gather():
            removal.forget_host(site, site.database.hosts.get(name), by)
    for host in hosts:
        with in_the_way.gather():
            _require_held(site, host, before.get(host.name))
    in_the_way.end()
    written = [_with_lock(host, before.get(host.name)) for host in hosts]
    site.database.write_inventory(written, profiles, site.settings.hosts_range)
    for name in gone.profiles:
        with in_the_way.gather():
            removal.forget_profile(site, name)
    in_the_way.end()
    return written


def _require_unknown(known: Iterable[str]) -> None:
    for name in known:
        raise InputError(
            f"there is a host {name} already, it was not changed",
            hint=f"give another name; or provision host edit {name}, which changes what is given",
            code=110,
        )


def _require_shown(before: Mapping[str, Host], hosts: list[Host], shown: Sequence[Host] | None) -> None:
    """Raises RefusedError (PV-146). A lock that came or went is no matter: none is written over."""
    if shown is None:
        return
    names = {host.name for host in hosts} | before.keys()
    then, now = (
        [host.model_copy(update={"locked": False}) for host in each if host.name in names]
        for each in (shown, before.values())
    )
    told = [_since(change) for change in inventory_diff.between((then, []), (now, []), prune=True)]
    if told:
        raise RefusedError(
            f"since it was looked up, {named(told)}; nothing was changed",
            hint="give the command again: it begins with what is known by now",
            code=146,
        )


def _since(change: InventoryChange) -> str:
    """What somebody else has done to a host meanwhile."""
    if change.change != "changed":
        return f"{change.name} was {change.change}"
    return f"{' and '.join(field.field for field in change.fields)} of {change.name} was changed"


def _require_held(site: Site, host: Host, before: Host | None) -> None:
    """Raises RefusedError (PV-132)."""
    changed = [key for key in HELD if before and getattr(host, key) != getattr(before, key)]
    if before and changed:
        removal.require_rest(site, before, f"its {', '.join(changed)} cannot be changed")


def _with_lock(host: Host, before: Host | None) -> Host:
    """With the lock of before: it is the operator's word, and applying a file never opens it."""
    return host.model_copy(update={"locked": True}) if before and before.locked else host


def kept_locks(site: Site, hosts: Iterable[Host]) -> tuple[str, ...]:
    """A sentence about the hosts that are locked and stay so, though it is said that they shall not be."""
    opened = [host.name for host in hosts if "locked" in host.model_fields_set and not host.locked]
    locked = sorted(name for name, host in site.database.hosts.known(opened).items() if host.locked)
    if not locked:
        return ()
    one = locked[0] if len(locked) == 1 else "HOST"
    words = "is locked and stays so" if len(locked) == 1 else "are locked and stay so"
    return (
        f"{named(locked)} {words}: `locked: false` opens no lock, since somebody may still need it "
        f"(provision host history {one} says who); provision host unlock {one} does",
    )


def _note_changes(site: Site, before: list[Host], after: list[Host], by: str) -> None:
    for change in inventory_diff.between((before, []), (after, [])):
        if change.change != "removed":
            event = HostChanged(by=by, change=change.change, fields=change.fields)
            site.database.events.add(Event.of_host(change.name, event, source=by, now=site.clock()))
