"""A service's pulse comes from the loop that does its work: where that hangs, there is none."""

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Protocol

import pytest

from provisioner.services.dhcp.listener import DhcpListener, PacketInfo
from provisioner.services.dhcp.loop import DhcpLoop
from provisioner.services.dhcp.packet import Packet
from provisioner.services.dns.loop import DnsLoop
from provisioner.services.dns.packet import Query
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.zone import Zone
from provisioner.services.eventloop import reactor as reactors
from provisioner.services.eventloop.reactor import Reactor
from provisioner.services.tftp.loop import TftpLoop
from provisioner.system.pulse import Pulse
from tests.ports import free_port
from tests.unit.services.dhcp import dhcp_corpus

QUICK = 0.02  # seconds between two beats, here


class Loop(Protocol):
    def run(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Beats(Pulse):
    """Counts what the loop says, and lets the test wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.heard = threading.Event()

    def beat(self) -> None:
        self.count += 1
        self.heard.set()


class Hang:
    """Stops whoever comes by, once."""

    def __init__(self) -> None:
        self.began, self.end = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.began.set()
        assert self.end.wait(20)


Make = Callable[[Pulse, Hang], tuple[Loop, int]]


def _tftp(pulse: Pulse, hang: Hang) -> tuple[Loop, int]:
    def lookup(name: str) -> bytes:
        hang()
        return b""

    loop = TftpLoop([IPv4Address("127.0.0.1")], lookup, port=0, pulse=pulse)
    return loop, loop.port


def _dns(pulse: Pulse, hang: Hang) -> tuple[Loop, int]:
    class Slow(Zone):
        def answer(self, query: Query) -> object:
            hang()
            return super().answer(query)

    loop = DnsLoop([IPv4Address("127.0.0.1")], Responder(Slow([])), port=free_port(), pulse=pulse)
    return loop, loop.port


def _dhcp(pulse: Pulse, hang: Hang) -> tuple[Loop, int]:
    def answer(request: Packet, info: PacketInfo, now: float) -> None:
        hang()

    listeners = [DhcpListener("lo", IPv4Address("127.0.0.1"), 0)]
    loop = DhcpLoop(listeners, answer, lambda *what: None, reactor=Reactor("dhcp", pulse=pulse))
    return loop, loop._sockets[0].getsockname()[1]


REQUESTS = {
    _tftp: b"\0\1a\0octet\0",
    _dns: b"\0\1\0\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1",
    _dhcp: dhcp_corpus.message(1),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reactors, "PERIOD", QUICK)
    yield


@pytest.mark.parametrize("make", REQUESTS)
def test_each_loop_beats_while_it_goes_round_and_not_while_it_hangs(make: Make) -> None:
    """On loopback."""
    beats, hang = Beats(), Hang()
    loop, port = make(beats, hang)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        assert beats.heard.wait(30)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(REQUESTS[make], ("127.0.0.1", port))
        assert hang.began.wait(30)
        beats.heard.clear()
        assert not beats.heard.wait(10 * QUICK), "it hangs, and beats all the same"
        hang.end.set()
        assert beats.heard.wait(30), "it goes on, and is not heard"
    finally:
        hang.end.set()
        loop.stop()
        thread.join(5)
        loop.close()


def test_a_loop_that_nothing_happens_to_beats_too() -> None:
    beats = Beats()
    reactor = Reactor("test", pulse=beats)
    reactor.call_later(10 * QUICK, reactor.stop)
    reactor.run()
    reactor.close()
    assert beats.count >= 3


def test_a_full_pipe_does_not_stop_who_beats() -> None:
    """Its parent may be stopped for hours."""
    read, write = os.pipe()
    now = [0.0]
    pulse = Pulse(write, clock=lambda: now[0])
    for _ in range(70_000):  # more than a pipe holds
        now[0] += 5
        pulse.beat()
    assert select.select([read], [], [], 0)[0]
    os.close(read)
    now[0] += 5
    pulse.beat()  # nobody reads any more: no error either
