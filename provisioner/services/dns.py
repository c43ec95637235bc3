"""The DNS service: the names of this site, kept up with the store."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from provisioner.bell import Listener
from provisioner.counters import Counters, Writer
from provisioner.services.dns_loop import PORT, DnsLoop, Place
from provisioner.services.dns_names import site_zone
from provisioner.services.dns_responder import Responder
from provisioner.site import Site

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds between two looks at the store, however often it changes


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Answer DNS on the settings' addresses until the process is ended. Raises ServiceError."""
    settings, counters = site.settings, Counters("dns")
    addresses = [*settings.addresses, *settings.dns.also]
    names = Names(site)
    responder = Responder(names.zone())
    loop = DnsLoop(addresses, responder, forward=_forward(site), counters=counters)
    reloads = counters.number("provision_settings_reloads_total")

    def adopt() -> None:
        loop.forward_to(_forward(site))
        names.look_again()
        reloads.add()

    site.adopt = adopt
    keep_up = threading.Thread(target=names.keep_up, args=(responder,), name="names", daemon=True)
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
    """The site's names as the store has them; a change is seen by the bell."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._listener = Listener(site.settings.state, "dns")
        self._rang = self._listener.count
        self._known: Any = None

    def zone(self) -> Any:
        """The zone as it is now."""
        self._rang = self._listener.count
        self._known = self._site.store.mac_rows()
        return site_zone(self._site.settings, self._known, int(self._site.clock()))

    def look_again(self) -> None:
        """The settings have changed; `keep_up` does it."""
        self._known = None
        self._listener.ring()

    def keep_up(self, responder: Responder) -> None:
        """Replace the responder's zone whenever a host has come, gone or moved."""
        while True:
            self._rang = self._listener.wait(self._rang, 3600)
            try:
                if self._site.store.mac_rows() != self._known:
                    responder.replace(self.zone())
                    log.info("the names of %d MACs are answered", len(self._known))
            except Exception:
                log.exception("the names could not be read again")
            threading.Event().wait(PAUSE)
