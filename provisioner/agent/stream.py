"""The pack as it comes over the network: several connections, each chunk verified, resumed where it broke."""

import http.client
import mmap
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from urllib.parse import urlsplit

from provisioner.agent.connection import DeadlineConnection
from provisioner.agent.link import MOST_WORDS, Deadline, Link, Stopped, check_answer, in_words
from provisioner.agent.possession import neighbours
from provisioner.errors import PackError, ProvisionError, UnreachableError
from provisioner.imaging.digests import Bytes
from provisioner.imaging.manifest import Chunk, Manifest
from provisioner.imaging.unpack import expand_into
from provisioner.system.text import clean

CONNECTIONS = max(2, min(4, os.cpu_count() or 1))  # each holds three chunks in memory
SEGMENT = 16 << 20  # bytes of the pack that one request asks for, at most
SMALLEST = 1 << 20  # and at least, where there is so much
BAD_TRIES = 3
BUSY = (http.client.TOO_MANY_REQUESTS, http.client.SERVICE_UNAVAILABLE)  # with Retry-After (RFC 9110, 10.2.3)
NO_RANGES = "give the address of a web server that knows ranges (RFC 9110, 14), such as nginx"
OTHER_PACK = "its pack is shorter than the manifest says: put the right one there"
Take = Callable[[int, Chunk, Bytes], None]  # the bytes are good until it returns


def segments(manifest: Manifest, numbers: Sequence[int], connections: int) -> Iterator[list[int]]:
    """The wanted chunks, in rising order, in groups that one request fetches: some for every connection."""
    yield from neighbours(manifest, numbers, segment_length(manifest, numbers, connections))


def segment_length(manifest: Manifest, numbers: Sequence[int], connections: int) -> int:
    """How many bytes of the pack one request asks for, at most."""
    total = sum(manifest.chunks[number].pack_length for number in numbers)
    return min(SEGMENT, max(SMALLEST, total // (4 * connections)))


class RetryLater(Exception):
    """A busy server says when to ask again: other hosts are served first.

    `seconds` until the next request; `words` are for people.
    """

    def __init__(self, seconds: float, words: str) -> None:
        super().__init__(words)
        self.seconds = seconds


class Stream:
    """One pack of one service. `fetched` counts the bytes that came over the wire."""

    def __init__(self, link: Link, url: str, manifest: Manifest, *, connections: int = CONNECTIONS) -> None:
        """`url` is a path on the link's server, or a whole one."""
        self._link = link
        self._url = url
        self._manifest = manifest
        self._connections = connections
        self._groups: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._fault: BaseException | None = None
        self._sockets: set[socket.socket] = set()
        self.fetched = 0

    def run(self, numbers: Sequence[int], take: Take) -> None:
        """Give every one of these chunks, verified, to `take`, in the thread that fetched it, in any order.

        Raises UnreachableError, PackError, Stopped, and what `take` raises; no thread is left then.
        """
        for group in segments(self._manifest, numbers, self._connections):
            self._groups.put(group)
        count = min(self._connections, self._groups.qsize())
        self._run([lambda: self._work(take)] * count)

    def _run(self, works: Sequence[Callable[[], None]]) -> None:
        """Each in a thread of its own, until all have returned or one has raised."""
        self._ended.clear()
        self._link.set_on_stop(self._ended)
        threads = [threading.Thread(target=self._guard, args=(work,), name="stream") for work in works]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self._end()
            raise
        if self._fault:
            raise self._fault
        if self._link.stopped:
            raise Stopped

    def _work(self, take: Take) -> None:
        with closing(Worker(self, take)) as worker:
            while not self._ended.is_set():
                try:
                    group = self._groups.get_nowait()
                except queue.Empty:
                    return
                worker.fetch(group)

    def _guard(self, work: Callable[[], None]) -> None:
        """The first fault is the stream's, and ends all threads."""
        try:
            work()
        except BaseException as fault:
            with self._lock:
                self._fault = self._fault or (fault.__cause__ if isinstance(fault, Refused) else fault)
            self._end()

    def _end(self) -> None:
        """Wake and stop every thread: nothing may be written once `run` has returned."""
        self._ended.set()
        with self._lock:
            for connected in self._sockets:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    # what the workers share

    @property
    def link(self) -> Link:
        """The connection to the service, which knows how to wait and what to tell people."""
        return self._link

    @property
    def manifest(self) -> Manifest:
        """The manifest of the pack that is fetched."""
        return self._manifest

    @property
    def ended(self) -> threading.Event:
        """Set as soon as nothing more shall be fetched."""
        return self._ended

    def connect(self, deadline: Deadline) -> DeadlineConnection:
        """Open a connection to where the pack lies. Raises OSError."""
        connection = self._link.connect("" if self._is_path else self._url, deadline=deadline)
        connection.connect()
        self.track(connection.sock)
        return connection

    def disconnect(self, connection: DeadlineConnection) -> None:
        """Close a connection of `connect`."""
        self.untrack(connection.sock)
        connection.close()

    def track(self, connected: socket.socket) -> None:
        """Wake who waits for this one, too, when all is to end. Raises OSError where it has."""
        with self._lock:
            self._sockets.add(connected)
        if self._ended.is_set():
            connected.shutdown(socket.SHUT_RDWR)

    def untrack(self, connected: socket.socket) -> None:
        """Nobody waits for this one any more."""
        with self._lock:
            self._sockets.discard(connected)

    def path(self) -> str:
        """The request target of the pack (RFC 9112, 3.2.1)."""
        return self._url if self._is_path else urlsplit(self._url).path

    @property
    def _is_path(self) -> bool:
        return self._url.startswith("/")

    def count(self, length: int) -> None:
        """Add `length` bytes to what was fetched."""
        with self._lock:
            self.fetched += length

    def verified(self, number: int, frame: memoryview) -> None:
        """Whoever gives chunks to others keeps the frame of this one."""

    def is_put_off(self, later: RetryLater) -> bool:
        """Whether there is something better to do than to wait for our turn."""
        return False


class Refused(Exception):
    """What `take` raised; it is no fault of the network, and nothing is fetched again."""


class Worker:
    """One thread's connection to where the pack lies, and its buffer."""

    def __init__(self, stream: Stream, take: Take) -> None:
        self._stream = stream
        self._take = take
        self._connection: DeadlineConnection | None = None
        self._deadline: Deadline = 0.0
        self._frame = bytearray()
        self._room = memoryview(mmap.mmap(-1, stream.manifest.chunk_size))  # aligned, as O_DIRECT asks

    def close(self) -> None:
        """End the connection; the next request makes another."""
        if self._connection:
            self._stream.disconnect(self._connection)
            self._connection = None

    def fetch(self, group: list[int]) -> None:
        """Every chunk of the group once. A broken connection goes on at the first one that is missing."""
        link, done, bad = self._stream.link, 0, 0
        tries = link.tries("the image", self._stream.ended)
        while done < len(group):
            self._deadline = next(tries)
            before = done
            try:
                for number, chunk, data in self._chunks(group[done:]):
                    self._give(number, chunk, data)
                    done += 1
                    bad = 0
            except PackError as fault:
                bad += 1
                if bad == BAD_TRIES:
                    raise self._damaged(group[done], fault) from fault
                link.interrupted(f"chunk {group[done]} came damaged, it is fetched again")
            except RetryLater as later:
                if self._stream.is_put_off(later):
                    return
                link.wait(str(later), later.seconds, self._stream.ended)
                tries = link.tries("the image", self._stream.ended)  # waiting has its own patience
            except (OSError, http.client.HTTPException) as fault:
                if self._stream.ended.is_set():
                    raise Stopped from fault
                reason = f"the image stream broke at chunk {group[done]}: {in_words(fault)}"
                link.interrupted(reason, heard=not isinstance(fault, OSError))
            if done < len(group):
                self.close()
            if done > before:  # it moved: the patience begins anew
                tries = link.tries("the image", self._stream.ended)

    def _give(self, number: int, chunk: Chunk, data: Bytes) -> None:
        try:
            self._take(number, chunk, data)
        except Exception as fault:
            raise Refused from fault

    def _chunks(self, group: Sequence[int]) -> Iterator[tuple[int, Chunk, Bytes]]:
        chunks = [self._stream.manifest.chunks[number] for number in group]
        begin, end = chunks[0].pack_offset, chunks[-1].pack_offset + chunks[-1].pack_length
        answer = self._ask(begin, end)
        place = begin
        for number, chunk in zip(group, chunks, strict=True):
            if self._stream.ended.is_set():
                raise Stopped
            self._extend()
            if chunk.pack_offset > place:
                self._read(answer, chunk.pack_offset - place)
            frame = self._read(answer, chunk.pack_length)
            data = expand_into(frame, chunk, self._room)
            self._stream.verified(number, frame)
            place = chunk.pack_offset + chunk.pack_length
            self._stream.link.received()
            yield number, chunk, data

    def _ask(self, begin: int, end: int) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = self._stream.connect(self._deadline)
        self._connection.extend(self._deadline)
        headers = {**self._stream.link.headers, "Range": f"bytes={begin}-{end - 1}"}
        self._connection.request("GET", self._stream.path(), headers=headers)
        answer = self._connection.getresponse()
        if answer.status in BUSY and "Retry-After" in answer.headers:
            words = clean(answer.read(1000).decode(errors="replace"), MOST_WORDS)
            seconds = _seconds(answer.headers["Retry-After"])
            raise RetryLater(seconds, words or "the service serves others first")
        if answer.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _unusable(f"the server has no bytes {begin} to {end - 1} of the image (416)", OTHER_PACK)
        check_answer(answer, "the image")
        if answer.status == http.client.OK:
            raise _unusable("the server gives the whole image where a part was asked for (200)", NO_RANGES)
        if answer.status != http.client.PARTIAL_CONTENT:
            raise http.client.HTTPException(f"the service answers {answer.status} to a range")
        _check_range(answer, begin, end)
        return answer

    def _extend(self) -> None:
        """The next chunk has its own time: the last one has come, or the disk took as long as it needed."""
        if self._connection:
            self._connection.extend(self._stream.link.deadline())

    def _read(self, answer: http.client.HTTPResponse, length: int) -> memoryview:
        if len(self._frame) < length:
            self._frame = bytearray(length)
        view, done = memoryview(self._frame)[:length], 0
        while done < length:
            more = answer.readinto(view[done:])
            if not more:
                raise http.client.HTTPException(f"it ended {length - done} bytes too early")
            done += more
            self._stream.count(more)
        return view

    def _damaged(self, number: int, fault: PackError) -> ProvisionError:
        total = len(self._stream.manifest.chunks)
        return PackError(
            f"the image on the server is damaged: chunk {number} of {total}, {fault}",
            hint="provision image verify names the damage; add the image again, then provision retry",
            code=321,
        )


def _seconds(text: str) -> float:
    is_number = text.isascii() and text.replace(".", "", 1).isdigit()  # else a date, or nonsense
    return min(60.0, max(0.05, float(text))) if is_number else 5.0


def _check_range(answer: http.client.HTTPResponse, begin: int, end: int) -> None:
    """Raises UnreachableError (PV-332) where it is another range, or has another length."""
    given = clean(answer.headers.get("Content-Range", ""), MOST_WORDS) or "a part that it does not name"
    if not given.startswith(f"bytes {begin}-{end - 1}/"):
        raise _unusable(f"asked for bytes {begin}-{end - 1}, the server gives {given}", NO_RANGES)
    if answer.length not in (None, end - begin):
        raise _unusable(f"the server says {answer.length} bytes of {end - begin} that it gives", NO_RANGES)


def _unusable(sentence: str, hint: str) -> UnreachableError:
    return UnreachableError(sentence, hint=hint, code=332)
