"""Asks another server for names that are not ours, where the settings name one; a few questions at a time.

The answer is taken only from that server's address and port, on the port that asked, with the number that was
drawn for it, and for the same question (RFC 5452).
"""

import secrets
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

from provisioner.services.dns.packet import HEADER, QR, TC, Query
from provisioner.services.dns.responder import no_answer
from provisioner.services.eventloop.reactor import READ, WRITE, Reactor

PATIENCE = 3.0  # seconds
MOST = 256  # questions under way; what is more is answered SERVFAIL
LARGEST = 65535
LENGTH = struct.Struct("!H")  # before each message of a stream (RFC 1035, 4.2.2)
Answered = Callable[[bytes], None]


class Forwarder:
    """Questions under way to one server; its sockets live in the loop's reactor."""

    def __init__(self, server: IPv4Address | IPv6Address, reactor: Reactor, *, port: int = 53) -> None:
        self._server = (str(server), port)
        self._family = socket.AF_INET if server.version == 4 else socket.AF_INET6
        self._reactor = reactor
        self._under_way: set[Asked] = set()

    def ask(self, query: Query, data: bytes, answered: Answered, *, tcp: bool) -> None:
        """Send it on; `answered` is called once, with the server's words or with SERVFAIL."""
        try:
            if len(self._under_way) >= MOST:
                raise OSError("too many questions are under way")
            asked = Asked(self, self._family, query, answered, tcp=tcp)
        except OSError:
            answered(no_answer(query))
            return
        self._under_way.add(asked)
        try:
            asked.send(data, self._server)
            self._reactor.add(asked.link, asked.hear)
        except OSError:
            self.end(asked, no_answer(query))
        self._reactor.after(PATIENCE, lambda: self.end(asked, no_answer(query)))

    def end(self, asked: "Asked", reply: bytes) -> None:
        """Give the port back and the reply on."""
        if asked not in self._under_way:
            return
        self._under_way.remove(asked)
        self._reactor.remove(asked.link)
        asked.link.close()
        asked.answered(reply)

    def ask_again(self, asked: "Asked", framed: bytes) -> None:
        """By TCP, within the time that is left."""
        self._reactor.remove(asked.link)
        try:
            asked.begin_stream(framed, self._server)
            self._reactor.add(asked.link, asked.hear, WRITE)
        except OSError:
            self.end(asked, no_answer(asked.query))

    def listen(self, asked: "Asked") -> None:
        """It was sent whole."""
        self._reactor.change(asked.link, READ)

    def give_up(self) -> None:
        """What is under way is answered SERVFAIL."""
        for asked in list(self._under_way):
            self.end(asked, no_answer(asked.query))


class Asked:
    """One question under way: by UDP, and by TCP where the answer is too long for that and may come so."""

    def __init__(
        self, forwarder: Forwarder, family: int, query: Query, answered: Answered, *, tcp: bool
    ) -> None:
        self.query = query
        self.answered = answered
        self._forwarder = forwarder
        self._may_be_long = tcp
        self._ident = secrets.randbelow(65536)
        self._message = self._to_send = self._came = b""
        self.link = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def send(self, data: bytes, server: tuple[str, int]) -> None:
        """From a port that the kernel draws for it alone."""
        self._message = self._ident.to_bytes(2, "big") + data[2:]
        self.link.connect(server)
        self.link.send(self._message)

    def hear(self) -> None:
        """What came on this port; anything but the answer is ignored."""
        try:
            data = self._go_on() if self.link.type == socket.SOCK_STREAM else self.link.recv(LARGEST)
        except (ConnectionError, TimeoutError):
            self._forwarder.end(self, no_answer(self.query))
            return
        except OSError:
            return
        if not self._fits(data):
            return
        if self._may_be_long and HEADER.unpack_from(data)[1] & TC:
            self._may_be_long = False
            self._forwarder.ask_again(self, LENGTH.pack(len(self._message)) + self._message)
            return
        self._forwarder.end(self, self.query.ident.to_bytes(2, "big") + data[2:])

    def begin_stream(self, framed: bytes, server: tuple[str, int]) -> None:
        """Another socket, which is not connected yet. Raises OSError."""
        family = self.link.family
        self.link.close()
        self.link = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._to_send = framed
        with suppress(BlockingIOError):
            self.link.connect(server)

    def _go_on(self) -> bytes:
        """Send what is left, then gather; the message once it is whole, else nothing. Raises OSError."""
        if self._to_send:
            self._to_send = self._to_send[self.link.send(self._to_send) :]
            if not self._to_send:
                self._forwarder.listen(self)
            return b""
        more = self.link.recv(LARGEST)
        if not more:
            raise ConnectionResetError("it ended in the middle of its answer")
        self._came += more
        if len(self._came) < LENGTH.size:
            return b""
        end = LENGTH.size + LENGTH.unpack_from(self._came)[0]
        return self._came[LENGTH.size : end] if len(self._came) >= end else b""

    def _fits(self, data: bytes) -> bool:
        if len(data) < HEADER.size:
            return False
        ident, flags, questions, *_ = HEADER.unpack_from(data)
        asked = data[HEADER.size : HEADER.size + len(self.query.question)]
        same = questions == 1 and asked.lower() == self.query.question.lower()
        return bool(flags & QR) and ident == self._ident and same
