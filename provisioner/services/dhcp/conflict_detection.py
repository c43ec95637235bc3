"""Asks whether an address is in use before it is offered: by ARP, behind a relay by ICMP (RFC 2131, 2.2)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address

from provisioner.services.dhcp.frames import ArpSocket
from provisioner.services.dhcp.icmp_echo import EchoSocket
from provisioner.services.dhcp.listener import PacketInfo, log_context
from provisioner.services.dhcp.packet import UNSPECIFIED, Packet
from provisioner.services.dhcp.policy import DhcpReply
from provisioner.services.eventloop.rate_limited_log import PACKET_BURST, PACKET_PERIOD, RateLimitedLog
from provisioner.services.eventloop.reactor import Reactor

ARP_TIMEOUT = 0.25  # seconds for an answer; a machine on the same prober needs a thousandth
ECHO_TIMEOUT = 0.5  # of one behind a router, which may have to ask for its MAC first
MAX_DEFERRED = 4096  # replies that wait at one time; who comes later asks answer_again
MAX_ATTEMPTS = 8  # addresses in a row that may prove to be on_used, for one request
MAX_TRANSACTIONS = 8  # of one machine that wait for one address; of more the newest
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Waiting:
    request: Packet
    info: PacketInfo
    reply: DhcpReply
    send: Callable[[DhcpReply], None]


class _DeferredOffer:
    """An address that is being probed, and who waits for it: one machine, perhaps in several transactions.

    Firmware that asks anew takes another xid and hears the answers to the one before no more; or a second
    program of the machine asks, or two relays pass one request on.
    """

    def __init__(self, first: _Waiting, attempts: int) -> None:
        self.address = first.reply.packet.yiaddr
        self.request, self.info = first.request, first.info
        self.attempts = attempts
        self._waiting: dict[tuple[int, IPv4Address], _Waiting] = {}
        self.add(first)

    def add(self, waiting: _Waiting) -> None:
        """One more transaction; a request that is repeated waits once."""
        key = (waiting.request.xid, waiting.request.giaddr)
        self._waiting.pop(key, None)
        self._waiting[key] = waiting
        if len(self._waiting) > MAX_TRANSACTIONS:
            del self._waiting[next(iter(self._waiting))]

    @property
    def transactions(self) -> list[_Waiting]:
        """Every one of them, the newest last."""
        return list(self._waiting.values())


class ConflictDetector:
    """Defers offers for a moment, until it is known that nobody uses the address; no other packet waits.

    Where one is in use `on_used(request, info, address)` is told, and then `answer_again(request, info)`
    answers the request anew, with another address.
    """

    def __init__(
        self,
        interfaces: list[str],
        reactor: Reactor,
        on_used: Callable[[Packet, PacketInfo, IPv4Address], None],
        answer_again: Callable[[Packet, PacketInfo], DhcpReply | None],
    ) -> None:
        self._reactor, self._on_used, self._answer_again = reactor, on_used, answer_again
        self._deferred: dict[IPv4Address, _DeferredOffer] = {}
        self._arp_sockets: dict[str, ArpSocket] = {}
        self._echo_socket: EchoSocket | None = None
        self._conflict_log = RateLimitedLog(
            log, burst=PACKET_BURST, period=PACKET_PERIOD, summary="%d more addresses were in use"
        )
        for name in interfaces:
            self._open_arp(name)
        self._open_echo()

    def _open_arp(self, name: str) -> None:
        try:
            prober = self._arp_sockets[name] = ArpSocket(name)
        except OSError as fault:
            return log.warning("%s: nobody is asked whether an address is used (%s)", name, fault)
        return self._reactor.register(prober, lambda: self._receive_arp(prober))

    def _open_echo(self) -> None:
        try:
            prober = self._echo_socket = EchoSocket()
        except OSError as fault:
            return log.warning("behind relays nobody is asked whether an address is used (%s)", fault)
        return self._reactor.register(prober, lambda: self._receive_echo(prober))

    def close(self) -> None:
        """Give the sockets back."""
        for prober in self._arp_sockets.values():
            prober.close()
        if self._echo_socket:
            self._echo_socket.close()

    def defer(
        self, request: Packet, info: PacketInfo, reply: DhcpReply, send: Callable[[DhcpReply], None]
    ) -> bool:
        """Whether the reply waits: `send` is called later, with this or another reply, or never.

        A client that asks again meanwhile does not hurry it, and is answered in each of its transactions.
        """
        return self._defer(_Waiting(request, info, reply, send), attempts=0)

    def _defer(self, waiting: _Waiting, attempts: int) -> bool:
        pending = self._deferred.get(waiting.reply.packet.yiaddr)
        if pending and pending.request.mac == waiting.request.mac:
            pending.add(waiting)
            return True
        if waiting.reply.probe is None or self._prober(waiting.request, waiting.info) is None:
            return False
        return len(self._deferred) >= MAX_DEFERRED or self._probe(_DeferredOffer(waiting, attempts))

    def _prober(self, request: Packet, info: PacketInfo) -> ArpSocket | EchoSocket | None:
        return (
            self._arp_sockets.get(info.listener.interface)
            if request.giaddr == UNSPECIFIED
            else self._echo_socket
        )

    def _probe(self, deferred: _DeferredOffer) -> bool:
        prober = self._prober(deferred.request, deferred.info)
        try:
            if prober is None:
                return False
            prober.probe(deferred.address)
        except OSError:  # the link is down: who asked will not hear us either
            return False
        self._deferred[deferred.address] = deferred
        timeout = ARP_TIMEOUT if isinstance(prober, ArpSocket) else ECHO_TIMEOUT
        self._reactor.call_later(timeout, partial(self._on_timeout, deferred.address, deferred))
        return True

    def _on_timeout(self, address: IPv4Address, deferred: _DeferredOffer) -> None:
        if self._deferred.get(address) is deferred:
            del self._deferred[address]
            for waiting in deferred.transactions:
                waiting.send(waiting.reply)

    def _receive_arp(self, prober: ArpSocket) -> None:
        for address, mac in prober.read():
            deferred = self._deferred.get(address)
            if deferred and deferred.request.mac != mac:
                del self._deferred[address]
                self._on_conflict(deferred, mac)

    def _receive_echo(self, prober: EchoSocket) -> None:
        for address in prober.read():
            deferred = self._deferred.get(address)
            if deferred and deferred.request.giaddr != UNSPECIFIED:
                del self._deferred[address]
                self._on_conflict(deferred, "something behind a router")

    def _on_conflict(self, deferred: _DeferredOffer, by: str) -> None:
        """The offer is forgotten, and the next address probed at once."""
        self._conflict_log.write(
            logging.WARNING,
            "%s: %s: it uses %s, which it was not given",
            *(log_context(deferred.request, deferred.info), by, deferred.address),
        )
        self._on_used(deferred.request, deferred.info, deferred.address)
        if deferred.attempts >= MAX_ATTEMPTS:
            return
        for waiting in deferred.transactions:
            reply = self._answer_again(waiting.request, waiting.info)
            if reply and not self._defer(replace(waiting, reply=reply), deferred.attempts + 1):
                waiting.send(reply)
