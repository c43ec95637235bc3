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

TIMEOUT = 3.0  # seconds
MAX_QUERIES = 256  # questions under way; what is more is answered SERVFAIL
MAX_MESSAGE = 65535
LENGTH = struct.Struct("!H")  # before each message of a stream (RFC 1035, 4.2.2)
OnAnswer = Callable[[bytes], None]


class Forwarder:
    """Questions under way to one server; its sockets live in the loop's reactor."""

    def __init__(self, server: IPv4Address | IPv6Address, reactor: Reactor, *, port: int = 53) -> None:
        self._server = (str(server), port)
        self._family = socket.AF_INET if server.version == 4 else socket.AF_INET6
        self._reactor = reactor
        self._pending: set[ForwardedQuery] = set()

    def forward(self, query: Query, data: bytes, on_answer: OnAnswer, *, tcp: bool) -> None:
        """Send a query to the server; `on_answer` is called once, with its reply or with SERVFAIL."""
        try:
            if len(self._pending) >= MAX_QUERIES:
                raise OSError("too many questions are under way")
            forwarded = ForwardedQuery(self, self._family, query, on_answer, tcp=tcp)
        except OSError:
            on_answer(no_answer(query))
            return
        self._pending.add(forwarded)
        try:
            forwarded.send(data, self._server)
            self._reactor.register(forwarded.link, forwarded.receive)
        except OSError:
            self.end(forwarded, no_answer(query))
        self._reactor.call_later(TIMEOUT, lambda: self.end(forwarded, no_answer(query)))

    def end(self, forwarded: "ForwardedQuery", reply: bytes) -> None:
        """Give the port back and the reply on."""
        if forwarded not in self._pending:
            return
        self._pending.remove(forwarded)
        self._reactor.unregister(forwarded.link)
        forwarded.link.close()
        forwarded.on_answer(reply)

    def retry_by_tcp(self, forwarded: "ForwardedQuery", framed: bytes) -> None:
        """By TCP, within the time that is left."""
        self._reactor.unregister(forwarded.link)
        try:
            forwarded.connect_tcp(framed, self._server)
            self._reactor.register(forwarded.link, forwarded.receive, WRITE)
        except OSError:
            self.end(forwarded, no_answer(forwarded.query))

    def await_reply(self, forwarded: "ForwardedQuery") -> None:
        """The query has been sent whole: wait for the reply."""
        self._reactor.modify(forwarded.link, READ)

    def fail_all(self) -> None:
        """Answer whatever is pending SERVFAIL."""
        for forwarded in list(self._pending):
            self.end(forwarded, no_answer(forwarded.query))


class ForwardedQuery:
    """One question under way: by UDP, and by TCP where the answer is too long for that and may come so."""

    def __init__(
        self, forwarder: Forwarder, family: int, query: Query, on_answer: OnAnswer, *, tcp: bool
    ) -> None:
        self.query = query
        self.on_answer = on_answer
        self._forwarder = forwarder
        self._may_retry_by_tcp = tcp
        self._ident = secrets.randbelow(65536)
        self._message = self._output = self._input = b""
        self.link = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def send(self, data: bytes, server: tuple[str, int]) -> None:
        """From a port that the kernel draws for it alone."""
        self._message = self._ident.to_bytes(2, "big") + data[2:]
        self.link.connect(server)
        self.link.send(self._message)

    def receive(self) -> None:
        """What came on this port; anything but the answer is ignored."""
        try:
            data = (
                self._continue_tcp() if self.link.type == socket.SOCK_STREAM else self.link.recv(MAX_MESSAGE)
            )
        except (ConnectionError, TimeoutError):
            self._forwarder.end(self, no_answer(self.query))
            return
        except OSError:
            return
        if not self._is_reply(data):
            return
        if self._may_retry_by_tcp and HEADER.unpack_from(data)[1] & TC:
            self._may_retry_by_tcp = False
            self._forwarder.retry_by_tcp(self, LENGTH.pack(len(self._message)) + self._message)
            return
        self._forwarder.end(self, self.query.ident.to_bytes(2, "big") + data[2:])

    def connect_tcp(self, framed: bytes, server: tuple[str, int]) -> None:
        """Another socket, which is not connected yet. Raises OSError."""
        family = self.link.family
        self.link.close()
        self.link = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._output = framed
        with suppress(BlockingIOError):
            self.link.connect(server)

    def _continue_tcp(self) -> bytes:
        """Send what is left, then gather; the message once it is whole, else nothing. Raises OSError."""
        if self._output:
            self._output = self._output[self.link.send(self._output) :]
            if not self._output:
                self._forwarder.await_reply(self)
            return b""
        more = self.link.recv(MAX_MESSAGE)
        if not more:
            raise ConnectionResetError("it ended in the middle of its answer")
        self._input += more
        if len(self._input) < LENGTH.size:
            return b""
        end = LENGTH.size + LENGTH.unpack_from(self._input)[0]
        return self._input[LENGTH.size : end] if len(self._input) >= end else b""

    def _is_reply(self, data: bytes) -> bool:
        if len(data) < HEADER.size:
            return False
        ident, flags, questions, *_ = HEADER.unpack_from(data)
        asked = data[HEADER.size : HEADER.size + len(self.query.question)]
        same = questions == 1 and asked.lower() == self.query.question.lower()
        return bool(flags & QR) and ident == self._ident and same
