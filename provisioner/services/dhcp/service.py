"""The DHCP service: doors, wires, policy and the site's memory put together for the mode that is set."""

import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from ipaddress import IPv4Address

from provisioner.domain.event import Event
from provisioner.services.dhcp import proxy
from provisioner.services.dhcp.boot import refusal
from provisioner.services.dhcp.conflicts import Conflicts
from provisioner.services.dhcp.counts import Counts
from provisioner.services.dhcp.frames import CLIENT_PORT, DhcpWire
from provisioner.services.dhcp.loop import Came, DhcpLoop, Door
from provisioner.services.dhcp.memory import Evidence, Memory
from provisioner.services.dhcp.networks import Network, Networks
from provisioner.services.dhcp.packet import Message, Packet
from provisioner.services.dhcp.policy import SERVER_PORT, Facts, Reply, answer
from provisioner.services.dhcp.rogue_servers import PERIOD, SELDOM, Foreign, question
from provisioner.services.dhcp.router_advert import RouterAdvert, start
from provisioner.services.eventloop.reactor import Reactor
from provisioner.services.eventloop.write_behind import WriteBehind, pieces
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.counters import Writer
from provisioner.state.leases import LeaseRow
from provisioner.state.values import RogueServer

log = logging.getLogger(__name__)
NAMES = {None: "other"} | {kind: kind.name.lower() for kind in Message}


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Answer DHCP, or in external mode only listen, until the process is ended. Raises ServiceError."""
    sys.setswitchinterval(0.00005)  # seconds: an answer does not wait for the thread that writes
    service = DhcpService(site)
    for name in service.interfaces:
        start(RouterAdvert(name))

    def before() -> None:
        service.loop.check()
        service.counts.show()

    numbers = Writer(service.counts.all, site.settings.state, before).start()
    ready(f"dhcp: {service.sentence}")
    try:
        service.loop.run()
    finally:
        numbers.close()
        service.close()


class DhcpService:
    """All of it in one reactor."""

    def __init__(self, site: Site) -> None:
        """Raises ServiceError: a port or an interface cannot be had."""
        self._site = site
        self._mode = site.settings.dhcp.mode
        self.counts = Counts(lambda: len(self._foreign.dump()))
        self._tally = self.counts.tally
        self._memory = Memory(site.database)
        self._memory.refresh(now=True)
        self._facts = Facts(is_bmc=self._memory.is_bmc)
        self._evidence = Evidence(site, self._memory)
        self._behind = WriteBehind("dhcp-writer")
        self.networks = Networks(site, self._memory)
        self.interfaces = [one.interface for one in self.networks.direct]
        self._reactor = Reactor("dhcp")
        self._conflicts: Conflicts | None = None
        if self._mode == "authoritative" and site.settings.dhcp.probe:
            self._conflicts = Conflicts(self.interfaces, self._reactor, self._is_used, self._answer_again)
        self.loop = DhcpLoop(
            self._doors(),
            self._answer,
            self._saw,
            self._write_down,
            holder=self._conflicts,
            counts=self.counts,
            clock=site.clock,
            reactor=self._reactor,
        )
        period = PERIOD if self._mode == "authoritative" else SELDOM
        self._foreign = Foreign(frozenset(site.settings.addresses), self._tell_server, period)
        self._wires: list[DhcpWire] = []
        self._watch()

    @property
    def sentence(self) -> str:
        """What it does, for the line that says it is ready."""
        places = ", ".join(f"{one.interface} {one.config.server}" for one in self.networks.direct)
        if self._mode == "external":
            return f"listening on {places}; another server answers"
        ports = f"{SERVER_PORT}" if self._mode == "authoritative" else f"{SERVER_PORT} and {proxy.BOOT_PORT}"
        return f"{self._mode}, answering on {places}, port {ports}/udp"

    def close(self) -> None:
        """Write what waits and give everything back."""
        self._hand_over()
        self._behind.close()
        for wire in self._wires:
            wire.close()
        if self._conflicts:
            self._conflicts.close()
        self.loop.close()

    def _doors(self) -> list[Door]:
        ports = {"authoritative": [SERVER_PORT], "proxy": [SERVER_PORT, proxy.BOOT_PORT], "external": []}
        return [
            Door(one.interface, one.config.server, port)
            for one in self.networks.direct
            for port in ports[self._mode]
        ]

    # asked

    def _answer(self, request: Packet, came: Came, now: float) -> Reply | None:
        self._memory.refresh()
        message = request.message
        self._tally["request", NAMES[message]] += 1
        reply = self._decide(request, came, now)
        if reply:
            self._tally["answer", NAMES[reply.packet.message]] += 1
        elif message in (Message.DISCOVER, Message.REQUEST):
            self._tally["refusal", "not ours to answer"] += 1
        return reply

    def _decide(self, request: Packet, came: Came, now: float) -> Reply | None:
        if self._mode == "proxy":
            return self._offer_file(request, came)
        network = self.networks.choose(request, came)
        if network is None:
            return None  # a relay of a network that we have no addresses for
        reply = answer(request, network.config, network.leases, self._facts, now)
        if reply and reply.packet.message == Message.ACK and network is not self.networks.main:
            self._keep_at_once(request.mac, network)
        return reply

    def _offer_file(self, request: Packet, came: Came) -> Reply | None:
        main = self.networks.of_door(came.door)
        if came.door.port == SERVER_PORT:
            return proxy.offer(request, main.config, self._facts)
        home = self.networks.containing(came.source[0])
        return proxy.boot_server(request, main.config, self._facts, came.source) if home else None

    def _keep_at_once(self, mac: str, network: Network) -> None:
        """The web service believes in a lease of a host; it may be asked for a script in a moment."""
        held = network.leases.lease(mac)
        if held and self._memory.is_known(mac):
            self._site.database.leases.put([LeaseRow(mac, str(held.address), held.expires, held.bound)])

    def _is_used(self, request: Packet, came: Came, address: IPv4Address) -> None:
        self.counts.add("refusal", "address in use")
        if network := self.networks.choose(request, came):
            network.leases.conflict(request.mac, address, self._site.clock())

    def _answer_again(self, request: Packet, came: Came) -> Reply | None:
        return self._decide(request, came, self._site.clock())

    # seen

    def _saw(self, request: Packet, came: Came, now: float, reply: Reply | None) -> None:
        note = refusal(request, self.networks.main.config.files)
        if note and not self._memory.is_bmc(request.mac):
            self.counts.add("refusal", "no boot file")
        self._evidence.saw(request, now, reply.packet if reply else None, note)

    def _write_down(self) -> None:
        """Once a second after packets; while the last lot is still being written, the next one gathers on."""
        if self._behind.is_free:
            self._hand_over()
        if self._evidence.waits or self.networks.changed:
            self._reactor.after(1.0, self._write_down)

    def _hand_over(self) -> None:
        rows, gone = self.networks.take_changes(self._site.clock())
        if gone:
            self._behind.put(partial(self._site.database.leases.put, [], gone))
        for some in pieces(rows):
            self._behind.put(partial(self._site.database.leases.put, some))
        for job in self._evidence.take():
            self._behind.put(job)

    # other servers

    def _watch(self) -> None:
        ports = (CLIENT_PORT, SERVER_PORT) if self._mode == "external" else (CLIENT_PORT,)
        self._foreign.load(lan.rogue_servers(self._site), self._site.clock())
        deaf: list[str] = []
        for name in self.interfaces:
            try:
                wire = DhcpWire(name, ports)
            except OSError as fault:
                deaf.append(name)
                log.warning("%s: other DHCP servers cannot be heard (CAP_NET_RAW): %s", name, fault)
                continue
            self._wires.append(wire)
            self._reactor.add(wire, partial(self._heard, wire))
        self._site.database.values.put_deaf_interfaces(deaf)
        self._reactor.every(self._foreign.period, self._ask)

    def _ask(self) -> None:
        now = self._site.clock()
        self._foreign.lapse(now)
        for wire in self._wires:
            try:
                wire.broadcast(question(wire.mac))
            except OSError as fault:
                log.debug("%s: nobody could be asked: %s", wire.interface, fault)

    def _heard(self, wire: DhcpWire) -> None:
        now, own = self._site.clock(), wire.mac.hex(":")
        for came in wire.read():
            packet = self._foreign.hear(came, wire.interface, own, now)
            if packet and self._mode == "external" and came.target_port == SERVER_PORT:
                self._memory.refresh()
                self._evidence.saw(packet, now, None, refusal(packet, self.networks.main.config.files))
                self._reactor.after(1.0, self._write_down)

    def _tell_server(self, kind: str, server: RogueServer) -> None:
        """Into the log, the event log, and where `deploy` and `net check` look."""
        words = lan.describe_server(server)
        came = "answers" if kind == "dhcp.foreign" else "is gone"
        log.warning("another DHCP server %s: %s", came, words)
        self._site.database.values.put_rogue_servers(self._foreign.dump())
        event = Event(time=self._site.clock(), host="", deployment="", attempt=0, kind=kind, source="dhcp")
        self._site.database.events.note(event.model_copy(update={"data": asdict(server)}))
