"""Gives other hosts the chunks that this one holds: over HTTP, to who has the swarm's token, and no more.

`GET /have` says which pieces it holds and which it fetches from the service; `GET /chunks/1,2,3` gives
these chunks, each as four bytes of length (big-endian) and a zstd frame, and says the same in a header.
"""

import hmac
import http.client
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn

from provisioner.agent.frame_store import FrameStore
from provisioner.agent.possession import MOST_CHUNKS, PieceMap, Possession, encode
from provisioner.errors import ProvisionError

TOKEN_HEADER, STATE_HEADER = "Swarm-Token", "Swarm-State"
PREFIX = struct.Struct(">I")
UPLOADS = 8  # answers with chunks at one time
OF_ONE = 4  # to one address
LONGEST = 60.0  # seconds for one of them: nobody holds a place by reading slowly
CONNECTIONS = 128  # at one time; more are closed at once
IDLE = 20.0  # seconds without a byte after which a connection is given up
SLICE = 64 << 10  # bytes between two looks at the rate
_CHUNKS = re.compile(r"/chunks/(\d{1,9}(?:,\d{1,9})*)")


class RateCap:
    """So many bytes a second for all who share it; 0 for no limit. May be used by several threads at once."""

    def __init__(self, rate: float = 0.0) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def set(self, rate: float) -> None:
        """Another rate from now on, in bytes a second."""
        with self._lock:
            self._rate = rate

    def take(self, length: int, ended: threading.Event) -> None:
        """Wait until so many bytes may go; at once when `ended` is set."""
        with self._lock:
            if not self._rate:
                return
            now = time.monotonic()
            begins = max(self._free_at, now)
            self._free_at = begins + length / self._rate
        ended.wait(begins - now)


class PeerServer:
    """Serves from `begin` until `close`, on one address, at a port that the kernel chooses."""

    def __init__(
        self,
        address: str,
        token: str,
        pieces: PieceMap,
        possession: Possession,
        store: FrameStore,
        claims: Callable[[], list[int]],
        rate: RateCap | None = None,
    ) -> None:
        """`claims` are the pieces that are being fetched from the service. Raises OSError."""
        self.token, self.pieces, self.possession, self.store = token, pieces, possession, store
        self.rate = rate or RateCap()
        self._uploads: Counter[str] = Counter()  # by address
        self.ended = threading.Event()
        self._claims = claims
        self._lock = threading.Lock()
        self.sent = 0  # bytes of frames
        handler = type("BoundPeerHandler", (_Handler,), {"peer": self})
        self._server = _Server((address, 0), handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="peer-server", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more; no thread is left that does."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections()
        self._thread.join()

    def state(self) -> str:
        """What this host holds and fetches, as JSON."""
        held = encode(self.possession.mask, len(self.pieces))
        return json.dumps({"held": held, "claimed": self._claims()}, separators=(",", ":"))

    def begin(self, address: str) -> bool:
        """Whether there is room for one more answer to this address; `end` follows it."""
        with self._lock:
            if self._uploads.total() >= UPLOADS or self._uploads[address] >= OF_ONE:
                return False
            self._uploads[address] += 1
            return True

    def end(self, address: str) -> None:
        """An answer for which `begin` was True is over."""
        with self._lock:
            self._uploads[address] -= 1
            if not self._uploads[address]:
                del self._uploads[address]

    def count(self, length: int) -> None:
        """Add `length` bytes to what was sent."""
        with self._lock:
            self.sent += length


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, handler)

    def verify_request(self, request: object, client_address: object) -> bool:
        assert isinstance(request, socket.socket)  # noqa: S101  TCP's
        with self._open_lock:
            if len(self._open) >= CONNECTIONS:
                return False
            self._open.add(request)
            return True

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101  TCP's
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who went away in the middle is no news."""

    def end_connections(self) -> None:
        """Wake every thread that waits for one of them."""
        with self._open_lock:
            for request in self._open:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Handler(BaseHTTPRequestHandler):
    peer: PeerServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE

    def log_message(self, *_: object) -> None:
        """Strangers' requests print nothing."""

    def send_error(self, code: int, *_: object, **__: object) -> None:
        """Nobody is told why."""
        self.close_connection = True
        self._start(code, 0)

    def _start(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is None:
            self.close_connection = True
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def do_GET(self) -> None:
        peer = self.peer
        given = self.headers.get(TOKEN_HEADER, "")
        if peer.ended.is_set() or not hmac.compare_digest(given.encode(), peer.token.encode()):
            return self.send_error(http.client.NOT_FOUND)
        if self.path == "/have":
            body = peer.state().encode()
            self._start(http.client.OK, len(body))
            self.wfile.write(body)
            return None
        wanted = _CHUNKS.fullmatch(self.path)
        numbers = [int(number) for number in wanted[1].split(",")] if wanted else []
        if not 0 < len(numbers) <= MOST_CHUNKS or not peer.possession.holds(numbers):
            return self.send_error(http.client.NOT_FOUND)
        address = self.client_address[0]
        if not peer.begin(address):
            return self.send_error(http.client.SERVICE_UNAVAILABLE)
        try:
            self._give(numbers)
        finally:
            peer.end(address)
        return None

    def _give(self, numbers: list[int]) -> None:
        """What breaks off is asked of somebody else; its end tells that it is not whole."""
        self._start(http.client.OK, None, **{STATE_HEADER: self.peer.state()})
        until = time.monotonic() + LONGEST
        for number in numbers:
            try:
                frame = self.peer.store.get(number)
            except (LookupError, ProvisionError):
                return
            body = memoryview(PREFIX.pack(len(frame)) + frame)
            for place in range(0, len(body), SLICE):
                piece = body[place : place + SLICE]
                self.peer.rate.take(len(piece), self.peer.ended)
                if self.peer.ended.is_set() or time.monotonic() > until:
                    return
                self.wfile.write(piece)
                self.peer.count(len(piece))
