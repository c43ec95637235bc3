"""Answers DNS by UDP and TCP until told to stop."""

import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from provisioner.errors import ServiceError
from provisioner.services.dns.forward import Forwarder
from provisioner.services.dns.packet import RCODES, PacketError
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.stream import IDLE, Stream
from provisioner.services.eventloop.datagrams import Complaints, listen
from provisioner.services.eventloop.reactor import READ, Reactor
from provisioner.services.eventloop.watchdog import Pulse
from provisioner.state.counters import Counters
from provisioner.system.sockets import bind

PORT = 53
LARGEST = 65535
BATCH = 32  # datagrams or connections of one socket before the others get their turn
REFUSALS = ("formerr", "servfail", "notimp", "refused", "badvers")
Place = tuple[IPv4Address | IPv6Address, int]
log = logging.getLogger(__name__)


class DnsLoop:
    """Listens on each of `addresses` by UDP and TCP; replies leave from the address that was asked."""

    def __init__(
        self,
        addresses: Sequence[IPv4Address | IPv6Address],
        responder: Responder,
        *,
        port: int = PORT,
        forward: Place | None = None,
        per_address: int = 8,
        in_all: int = 128,
        idle: float = IDLE,
        counters: Counters | None = None,
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
        self._counters = counters or Counters("dns")
        self._bad = self._counters.number("provision_bad_packets_total")
        self._latency = self._counters.histogram("provision_latency_seconds")
        self._complaints = Complaints(log)
        self._streams: set[Stream] = set()
        self._of_address: Counter[str] = Counter()
        self._listeners = listen(addresses, port, "dns")
        self._listeners += _listen_tcp(self._listeners)
        self._reactor = Reactor("dns", pulse=pulse)
        for listener in self._listeners:
            listener.setblocking(False)
            take = self._datagrams if listener.type == socket.SOCK_DGRAM else self._connections
            self._reactor.add(listener, partial(take, listener, self._of(listener)))
        self._forwarder: Forwarder | None = None
        self._wanted: Place | None = None
        self._has_new_wish = False
        self.forward_to(forward)

    def _of(self, listener: socket.socket) -> Responder:
        if listener.family != socket.AF_INET:
            return self._responder
        return self._others.get(IPv4Address(listener.getsockname()[0]), self._responder)

    def forward_to(self, server: Place | None) -> None:
        """Who is asked for names of others from now on; nobody if None. Any thread may call it."""
        self._wanted, self._has_new_wish = server, True

    def _change_forwarder(self) -> None:
        self._has_new_wish = False
        if self._forwarder:
            self._forwarder.give_up()
        wanted = self._wanted
        self._forwarder = Forwarder(wanted[0], self._reactor, port=wanted[1]) if wanted else None
        for responder in (self._responder, *self._others.values()):
            responder.replace_forwarding(wanted is not None)

    @property
    def port(self) -> int:
        """The port that is listened on; of interest if 0 was asked for."""
        return int(self._listeners[0].getsockname()[1])

    def check(self) -> None:
        """Whether the loop is alive; if not, the process ends. For a thread beside it, now and then."""
        self._reactor.check()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._streams)

    def run(self) -> None:
        """Serve until `stop`; nothing that comes ends it."""
        self._reactor.run()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._reactor.stop()

    def close(self) -> None:
        """Give ports and connections back; call it after `run` has ended."""
        for stream in list(self._streams):
            self._close(stream)
        for listener in self._listeners:
            listener.close()
        self._reactor.close()

    @contextlib.contextmanager
    def _barrier(self) -> Any:
        """One datagram of many: the others are answered all the same."""
        try:
            yield
        except Exception:
            self._complaints.say("dns", "an error of ours", b"", trace=True)

    # UDP

    def _datagrams(self, listener: socket.socket, responder: Responder) -> None:
        for _ in range(BATCH):
            try:
                data, peer = listener.recvfrom(LARGEST)
            except OSError:
                return

            def send(reply: bytes, peer: Any = peer) -> None:
                with contextlib.suppress(OSError):  # a full buffer, a firewall: the client asks again
                    listener.sendto(reply, peer)

            with self._barrier():
                self._answer(data, peer[0], send, responder)

    def _answer(
        self, data: bytes, address: str, send: Any, responder: Responder, *, tcp: bool = False
    ) -> bool:
        """Reply now, or ask another server first; False where there is nothing to say."""
        began = time.monotonic()
        if self._has_new_wish:
            self._change_forwarder()
        try:
            reply = responder.respond(data, tcp=tcp)
        except PacketError as fault:
            self._bad.add()
            self._complaints.say(address, fault, data)
            if not fault.reply:
                return False
            self._count(RCODES[fault.rcode])
            send(fault.reply)
            return True
        self._counters.number("provision_requests_total", kind="tcp" if tcp else "udp").add()
        if reply.query and self._forwarder:
            self._count(reply.rcode)
            self._forwarder.ask(reply.query, data, send, tcp=tcp)
            return True
        send(reply.data)
        self._count(reply.rcode)
        self._latency.observe(time.monotonic() - began)
        return True

    def _count(self, rcode: str) -> None:
        if rcode in REFUSALS:
            self._counters.number("provision_refusals_total", reason=rcode).add()
        else:
            self._counters.number("provision_answers_total", kind=rcode).add()

    # TCP

    def _connections(self, listener: socket.socket, responder: Responder) -> None:
        for _ in range(BATCH):
            try:
                link, peer = listener.accept()
            except OSError:
                return
            if len(self._streams) >= self._in_all or self._of_address[peer[0]] >= self._per_address:
                link.close()
                self._counters.number("provision_refusals_total", reason="too many connections").add()
                continue
            stream = Stream(link, peer[0], self._idle)
            self._streams.add(stream)
            self._of_address[stream.address] += 1
            self._reactor.add(link, partial(self._serve, stream, responder))
            self._reactor.at(stream.deadline, partial(self._is_due, stream))

    def _serve(self, stream: Stream, responder: Responder) -> None:
        try:
            stream.flush()
            if stream.interest & READ:
                for message in stream.receive():
                    self._converse(stream, message, responder)
            self._settle(stream)
        except ConnectionError:
            self._close(stream)
        except Exception:
            self._close(stream)
            raise

    def _converse(self, stream: Stream, message: bytes, responder: Responder) -> None:
        stream.under_way += 1

        def send(reply: bytes) -> None:
            stream.under_way -= 1
            if stream.closed:
                return
            try:
                stream.send(reply)
                self._settle(stream)
            except ConnectionError:
                self._close(stream)

        if not self._answer(message, stream.address, send, responder, tcp=True):
            raise ConnectionError("what came is no query")

    def _settle(self, stream: Stream) -> None:
        """Listen for what may come next."""
        if stream.closed:
            return
        if stream.finished:
            self._close(stream)
            return
        self._reactor.change(stream.link, stream.interest)

    def _close(self, stream: Stream) -> None:
        if stream.closed:
            return
        stream.closed = True
        self._reactor.remove(stream.link)
        stream.link.close()
        self._streams.discard(stream)
        self._of_address[stream.address] -= 1
        if not self._of_address[stream.address]:
            del self._of_address[stream.address]

    def _is_due(self, stream: Stream) -> None:
        """Its time is over, unless a message has come meanwhile."""
        if stream.closed:
            return
        if stream.deadline > self._reactor.now:
            self._reactor.at(stream.deadline, partial(self._is_due, stream))
            return
        self._counters.number("provision_refusals_total", reason="time limit").add()
        self._close(stream)


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
        for one in (*opened, *datagrams):
            one.close()
        raise
    return opened
