"""The DHCP service: listeners, policy and what is known of hosts, put together for the mode that is set.

A packet's way: `loop` receives and reads it, `DhcpService.answer` decides, `loop` sends the reply (or
`conflict_detection` a moment later), `DhcpService.observe` writes down who asked.
"""

import logging
import sys
from functools import partial
from ipaddress import IPv4Address

from provisioner.errors import ServiceError
from provisioner.services.dhcp import proxy
from provisioner.services.dhcp.boot import refusal_reason
from provisioner.services.dhcp.conflict_detection import ConflictDetector
from provisioner.services.dhcp.host_cache import HostCache
from provisioner.services.dhcp.listener import SERVER_PORT, DhcpListener, PacketInfo
from provisioner.services.dhcp.loop import DhcpLoop
from provisioner.services.dhcp.metrics import DhcpMetrics
from provisioner.services.dhcp.networks import ServedNetwork, ServedNetworks
from provisioner.services.dhcp.packet import Message, Packet
from provisioner.services.dhcp.policy import ClientRoles, DhcpReply, answer, destination
from provisioner.services.dhcp.rogue_watch import RogueServerWatch
from provisioner.services.dhcp.router_advert import RouterAdvertiser, start
from provisioner.services.dhcp.sighting_recorder import SightingRecorder
from provisioner.services.eventloop.reactor import Reactor
from provisioner.services.eventloop.write_behind import WriteBehind, batches
from provisioner.site.site import Site
from provisioner.state.counters import MetricsWriter
from provisioner.system.pulse import Pulse

log = logging.getLogger(__name__)
MESSAGE_NAMES = {None: "other"} | {kind: kind.name.lower() for kind in Message}
PORTS = {"authoritative": (SERVER_PORT,), "proxy": (SERVER_PORT, proxy.BOOT_PORT), "external": ()}
FLUSH_SECONDS = 1.0


def serve(site: Site, pulse: Pulse) -> None:
    """Answer DHCP, or in external mode only listen, until the process is ended. Raises ServiceError."""
    sys.setswitchinterval(0.00005)  # seconds: an answer does not wait for the thread that writes
    service = DhcpService(site, pulse)
    for name in service.interfaces:
        start(RouterAdvertiser(name))
    writer = MetricsWriter(service.metrics.registry, site.settings.state, service.metrics.update).start()
    pulse.ready(f"dhcp: {service.summary}")
    try:
        service.loop.run()
    finally:
        writer.close()
        service.close()


class DhcpService:
    """The DHCP server with its probes and recorders, all in one reactor."""

    def __init__(self, site: Site, pulse: Pulse | None = None) -> None:
        """Raises ServiceError: a port or an interface cannot be had."""
        self._site = site
        self._mode = site.settings.dhcp.mode
        self.metrics = DhcpMetrics(lambda: self._rogue_watch.count)
        self._tally = self.metrics.tally
        self._hosts = HostCache(site.database)
        self._hosts.refresh(now=True)
        self._roles = ClientRoles(is_bmc=self._hosts.is_bmc)
        self._sightings = SightingRecorder(site, self._hosts)
        self._writer = WriteBehind("dhcp-writer")
        self.networks = ServedNetworks(site, self._hosts)
        self.interfaces = [network.interface for network in self.networks.direct]
        self._reactor = Reactor("dhcp", pulse=pulse)
        self._conflicts = self._conflict_detector()
        self.loop = DhcpLoop(
            self._listeners(),
            self.answer,
            self.observe,
            self._flush,
            conflicts=self._conflicts,
            metrics=self.metrics,
            clock=site.clock,
            reactor=self._reactor,
        )
        self._rogue_watch = RogueServerWatch(site, self._reactor, self.interfaces, self._overheard)

    def _conflict_detector(self) -> ConflictDetector | None:
        if self._mode != "authoritative" or not self._site.settings.dhcp.probe:
            return None
        return ConflictDetector(self.interfaces, self._reactor, self._mark_conflict, self._answer_again)

    def _listeners(self) -> list[DhcpListener]:
        return [
            DhcpListener(network.interface, network.config.server, port)
            for network in self.networks.direct
            for port in PORTS[self._mode]
        ]

    @property
    def summary(self) -> str:
        """What it does, for the line that says it is ready."""
        places = ", ".join(f"{network.interface} {network.config.server}" for network in self.networks.direct)
        if self._mode == "external":
            return f"listening on {places}; another server answers"
        return f"{self._mode}, answering on {places}, port {' and '.join(map(str, PORTS[self._mode]))}/udp"

    def close(self) -> None:
        """Write what waits and give everything back."""
        self._hand_over()
        self._writer.close()
        self._rogue_watch.close()
        if self._conflicts:
            self._conflicts.close()
        self.loop.close()

    # decide

    def answer(self, request: Packet, info: PacketInfo, now: float) -> DhcpReply | None:
        """The reply to a packet, counted; None where silence is right. `now` in seconds since 1970."""
        self._hosts.refresh()
        message = request.message
        self._tally["request", MESSAGE_NAMES[message]] += 1
        reply = self._decide(request, info, now)
        if reply:
            self._tally["answer", MESSAGE_NAMES[reply.packet.message]] += 1
        elif message in (Message.DISCOVER, Message.REQUEST):
            self._tally["refusal", "not ours to answer"] += 1
        return reply

    def _decide(self, request: Packet, info: PacketInfo, now: float) -> DhcpReply | None:
        if self._mode == "proxy":
            return self._proxy_answer(request, info)
        network = self.networks.for_request(request, info)
        if network is None:
            return None  # a relay of a network that we have no addresses for
        reply = answer(request, network.config, network.leases, self._roles, now)
        if reply and reply.packet.message == Message.NAK and self.networks.is_past_relay(request, info):
            reply.address, _ = destination(request, network.config.network)  # a broadcast would not arrive
        if reply and reply.packet.message == Message.ACK and network is not self.networks.main:
            self._write_lease_now(request.mac, network)
        return reply

    def _proxy_answer(self, request: Packet, info: PacketInfo) -> DhcpReply | None:
        if info.listener.port == SERVER_PORT:
            config = self.networks.at_interface(info.listener.interface).config
            return proxy.offer(request, config, self._roles)
        network = self.networks.containing(info.source[0])  # it may be behind a relay
        return proxy.boot_server(request, network.config, self._roles, info.source) if network else None

    def _write_lease_now(self, mac: str, network: ServedNetwork) -> None:
        """The web service believes in a lease of a host; it may be asked for a script in a moment.

        It is answered all the same where nothing can be written: the writer tries it again.
        """
        lease = network.leases.lease(mac)
        if lease and self._hosts.is_known(mac):
            try:
                self._site.database.leases.put([lease.row()])
            except ServiceError as fault:
                log.warning("%s: its lease is not written down yet: %s", mac, fault)

    def _mark_conflict(self, request: Packet, info: PacketInfo, address: IPv4Address) -> None:
        self.metrics.count("refusal", "address in use")
        if network := self.networks.for_request(request, info):
            network.leases.mark_conflict(request.mac, address, self._site.clock())

    def _answer_again(self, request: Packet, info: PacketInfo) -> DhcpReply | None:
        return self._decide(request, info, self._site.clock())

    # tell

    def observe(self, request: Packet, info: PacketInfo, now: float, reply: DhcpReply | None) -> None:
        """Who asked, after the reply has left; written down by another thread."""
        if info.listener.port == proxy.BOOT_PORT:
            return  # it has asked on the other port before, where its relay says the switch port too
        note = refusal_reason(request, self.networks.main.config.files)
        if note and not self._hosts.is_bmc(request.mac):
            self.metrics.count("refusal", "no boot file")
        self._sightings.observe(request, now, reply.packet if reply else None, note)

    def _overheard(self, request: Packet, now: float) -> None:
        """External mode: what a machine asked the site's own server."""
        self._hosts.refresh()
        self._sightings.observe(request, now, None, refusal_reason(request, self.networks.main.config.files))
        self._reactor.call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        """Once a second after packets; while the last batch is being written, the next one gathers on."""
        if self._writer.is_idle:
            self._hand_over()
        if self._sightings.has_pending or self.networks.changed:
            self._reactor.call_later(FLUSH_SECONDS, self._flush)

    def _hand_over(self) -> None:
        rows, gone = self.networks.take_changes(self._site.clock())
        if gone:
            self._writer.put(partial(self._site.database.leases.put, [], gone))
        for batch in batches(rows):
            self._writer.put(partial(self._site.database.leases.put, batch))
        for job in self._sightings.take_batches():
            self._writer.put(job)
