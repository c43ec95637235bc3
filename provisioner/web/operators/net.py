"""The deployment LAN: who gives addresses, who else answers, what the site's own servers must be told."""

from provisioner.api.answer import EventQuery
from provisioner.api.net import BootFileOffer, NetworkStatus, OtherDhcpServer, ServerConfiguration
from provisioner.site import external, lan
from provisioner.state import boot_files
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


def configuration(kind: str) -> ServerConfiguration:
    """Configuration for the site's own dnsmasq, kea, isc or chrony, as text."""
    return ServerConfiguration(kind=kind, text=external.render(the_site(), kind))
