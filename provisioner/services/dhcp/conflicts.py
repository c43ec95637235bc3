"""Asks whether an address is used before it is offered: by ARP, behind a relay by ICMP. Nobody else waits."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address

from provisioner.services.dhcp.echo import EchoWire
from provisioner.services.dhcp.frames import ArpWire
from provisioner.services.dhcp.loop import Came
from provisioner.services.dhcp.packet import NOWHERE, Packet
from provisioner.services.dhcp.policy import Reply
from provisioner.services.eventloop.datagrams import Complaints
from provisioner.services.eventloop.reactor import Reactor

WAIT = 0.25  # seconds for an answer; a machine on the same wire needs a thousandth
FAR_WAIT = 0.5  # of one behind a router, which may have to ask for its MAC first
MOST = 4096  # replies that wait at one time; who comes later asks again
TRIES = 8  # addresses in a row that may prove to be used, for one request
log = logging.getLogger(__name__)


@dataclass
class _Waiting:
    request: Packet
    came: Came
    reply: Reply
    send: Callable[[Reply], None]
    tries: int = 0

    @property
    def address(self) -> IPv4Address:
        return self.reply.packet.yiaddr


class Conflicts:
    """Holds offers back for a moment.

    `again(request, came)` answers a request anew, with another address; `used(request, came, address)` is
    told first that this one is used.
    """

    def __init__(
        self,
        interfaces: list[str],
        reactor: Reactor,
        used: Callable[[Packet, Came, IPv4Address], None],
        again: Callable[[Packet, Came], Reply | None],
    ) -> None:
        self._reactor, self._used, self._again = reactor, used, again
        self._waiting: dict[IPv4Address, _Waiting] = {}
        self._wires: dict[str, ArpWire] = {}
        self._far: EchoWire | None = None
        self._complaints = Complaints(log)
        for name in interfaces:
            self._open(name)
        self._open_far()

    def _open(self, name: str) -> None:
        try:
            wire = self._wires[name] = ArpWire(name)
        except OSError as fault:
            return log.warning("%s: nobody is asked whether an address is used (%s)", name, fault)
        return self._reactor.add(wire, lambda: self._heard(wire))

    def _open_far(self) -> None:
        try:
            wire = self._far = EchoWire()
        except OSError as fault:
            return log.warning("behind relays nobody is asked whether an address is used (%s)", fault)
        return self._reactor.add(wire, lambda: self._answered(wire))

    def close(self) -> None:
        """Give the sockets back."""
        for wire in self._wires.values():
            wire.close()
        if self._far:
            self._far.close()

    def hold(self, request: Packet, came: Came, reply: Reply, send: Callable[[Reply], None]) -> bool:
        """Whether the reply waits; a client that asks again meanwhile does not hurry it."""
        known = self._waiting.get(reply.packet.yiaddr)
        if known and known.request.mac == request.mac:
            known.request, known.came, known.reply, known.send = request, came, reply, send
            return True
        if reply.probe is None or self._wire(request, came) is None:
            return False
        return len(self._waiting) >= MOST or self._ask(_Waiting(request, came, reply, send))

    def _wire(self, request: Packet, came: Came) -> ArpWire | EchoWire | None:
        return self._wires.get(came.door.interface) if request.giaddr == NOWHERE else self._far

    def _ask(self, waiting: _Waiting) -> bool:
        wire = self._wire(waiting.request, waiting.came)
        try:
            if wire is None:
                return False
            wire.ask(waiting.address)
        except OSError:  # the link is down: who asked will not hear us either
            return False
        self._waiting[waiting.address] = waiting
        wait = WAIT if isinstance(wire, ArpWire) else FAR_WAIT
        self._reactor.after(wait, partial(self._is_free, waiting.address, waiting))
        return True

    def _is_free(self, address: IPv4Address, waiting: _Waiting) -> None:
        if self._waiting.get(address) is waiting:
            del self._waiting[address]
            waiting.send(waiting.reply)

    def _heard(self, wire: ArpWire) -> None:
        for address, mac in wire.read():
            waiting = self._waiting.get(address)
            if waiting and waiting.request.mac != mac:
                del self._waiting[address]
                self._is_used(waiting, mac)

    def _answered(self, wire: EchoWire) -> None:
        for address in wire.read():
            waiting = self._waiting.get(address)
            if waiting and waiting.request.giaddr != NOWHERE:
                del self._waiting[address]
                self._is_used(waiting, "something behind a router")

    def _is_used(self, waiting: _Waiting, by: str) -> None:
        """Its offer is forgotten, the next address is asked for at once."""
        self._complaints.say(by, f"it uses {waiting.address}, which it was not given", b"")
        self._used(waiting.request, waiting.came, waiting.address)
        reply = self._again(waiting.request, waiting.came) if waiting.tries < TRIES else None
        if reply is None:
            return
        following = _Waiting(waiting.request, waiting.came, reply, waiting.send, waiting.tries + 1)
        if reply.probe is None or not self._ask(following):
            waiting.send(reply)
