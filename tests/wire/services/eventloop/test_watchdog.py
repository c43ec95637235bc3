"""A loop that hangs ends its process; one that is only slow does not."""

import socket
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from provisioner.services.dhcp.loop import Came, DhcpLoop, Door
from provisioner.services.dhcp.packet import Packet
from provisioner.services.dns.loop import DnsLoop
from provisioner.services.dns.packet import Query
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.zone import Zone
from provisioner.services.eventloop.reactor import Reactor
from provisioner.services.eventloop.watchdog import Pulse
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
def pulse(clock: Clock, ended: threading.Event) -> Iterator[Pulse]:
    made = Pulse("test", limit=10, end=ended.set, clock=clock)
    yield made


def test_a_loop_that_answers_lives(pulse: Pulse, clock: Clock, ended: threading.Event) -> None:
    for _ in range(5):
        pulse.check()
        clock.now += 9
        pulse.check()
        pulse.beat()
        clock.now += 9
    assert not ended.is_set()


def test_one_that_does_not_answer_is_ended_and_that_is_said(
    pulse: Pulse, clock: Clock, ended: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    pulse.check()
    clock.now += 11
    pulse.check()
    assert ended.is_set() and "test: the loop has hung for 11 s" in caplog.text


def test_each_loop_answers_and_is_ended_where_it_hangs(
    clock: Clock, ended: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On loopback."""
    for make in (_tftp, _dns, _dhcp):
        ended.clear()
        hang, hung = threading.Event(), threading.Event()
        beaten = threading.Event()
        pulse = Pulse("test", limit=10, end=ended.set, clock=clock)
        beat = pulse.beat
        monkeypatch.setattr(pulse, "beat", lambda beat=beat, beaten=beaten: (beat(), beaten.set()))
        loop, send = make(pulse, hang, hung)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            loop.check()
            assert beaten.wait(5)
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


def _tftp(pulse: Pulse, hang: threading.Event, hung: threading.Event) -> tuple[TftpLoop, object]:
    def lookup(name: str) -> bytes:
        hung.set()
        hang.wait(10)
        return b""

    loop = TftpLoop([IPv4Address("127.0.0.1")], lookup, port=0, pulse=pulse)
    return loop, lambda: _send(loop.port, b"\0\1a\0octet\0")


def _dns(pulse: Pulse, hang: threading.Event, hung: threading.Event) -> tuple[DnsLoop, object]:
    class Slow(Zone):
        def answer(self, query: Query) -> object:
            hung.set()
            hang.wait(10)
            return super().answer(query)

    query = b"\0\1\0\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"
    loop = DnsLoop([IPv4Address("127.0.0.1")], Responder(Slow([])), port=0, pulse=pulse)
    return loop, lambda: _send(loop.port, query)


def _dhcp(pulse: Pulse, hang: threading.Event, hung: threading.Event) -> tuple[DhcpLoop, object]:
    def answer(request: Packet, came: Came, now: float) -> None:
        hung.set()
        hang.wait(10)

    doors = [Door("lo", IPv4Address("127.0.0.1"), 0)]
    loop = DhcpLoop(doors, answer, lambda *what: None, reactor=Reactor("dhcp", pulse=pulse))
    port = loop._sockets[0].getsockname()[1]
    return loop, lambda: _send(port, dhcp_corpus.message(1))


def _send(port: int, data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(data, ("127.0.0.1", port))
