"""The operators' API of the deployment LAN itself: who gives addresses, and who else answers."""

from dataclasses import asdict

from flask import Response

from provisioner.site import external, lan
from provisioner.state import boot_files
from provisioner.web.request import after, await_news, routes_for_operators
from provisioner.web.request import answer as _answer
from provisioner.web.request import the_site as _site

routes = routes_for_operators("net", "/net")
EVENTS = 50


@routes.get("")
def show() -> Response:
    """The mode, our addresses, what may be booted, and the DHCP servers that are not ours.

    At once, or as soon as there is an event of the network with an id above `after` within `wait` seconds.
    """
    site, last = _site(), after()
    settings = site.settings
    serves_tftp = "tftp" in settings.services
    notes = await_news(
        lambda: site.database.events.notes(EVENTS),
        lambda found: any(event.id > last for event in found),
    )
    events = [event.model_dump(mode="json") for event in notes]
    return _answer(
        mode=settings.dhcp.mode,
        interface=settings.interface,
        address=str(settings.address.ip),
        network=str(settings.address.network),
        url=settings.url,
        time_server=str(settings.dhcp.time_server or ""),
        watched="dhcp" in settings.services,
        deaf=site.database.values.deaf_interfaces(),
        alone=lan.is_sole_server(site),
        files=external.firmware_files(site),
        tftp_files=[asdict(file) for file in boot_files.tftp_files(settings.state)] if serves_tftp else [],
        servers=lan.rogue_servers(site),
        events=events,
    )


@routes.get("/print/<kind>")
def configuration(kind: str) -> Response:
    """Configuration for the site's own servers, as text."""
    return _answer(kind=kind, text=external.render(_site(), kind))
