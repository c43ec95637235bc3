"""Clients by TLS: a handshake in pieces, one record at a time, and who takes nothing of an answer."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from provisioner.client import pinned
from provisioner.site.site import Site
from provisioner.web import client_sockets
from provisioner.web.client_sockets import RECORD, TlsSocket
from tests.access import certified


class Ends:
    """Both ends of one connection; the client's bytes go when the test says so."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.plain, accepted = socket.socketpair()
        self.heard, self.said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = pinned.context().wrap_bio(self.heard, self.said)
        self.server = TlsSocket.of(context, accepted)
        self.server.setblocking(False)

    def take(self) -> bytes | None:
        """What the server has of the client; None where it waits for more."""
        try:
            return self.server.take()
        except BlockingIOError:
            return None

    def hear(self) -> None:
        self.plain.setblocking(False)
        with suppress(BlockingIOError):
            self.heard.write(self.plain.recv(1 << 16))

    def shake(self) -> None:
        with suppress(ssl.SSLWantReadError):
            self.client.do_handshake()


@pytest.fixture
def ends(site: Site) -> Iterator[Ends]:
    made = Ends(certified(site)[0])
    yield made
    made.server.close()
    made.plain.close()


def shaken(ends: Ends) -> None:
    """The whole handshake, the client's part of it byte by byte: nothing of it holds the server up."""
    for _ in range(2):
        ends.shake()
        for byte in ends.said.read():
            ends.plain.send(bytes([byte]))
            assert ends.take() is None
        ends.hear()
    assert ends.client.version() == ends.server.version() == "TLSv1.3"


def test_a_handshake_in_single_bytes_is_one(ends: Ends) -> None:
    shaken(ends)
    ends.client.write(b"GET / HTTP/1.1\r\n")
    ends.plain.send(ends.said.read())
    assert ends.take() == b"GET / HTTP/1.1\r\n"
    assert ends.take() is None


def test_records_that_came_together_are_taken_one_by_one(ends: Ends) -> None:
    shaken(ends)
    for part in (b"a" * RECORD, b"b" * 9, b"c"):
        ends.client.write(part)
    whole = ends.said.read()
    threading.Thread(target=ends.plain.sendall, args=[whole], daemon=True).start()
    found: list[bytes] = []
    until = time.monotonic() + 30
    while sum(map(len, found)) < RECORD + 10 and time.monotonic() < until:
        if data := ends.take():
            found.append(data)
    assert found == [b"a" * RECORD, b"b" * 9, b"c"]


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x80" * 64])
def test_what_is_no_handshake_is_an_error_of_its_connection(ends: Ends, said: bytes) -> None:
    ends.plain.send(said)
    with pytest.raises(OSError, match=r"SSL|TLS|EOF"):
        ends.take()


def test_who_goes_in_the_middle_of_the_handshake_is_gone(ends: Ends) -> None:
    ends.shake()
    ends.plain.send(ends.said.read()[:20])
    assert ends.take() is None
    ends.plain.close()
    with pytest.raises(OSError, match=r"EOF|closed|reset"):
        ends.take()


def test_who_takes_nothing_of_an_answer_gives_the_thread_back(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    shaken(ends)
    monkeypatch.setattr(client_sockets, "SEND_SECONDS", 0.2)
    ends.server.setblocking(True)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        ends.server.sendall(b"x" * (8 << 20))
    assert time.monotonic() - began < 5


def test_a_slow_reader_has_his_time_for_each_record(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer in all than one record may take: as long as something is taken, it goes on."""
    shaken(ends)
    ends.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    monkeypatch.setattr(client_sockets, "SEND_SECONDS", 1.5)
    ends.server.setblocking(True)
    ends.plain.setblocking(True)
    sent = b"x" * (20 * RECORD)
    sender = threading.Thread(target=ends.server.sendall, args=[sent])
    began = time.monotonic()
    sender.start()
    received, taken = 0, ssl.MemoryBIO()
    while received < len(sent) + 20 * 22:  # a record's head, type and tag
        data = ends.plain.recv(RECORD)
        taken.write(data)
        received += len(data)
        threading.Event().wait(0.1)
    sender.join(30)
    assert time.monotonic() - began > client_sockets.SEND_SECONDS and not sender.is_alive()
