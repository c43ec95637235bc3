"""Answers DHCP on the ports of one or several interfaces until told to stop: receive, answer, then tell."""

import logging
import socket
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address

from provisioner.errors import ServiceError
from provisioner.services.dhcp.conflict_detection import ConflictDetector
from provisioner.services.dhcp.listener import DhcpListener, PacketInfo, log_context
from provisioner.services.dhcp.metrics import DhcpMetrics
from provisioner.services.dhcp.packet import DhcpPacketError, Packet
from provisioner.services.dhcp.policy import DhcpReply
from provisioner.services.eventloop.datagrams import IP_PKTINFO, PKTINFO, Ancillary, pktinfo_control
from provisioner.services.eventloop.rate_limited_log import PacketLog
from provisioner.services.eventloop.reactor import Reactor
from provisioner.system.sockets import bind

MAX_PACKET = 4096  # bytes
RECEIVE_BATCH = 32  # datagrams that are answered before timers and other sockets have their turn
FLUSH_SECONDS = 1.0
ANCILLARY_SIZE = socket.CMSG_SPACE(PKTINFO.size)
log = logging.getLogger(__name__)


class DhcpLoop:
    """All listeners in one thread.

    For each packet: receive it, `answer(packet, info, now)` decides (None: silence), the reply is sent, or
    deferred by `conflicts`; then `observe(packet, info, now, reply)` is told. `flush()` is called at most
    once a second, and only after packets. `now` in seconds since 1970.
    """

    def __init__(
        self,
        listeners: list[DhcpListener],
        answer: Callable[[Packet, PacketInfo, float], DhcpReply | None],
        observe: Callable[[Packet, PacketInfo, float, DhcpReply | None], None],
        flush: Callable[[], None] = lambda: None,
        *,
        conflicts: ConflictDetector | None = None,
        metrics: DhcpMetrics | None = None,
        clock: Callable[[], float] = time.time,
        reactor: Reactor | None = None,
    ) -> None:
        """Bind.

        Raises:
            ServiceError: PV-602..605, an interface is missing, a port is taken, or we may not.
        """
        self._answer = answer
        self._observe = observe
        self._flush = flush
        self._conflicts = conflicts
        self._metrics = metrics or DhcpMetrics(lambda: 0)
        self._clock = clock
        self._packet_log = PacketLog(log)
        self._flush_scheduled = False
        self.reactor = reactor or Reactor("dhcp")
        self._sockets: list[socket.socket] = []
        for listener in listeners:
            self._open(listener)

    def _open(self, listener: DhcpListener) -> None:
        index = _interface_index(listener.interface)
        try:
            opened = _bind(listener.interface, listener.port)
        except ServiceError:
            self.close()
            raise
        self._sockets.append(opened)
        self.reactor.register(opened, lambda: self._receive(opened, listener, index))

    def run(self) -> None:
        """Serve until `stop`; no packet and no error of a callback ends it."""
        try:
            self.reactor.run()
        finally:
            self._flush_now()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self.reactor.stop()

    def close(self) -> None:
        """Give the ports back."""
        for opened in self._sockets:
            opened.close()
        self.reactor.close()

    def _receive(self, opened: socket.socket, listener: DhcpListener, index: int) -> None:
        for _ in range(RECEIVE_BATCH):
            try:
                data, ancillary, _, source = opened.recvmsg(MAX_PACKET, ANCILLARY_SIZE)
            except BlockingIOError:
                return
            except OSError as fault:  # an ICMP error of an earlier reply, or the link went down
                log.debug("%s: nothing received: %s", listener.interface, fault)
                return
            arrived_by, local_address, is_broadcast = index, listener.address, True
            for level, kind, value in ancillary:
                if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(value) >= PKTINFO.size:
                    arrived_by, local, destination = PKTINFO.unpack_from(value)
                    if local == destination:  # a unicast; a broadcast has an address of ours as `local`
                        local_address, is_broadcast = _ipv4(destination), False
            if arrived_by == index:  # it can be another only without SO_BINDTODEVICE
                info = PacketInfo(listener, (_ipv4(source[0]), source[1]), local_address, is_broadcast)
                self._process(opened, index, data, info)

    def _process(self, opened: socket.socket, index: int, data: bytes, info: PacketInfo) -> None:
        """One packet; whatever is wrong with it ends here."""
        self._schedule_flush()
        try:
            request = Packet.parse(data)
        except DhcpPacketError as fault:
            self._metrics.count("bad", "unreadable")
            self._packet_log.malformed(f"{info.listener.interface} {info.source[0]}", fault, data)
            return
        try:
            self._handle(opened, index, request, info)
        except Exception as fault:
            self._metrics.count("bad", "not answered")
            self._packet_log.failed(log_context(request, info), "not answered", fault, data)

    def _handle(self, opened: socket.socket, index: int, request: Packet, info: PacketInfo) -> None:
        """Decide, send, then tell; also of a packet whose answer failed."""
        now, began = self._clock(), time.perf_counter()
        reply: DhcpReply | None = None
        try:
            reply = self._answer(request, info, now)
            if reply:
                self._send_or_defer(opened, index, request, info, reply)
                self._metrics.latency.observe(time.perf_counter() - began)
        finally:
            self._observe(request, info, now, reply)

    def _send_or_defer(
        self, opened: socket.socket, index: int, request: Packet, info: PacketInfo, reply: DhcpReply
    ) -> None:
        def send(final: DhcpReply) -> None:
            self._send(opened, pktinfo_control(index, info.local_address), final, info)

        if not (self._conflicts and self._conflicts.defer(request, info, reply, send)):
            send(reply)

    def _send(self, opened: socket.socket, control: Ancillary, reply: DhcpReply, info: PacketInfo) -> None:
        destination = (str(reply.address), reply.port)
        try:
            opened.sendmsg([reply.packet.build()], control, 0, destination)
        except OSError as fault:
            self._metrics.count("refusal", "not sent")
            log.debug("%s: not sent to %s: %s", log_context(reply.packet, info), destination[0], fault)

    def _schedule_flush(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self.reactor.call_later(FLUSH_SECONDS, self._flush_now)

    def _flush_now(self) -> None:
        self._flush_scheduled = False
        try:
            self._flush()
        except Exception:
            log.exception("what DHCP saw could not be written down")


@lru_cache(4096)
def _ipv4(address: str | bytes) -> IPv4Address:
    """Making one costs more than reading a packet."""
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
