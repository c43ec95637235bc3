"""gunicorn's threads, where only whole requests get one: who is slow or greedy waits outside.

gunicorn's own worker gives each connection a thread as soon as it is accepted, reads head and body in it, and
waits in its only loop for clients that do not close: a hundred half-sent requests stop it.
"""

import logging
import selectors
import socket
import ssl
import struct
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from gunicorn import http
from gunicorn.workers.gthread import TConn, ThreadWorker

from provisioner.system.text import clean
from provisioner.web import arrival
from provisioner.web.client_sockets import SEND_SECONDS, AnswerSocket, FileSent, LocalSocket, TlsSocket
from provisioner.web.file_sender import FileSender

log = logging.getLogger(__name__)
HEAD_SECONDS, BODY_SECONDS = 10.0, 30.0  # for all of the headers, and then for all of the body
MOST_OF_ONE = 32  # connections of one address; the one that waits longest makes room
MOST = 4096  # of all addresses, likewise
BATCH = 64  # connections that are accepted before others are looked at
ClientSocket = AnswerSocket | TlsSocket


class Connection(TConn):  # type: ignore[misc]  # gunicorn ships no types
    """A client: what has come of its request, and until when it may take for the rest."""

    def __init__(self, worker: "PatientWorker", sock: ClientSocket, client: object, server: object) -> None:
        super().__init__(worker.cfg, sock, client, server)
        self.address = str(client[0]) if isinstance(client, tuple) else ""  # none on a Unix socket
        own = server[0] if isinstance(server, tuple) else ""
        self.is_local = self.address in ("", own) or self.address.startswith(
            "127."
        )  # nginx before us, or people
        self.received = bytearray()
        self.part = arrival.Part.HEAD
        self.until = 0.0
        self.is_last = False  # nothing is read after this request


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Requests are gathered in the loop, worked on in threads, files are sent by threads of their own."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[Connection, None] = {}  # for a request, who began to wait first comes first
        self._of: dict[str, dict[Connection, None]] = {}  # all of an address
        self._sender: FileSender | None = None

    def init_process(self) -> None:
        """In the worker's own process."""
        self._sender = FileSender()
        super().init_process()

    # who comes

    def accept(self, listener: socket.socket) -> None:
        """Take the connections that are there; none of them gets a thread before its request is whole."""
        for _ in range(BATCH):
            try:
                accepted, client = listener.accept()
            except BlockingIOError:
                return
            except OSError as fault:  # it has gone already; or descriptors are short, and somebody makes room
                log.warning("a connection could not be accepted: %s", fault)
                return self._make_room(self._waiting)
            try:
                sock = self._client_socket(listener, accepted)
            except OSError:  # it has gone already
                continue
            self._admit(Connection(self, sock, client, listener.getsockname()))

    def _client_socket(self, listener: socket.socket, accepted: socket.socket) -> ClientSocket:
        """Whoever comes over the network speaks TLS, where the service does."""
        if listener.family == socket.AF_UNIX:
            return LocalSocket(accepted)
        tls: ssl.SSLContext | None = self.app.tls  # of `web/server.py`
        return TlsSocket.of(tls, accepted) if tls else AnswerSocket(accepted)

    def _admit(self, conn: Connection) -> None:
        self.nr_conns += 1
        same = self._of.setdefault(conn.address, {})
        same[conn] = None
        if not conn.is_local and len(same) > MOST_OF_ONE:
            self._make_room(one for one in same if one in self._waiting)
        if self.nr_conns > MOST:
            self._make_room(self._waiting)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_SECONDS))
        self._await_request(conn, HEAD_SECONDS)

    def _make_room(self, candidates: Iterable[Connection]) -> None:
        """The one that has waited longest goes."""
        if oldest := next(iter(candidates), None):
            self._drop(oldest)

    # what comes

    def _await_request(self, conn: Connection, seconds: float, received: bytes = b"") -> None:
        conn.received, conn.part = bytearray(received), arrival.Part.HEAD
        conn.until = time.monotonic() + seconds
        conn.sock.setblocking(False)
        self._waiting[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))
        if received:
            self._look(conn)

    def _receive(self, conn: Connection, _: object) -> None:
        try:
            data = conn.sock.take()
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self._drop(conn)
        conn.received += data
        self._look(conn)

    def _look(self, conn: Connection) -> None:
        found = arrival.look(conn.received)
        if found.answer:
            with suppress(OSError):
                conn.sock.send(found.answer)
            return self._drop(conn)
        if found.part is arrival.Part.WHOLE:
            conn.is_last = bool(found.request)
            return self._work_on(conn, found.request or bytes(conn.received))
        if found.part is arrival.Part.BODY and conn.part is arrival.Part.HEAD:
            conn.part, conn.until = found.part, time.monotonic() + BODY_SECONDS
            if found.expects:
                with suppress(OSError):
                    conn.sock.send(arrival.CONTINUE)

    def _work_on(self, conn: Connection, request: bytes) -> None:
        """A thread for it: parser and application find every byte there."""
        self._leave(conn)
        if conn.parser is None:
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
        conn.parser.unreader.unread(request)
        conn.received, conn.data_ready = bytearray(), True
        self.enqueue_req(conn)

    def _leave(self, conn: Connection) -> None:
        del self._waiting[conn]
        self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        if conn in self._waiting:
            self._leave(conn)
        same = self._of.get(conn.address, {})
        if same.pop(conn, conn) is None and not same:
            del self._of[conn.address]
        self.nr_conns -= 1
        conn.close()

    def murder_pending(self) -> None:
        """Close those whose request did not come in time; called once a second."""
        now = time.monotonic()
        for conn in [conn for conn in self._waiting if conn.until < now or self._is_idle_at_the_end(conn)]:
            self._drop(conn)

    def _is_idle_at_the_end(self, conn: Connection) -> bool:
        """Whether we stop, and nothing of a request has come."""
        return not self.alive and not conn.received

    def handle_error(self, req: object, client: ClientSocket, addr: object, exc: Exception) -> None:
        """As the application says it of all that is not there, or went wrong: gunicorn's pages tell of it."""
        ours = (http.errors.InvalidResponseHeader, http.errors.InvalidResponseHeaderName)
        answer = arrival.NOT_NOW
        if isinstance(exc, ours) or not isinstance(exc, http.errors.ParseException):
            self.log.error("a request could not be answered", exc_info=exc)
        else:
            answer = arrival.NOT_FOUND
            address = addr[0] if isinstance(addr, tuple) else "the socket"
            self.log.warning("%s sent what is no request: %s", address, clean(str(exc)))
        with suppress(OSError):
            client.sendall(answer)

    # what goes

    def finish_request(self, conn: Connection, done: Future[object]) -> None:
        """The thread has ended: its file goes out, if any; then the next request is awaited, or nothing."""
        keep = not done.cancelled() and done.exception() is None and bool(done.result())
        sock, job = conn.sock, conn.sock.job
        sock.job = None
        if job is None:
            return self._finish(conn, keep, True)
        sock.setblocking(False)
        job.sent = lambda is_whole: self.method_queue.defer(self._finish, conn, keep, is_whole)
        assert self._sender is not None  # noqa: S101  made in init_process
        self._sender.put(sock, job)

    def _finish(self, conn: Connection, keep: bool, is_whole: bool) -> None:
        callbacks, conn.sock.callbacks = conn.sock.callbacks, []
        for callback in callbacks:
            callback()
        if not (keep and is_whole and self.alive) or conn.is_last:
            return self._drop(conn)
        self._await_request(conn, self.cfg.keepalive, conn.parser.unreader.take_buffered())


def on_sent(sock: object, callback: FileSent) -> bool:
    """Call back when the answer on this socket has left, its file included; False where nobody would."""
    if isinstance(sock, ClientSocket):
        sock.callbacks.append(callback)
        return True
    return False


def _timeval(seconds: int) -> bytes:
    """A struct timeval, as setsockopt(2) takes it."""
    return struct.pack("ll", seconds, 0)
