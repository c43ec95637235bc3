"""Hosts: list, show, apply an inventory, lock; and the MACs that asked for an address."""

from provisioner.api.answer import Removal
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.hosts import (
    HistoryEntry,
    HistoryQuery,
    HostAnswer,
    HostDetails,
    HostHistory,
    HostList,
    HostMove,
    HostRename,
    HostRendering,
    HostStatus,
    InventoryApplied,
    InventoryUpdate,
    RenderedText,
)
from provisioner.api.sightings import DhcpSighting, SightingList
from provisioner.api.verifications import OpenVerification
from provisioner.deployment import (
    bmc_addresses,
    disk_view,
    inventory_update,
    plan,
    preflight,
    removal,
    rendering,
)
from provisioner.deployment.inventory_update import Removals
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.hardware import HardwareFacts
from provisioner.domain.host import Host
from provisioner.errors import NotFoundError, UnreadableError
from provisioner.power import registry
from provisioner.site.site import Site
from provisioner.state import inventory
from provisioner.state.verifications import Verification
from provisioner.web.request import the_caller, the_site

NEWEST_EVENTS = 20


def apply(body: InventoryUpdate) -> InventoryApplied:
    """Add or replace hosts and profiles, and remove some, all or none; with `dry_run` only check it."""
    site = the_site()
    described = [host.model_dump(mode="json", exclude_unset=True) for host in body.hosts]
    hosts = [inventory.make_host(host, registry.DRIVERS) for host in described]
    gone = Removals(body.remove_hosts, body.remove_profiles)
    inventory_update.replace(
        site,
        hosts,
        list(body.profiles),
        gone,
        by=the_caller().name,
        dry_run=body.dry_run,
        only_new=body.only_new,
        shown=body.shown,
    )
    named = {profile.name: profile for profile in [*site.database.profiles.all(), *body.profiles]}
    used = {profile.name for profile in body.profiles} | {host.profile for host in hosts}
    return InventoryApplied(
        hosts=tuple(host.name for host in hosts),
        profiles=tuple(profile.name for profile in body.profiles),
        removed_hosts=gone.hosts,
        removed_profiles=gone.profiles,
        advice=(
            *preflight.unknown_images(site, [named[name] for name in sorted(used & named.keys())]),
            *inventory_update.kept_locks(site, hosts),
            *bmc_addresses.doubtful(site, hosts),
        ),
    )


def list_all() -> HostList:
    """Every host with its last deployment."""
    site = the_site()
    database = site.database
    verified = {row.host: row for row in database.verifications.open()}
    lasts, addresses = database.deployments.last_of_each(), database.macs.addresses()
    return HostList(
        hosts=tuple(
            _described(host, lasts.get(host.name), addresses.get(host.macs[0], ""), verified.get(host.name))
            for host in database.hosts.all()
        )
    )


def show(name: str) -> HostDetails:
    """One host by name, serial or MAC, with its hardware: as last seen, and what was written since."""
    site = the_site()
    host = plan.find_host(site, name)
    view = disk_view.look(site, host.name)
    seen = [row for mac in host.macs if (row := site.database.sightings.get(mac))]
    return HostDetails(
        host=_status(site, host, site.database.verifications.open_of(host.name)),
        facts=view.hardware if view else HardwareFacts(),
        seen=tuple(DhcpSighting.model_validate(row) for row in seen),
        events=tuple(site.database.events.of_host(host.name, NEWEST_EVENTS)),
    )


def _status(site: Site, host: Host, verified: Verification | None = None) -> HostStatus:
    row = site.database.macs.get(host.macs[0])
    last = site.database.deployments.last_readable(host.name)
    return _described(host, last, row.address if row else "", verified)


def _described(
    host: Host, last: Deployment | None, address: str, verified: Verification | None
) -> HostStatus:
    return HostStatus(
        **host.model_dump(),
        address=address,
        deployment=DeploymentStatus.model_validate(last) if last else None,
        verification=OpenVerification.model_validate(verified) if verified else None,
    )


def render(name: str) -> HostRendering:
    """Its boot script and seed as they would be served now, and as they were last, without secrets."""
    site = the_site()
    host = plan.find_host(site, name)
    files = tuple(RenderedText.model_validate(file) for file in rendering.of_host(site, host))
    return HostRendering(host=host.name, files=files)


def lock(name: str) -> HostAnswer:
    """Lock a host: it is never armed."""
    site = the_site()
    return HostAnswer(host=_status(site, removal.set_lock(site, name, locked=True, by=the_caller().name)))


def unlock(name: str) -> HostAnswer:
    """Allow deployments of a host again."""
    site = the_site()
    return HostAnswer(host=_status(site, removal.set_lock(site, name, locked=False, by=the_caller().name)))


def remove(name: str, body: Removal) -> HostAnswer:
    """Forget a host that is neither deployed nor locked; the answer has all that was known of it."""
    site = the_site()
    before = _status(site, plan.find_host(site, name))
    gone = removal.remove_host(site, name, by=the_caller().name, dry_run=body.dry_run)
    return HostAnswer(host=before.model_copy(update=dict(gone)))


def rename(name: str, body: HostRename) -> HostAnswer:
    """Call a host that is not being deployed otherwise, with its hardware, addresses and history."""
    site = the_site()
    return HostAnswer(host=_status(site, removal.rename_host(site, name, body.name, by=the_caller().name)))


def move(name: str, body: HostMove) -> HostAnswer:
    """Let another host be this one's machine, cards and BMC and all; this host is no more."""
    site = the_site()
    moved = removal.move_host(
        site, name, body.to, by=the_caller().name, shown=body.shown, dry_run=body.dry_run
    )
    return HostAnswer(host=_status(site, moved))


def history(name: str, query: HistoryQuery) -> HostHistory:
    """Every order and change of a host, the newest first; of one that was removed by its name."""
    site = the_site()
    events = site.database.events.history(name, query.limit)
    if not events and (now := site.database.events.renamed_to(name)):
        hint = f"provision host history {now}"
        raise NotFoundError(f"no host is called {name!r}: it is {now} now", hint=hint, code=121)
    if not events:
        name = plan.find_host(site, name).name
        events = site.database.events.history(name, query.limit)
    entries = tuple(HistoryEntry(event=event, outcome=_outcome(site, event)) for event in events)
    return HostHistory(host=name, history=entries)


def _outcome(site: Site, event: Event) -> str:
    """The stage of the deployment that the event ordered, and why it has failed."""
    if not event.deployment:
        return ""
    try:
        row = site.database.deployments.get(event.deployment)
    except (NotFoundError, UnreadableError):
        return "unreadable"
    return f"{row.stage}: {row.reason}" if row.reason else str(row.stage)


def sightings() -> SightingList:
    """The MACs that asked by DHCP; `host` is null for unknown ones."""
    rows = the_site().database.sightings.all()
    return SightingList(sightings=tuple(DhcpSighting.model_validate(row) for row in rows))
