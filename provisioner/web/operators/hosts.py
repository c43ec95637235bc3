"""Hosts: list, show, apply an inventory, lock; and the MACs that asked for an address."""

from provisioner.api.deployments import DeploymentStatus
from provisioner.api.hosts import (
    HostAnswer,
    HostDetails,
    HostList,
    HostStatus,
    InventoryApplied,
    InventoryUpdate,
)
from provisioner.api.sightings import DhcpSighting, SightingList
from provisioner.deployment import plan
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.power import registry
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.web.request import the_site

NEWEST_EVENTS = 20


def apply(body: InventoryUpdate) -> InventoryApplied:
    """Add or replace hosts and profiles, all or none; with `dry_run` only check them."""
    site = the_site()
    before = {host.name: host for host in site.database.hosts.all()}
    known = {profile.name for profile in [*body.profiles, *site.database.profiles.all()]}
    described = [host.model_dump(mode="json", exclude_unset=True) for host in body.hosts]
    hosts = [inventory.make_host(host, registry.DRIVERS) for host in described]
    inventory.check(hosts, known, list(before.values()))
    hosts = [_keep_lock(host, before.get(host.name)) for host in hosts]
    profiles, pool = list(body.profiles), site.settings.hosts_range
    site.database.put_inventory(hosts, profiles, pool, dry_run=body.dry_run)
    return InventoryApplied(
        hosts=tuple(host.name for host in hosts), profiles=tuple(profile.name for profile in body.profiles)
    )


def _keep_lock(host: Host, before: Host | None) -> Host:
    """A lock is the operator's word, not the inventory's: applying a file never opens it."""
    return host.model_copy(update={"locked": host.locked or before.locked}) if before else host


def list_all() -> HostList:
    """Every host with its last deployment."""
    site = the_site()
    return HostList(hosts=tuple(_status(site, host) for host in site.database.hosts.all()))


def show(name: str) -> HostDetails:
    """One host by name, serial or MAC, with what its last hello said of its hardware."""
    site = the_site()
    host = plan.find_host(site, name)
    hardware = site.database.hosts.hardware(host.name)
    seen = [row for mac in host.macs if (row := site.database.sightings.get(mac))]
    return HostDetails(
        host=_status(site, host),
        facts=hardware or HardwareFacts(),
        seen=tuple(DhcpSighting.model_validate(row) for row in seen),
        events=tuple(site.database.events.of_host(host.name, NEWEST_EVENTS)),
    )


def _status(site: Site, host: Host) -> HostStatus:
    last = site.database.deployments.last_readable(host.name)
    row = site.database.macs.get(host.macs[0])
    return HostStatus(
        **host.model_dump(),
        address=row.address if row else "",
        deployment=DeploymentStatus.model_validate(last) if last else None,
    )


def lock(name: str) -> HostAnswer:
    """Lock a host: it is never armed."""
    return _set_lock(name, locked=True)


def unlock(name: str) -> HostAnswer:
    """Allow deployments of a host again."""
    return _set_lock(name, locked=False)


def _set_lock(name: str, *, locked: bool) -> HostAnswer:
    site = the_site()
    host = plan.find_host(site, name).model_copy(update={"locked": locked})
    site.database.hosts.put(host)
    return HostAnswer(host=_status(site, host))


def sightings() -> SightingList:
    """The MACs that asked by DHCP; `host` is null for unknown ones."""
    rows = the_site().database.sightings.all()
    return SightingList(sightings=tuple(DhcpSighting.model_validate(row) for row in rows))
