"""Answers DNS by UDP and TCP (RFC 1035, RFC 7766) until told to stop."""

import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address

from provisioner.errors import ServiceError
from provisioner.services.dns.forward import Forwarder
from provisioner.services.dns.packet import RCODES, DnsPacketError
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.tcp_connection import IDLE, TcpConnection
from provisioner.services.eventloop.datagrams import bind_udp
from provisioner.services.eventloop.rate_limited_log import PacketLog
from provisioner.services.eventloop.reactor import READ, Reactor
from provisioner.state.counters import MetricsRegistry
from provisioner.system.pulse import Pulse
from provisioner.system.sockets import bind

PORT = 53
MAX_MESSAGE = 65535
BATCH = 32  # datagrams or connections of one socket before the others get their turn
REFUSALS = ("formerr", "servfail", "notimp", "refused", "badvers")
ServerAddress = tuple[IPv4Address | IPv6Address, int]  # and its port
Send = Callable[[bytes], None]
Peer = tuple[str, int] | tuple[str, int, int, int]  # as sockets have it
log = logging.getLogger(__name__)


class DnsLoop:
    """Listens on each of `addresses` by UDP and TCP; replies leave from the address that was asked."""

    def __init__(
        self,
        addresses: Sequence[IPv4Address | IPv6Address],
        responder: Responder,
        *,
        port: int = PORT,
        forward: ServerAddress | None = None,
        per_address: int = 8,
        in_all: int = 128,
        idle: float = IDLE,
        registry: MetricsRegistry | None = None,
        pulse: Pulse | None = None,
        others: Mapping[IPv4Address, Responder] | None = None,
    ) -> None:
        """Bind; the limits are those of TCP connections, `idle` in seconds.

        `others` are the responders of those addresses that are told something else.

        Raises:
            ServiceError: PV-602..604, an address is missing, the port is taken, or we may not.
        """
        self._responder, self._others = responder, others or {}
        self._per_address, self._in_all, self._idle = per_address, in_all, idle
        self._registry = registry or MetricsRegistry("dns")
        self._bad_packets = self._registry.scalar("provision_bad_packets_total")
        self._latency = self._registry.histogram("provision_latency_seconds")
        self._packet_log = PacketLog(log)
        self._connections: set[TcpConnection] = set()
        self._of_address: Counter[str] = Counter()
        self._listeners = bind_udp(addresses, port, "dns")
        self._listeners += _listen_tcp(self._listeners)
        self._reactor = Reactor("dns", pulse=pulse)
        for listener in self._listeners:
            listener.setblocking(False)
            receive = self._receive_datagrams if listener.type == socket.SOCK_DGRAM else self._accept
            self._reactor.register(listener, partial(receive, listener, self._responder_of(listener)))
        self._forwarder: Forwarder | None = None
        self._forward_to: ServerAddress | None = None
        self._forward_changed = False
        self.forward_to(forward)

    def _responder_of(self, listener: socket.socket) -> Responder:
        if listener.family != socket.AF_INET:
            return self._responder
        return self._others.get(IPv4Address(listener.getsockname()[0]), self._responder)

    def forward_to(self, server: ServerAddress | None) -> None:
        """Who is asked for names of others from now on; nobody if None. Any thread may call it."""
        self._forward_to, self._forward_changed = server, True

    def _change_forwarder(self) -> None:
        self._forward_changed = False
        if self._forwarder:
            self._forwarder.fail_all()
        server = self._forward_to
        self._forwarder = Forwarder(server[0], self._reactor, port=server[1]) if server else None
        for responder in (self._responder, *self._others.values()):
            responder.replace_forwarding(server is not None)

    @property
    def port(self) -> int:
        """The port that is listened on; of interest if 0 was asked for."""
        return int(self._listeners[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def run(self) -> None:
        """Serve until `stop`; nothing that comes ends it."""
        self._reactor.run()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._reactor.stop()

    def close(self) -> None:
        """Give ports and connections back; call it after `run` has ended."""
        for connection in list(self._connections):
            self._close(connection)
        for listener in self._listeners:
            listener.close()
        self._reactor.close()

    @contextlib.contextmanager
    def _survive(self, address: str) -> Iterator[None]:
        """One datagram of many: the others are answered, whatever goes wrong with it."""
        try:
            yield
        except Exception as fault:
            self._packet_log.failed(address, "not answered", fault)

    # UDP

    def _receive_datagrams(self, listener: socket.socket, responder: Responder) -> None:
        for _ in range(BATCH):
            try:
                data, peer = listener.recvfrom(MAX_MESSAGE)
            except OSError:
                return

            def send(reply: bytes, peer: Peer = peer) -> None:
                with contextlib.suppress(OSError):  # a full buffer, a firewall: the client asks again
                    listener.sendto(reply, peer)

            with self._survive(peer[0]):
                self._answer(data, peer[0], send, responder)

    def _answer(
        self, data: bytes, address: str, send: Send, responder: Responder, *, tcp: bool = False
    ) -> bool:
        """Reply now, or ask another server first; False where there is nothing to say."""
        began = time.monotonic()
        if self._forward_changed:
            self._change_forwarder()
        try:
            reply = responder.respond(data, tcp=tcp)
        except DnsPacketError as fault:
            self._bad_packets.inc()
            self._packet_log.malformed(f"{address} id {data[:2].hex()}", fault, data)
            if not fault.reply:
                return False
            self._count(RCODES[fault.rcode])
            send(fault.reply)
            return True
        self._registry.scalar("provision_requests_total", kind="tcp" if tcp else "udp").inc()
        if reply.query and self._forwarder:
            self._count(reply.rcode)
            self._forwarder.forward(reply.query, data, send, tcp=tcp)
            return True
        send(reply.data)
        self._count(reply.rcode)
        self._latency.observe(time.monotonic() - began)
        return True

    def _count(self, rcode: str) -> None:
        if rcode in REFUSALS:
            self._registry.scalar("provision_refusals_total", reason=rcode).inc()
        else:
            self._registry.scalar("provision_answers_total", kind=rcode).inc()

    # TCP

    def _accept(self, listener: socket.socket, responder: Responder) -> None:
        for _ in range(BATCH):
            try:
                link, peer = listener.accept()
            except OSError:
                return
            if len(self._connections) >= self._in_all or self._of_address[peer[0]] >= self._per_address:
                link.close()
                self._registry.scalar("provision_refusals_total", reason="too many connections").inc()
                continue
            connection = TcpConnection(link, peer[0], self._idle)
            self._connections.add(connection)
            self._of_address[connection.address] += 1
            self._reactor.register(link, partial(self._serve, connection, responder))
            self._reactor.call_at(connection.deadline, partial(self._on_timer, connection))

    def _serve(self, connection: TcpConnection, responder: Responder) -> None:
        try:
            connection.flush()
            if connection.events & READ:
                for message in connection.receive():
                    self._handle_message(connection, message, responder)
            self._update_events(connection)
        except ConnectionError:
            self._close(connection)
        except Exception:
            self._close(connection)
            raise

    def _handle_message(self, connection: TcpConnection, message: bytes, responder: Responder) -> None:
        connection.pending_replies += 1

        def send(reply: bytes) -> None:
            connection.pending_replies -= 1
            if connection.closed:
                return
            try:
                connection.send(reply)
                self._update_events(connection)
            except ConnectionError:
                self._close(connection)

        if not self._answer(message, connection.address, send, responder, tcp=True):
            raise ConnectionError("what came is no query")

    def _update_events(self, connection: TcpConnection) -> None:
        """Wait for what may happen next on a connection."""
        if connection.closed:
            return
        if connection.finished:
            self._close(connection)
            return
        self._reactor.modify(connection.link, connection.events)

    def _close(self, connection: TcpConnection) -> None:
        if connection.closed:
            return
        connection.closed = True
        self._reactor.unregister(connection.link)
        connection.link.close()
        self._connections.discard(connection)
        self._of_address[connection.address] -= 1
        if not self._of_address[connection.address]:
            del self._of_address[connection.address]

    def _on_timer(self, connection: TcpConnection) -> None:
        """Its time is over, unless a message has been received meanwhile."""
        if connection.closed:
            return
        if connection.deadline > self._reactor.now:
            self._reactor.call_at(connection.deadline, partial(self._on_timer, connection))
            return
        self._registry.scalar("provision_refusals_total", reason="time limit").inc()
        self._close(connection)


def _listen_tcp(datagrams: Sequence[socket.socket]) -> list[socket.socket]:
    """The same addresses and ports by TCP; all or none, the datagrams' sockets included."""
    opened: list[socket.socket] = []
    try:
        for other in datagrams:
            opened.append(socket.socket(other.family, socket.SOCK_STREAM))
            opened[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bind(opened[-1], other.getsockname(), "dns")
            opened[-1].listen(64)
    except ServiceError:
        for unused in (*opened, *datagrams):
            unused.close()
        raise
    return opened
