"""Asks on each served interface for other DHCP servers, hears their answers, and tells of each."""

import logging
from collections.abc import Callable
from functools import partial

from provisioner.domain.event import Event
from provisioner.domain.events.netboot import DhcpServerGone, DhcpServerSeen
from provisioner.errors import ServiceError, UnreadableError
from provisioner.services.dhcp.frames import DhcpPacketSocket
from provisioner.services.dhcp.listener import CLIENT_PORT, SERVER_PORT
from provisioner.services.dhcp.packet import Packet
from provisioner.services.dhcp.rogue_servers import (
    PERIOD,
    SITE_SERVER_PERIOD,
    RogueServers,
    discover_message,
)
from provisioner.services.eventloop.reactor import Reactor
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.values import RogueServer

log = logging.getLogger(__name__)


class RogueServerWatch:
    """Its sockets live in the service's reactor.

    In external mode `overheard(request, now)` is told of each packet that a client broadcasts to servers.
    """

    def __init__(
        self,
        site: Site,
        reactor: Reactor,
        interfaces: list[str],
        overheard: Callable[[Packet, float], None],
    ) -> None:
        self._site, self._overheard = site, overheard
        mode = site.settings.dhcp.mode
        self._is_external = mode == "external"
        self._is_saved = True
        period = PERIOD if mode == "authoritative" else SITE_SERVER_PERIOD
        self._servers = RogueServers(frozenset(site.settings.addresses), self._on_change, period)
        self._servers.load(self._known(), site.clock())
        self._sockets: list[DhcpPacketSocket] = []
        self._open(interfaces, reactor)
        reactor.call_every(period, self._probe)

    def _known(self) -> list[RogueServer]:
        """Those that were heard before this start; where nobody can read that it is written anew."""
        try:
            return lan.rogue_servers(self._site)
        except UnreadableError as fault:
            log.warning("%s; whoever is there will be heard again", fault)
            self._is_saved = False
            return []

    @property
    def count(self) -> int:
        """How many servers that are not ours are heard now."""
        return len(self._servers)

    def close(self) -> None:
        """Give the sockets back."""
        for packet_socket in self._sockets:
            packet_socket.close()

    def _open(self, interfaces: list[str], reactor: Reactor) -> None:
        """Where it may not listen, that is written down for `net check`."""
        ports = (CLIENT_PORT, SERVER_PORT) if self._is_external else (CLIENT_PORT,)
        deaf: list[str] = []
        for name in interfaces:
            try:
                packet_socket = DhcpPacketSocket(name, ports)
            except OSError as fault:
                deaf.append(name)
                log.warning("%s: other DHCP servers cannot be heard (CAP_NET_RAW): %s", name, fault)
                continue
            self._sockets.append(packet_socket)
            reactor.register(packet_socket, partial(self._receive, packet_socket))
        self._write(partial(self._site.database.values.put_deaf_interfaces, deaf))

    def _probe(self) -> None:
        self._servers.expire(self._site.clock())
        if not self._is_saved:
            self._save()
        for packet_socket in self._sockets:
            try:
                packet_socket.broadcast(discover_message(packet_socket.mac))
            except OSError as fault:
                log.debug("%s: nobody could be asked: %s", packet_socket.interface, fault)

    def _receive(self, packet_socket: DhcpPacketSocket) -> None:
        now, own_mac = self._site.clock(), packet_socket.mac.hex(":")
        for datagram in packet_socket.read():
            packet = self._servers.receive(datagram, packet_socket.interface, own_mac, now)
            if packet and self._is_external and datagram.destination_port == SERVER_PORT:
                self._overheard(packet, now)

    def _on_change(self, kind: str, server: RogueServer) -> None:
        """Into the log, the event log, and where `deploy` and `net check` look."""
        seen = DhcpServerSeen if kind == DhcpServerSeen.kind else DhcpServerGone
        change = "answers" if seen is DhcpServerSeen else "is gone"
        log.warning("another DHCP server %s: %s", change, lan.describe_server(server))
        self._save()
        data = seen.model_validate(server, from_attributes=True)
        event = Event.of_network(data, source="dhcp", now=self._site.clock())
        self._write(partial(self._site.database.events.note, event))

    def _save(self) -> None:
        """What `deploy` looks at; where it cannot be written it is tried again at the next probe."""
        servers = self._servers.dump()
        self._is_saved = self._write(partial(self._site.database.values.put_rogue_servers, servers))

    @staticmethod
    def _write(put: Callable[[], None]) -> bool:
        try:
            put()
        except ServiceError as fault:
            log.warning("what was heard of other DHCP servers could not be written down: %s", fault)
            return False
        return True
