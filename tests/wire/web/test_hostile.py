"""Thousands of hostile packets to each loop: none ends it or holds it up, good clients are served between."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from provisioner import run
from provisioner.services.dns.loop import DnsLoop
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.zone import Apex, Zone, labels
from provisioner.services.tftp.loop import TftpLoop
from tests import hostile
from tests.ports import free_port

HERE = "127.0.0.1"
LONGEST_HOLD = 0.1  # seconds of processor time that a hundred packets may take together
CONTENT = bytes(range(256)) * 20


def processor_time(thread: threading.Thread) -> float:
    """Of that thread alone: what else the machine does says nothing of the loop."""
    assert thread.ident
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


@pytest.fixture(autouse=True)
def the_loop_s_own_garbage() -> Iterator[None]:
    """What a thousand tests before left is not collected in its time: that alone took 0.3 s."""
    gc.freeze()
    yield
    gc.unfreeze()


def bombard(port: int, packets: list[bytes], thread: threading.Thread, ask: Callable[[], None]) -> None:
    """All packets from several clients, a good client after each hundred."""
    with ExitStack() as stack:
        clients = []
        for number in range(8):
            client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            client.bind((f"127.0.3.{number + 1}", 0))
            client.setblocking(False)
            clients.append(client)
        for first in range(0, len(packets), 100):
            began = processor_time(thread)
            for number, packet in enumerate(packets[first : first + 100]):
                clients[number % 8].sendto(packet, (HERE, port))
            ask()
            spent = processor_time(thread) - began
            assert thread.is_alive(), f"ended by one of the packets {first} to {first + 100}"
            assert spent < LONGEST_HOLD, f"the packets {first} to {first + 100} took {spent:.3f} s"


def test_the_corpora_are_large_and_always_the_same() -> None:
    for make in (hostile.tftp_corpus, hostile.dns_corpus):
        packets = make()
        assert len(set(packets)) == 6000
        assert packets == make()


def test_tftp_survives_its_corpus(tmp_path: Path) -> None:
    asked = {"snponly.efi": CONTENT}
    loop = TftpLoop([IPv4Address(HERE)], asked.get, port=0)
    thread = threading.Thread(target=loop.run)
    thread.start()
    url = f"tftp://{HERE}:{loop.port}/snponly.efi"

    def ask() -> None:
        run.run(["curl", "-sS", "--tftp-blksize", "1468", "-o", tmp_path / "got", url], timeout=20)
        assert (tmp_path / "got").read_bytes() == CONTENT

    try:
        bombard(loop.port, hostile.tftp_corpus(), thread, ask)
    finally:
        loop.stop()
        thread.join(5)
        loop.close()


@pytest.fixture
def dns() -> DnsLoop:
    apex = Apex(labels("vaultcube.local"), labels("ns.vaultcube.local"), labels("h.vaultcube.local"), 1)
    zone = Zone([apex], [(labels("vc-1.vaultcube.local"), IPv4Address("10.77.0.64"))])
    return DnsLoop([IPv4Address(HERE)], Responder(zone), port=free_port())


def test_dns_survives_its_corpus_by_udp_and_by_tcp(dns: DnsLoop) -> None:
    thread = threading.Thread(target=dns.run)
    thread.start()

    def ask(*words: str) -> None:
        argv = ["dig", "-p", str(dns.port), f"@{HERE}", "+short", "vc-1.vaultcube.local", *words]
        assert run.text(argv, timeout=20).strip() == "10.77.0.64"

    packets = hostile.dns_corpus()
    try:
        bombard(dns.port, packets, thread, ask)
        for number, packet in enumerate(packets[::5]):
            began = processor_time(thread)
            with socket.create_connection((HERE, dns.port), timeout=30) as client:
                framed = len(packet).to_bytes(2, "big") + packet
                with suppress(OSError):  # it was sent away in the middle, which is right
                    client.sendall(packet if number % 4 == 0 else framed)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(4096):
                        pass
            assert processor_time(thread) - began < LONGEST_HOLD, packet
            if number % 100 == 99:
                ask("+tcp")
    finally:
        dns.stop()
        thread.join(5)
        dns.close()
