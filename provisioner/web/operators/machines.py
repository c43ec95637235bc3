"""Machines that nobody knows yet: list, watch, adopt."""

import re
from collections.abc import Iterable

from provisioner.api.machines import (
    Adoption,
    HostAdopted,
    MachineAnswer,
    MachineAssignment,
    MachineList,
    MachineQuery,
)
from provisioner.deployment import inventory_update, plan
from provisioner.deployment.inventory_update import Removals
from provisioner.discovery import machines
from provisioner.discovery.owners import Owners
from provisioner.domain.host import Host
from provisioner.domain.identity import MachineIdentity
from provisioner.domain.machine import UnknownMachine
from provisioner.errors import InputError, RefusedError
from provisioner.power import registry
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.web.request import await_change, the_caller, the_site


def list_all(query: MachineQuery) -> MachineList:
    """Every machine that nobody knows; waits for one that was seen later than `after`."""
    site = the_site()
    rows = await_change(
        lambda: tuple(machines.unknown(site)),
        lambda rows: any(machine.changed > query.after for machine in rows),
        query.wait,
    )
    return MachineList(machines=rows, now=site.clock())


def show(name: str) -> MachineAnswer:
    """One of them by any of its MACs, its UUID or its serial."""
    return MachineAnswer(machine=machines.find(the_site(), name))


def adopt(name: str, body: Adoption) -> HostAdopted:
    """Make a host of one: its MACs (the one that was named boots), serial and UUID as inventoried."""
    site = the_site()
    machine = machines.find(site, name)
    _check_is_new(machine)
    host = _make_host(site, machine, name, body)
    inventory_update.replace(site, [host], [], Removals(), by=the_caller().name, only_new=True)
    _hand_over(site, machine, host)
    return HostAdopted(host=host)


def assign(name: str, body: MachineAssignment) -> HostAdopted:
    """Let one be the machine of a host that has never been seen: its MACs, serial and UUID as inventoried.

    Raises RefusedError (PV-130) where that host has been seen, which has a machine then.
    """
    site = the_site()
    machine = machines.find(site, name)
    _check_is_new(machine)
    before = plan.find_host(site, body.host)
    _check_is_unseen(site, before)
    after = before.model_copy(
        update={
            "macs": tuple(_boot_first(machine.macs, name)),
            "serial": _own_serial(site, machine) or before.serial,
            "uuid": machine.uuid or before.uuid,
        }
    )
    inventory_update.replace(
        site, [after], [], Removals(), by=the_caller().name, shown=(body.shown or before,)
    )
    _hand_over(site, machine, after)
    return HostAdopted(host=after)


def unseen_hosts() -> tuple[Host, ...]:
    """The hosts that an inventory names, and of which nothing was ever heard, by name."""
    site = the_site()
    return tuple(host for host in site.database.hosts.all() if not _is_seen(site, host))


def _is_seen(site: Site, host: Host) -> bool:
    database = site.database
    return any(map(database.sightings.get, host.macs)) or database.deployments.last_of(host.name) is not None


def _check_is_unseen(site: Site, host: Host) -> None:
    if _is_seen(site, host):
        raise RefusedError(
            f"{host.name} has a machine: {host.macs[0]} was seen",
            hint=f"if its board was replaced: provision host edit {host.name} --mac MAC",
            code=130,
        )


def _hand_over(site: Site, machine: UnknownMachine, host: Host) -> None:
    """What was known of the stranger is the host's."""
    if machine.inventoried:
        site.database.hosts.put_hardware(host.name, machine.hardware, site.clock())
    said = MachineIdentity(machine.serial, machine.uuid, machine.macs)
    site.database.surveys.forget(host.macs, said)


def _check_is_new(machine: UnknownMachine) -> None:
    if machine.host:
        raise RefusedError(
            f"{machine.mac} is a network card of {machine.host}: they have the UUID {machine.uuid}",
            hint=f"provision host show {machine.host}; add the MAC to it in the inventory. If it is another "
            f"machine, whose board has the same UUID: provision host add NAME --mac {machine.mac}",
            code=137,
        )


def _make_host(site: Site, machine: UnknownMachine, name: str, body: Adoption) -> Host:
    profiles = [profile.name for profile in site.database.profiles.all()]
    known = body.model_dump(mode="json", exclude_unset=True, exclude={"serial"})
    return inventory.make_host(
        known
        | {"profile": body.profile or _only(profiles), "macs": _boot_first(machine.macs, name)}
        | {"serial": body.serial or _own_serial(site, machine), "uuid": machine.uuid},
        registry.DRIVERS,
    )


def _own_serial(site: Site, machine: UnknownMachine) -> str:
    """Its serial; none where a host has it that no UUID tells apart, as of blades in one chassis."""
    said = MachineIdentity(machine.serial, machine.uuid)
    return "" if Owners(site.database).by_serial(said) else machine.serial


def _only(profiles: list[str]) -> str:
    if len(profiles) == 1:
        return profiles[0]
    raise InputError(
        "which profile the host shall have is not said",
        hint=f"--profile, one of: {', '.join(profiles)}"
        if profiles
        else "provision profile learn MAC --apply",
        code=110,
    )


def _boot_first(macs: Iterable[str], name: str) -> list[str]:
    """The MAC that was named comes first: it is the one that boots."""
    digits = re.sub(r"[^0-9a-f]", "", name.lower())
    return sorted(macs, key=lambda mac: mac.replace(":", "") != digits)
