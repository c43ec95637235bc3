"""Which piece is fetched next, and from whom: from others the rarest, from the service what none has."""

import random
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from provisioner.agent.possession import GAP, PieceMap, neighbours, places
from provisioner.imaging.manifest import Manifest

SEGMENT = 16 << 20  # bytes of the pack that one request to the service asks for, where nobody shares
LONGEST_SEARCH = 400  # pieces of which it is asked whether they fall to us
LOOKED_AT = 12  # pieces of a peer whose holders are counted
STARVED = 1.0  # seconds without a peer that gives, after which the service is asked for what they have
CLAIM_PATIENCE = 4.0  # seconds at least for which a piece is left to who fetches it from the service
PATIENCE = 2.0  # seconds at least after which a piece that is under way is fetched from somebody else too
SLOWER = 8  # times slower than the quickest: what such a peer has counts as held by nobody
TOO_LITTLE = 0.5  # of the service's speed: less from all peers together, and the service gives too
WINDOW = 4.0  # seconds over which the speed of all peers together is taken


class Source(Protocol):
    """A peer as the choice sees it."""

    have: int  # a bit for each piece
    claims: dict[int, float]  # piece → since when it fetches that from the service (monotonic seconds)
    rate: float  # bytes a second of what it gave; 0: nothing yet
    under_way: int  # requests to it
    ready_at: float  # until when it has no room
    seed: int  # what tells it from the others, the same on every host


@dataclass(eq=False)
class Flight:
    """Pieces that are being fetched by one request, from `source`; None is the service."""

    places: tuple[int, ...]
    numbers: list[int]
    source: Source | None
    began: float


class _Usual:
    """How long a flight takes, smoothed; how many bytes a second it brings."""

    def __init__(self) -> None:
        self.seconds = self.rate = 0.0

    def add(self, seconds: float, length: int) -> None:
        weight = 0.25 if self.seconds else 1.0
        self.seconds += weight * (seconds - self.seconds)
        self.rate += weight * (length / max(seconds, 1e-3) - self.rate)


class Picker:
    """The wanted chunks of one run. May be used by several threads at once; times in monotonic seconds."""

    def __init__(
        self,
        manifest: Manifest,
        pieces: PieceMap,
        numbers: Sequence[int],
        *,
        most: int = SEGMENT,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        """`most` bytes of the pack are one request to the service, where nobody shares; `seed` is ours."""
        self._manifest, self._pieces, self._most, self._clock = manifest, pieces, most, clock
        self._seed = seed
        self._chance = chance or random.Random()  # noqa: S311  spreads load, guards nothing
        self.changed = threading.Condition()
        self._missing: dict[int, set[int]] = {}
        alone: list[int] = []
        for number in numbers:
            place = pieces.piece_of.get(number)
            if place is None:
                alone.append(number)
            else:
                self._missing.setdefault(place, set()).add(number)
        self._own = deque(neighbours(manifest, alone, most))  # only the service has these
        self._free = sum(1 << place for place in self._missing)  # not under way
        self._flights: list[Flight] = []
        self._taken: set[int] = set()
        self._left = len(numbers)
        self._starved = 0.0
        self._from_service, self._from_peers = _Usual(), _Usual()
        self._recent: deque[tuple[float, int]] = deque()  # when how many bytes came from peers

    @property
    def is_done(self) -> bool:
        """Whether every chunk was delivered."""
        return self._left == 0

    def claims(self) -> list[int]:
        """The pieces that are being fetched from the service."""
        with self.changed:
            return sorted({p for f in self._flights if f.source is None for p in f.places})

    # delivery

    def begin_delivery(self, number: int) -> bool:
        """Whether this chunk is to be delivered by who asks: once it was, by nobody."""
        with self.changed:
            if number in self._taken:
                return False
            self._taken.add(number)
            return True

    def delivered(self, number: int) -> None:
        """This chunk is on the disk."""
        with self.changed:
            self._left -= 1
            place = self._pieces.piece_of.get(number, -1)
            if missing := self._missing.get(place):
                missing.discard(number)
                if not missing:
                    del self._missing[place]
                    self._free &= ~(1 << place)
            if not self._left:
                self.changed.notify_all()

    def received(self, length: int) -> None:
        """So many bytes came from a peer."""
        with self.changed:
            self._recent.append((self._clock(), length))

    def end(self, flight: Flight, length: int = 0) -> None:
        """A flight is over, after `length` bytes; 0 where it brought nothing usable."""
        with self.changed:
            self._flights.remove(flight)
            if length and flight.places:
                usual = self._from_peers if flight.source else self._from_service
                usual.add(self._clock() - flight.began, length)
            if flight.source:
                flight.source.under_way -= 1
            under_way = {place for other in self._flights for place in other.places}
            for place in flight.places:
                if place in self._missing and place not in under_way:
                    self._free |= 1 << place
            self.changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until something changes, at most so long."""
        with self.changed:
            if self._left:
                self.changed.wait(seconds)

    def usual_seconds(self) -> float:
        """How long a piece from a peer takes; 0 before any came."""
        return self._from_peers.seconds

    # choice

    def next_from_service(self, peers: Sequence[Source], *, is_shared: bool, is_first: bool) -> Flight | None:
        """What to ask the service for now; None where others have it or bring it.

        `is_shared`: others write this image too, so that pieces go by one, at random. `is_first`: only one of
        a host's connections asks then; the others where peers give too little.
        """
        with self.changed:
            if self._own:
                return self._begin((), self._own.popleft(), None)
            now = self._clock()
            if not is_shared:
                return self._stretch()
            is_short = self._is_short(peers, now)
            if not is_first and not is_short:
                return None
            available, claimed, lately = self._known(peers, now)
            if fresh := self._free & ~available & ~claimed:
                return self._begin_piece(self._ours(fresh, peers), None)
            for among in (
                self._free & ~available & ~lately,
                self._free & ~claimed if is_short else 0,
                self._free if is_short else 0,
                self._overdue(now, from_peers=True) if is_short else 0,
            ):
                if among:
                    return self._begin_piece(self._any(among), None)
        return None

    def next_from_peer(self, peers: Sequence[Source]) -> Flight | None:
        """Which piece to ask which peer for now: the quick ones first, of theirs the rarest."""
        with self.changed:
            now = self._clock()
            most = max(1, -(-4 // max(1, len(peers))))
            idle = [peer for peer in peers if peer.under_way < most and peer.ready_at <= now]
            idle.sort(key=lambda peer: self._chance.random() * (peer.rate or 1e9), reverse=True)
            for peer in idle:
                if among := self._free & peer.have:
                    self._starved = 0.0
                    return self._begin_piece(self._rarest(among, peers), peer)
            overdue = self._overdue(now, from_peers=False)
            for peer in idle:
                if among := overdue & peer.have:
                    return self._begin_piece(self._any(among), peer)
            if not self._starved and any(self._free & peer.have for peer in peers):
                self._starved = now
        return None

    def _is_short(self, peers: Sequence[Source], now: float) -> bool:
        """Whether peers give nothing, or so little that the service is quicker."""
        if not peers or (self._starved and now - self._starved > STARVED):
            return True
        while self._recent and now - self._recent[0][0] > WINDOW:
            self._recent.popleft()
        speed = sum(length for _, length in self._recent) / WINDOW
        return bool(self._from_peers.seconds) and speed < TOO_LITTLE * self._from_service.rate

    def _known(self, peers: Sequence[Source], now: float) -> tuple[int, int, int]:
        """What peers have that are not much slower than others; what they fetch, and not for too long."""
        patience = max(CLAIM_PATIENCE, 4 * self._from_service.seconds)
        quickest = max((peer.rate for peer in peers), default=0.0)
        available = claimed = lately = 0
        for peer in peers:
            if not peer.rate or peer.rate * SLOWER >= quickest:
                available |= peer.have
            for place, since in peer.claims.items():
                claimed |= 1 << place
                if now - since < patience:
                    lately |= 1 << place
        return available, claimed, lately

    def _overdue(self, now: float, *, from_peers: bool) -> int:
        """Pieces that are under way for long, by one request; `from_peers`: not from the service."""
        longest = max(PATIENCE, 2 * max(self._from_peers.seconds, self._from_service.seconds))
        count: dict[int, int] = {}
        late = 0
        for flight in self._flights:
            for place in flight.places:
                count[place] = count.get(place, 0) + 1
                if now - flight.began > longest and not (from_peers and flight.source is None):
                    late |= 1 << place
        return sum(1 << p for p in places(late) if count[p] == 1 and self._is_wanted(p))

    def _is_wanted(self, place: int) -> bool:
        return bool(self._missing.get(place, set()) - self._taken)

    def _ours(self, mask: int, peers: Sequence[Source]) -> int:
        """One that no other host would take now, without a word between us (rendezvous hashing).

        What hosts say of each other is a second old, and in a second all of them choose. Each piece falls to
        one host, which takes what falls to it most clearly first. Who has none left helps where he is the
        second in line, and takes what its host would take last.
        """
        first = self._any(mask)
        order = [*places(mask >> first << first), *places(mask & (1 << first) - 1)]
        return min(order[:LONGEST_SEARCH], key=lambda place: self._turn(place, peers))

    def _turn(self, place: int, peers: Sequence[Source]) -> tuple[int, int]:
        """How many hosts come before us for this piece, and when its first one would take it."""
        word = place.to_bytes(4, "big")
        own = zlib.crc32(word, self._seed)
        before = [claim for peer in peers if (claim := zlib.crc32(word, peer.seed)) > own]
        return (len(before), max(before)) if before else (0, -own)

    def _any(self, mask: int) -> int:
        """One of the bits, by chance."""
        below = self._chance.randrange(mask.bit_length())
        upper = mask >> below
        return below + (upper & -upper).bit_length() - 1

    def _rarest(self, mask: int, peers: Sequence[Source]) -> int:
        seen = [self._any(mask) for _ in range(LOOKED_AT)]
        return min(seen, key=lambda place: sum(peer.have >> place & 1 for peer in peers))

    def _stretch(self) -> Flight | None:
        """Neighbours from the first that is missing, as one request."""
        chunks = self._manifest.chunks
        chosen: list[int] = []
        numbers: list[int] = []
        for place in places(self._free):
            wanted = sorted(self._missing[place])
            if numbers:
                first, last, end = chunks[numbers[0]], chunks[numbers[-1]], chunks[wanted[-1]]
                is_far = chunks[wanted[0]].pack_offset - last.pack_offset - last.pack_length > GAP
                if is_far or end.pack_offset + end.pack_length - first.pack_offset > self._most:
                    break
            chosen.append(place)
            numbers += wanted
        return self._begin(tuple(chosen), numbers, None) if numbers else None

    def _begin_piece(self, place: int, source: Source | None) -> Flight:
        return self._begin((place,), sorted(self._missing[place] - self._taken), source)

    def _begin(self, chosen: tuple[int, ...], numbers: list[int], source: Source | None) -> Flight:
        for place in chosen:
            self._free &= ~(1 << place)
        flight = Flight(chosen, numbers, source, self._clock())
        self._flights.append(flight)
        if source:
            source.under_way += 1
        return flight
