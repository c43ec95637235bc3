"""The pack from the service and from other hosts at once: each chunk once, verified, whoever gave it."""

import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial

from provisioner.agent.link import Link, Stopped, in_words
from provisioner.agent.peers import BusyError, LyingError, Peer
from provisioner.agent.picker import Flight, Picker
from provisioner.agent.possession import neighbours
from provisioner.agent.stream import (
    CONNECTIONS,
    SEGMENT,
    Refused,
    RetryLater,
    Stream,
    Take,
    Worker,
    segment_length,
)
from provisioner.agent.swarm import Swarm
from provisioner.errors import PackError
from provisioner.imaging.digests import Bytes
from provisioner.imaging.manifest import Chunk, Manifest
from provisioner.imaging.unpack import expand

PEER_CONNECTIONS = 4  # threads that fetch from others; each holds a piece in memory
PAUSE = 0.25  # seconds until a thread that has nothing to do looks again


class SwarmStream(Stream):
    """A Stream that asks others too. `from_peers` counts those of the `fetched` bytes that they gave."""

    def __init__(
        self, link: Link, url: str, manifest: Manifest, swarm: Swarm, *, connections: int = CONNECTIONS
    ) -> None:
        super().__init__(link, url, manifest, connections=connections)
        self._swarm = swarm
        self._picker = Picker(manifest, swarm.pieces, ())
        self._put_off_until = 0.0
        self.from_peers = 0

    def run(self, numbers: Sequence[int], take: Take) -> None:
        """As Stream's."""
        most = segment_length(self.manifest, numbers, self._connections) if numbers else SEGMENT
        seed = self._swarm.seed
        picker = self._picker = Picker(self.manifest, self._swarm.pieces, numbers, most=most, seed=seed)
        self._swarm.begin(picker)

        def once(number: int, chunk: Chunk, data: Bytes) -> None:
            if picker.begin_delivery(number):
                take(number, chunk, data)
                picker.delivered(number)
                if picker.is_done:
                    self._end()  # whoever still fetches what has come from elsewhere

        works = [partial(self._ask_service, once, not index) for index in range(self._connections)]
        works += [partial(self._ask_peers, once)] * PEER_CONNECTIONS
        self._run([] if picker.is_done else works)

    def verified(self, number: int, frame: memoryview) -> None:
        """Kept for others."""
        if number in self._swarm.pieces.piece_of:
            self._swarm.store.put(number, frame)

    def is_put_off(self, later: RetryLater) -> bool:
        """While others give, the service is asked again in time, and nobody waits for it."""
        if not self._swarm.usable():
            return False
        self._put_off_until = time.monotonic() + later.seconds
        return True

    def _ask_service(self, once: Take, is_first: bool) -> None:
        with closing(Worker(self, once)) as worker:
            while not self.ended.is_set() and not self._picker.is_done:
                flight = self._from_service(is_first)
                if flight:
                    self._fly(worker, flight)
                elif is_first:
                    self._picker.wait(PAUSE)
                else:
                    self.ended.wait(PAUSE)  # it is needed where peers fail, and need not hear of each piece

    def _from_service(self, is_first: bool) -> Flight | None:
        peers, swarm = self._swarm.usable(), self._swarm
        if peers and time.monotonic() < self._put_off_until:
            return None
        if not peers and swarm.is_expecting and not is_first:
            return None
        return self._picker.next_from_service(peers, is_shared=swarm.is_shared, is_first=is_first)

    def _fly(self, worker: Worker, flight: Flight) -> None:
        before = self._put_off_until
        try:
            for group in neighbours(self.manifest, flight.numbers, SEGMENT):
                worker.fetch(group)
        except Stopped:
            if not self._picker.is_done:
                raise
        finally:
            length = sum(self.manifest.chunks[n].pack_length for n in flight.numbers)
            self._picker.end(flight, length if self._put_off_until == before else 0)

    def _ask_peers(self, once: Take) -> None:
        while not self.ended.is_set() and not self._picker.is_done:
            peers = self._swarm.usable()
            flight = self._picker.next_from_peer(peers) if peers else None
            if flight is None:
                self._picker.wait(PAUSE)
                continue
            length = 0
            try:
                length = self._fetch(flight, once)
            finally:
                self._picker.end(flight, length)

    def _fetch(self, flight: Flight, once: Take) -> int:
        """The bytes that came, where all did. Whatever a peer does, it ends nothing but its own part."""
        peer, peers = flight.source, self._swarm.peers
        assert isinstance(peer, Peer)  # noqa: S101  as next_from_peer was given
        try:
            return self._ask(peer, flight.numbers, once)
        except Refused:
            raise
        except BusyError:
            peers.busy(peer)
        except (LyingError, PackError) as fault:
            peers.accuse(peer, str(fault))
        except Exception as fault:
            if not self.ended.is_set():
                peers.failed(peer, in_words(fault))
        return 0

    def _ask(self, peer: Peer, numbers: Sequence[int], once: Take) -> int:
        length = 0
        connection = self._swarm.peers.connect(peer, self._picker.usual_seconds())
        try:
            connection.connect()
            connected = connection.sock  # the library gives it to the answer
            try:
                self.track(connected)
                for number, frame in self._swarm.peers.fetch(connection, peer, numbers):
                    self._count_peer(len(frame))
                    length += len(frame)
                    self._give(number, frame, once)
                    if self.ended.is_set():
                        return 0
            finally:
                self.untrack(connected)
        finally:
            connection.close()
        return length

    def _give(self, number: int, frame: bytes, once: Take) -> None:
        chunk = self.manifest.chunks[number]
        data = expand(frame, chunk)  # our manifest says what is right
        self.verified(number, memoryview(frame))
        try:
            once(number, chunk, data)
        except Exception as fault:
            raise Refused from fault

    def _count_peer(self, length: int) -> None:
        self.count(length)
        self._picker.received(length)
        with self._lock:
            self.from_peers += length
