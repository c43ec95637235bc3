"""The DNS loop against dig, dnsperf and nmap, bad manners by TCP, and another server behind it."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dnslib import DNSRecord

from provisioner import run
from provisioner.errors import ProvisionError, ServiceError
from provisioner.services.dns import forward
from provisioner.services.dns.loop import DnsLoop
from provisioner.services.dns.responder import Responder
from provisioner.services.dns.zone import Apex, Zone, labels, reverse
from provisioner.state.counters import MetricsRegistry
from tests.ports import free_port

if TYPE_CHECKING:
    from tests.wire.conftest import World

HERE = "127.0.0.1"
MANY = [IPv4Address(f"10.0.0.{number}") for number in range(1, 101)]


def zone(domain: str = "site.example") -> Zone:
    tops = [labels(domain), labels("77.10.in-addr.arpa")]
    apexes = [Apex(top, labels(f"ns.{domain}"), labels(f"hostmaster.{domain}"), 7) for top in tops]
    names: list[Any] = [
        (labels(f"vc-{number}.{domain}"), IPv4Address(f"10.77.0.{number}")) for number in range(1, 201)
    ]
    names += [(labels(f"many.{domain}"), address) for address in MANY]
    names += [(labels(f"six.{domain}"), IPv6Address("fd00::6"))]
    pointers = [(reverse(IPv4Address("10.77.0.1")), labels(f"vc-1.{domain}"))]
    return Zone(apexes, names, pointers)


@contextmanager
def running(responder: Responder | None = None, *, address: str = HERE, **how: Any) -> Iterator[DnsLoop]:
    place = IPv6Address(address) if ":" in address else IPv4Address(address)
    loop = DnsLoop([place], responder or Responder(zone()), port=free_port(), **how)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
        assert thread.is_alive(), "the loop has ended"
    finally:
        loop.stop()
        thread.join(5)
        loop.close()


@pytest.fixture(scope="module")
def loop() -> Iterator[DnsLoop]:
    with running() as made:
        yield made


def dig(loop: DnsLoop, *words: str, server: str = HERE) -> str:
    return run.text(["dig", "-p", str(loop.port), f"@{server}", "+tries=1", "+time=30", *words])


def short(loop: DnsLoop, *words: str) -> list[str]:
    return dig(loop, "+short", *words).split()


def status(said: str) -> str:
    found = re.search(r"status: (\w+)", said)
    assert found, said
    return found[1]


@pytest.mark.parametrize(
    "words", [(), ("+tcp",), ("+noedns",), ("+dnssec",), ("+nsid",), ("+cookie",), ("+tcp", "+keepopen")]
)
def test_dig_finds_names_however_it_asks(loop: DnsLoop, words: tuple[str, ...]) -> None:
    assert short(loop, "vc-1.site.example", *words) == ["10.77.0.1"]
    assert short(loop, "six.site.example", "AAAA", *words) == ["fd00::6"]
    assert short(loop, "-x", "10.77.0.1", *words) == ["vc-1.site.example."]
    said = dig(loop, "vc-1.site.example", *words)
    assert "WARNING" not in said.replace("recursion requested but not available", "").replace(
        ";; WARNING: ", ""
    )
    assert status(said) == "NOERROR" and " aa " in said and " ra" not in said


def test_dig_sees_what_is_not_there(loop: DnsLoop) -> None:
    said = dig(loop, "vc-999.site.example")
    assert status(said) == "NXDOMAIN" and "IN\tSOA\tns.site.example." in said
    said = dig(loop, "vc-1.site.example", "AAAA")
    assert status(said) == "NOERROR" and "ANSWER: 0, AUTHORITY: 1" in said
    assert status(dig(loop, "www.example.org")) == "REFUSED"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("+opcode=notify", "site.example", "SOA"), "NOTIMP"),
        (("+opcode=update", "site.example", "SOA"), "NOTIMP"),
        (("+opcode=status", "site.example"), "NOTIMP"),
        (("site.example", "IXFR=1", "+tcp"), ""),
        (("version.bind", "CH", "TXT"), "REFUSED"),
        (("+edns=1", "+noednsneg", "vc-1.site.example"), "BADVERS"),
        (("+ednsopt=65001:abcd", "vc-1.site.example"), "NOERROR"),
        (("+ednsflags=0x4000", "vc-1.site.example"), "NOERROR"),
        (("+header-only",), "FORMERR"),
        (("site.example", "TYPE65280"), "NOERROR"),
    ],
)
def test_dig_is_told_what_is_not_done(loop: DnsLoop, words: tuple[str, ...], code: str) -> None:
    said = dig(loop, *words)
    assert (status(said) == code) if code else ("Transfer failed" in said), said


def test_a_large_answer_is_cut_and_comes_by_tcp(loop: DnsLoop) -> None:
    """100 addresses are 1.6 kB."""
    cut = dig(loop, "many.site.example", "+ignore")
    assert " tc " in cut and "ANSWER: 0" in cut
    whole = dig(loop, "many.site.example")
    assert "Truncated, retrying in TCP mode" in whole and "ANSWER: 100" in whole
    assert "ANSWER: 100" in dig(loop, "many.site.example", "+tcp")


def test_it_speaks_ipv6_as_well() -> None:
    with running(address="::1") as here:
        for words in ((), ("+tcp",)):
            assert dig(here, "+short", "vc-1.site.example", *words, server="::1").split() == ["10.77.0.1"]


def test_dnsperf_loses_nothing(loop: DnsLoop, tmp_path: Path) -> None:
    kinds = ("A", "AAAA", "MX", "ANY")
    lines = [f"vc-{number}.site.example {kind}" for number in range(1, 300) for kind in kinds]
    (tmp_path / "queries").write_text("\n".join([*lines, "many.site.example A", "www.example.org A"]) + "\n")
    for mode in ("udp", "tcp"):
        argv = [
            "dnsperf",
            "-s",
            HERE,
            "-p",
            str(loop.port),
            "-d",
            tmp_path / "queries",
            "-n",
            "2",
            "-m",
            mode,
        ]
        said = run.text([*argv, "-c", "4", "-q", "20", "-t", "20"])
        assert re.search(r"Queries completed: +2396 \(100\.00%\)", said), said
        assert "NOERROR 1602" in said and "REFUSED 2" in said and "NXDOMAIN 792" in said, said


# TCP


class Tcp:
    """A client by hand."""

    def __init__(self, loop: DnsLoop) -> None:
        self.socket = socket.create_connection((HERE, loop.port), timeout=30)

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(len(one).to_bytes(2, "big") + one for one in messages))

    def receive(self) -> bytes:
        length = int.from_bytes(self._exactly(2), "big")
        return self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self.socket.recv(size - len(found))
            if not more:
                raise EOFError
            found += more
        return found

    def is_closed(self) -> bool:
        """By the other side, sooner or later."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()


def query(name: str, ident: int) -> bytes:
    record = DNSRecord.question(name)
    record.header.id = ident
    return bytes(record.pack())


def test_many_questions_in_one_connection_are_all_answered(loop: DnsLoop) -> None:
    with closing(Tcp(loop)) as client:
        client.send(*(query(f"vc-{number}.site.example", number) for number in range(1, 101)))
        client.socket.shutdown(socket.SHUT_WR)
        replies = [DNSRecord.parse(client.receive()) for _ in range(100)]
        assert {(one.header.id, str(one.a.rdata)) for one in replies} == {
            (n, f"10.77.0.{n}") for n in range(1, 101)
        }
        assert client.is_closed()


def test_a_message_may_come_byte_by_byte(loop: DnsLoop) -> None:
    with closing(Tcp(loop)) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        asked = query("vc-1.site.example", 3)
        for byte in len(asked).to_bytes(2, "big") + asked:
            client.socket.sendall(bytes([byte]))
        assert str(DNSRecord.parse(client.receive()).a.rdata) == "10.77.0.1"


def test_a_malformed_message_is_answered_and_the_next_one_too(loop: DnsLoop) -> None:
    with closing(Tcp(loop)) as client:
        client.send(query("vc-1.site.example", 3) + b"x", query("vc-1.site.example", 4))
        assert DNSRecord.parse(client.receive()).header.rcode == 1
        assert DNSRecord.parse(client.receive()).header.rcode == 0


@pytest.mark.parametrize("data", [b"\0\0", b"\xff\xff" + b"x" * 5000, b"\0\3abc", b"GET / HTTP/1.0\r\n\r\n"])
def test_what_is_no_dns_ends_its_connection(loop: DnsLoop, data: bytes) -> None:
    with closing(Tcp(loop)) as client:
        client.socket.sendall(data)
        assert client.is_closed()
    assert short(loop, "vc-1.site.example", "+tcp") == ["10.77.0.1"]


def test_who_sends_half_a_message_or_reads_nothing_is_left_after_a_while() -> None:
    registry = MetricsRegistry("dns")
    with running(idle=0.5, registry=registry) as here, ExitStack() as stack:
        silent, half, greedy = (stack.enter_context(closing(Tcp(here))) for _ in range(3))
        half.socket.sendall(b"\0\x20abc")
        for client in (silent, half, greedy):
            client.socket.settimeout(5)  # half of what it is without `idle`
        with pytest.raises(OSError):  # it takes no answers: we stop reading, and then we close
            while True:
                greedy.send(*[query("many.site.example", 1)] * 50)
        assert silent.is_closed() and half.is_closed()
        assert short(here, "vc-1.site.example", "+tcp") == ["10.77.0.1"]
    assert registry.scalar("provision_refusals_total", reason="time limit").value == 3


def test_one_address_cannot_take_all_connections() -> None:
    with running(per_address=2, in_all=3) as here, ExitStack() as stack:
        clients = [stack.enter_context(closing(Tcp(here))) for _ in range(2)]
        for client in clients:
            client.send(query("vc-1.site.example", 1))
            client.receive()
        assert stack.enter_context(closing(Tcp(here))).is_closed()
        assert short(here, "vc-1.site.example") == ["10.77.0.1"], "UDP goes on"
        clients[0].close()
        until = time.monotonic() + 30
        while here.connections > 1:
            assert time.monotonic() < until
        assert short(here, "vc-1.site.example", "+tcp") == ["10.77.0.1"]


def test_a_taken_port_is_said_in_words_and_nothing_stays_open(loop: DnsLoop) -> None:
    with pytest.raises(ServiceError, match=r"dns: port 127\.0\.0\.1:.*/udp is in use"):
        DnsLoop([IPv4Address(HERE)], Responder(zone()), port=loop.port)
    port = free_port()
    with socket.create_server((HERE, port)):
        with pytest.raises(ServiceError, match="/tcp is in use"):
            DnsLoop([IPv4Address(HERE)], Responder(zone()), port=port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((HERE, port))


def test_an_error_of_ours_does_not_end_the_loop() -> None:
    responder = Responder(zone())
    broken = Responder(zone())
    with running(broken) as here:
        broken.respond = None  # type: ignore[method-assign, assignment]  # calling it is a TypeError
        with pytest.raises(ProvisionError):  # dig says that nobody answers
            dig(here, "vc-1.site.example", "+time=1")
        broken.respond = responder.respond  # type: ignore[method-assign]
        assert short(here, "vc-1.site.example") == ["10.77.0.1"]


# another server behind it


def test_names_of_others_come_from_the_server_that_the_settings_name() -> None:
    with ExitStack() as stack:
        other = stack.enter_context(running(Responder(zone("other.example"))))
        responder = Responder(zone(), forwards=True)
        here = stack.enter_context(running(responder, forward=(IPv4Address(HERE), other.port)))
        for words in ((), ("+tcp",), ("+noedns",)):
            assert short(here, "vc-7.other.example", *words) == ["10.77.0.7"]
            assert short(here, "vc-7.site.example", *words) == ["10.77.0.7"]
        assert " tc " in dig(here, "many.other.example", "+ignore")
        long = short(here, "many.other.example", "+tcp")
        assert long == short(other, "many.other.example", "+tcp") and len(long) > 50
        assert status(dig(here, "x.third.example")) == "REFUSED", "which is what the other one says"


class Upstream:
    """A server by hand, to give wrong answers."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = free_port()
        self.socket.bind((HERE, self.port))
        self.socket.settimeout(30)

    def close(self) -> None:
        self.socket.close()


@pytest.mark.parametrize("kind", ["is refused", "ends in the middle", "is silent"])
def test_a_long_answer_that_does_not_come_by_tcp_is_a_servfail(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(forward, "TIMEOUT", 4.0)
    with ExitStack() as stack:
        up = stack.enter_context(closing(Upstream()))
        listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        listener.settimeout(30)
        listener.bind((HERE, up.port))
        if kind != "is refused":
            listener.listen()
        responder = Responder(zone(), forwards=True)
        here = stack.enter_context(running(responder, forward=(IPv4Address(HERE), up.port)))
        client = stack.enter_context(socket.create_connection((HERE, here.port), timeout=30))
        message = query("many.other.example", 78)
        client.sendall(len(message).to_bytes(2, "big") + message)
        asked, peer = up.socket.recvfrom(4096)
        cut = bytearray(Responder(zone("other.example")).respond(asked).data)
        assert cut[2] & 2, "its answer says that it was cut"
        up.socket.sendto(bytes(cut), peer)
        if kind != "is refused":
            link = stack.enter_context(listener.accept()[0])
            link.settimeout(30)
            assert link.recv(4096)[2:] == asked
        if kind == "ends in the middle":
            link.sendall(b"\4\0" + bytes(cut))
            link.close()
        assert client.recv(4096)[5] & 15 == 2


def test_forged_answers_are_not_taken() -> None:
    with ExitStack() as stack:
        up = stack.enter_context(closing(Upstream()))
        responder = Responder(zone(), forwards=True)
        here = stack.enter_context(running(responder, forward=(IPv4Address(HERE), up.port)))
        client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        client.settimeout(30)
        client.sendto(query("www.other.example", 77), (HERE, here.port))
        asked, peer = up.socket.recvfrom(4096)
        good = bytearray(Responder(zone("other.example")).respond(asked).data)
        wrong_ident = bytes([good[0] ^ 1]) + bytes(good[1:])
        other_name = bytes(good).replace(b"\3www", b"\3wwx")
        for forged in (b"", b"x", wrong_ident, other_name, asked):
            up.socket.sendto(forged, peer)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(bytes(good), peer)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(4096)
        client.settimeout(30)
        up.socket.sendto(bytes(good), peer)
        assert client.recv(4096)[:2] == (77).to_bytes(2, "big")


def test_a_server_that_is_silent_or_away_is_a_servfail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TIMEOUT", 0.3)
    monkeypatch.setattr(forward, "MAX_QUERIES", 4)
    with ExitStack() as stack:
        up = stack.enter_context(closing(Upstream()))
        responder = Responder(zone(), forwards=True)
        here = stack.enter_context(running(responder, forward=(IPv4Address(HERE), up.port)))
        assert status(dig(here, "www.other.example")) == "SERVFAIL"
        clients = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(20)]
        for number, client in enumerate(clients):
            client.settimeout(30)
            client.sendto(query(f"n{number}.other.example", number), (HERE, here.port))
        assert {client.recv(4096)[3] & 15 for client in clients} == {2}
        up.close()
        assert status(dig(here, "www.other.example", "+tcp")) == "SERVFAIL"


# the service


def test_the_service_answers_for_its_hosts_as_soon_as_they_are_known(world: World) -> None:
    puppet = world.add_host()
    for name, wanted in (
        (f"{puppet.name}.vaultcube.local", puppet.address),
        ("apt.vaultcube.local", "10.77.0.1"),
    ):
        until = time.monotonic() + 30
        while (said := world.lan.run("dig", "@10.77.0.1", "+short", name).out.strip()) != wanted:
            assert time.monotonic() < until, said
            time.sleep(0.1)  # the service is told by the bell; nothing tells us
    assert (
        world.lan.run("dig", "@10.77.0.1", "+short", "-x", puppet.address).out.strip()
        == f"{puppet.name}.vaultcube.local."
    )


def test_nmap_finds_nothing_to_complain_of(world: World) -> None:
    """What it tried and did not find is all that it says."""
    names = ("recursion", "cache-snoop", "nsid", "update", "zone-transfer", "service-discovery", "nsec-enum")
    scripts = ",".join(f"dns-{name}" for name in names)
    words = (
        "dns-update.hostname=x.vaultcube.local,dns-update.ip=10.9.9.9",
        "dns-zone-transfer.domain=vaultcube.local,dns-nsec-enum.domains=vaultcube.local",
    )
    argv = ("nmap", "-n", "-Pn", "-sU", "-sT", "-p", "53", "--script", scripts)
    said = world.lan.run(*argv, "--script-args", ",".join(words), "10.77.0.1")
    assert "53/udp open" in said.out and "53/tcp open" in said.out, said
    found = [line for line in said.out.splitlines() if line.startswith("|")]
    assert {line.strip("|_ ") for line in found} == {
        "dns-cache-snoop: 0 of 100 tested domains are cached.",
        "dns-nsec-enum:",
        "No NSEC records found",
    }, said.out


def test_nmap_s_fuzzer_does_not_stop_it(world: World) -> None:
    argv = ("nmap", "-n", "-Pn", "-sU", "-p", "53", "--script", "dns-fuzz")
    said = world.lan.run(*argv, "--script-args", "dns-fuzz.timelimit=10s", "10.77.0.1")
    assert "The server seems impervious to our assault" in said.out, said
