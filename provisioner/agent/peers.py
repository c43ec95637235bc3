"""The other hosts that write this image: who answers, what they hold, who is left and why."""

import http.client
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from provisioner.agent.connection import DeadlineConnection
from provisioner.agent.peer_server import PREFIX, STATE_HEADER, TOKEN_HEADER
from provisioner.agent.possession import PieceMap, decode
from provisioner.imaging.manifest import Manifest
from provisioner.system.text import clean

MOST = 48  # peers that are asked
EVERY = 1.0  # seconds after which a peer is asked what it holds, unless it has said so meanwhile
AT_EVERY = 16  # peers up to which that holds; twice as many are asked half as often
SILENCE = 2.0  # seconds without a byte after which a peer counts as away
FORGET = 8.0  # seconds after which what a peer said holds no more
BUSY = 0.3  # seconds until a peer that has no room is asked for a piece again
LEFT = (5.0, 15.0, 45.0, 120.0)  # seconds for which one is left that was slow or broke off, the n-th time
SLOWEST = 5.0  # seconds at least for which a piece may take
FIRST = 10.0  # and before it is known how long one takes
LOW_WATER = 64 << 10  # bytes of a piece that are awaited before they are read
LARGEST_STATE = 64 << 10  # bytes
Address = tuple[str, int]


class LyingError(Exception):
    """A peer gave what is not the image's, or says what cannot be."""


class BusyError(Exception):
    """A peer has no room now, or does not hold that any more."""


def seed_of(address: Address) -> int:
    """What tells a host from others when pieces are shared out."""
    return zlib.crc32(f"{address[0]}:{address[1]}".encode())


class Peer:
    """One of them; what the choice sees of it is as picker.Source says."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.have = 0
        self.claims: dict[int, float] = {}
        self.rate = 0.0
        self.under_way = 0
        self.heard = -FORGET  # when it last said what it has
        self.seed = seed_of(address)
        self.ready_at = 0.0  # until when it has no room
        self.left_until = 0.0
        self.faults = 0
        self.busy = 0
        self.is_liar = False
        self.is_listed = True  # the service still names it

    def say(self, body: str, pieces: PieceMap, now: float) -> None:
        """What it holds and fetches from the service. Raises LyingError."""
        try:
            said = json.loads(body)
            have = decode(said["held"], len(pieces))
            claimed = [place for place in said["claimed"] if type(place) is int and 0 <= place < len(pieces)]
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise LyingError(f"what it says of its pieces is nonsense ({clean(repr(fault), 80)})") from fault
        self.have, self.heard = have, now
        self.claims = {place: self.claims.get(place, now) for place in claimed[:64]}


class Peers:
    """All of them. `changed` is called when one says something new; threads call it."""

    def __init__(
        self,
        manifest: Manifest,
        pieces: PieceMap,
        token: str,
        *,
        log: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manifest, self._pieces, self._token = manifest, pieces, token
        self._log, self.changed, self._clock = log, changed, clock
        self._lock = threading.Lock()
        self._peers: dict[Address, Peer] = {}
        self._watchers: list[threading.Thread] = []
        self._ended = threading.Event()
        self.liars: list[str] = []  # addresses, in the order in which they were found out

    def close(self) -> None:
        """Ask nobody any more; a thread that still waits for a silent peer ends when that has been silent."""
        self._ended.set()
        until = time.monotonic() + 0.5
        for thread in self._watchers:
            thread.join(max(0.0, until - time.monotonic()))

    def tell(self, addresses: Iterable[Address]) -> None:
        """Who writes this image now, as the service sees it."""
        with self._lock:
            listed = list(addresses)
            for address, peer in self._peers.items():
                peer.is_listed = address in listed
            for address in listed:
                room = sum(peer.is_listed for peer in self._peers.values()) < MOST
                if address not in self._peers and room and not self._ended.is_set():
                    peer = self._peers[address] = Peer(address)
                    thread = threading.Thread(target=self._watch, args=(peer,), name="peer", daemon=True)
                    self._watchers.append(thread)
                    thread.start()

    def all(self) -> list[Peer]:
        """All that were ever named."""
        with self._lock:
            return list(self._peers.values())

    def usable(self) -> list[Peer]:
        """Those that answer, and are not left now."""
        now = self._clock()
        with self._lock:
            return [
                peer
                for peer in self._peers.values()
                if now - peer.heard < FORGET and now >= peer.left_until and not peer.is_liar
            ]

    def is_known(self) -> bool:
        """Whether the service has named any that has not lied."""
        with self._lock:
            return any(not peer.is_liar for peer in self._peers.values())

    def _watch(self, peer: Peer) -> None:
        connection: DeadlineConnection | None = None
        pause = 0.0
        while not peer.is_liar and not self._ended.wait(pause):
            now = self._clock()
            since, every = now - peer.heard, EVERY * max(1.0, len(self._peers) / AT_EVERY)
            if since < every or (not peer.is_listed and since > FORGET):
                pause = max(0.1, every - since)
                continue
            try:
                connection = connection or DeadlineConnection(*peer.address, silence=SILENCE, deadline=0.0)
                connection.extend(time.monotonic() + 2 * SILENCE)
                self._ask_state(connection, peer)
                pause = every
            except LyingError as fault:
                self.accuse(peer, str(fault))
            except (OSError, http.client.HTTPException):
                if connection:
                    connection.close()
                connection = None
                pause = min(8.0, 2 * max(pause, EVERY))
        if connection:
            connection.close()

    def _ask_state(self, connection: DeadlineConnection, peer: Peer) -> None:
        connection.request("GET", "/have", headers={TOKEN_HEADER: self._token})
        answer = connection.getresponse()
        body = answer.read(LARGEST_STATE)
        if answer.status != http.client.OK or answer.length:
            raise http.client.HTTPException(f"it answers {answer.status}")
        self._hear(peer, body.decode(errors="replace"))

    def _hear(self, peer: Peer, body: str) -> None:
        had = peer.have
        peer.say(body, self._pieces, self._clock())
        if peer.have != had:
            self.changed()

    def connect(self, peer: Peer, usual: float) -> DeadlineConnection:
        """A connection to it, not open yet, for one piece that takes `usual` seconds; 0: nobody knows."""
        limit = max(SLOWEST, 4 * usual) if usual else FIRST
        return DeadlineConnection(*peer.address, silence=SILENCE, deadline=time.monotonic() + limit)

    def fetch(
        self, connection: DeadlineConnection, peer: Peer, numbers: Sequence[int]
    ) -> Iterator[tuple[int, bytes]]:
        """Chunks' frames from it, not verified. Raises BusyError, LyingError, OSError, HTTPException."""
        began, length = self._clock(), 0
        path = f"/chunks/{','.join(map(str, numbers))}"
        # fewer, larger reads; the peer closes at the end, so that less than this does not wait for more
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, LOW_WATER)
        connection.request("GET", path, headers={TOKEN_HEADER: self._token})
        answer = connection.getresponse()
        if answer.status in (http.client.SERVICE_UNAVAILABLE, http.client.NOT_FOUND):
            raise BusyError(f"it answers {answer.status}")
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"it answers {answer.status}")
        self._hear(peer, answer.headers.get(STATE_HEADER, ""))
        for number in numbers:
            frame = self._frame(answer, number)
            length += len(frame)
            yield number, frame
        seconds = max(1e-3, self._clock() - began)
        peer.rate += (length / seconds - peer.rate) * (0.3 if peer.rate else 1.0)
        peer.faults = peer.busy = 0

    def _frame(self, answer: http.client.HTTPResponse, number: int) -> bytes:
        (length,) = PREFIX.unpack(_exactly(answer, PREFIX.size))
        most = self._manifest.chunks[number].length
        if length > most + (most >> 7) + 1024:
            raise LyingError(f"it gives {length} bytes as chunk {number}, which has {most}")
        return _exactly(answer, length)

    def busy(self, peer: Peer) -> None:
        """It has no room: leave it alone for a moment, longer each time."""
        peer.busy += 1
        peer.ready_at = self._clock() + min(8.0, BUSY * 2 ** min(peer.busy - 1, 5))

    def failed(self, peer: Peer, reason: str) -> None:
        """It was too slow or broke off: leave it for a while; what it has counts for nothing until then.

        Whatever else was under way to it then ends by the same fault, which counts once.
        """
        now = self._clock()
        if now < peer.left_until:
            return
        seconds = LEFT[min(peer.faults, len(LEFT) - 1)]
        peer.faults += 1
        peer.left_until = now + seconds
        peer.rate = 0.0
        self._log(f"{peer.address[0]} is left for {seconds:.0f} s: {clean(reason, 80)}")

    def accuse(self, peer: Peer, reason: str) -> None:
        """It lied: it is named, and left for ever."""
        if peer.is_liar:
            return
        peer.is_liar = True
        with self._lock:
            self.liars.append(peer.address[0])
        self._log(f"{peer.address[0]} gives what is not the image: {reason}. It is asked for nothing more")
        self.changed()


def _exactly(answer: http.client.HTTPResponse, length: int) -> bytes:
    body = bytearray(length)
    view, done = memoryview(body), 0
    while done < length:
        more = answer.readinto(view[done:])
        if not more:
            raise http.client.HTTPException("it ended too early")
        done += more
    return bytes(body)
