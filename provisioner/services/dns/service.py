"""The DNS service: the names of this site, kept up with the store."""

import logging
import threading
from collections.abc import Callable
from ipaddress import IPv4Address

from provisioner.services.dns.loop import PORT, DnsLoop, Place
from provisioner.services.dns.names import site_zone
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.zone import Zone
from provisioner.site.site import Site
from provisioner.state.counters import Counters, Writer
from provisioner.state.macs import MacRow
from provisioner.state.notify import Listener

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds between two looks at the store, however often it changes


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Answer DNS on the settings' addresses until the process is ended. Raises ServiceError."""
    settings, counters = site.settings, Counters("dns")
    addresses = [*settings.addresses, *settings.dns.also]
    names = Names(site)
    responder, *further = names.responders.values()
    others = dict(zip(settings.addresses[1:], further, strict=True))
    loop = DnsLoop(addresses, responder, forward=_forward(site), counters=counters, others=others)
    reloads = counters.number("provision_settings_reloads_total")

    def adopt() -> None:
        loop.forward_to(_forward(site))
        names.look_again()
        reloads.add()

    site.adopt = adopt
    keep_up = threading.Thread(target=names.keep_up, name="names", daemon=True)
    keep_up.start()
    sessions = counters.number("provision_sessions")

    def before() -> None:
        loop.check()
        sessions.set(loop.connections)

    Writer(counters, settings.state, before).start()
    places = ", ".join(f"{address}:{PORT}" for address in addresses)
    ready(f"dns: answering for {settings.dhcp.domain} on {places}/udp and tcp")
    loop.run()


def _forward(site: Site) -> Place | None:
    server = site.settings.dns.forward
    return (server, PORT) if server else None


class Names:
    """The site's names as the store has them; a notification says that it changed.

    `responders` has one for each address of ours: on each network the service's name is its address there.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._listener = Listener(site.settings.state, "dns")
        self._read()
        self.responders = {address: Responder(self._zone(address)) for address in site.settings.addresses}

    def _read(self) -> None:
        self._rang = self._listener.count
        self._known: list[MacRow] | None = self._site.database.macs.all()

    def _zone(self, address: IPv4Address) -> Zone:
        return site_zone(self._site.settings, self._known or [], int(self._site.clock()), address)

    def look_again(self) -> None:
        """The settings have changed; `keep_up` does it."""
        self._known = None
        self._listener.notify()

    def keep_up(self) -> None:
        """Replace the responders' zones whenever a host has come, gone or moved."""
        while True:
            self._rang = self._listener.wait(self._rang, 3600)
            try:
                if self._site.database.macs.all() != self._known:
                    self._read()
                    for address, responder in self.responders.items():
                        responder.replace(self._zone(address))
                    log.info("the names of %d MACs are answered", len(self._known or []))
            except Exception:
                log.exception("the names could not be read again")
            threading.Event().wait(PAUSE)
