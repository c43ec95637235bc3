"""The DNS service: answers with the names of this site, as the database has them now."""

import logging
import threading
from ipaddress import IPv4Address

from provisioner.services.dns.loop import PORT, DnsLoop, ServerAddress
from provisioner.services.dns.names import site_zone
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.zone import Zone
from provisioner.site.site import Site
from provisioner.state.counters import MetricsRegistry, MetricsWriter
from provisioner.state.macs import MacRow
from provisioner.state.notify import Listener
from provisioner.system.pulse import Pulse

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds between two readings of the database, however often it changes


def serve(site: Site, pulse: Pulse) -> None:
    """Answer DNS on the settings' addresses until the process is ended. Raises ServiceError."""
    settings, registry = site.settings, MetricsRegistry("dns")
    addresses = [*settings.addresses, *settings.dns.also]
    zones = ZoneUpdater(site)
    responder, *further = zones.responders.values()
    others = dict(zip(settings.addresses[1:], further, strict=True))
    loop = DnsLoop(
        addresses, responder, forward=_forward(site), registry=registry, others=others, pulse=pulse
    )
    reloads = registry.scalar("provision_settings_reloads_total")

    def adopt() -> None:
        loop.forward_to(_forward(site))
        zones.reload()
        reloads.inc()

    site.adopt = adopt
    threading.Thread(target=zones.run, name="zones", daemon=True).start()
    sessions = registry.scalar("provision_sessions")

    def update() -> None:
        sessions.set(loop.connections)

    MetricsWriter(registry, settings.state, update).start()
    places = ", ".join(f"{address}:{PORT}" for address in addresses)
    pulse.ready(f"dns: answering for {settings.dhcp.domain} on {places}/udp and tcp")
    loop.run()


def _forward(site: Site) -> ServerAddress | None:
    server = site.settings.dns.forward
    return (server, PORT) if server else None


class ZoneUpdater:
    """Keeps the responders' zones as the database has the names; each commit wakes it (state/notify.py).

    `responders` has one for each address of ours: on each network the service's name is its address there.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._listener = Listener(site.settings.state, "dns")
        self._read()
        self.responders = {address: Responder(self._zone(address)) for address in site.settings.addresses}

    def _read(self) -> None:
        self._changes = self._listener.count
        self._known: list[MacRow] | None = self._site.database.macs.all()

    def _zone(self, address: IPv4Address) -> Zone:
        return site_zone(self._site.settings, self._known or [], int(self._site.clock()), address)

    def reload(self) -> None:
        """The settings have changed; `run` does it."""
        self._known = None
        self._listener.notify()

    def run(self) -> None:
        """Replace the responders' zones whenever a host has come, gone or moved."""
        while True:
            self._changes = self._listener.wait(self._changes, 3600)
            try:
                if self._site.database.macs.all() != self._known:
                    self._read()
                    for address, responder in self.responders.items():
                        responder.replace(self._zone(address))
                    log.info("the names of %d MACs are answered", len(self._known or []))
            except Exception:
                log.exception("the names could not be read again")
            threading.Event().wait(PAUSE)
