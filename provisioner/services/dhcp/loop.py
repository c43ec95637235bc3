"""Answers DHCP on the ports of one or several interfaces until told to stop: receive, answer, then tell."""

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from typing import NamedTuple, Protocol

from provisioner.errors import ServiceError
from provisioner.services.dhcp.counts import Counts
from provisioner.services.dhcp.packet import Packet, PacketError
from provisioner.services.dhcp.policy import SERVER_PORT, Reply
from provisioner.services.eventloop.datagrams import IP_PKTINFO, PKTINFO, Complaints, leave_by
from provisioner.services.eventloop.reactor import Reactor
from provisioner.system.sockets import bind

LARGEST = 4096
IDLE_SECONDS = 1.0
MOST_AT_ONCE = 32  # datagrams that are answered before timers and other sockets have their turn
ANCILLARY = socket.CMSG_SPACE(PKTINFO.size)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Door:
    """A port of one interface; replies leave by it and, unless another of ours was asked, from `address`."""

    interface: str
    address: IPv4Address
    port: int = SERVER_PORT


class Came(NamedTuple):
    """How a request came in: by which door, from where, and which of our addresses it was sent to."""

    door: Door
    source: tuple[IPv4Address, int]
    reached: IPv4Address


class Holder(Protocol):
    """Keeps a reply back until it is known that nobody uses the address that it offers."""

    def hold(self, request: Packet, came: Came, reply: Reply, send: Callable[[Reply], None]) -> bool:
        """Whether it was taken; `send` is called later with this or another reply, or never."""


class DhcpLoop:
    """All doors in one thread.

    `answer(packet, came, now)` is the policy; `saw(packet, came, now, reply)` is told after the reply has
    left; `on_idle()` is called at most once a second, and only after packets.
    """

    def __init__(
        self,
        doors: list[Door],
        answer: Callable[[Packet, Came, float], Reply | None],
        saw: Callable[[Packet, Came, float, Reply | None], None],
        on_idle: Callable[[], None] = lambda: None,
        *,
        holder: Holder | None = None,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.time,
        reactor: Reactor | None = None,
    ) -> None:
        """Bind.

        Raises:
            ServiceError: PV-602..605, an interface is missing, a port is taken, or we may not.
        """
        self._answer = answer
        self._saw = saw
        self._on_idle = on_idle
        self._holder = holder
        self._counts = counts or Counts(lambda: 0)
        self._clock = clock
        self._complaints = Complaints(log)
        self._idle_is_due = False
        self.reactor = reactor or Reactor("dhcp")
        self._sockets: list[socket.socket] = []
        for door in doors:
            self._open(door)

    def _open(self, door: Door) -> None:
        index = _interface_index(door.interface)
        try:
            opened = _bind(door.interface, door.port)
        except ServiceError:
            self.close()
            raise
        self._sockets.append(opened)
        self.reactor.add(opened, lambda: self._receive(opened, door, index))

    def run(self) -> None:
        """Serve until `stop`; no packet and no error of a callback ends it."""
        try:
            self.reactor.run()
        finally:
            self._write_down()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self.reactor.stop()

    def check(self) -> None:
        """Whether the loop is alive; if not, the process ends. For a thread beside it, now and then."""
        self.reactor.check()

    def close(self) -> None:
        """Give the ports back."""
        for opened in self._sockets:
            opened.close()
        self.reactor.close()

    def _receive(self, opened: socket.socket, door: Door, index: int) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                data, ancillary, _, source = opened.recvmsg(LARGEST, ANCILLARY)
            except BlockingIOError:
                return
            except OSError as fault:  # an ICMP error of an earlier reply, or the link went down
                log.debug("nothing received: %s", fault)
                return
            by, reached = index, door.address
            for level, kind, value in ancillary:
                if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(value) >= PKTINFO.size:
                    by, local, target = PKTINFO.unpack_from(value)
                    if local == target:  # a unicast; a broadcast has an address of ours as `local`
                        reached = _known(target)
            if by == index:  # it can be another only without SO_BINDTODEVICE
                self._guard(opened, door, index, data, source, reached)

    def _guard(
        self,
        opened: socket.socket,
        door: Door,
        index: int,
        data: bytes,
        source: tuple[str, int],
        reached: IPv4Address,
    ) -> None:
        if not self._idle_is_due:
            self._idle_is_due = True
            self.reactor.after(IDLE_SECONDS, self._write_down)
        try:
            request = Packet.parse(data)
            came = Came(door, (_known(source[0]), source[1]), reached)
            self._handle(opened, index, request, came)
        except PacketError as fault:
            self._counts.add("bad", "unreadable")
            self._complaints.say(source[0], fault, data)
        except Exception as fault:
            self._counts.add("bad", "not answered")
            self._complaints.say(source[0], f"not answered: {fault!r}", data, trace=True)

    def _handle(self, opened: socket.socket, index: int, request: Packet, came: Came) -> None:
        now, began = self._clock(), time.perf_counter()
        reply: Reply | None = None
        try:
            reply = self._answer(request, came, now)
            if reply:
                self._give(opened, index, request, came, reply)
                self._counts.latency.observe(time.perf_counter() - began)
        finally:
            self._saw(request, came, now, reply)

    def _give(self, opened: socket.socket, index: int, request: Packet, came: Came, reply: Reply) -> None:
        def send(given: Reply) -> None:
            self._send(opened, leave_by(index, came.reached), given)

        if not (self._holder and self._holder.hold(request, came, reply, send)):
            send(reply)

    def _send(self, opened: socket.socket, way: list[tuple[int, int, bytes]], reply: Reply) -> None:
        target = (str(reply.address), reply.port)
        try:
            opened.sendmsg([reply.packet.build()], way, 0, target)
        except OSError as fault:
            self._counts.add("refusal", "not sent")
            log.debug("the reply to %s could not be sent to %s: %s", reply.packet.mac, target[0], fault)

    def _write_down(self) -> None:
        self._idle_is_due = False
        try:
            self._on_idle()
        except Exception:
            log.exception("what DHCP saw could not be written down")


@lru_cache(4096)
def _known(address: str | bytes) -> IPv4Address:
    return IPv4Address(address)


def _interface_index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError as fault:
        raise ServiceError(
            f"there is no network interface {interface}", hint="ip link shows the names", code=605
        ) from fault


def _bind(interface: str, port: int) -> socket.socket:
    """A broadcast socket that hears this interface only, where the kernel lets us; see also `_receive`."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        bound.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        except PermissionError:
            log.warning(
                "cannot bind to %s alone (CAP_NET_RAW); packets of other interfaces are dropped", interface
            )
        bind(bound, ("", port), f"dhcp on {interface}")
    except Exception:
        bound.close()
        raise
    return bound
