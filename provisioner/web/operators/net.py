"""The deployment LAN: who gives addresses, who else answers, what the site's own servers must be told."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address

from provisioner.api.answer import EventQuery
from provisioner.api.net import (
    AddressLease,
    BootFileOffer,
    LeaseList,
    NetworkStatus,
    OtherDhcpServer,
    ServerConfiguration,
)
from provisioner.site import external, lan
from provisioner.state import boot_files
from provisioner.state.leases import LeaseRow
from provisioner.state.macs import MacRow
from provisioner.state.sightings import Sighting
from provisioner.web.request import await_change, the_site

NEWEST_EVENTS = 50


def show(query: EventQuery) -> NetworkStatus:
    """The deployment LAN: mode, addresses, boot files, other DHCP servers; waits for an event of it."""
    site = the_site()
    settings = site.settings
    events = await_change(
        lambda: site.database.events.notes(NEWEST_EVENTS),
        lambda events: any(event.id > query.after for event in events),
        query.wait,
    )
    return NetworkStatus(
        mode=settings.dhcp.mode,
        interface=settings.interface,
        address=str(settings.address.ip),
        network=str(settings.address.network),
        url=settings.url,
        time_server=str(settings.dhcp.time_server or ""),
        watched="dhcp" in settings.services,
        deaf=tuple(site.database.values.deaf_interfaces()),
        alone=lan.is_sole_server(site),
        files=tuple(BootFileOffer.model_validate(file) for file in external.firmware_files(site)),
        tftp_files=tuple(boot_files.tftp_files(settings.state)) if "tftp" in settings.services else (),
        servers=tuple(OtherDhcpServer.model_validate(server) for server in lan.rogue_servers(site)),
        events=tuple(events),
    )


def leases() -> LeaseList:
    """Whose each address is: fixed ones of known cards and BMCs, leases of strangers; when each asked."""
    site = the_site()
    now, database = site.clock(), site.database
    seen = {sighting.mac: sighting for sighting in database.sightings.all()}
    if site.settings.dhcp.mode == "authoritative":
        found = [*_fixed(database.macs.all(), seen), *_leased(database.leases.all(), seen, now)]
    else:
        found = [
            AddressLease(
                address=sighting.address,
                mac=mac,
                kind="seen",
                host=sighting.host or "",
                role=sighting.role or "",
                last_seen=sighting.last_seen,
            )
            for mac, sighting in seen.items()
            if sighting.address
        ]
    return LeaseList(leases=tuple(sorted(found, key=lambda lease: IPv4Address(lease.address))), now=now)


def _fixed(rows: Iterable[MacRow], seen: Mapping[str, Sighting]) -> Iterator[AddressLease]:
    for row in rows:
        yield AddressLease(
            address=row.address,
            mac=row.mac,
            kind="fixed",
            host=row.host,
            role=row.role,
            last_seen=seen[row.mac].last_seen if row.mac in seen else 0,
        )


def _leased(rows: Iterable[LeaseRow], seen: Mapping[str, Sighting], now: float) -> Iterator[AddressLease]:
    for row in rows:
        if row.expires <= now:
            continue
        sighting = seen.get(row.mac)
        yield AddressLease(
            address=row.address,
            mac=row.mac,
            kind="leased" if row.bound else "offered",
            host=(sighting.host if sighting else "") or "",
            role=(sighting.role if sighting else "") or "",
            expires=row.expires,
            last_seen=sighting.last_seen if sighting else 0,
        )


def configuration(kind: str) -> ServerConfiguration:
    """Configuration for the site's own dnsmasq, kea, isc or chrony, as text."""
    return ServerConfiguration(kind=kind, text=external.render(the_site(), kind))
