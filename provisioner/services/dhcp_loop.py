"""Answers DHCP on one interface until told to stop: receive, answer, then tell."""

import logging
import select
import socket
import time
from collections.abc import Callable
from ipaddress import IPv4Address

from provisioner.errors import ServiceError
from provisioner.services.datagrams import IP_PKTINFO, Complaints, Stop, interface_and_address, leave_by
from provisioner.services.dhcp_packet import Packet, PacketError
from provisioner.services.dhcp_policy import SERVER_PORT, Reply, Sighting, sighting
from provisioner.sockets import bind

LARGEST = 4096
IDLE_SECONDS = 1.0
log = logging.getLogger(__name__)


class DhcpLoop:
    """One socket on one interface.

    `answer(packet, now)` is the policy; `saw(sighting)` is told after the reply has left; `on_idle()` is
    called at most once a second, and only after packets: the place to write down what was seen.
    """

    def __init__(
        self,
        interface: str,
        address: IPv4Address,
        answer: Callable[[Packet, float], Reply | None],
        saw: Callable[[Sighting], None],
        on_idle: Callable[[], None] = lambda: None,
        *,
        port: int = SERVER_PORT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Bind.

        Raises:
            ServiceError: PV-640..643, the interface is missing, the port is taken, or we may not.
        """
        self._address = address
        self._answer = answer
        self._saw = saw
        self._on_idle = on_idle
        self._clock = clock
        self._complaints = Complaints(log)
        self._index = _interface_index(interface)
        self._socket = _bind(interface, port)
        self._stop = Stop()

    def run(self) -> None:
        """Serve until `stop`; no packet and no error of a callback ends it."""
        due: float | None = None
        while True:
            timeout = None if due is None else max(0.0, due - time.monotonic())
            ready, _, _ = select.select([self._socket.fileno(), self._stop.fileno()], [], [], timeout)
            if self._stop.fileno() in ready:
                break
            if ready:
                self._receive()
                due = due or time.monotonic() + IDLE_SECONDS
            if due is not None and time.monotonic() >= due:
                due = None
                self._write_down()
        self._write_down()

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()
        self._stop.close()

    def _receive(self) -> None:
        try:
            data, ancillary, _, source = self._socket.recvmsg(LARGEST, 64)
        except OSError as fault:  # an ICMP error of an earlier reply, or the link went down
            log.debug("nothing received: %s", fault)
            return
        index, _ = interface_and_address(ancillary)
        if index != self._index:
            return  # only without SO_BINDTODEVICE
        try:
            self._handle(data)
        except PacketError as fault:
            self._complaints.say(source[0], fault, data)
        except Exception as fault:
            self._complaints.say(source[0], f"not answered: {fault!r}", data, trace=True)

    def _handle(self, data: bytes) -> None:
        request = Packet.parse(data)
        now = self._clock()
        reply: Reply | None = None
        try:
            reply = self._answer(request, now)
            if reply:
                self._send(reply)
        finally:
            seen = sighting(request, now, reply)
            if seen:
                self._saw(seen)

    def _send(self, reply: Reply) -> None:
        target = (str(reply.address), reply.port)
        try:
            self._socket.sendmsg([reply.packet.build()], leave_by(self._index, self._address), 0, target)
        except OSError as fault:
            log.warning("the reply to %s could not be sent to %s: %s", reply.packet.mac, target[0], fault)

    def _write_down(self) -> None:
        try:
            self._on_idle()
        except Exception:
            log.exception("what DHCP saw could not be written down")


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
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
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
