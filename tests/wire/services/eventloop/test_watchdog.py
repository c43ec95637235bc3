"""A loop that hangs ends its process; one that is only slow does not."""

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv4Address

import pytest

from provisioner.services.dhcp.listener import DhcpListener, PacketInfo
from provisioner.services.dhcp.loop import DhcpLoop
from provisioner.services.dhcp.packet import Packet
from provisioner.services.dns.loop import DnsLoop
from provisioner.services.dns.packet import Query
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.zone import Zone
from provisioner.services.eventloop.reactor import Reactor
from provisioner.services.eventloop.watchdog import Watchdog
from provisioner.services.tftp.loop import TftpLoop
from tests.unit.services.dhcp import dhcp_corpus


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ended() -> threading.Event:
    return threading.Event()


@pytest.fixture
def watchdog(clock: Clock, ended: threading.Event) -> Iterator[Watchdog]:
    made = Watchdog("test", timeout=10, end=ended.set, clock=clock)
    yield made


def test_a_loop_that_answers_lives(watchdog: Watchdog, clock: Clock, ended: threading.Event) -> None:
    for _ in range(5):
        watchdog.check()
        clock.now += 9
        watchdog.check()
        watchdog.acknowledge()
        clock.now += 9
    assert not ended.is_set()


def test_one_that_does_not_answer_is_ended_and_that_is_said(
    watchdog: Watchdog, clock: Clock, ended: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    watchdog.check()
    clock.now += 11
    watchdog.check()
    assert ended.is_set() and "test: the loop has hung for 11 s" in caplog.text


def test_each_loop_answers_and_is_ended_where_it_hangs(
    clock: Clock, ended: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On loopback."""
    for make in (_tftp, _dns, _dhcp):
        ended.clear()
        hang, hung = threading.Event(), threading.Event()
        acknowledged = threading.Event()
        watchdog = Watchdog("test", timeout=10, end=ended.set, clock=clock)
        monkeypatch.setattr(
            watchdog, "acknowledge", partial(acknowledge_and_tell, watchdog.acknowledge, acknowledged)
        )
        loop, send = make(watchdog, hang, hung)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            loop.check()
            assert acknowledged.wait(5)
            send()
            assert hung.wait(5)
            loop.check()
            clock.now += 11
            loop.check()
            assert ended.is_set()
        finally:
            hang.set()
            loop.stop()
            thread.join(5)
            loop.close()


def _tftp(watchdog: Watchdog, hang: threading.Event, hung: threading.Event) -> tuple[TftpLoop, object]:
    def lookup(name: str) -> bytes:
        hung.set()
        hang.wait(10)
        return b""

    loop = TftpLoop([IPv4Address("127.0.0.1")], lookup, port=0, watchdog=watchdog)
    return loop, lambda: _send(loop.port, b"\0\1a\0octet\0")


def _dns(watchdog: Watchdog, hang: threading.Event, hung: threading.Event) -> tuple[DnsLoop, object]:
    class Slow(Zone):
        def answer(self, query: Query) -> object:
            hung.set()
            hang.wait(10)
            return super().answer(query)

    query = b"\0\1\0\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"
    loop = DnsLoop([IPv4Address("127.0.0.1")], Responder(Slow([])), port=0, watchdog=watchdog)
    return loop, lambda: _send(loop.port, query)


def _dhcp(watchdog: Watchdog, hang: threading.Event, hung: threading.Event) -> tuple[DhcpLoop, object]:
    def answer(request: Packet, info: PacketInfo, now: float) -> None:
        hung.set()
        hang.wait(10)

    listeners = [DhcpListener("lo", IPv4Address("127.0.0.1"), 0)]
    loop = DhcpLoop(listeners, answer, lambda *what: None, reactor=Reactor("dhcp", watchdog=watchdog))
    port = loop._sockets[0].getsockname()[1]
    return loop, lambda: _send(port, dhcp_corpus.message(1))


def _send(port: int, data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(data, ("127.0.0.1", port))


def acknowledge_and_tell(acknowledge: Callable[[], None], acknowledged: threading.Event) -> None:
    acknowledge()
    acknowledged.set()
