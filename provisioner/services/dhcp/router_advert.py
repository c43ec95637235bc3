"""Tells IPv6 clients at once that there is no IPv6 router, so that iPXE need not wait to find out.

iPXE configures IPv4 and IPv6 together and gives IPv6 up only after six unanswered router solicitations:
15.8 s on every boot, measured with OVMF and with SeaBIOS. The answer here makes nobody a router and gives
no address (RFC 4861, 4.2: lifetime 0, no flags, no prefix). A real router's own answer is not disturbed.
"""

import logging
import select
import socket
import struct
import threading

from provisioner.services.eventloop.stop_event import StopEvent

ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
SOLICITATION, ADVERTISEMENT = 133, 134
ICMPV6_FILTER = 1  # <linux/icmpv6.h>; RFC 3542, 3.2: a bit for each type that is kept away from us
ONLY_SOLICITATIONS = (~(1 << SOLICITATION) & (2**256 - 1)).to_bytes(32, "little")
HOP_LIMIT = 255  # proof that the packet was not forwarded (RFC 4861, 6.1)
NO_ROUTER = struct.pack("!BBHBBHII", ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0)  # the kernel adds the checksum
log = logging.getLogger(__name__)


class RouterAdvertiser:
    """A convenience: without the right to open a raw socket it says so in the log, and boots are slower."""

    def __init__(self, interface: str) -> None:
        self._stop = StopEvent()
        self._index = 0
        self._socket: socket.socket | None = None
        try:
            self._index = socket.if_nametoindex(interface)
            self._socket = _open(self._index)
        except OSError as fault:
            log.warning("%s: no answer to IPv6 router solicitations (%s); iPXE waits 16 s", interface, fault)

    def run(self) -> None:
        """Answer until `stop`; returns at once if the socket could not be opened."""
        while self._socket:
            ready, _, _ = select.select([self._socket.fileno(), self._stop.fileno()], [], [])
            if self._stop.fileno() in ready:
                return
            try:
                self._answer(self._socket)
            except OSError as fault:  # the link is down, or our own address is not ready yet: they ask again
                log.debug("a router solicitation was not answered: %s", fault)

    def stop(self) -> None:
        """End `run`; from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Give the socket back."""
        if self._socket:
            self._socket.close()
        self._stop.close()

    def _answer(self, link: socket.socket) -> None:
        data, source = link.recvfrom(2048)
        if data[:1] == bytes([SOLICITATION]) and source[3] in (0, self._index):
            link.sendto(NO_ROUTER, (ALL_NODES, 0, 0, self._index))


def start(advertiser: RouterAdvertiser) -> None:
    """Let it answer in a daemon thread, as long as the process lives."""
    threading.Thread(target=advertiser.run, name="router-advert", daemon=True).start()


def _open(index: int) -> socket.socket:
    link = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6)
    try:
        group = socket.inet_pton(socket.AF_INET6, ALL_ROUTERS) + struct.pack("=I", index)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOP_LIMIT)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        link.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, ONLY_SOLICITATIONS)
    except OSError:
        link.close()
        raise
    return link
