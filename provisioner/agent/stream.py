"""The pack as it comes over the network: frame by frame, resumed by Range where it broke."""

import http.client
import queue
import threading
from collections.abc import Iterator

from provisioner.agent.link import Link, Stopped
from provisioner.errors import PackError, ProvisionError, UnreachableError
from provisioner.imaging.manifest import Chunk, Manifest
from provisioner.imaging.pack import expand

AHEAD = 24  # chunks between the network and the disk; bounds the memory
BAD_TRIES = 3
Item = tuple[int, Chunk, bytes] | Exception | None


class Stream:
    """Yields `(number, chunk, raw bytes)` in order; every chunk is verified before it is given away."""

    def __init__(self, link: Link, url: str, manifest: Manifest) -> None:
        self._link = link
        self._url = url
        self._manifest = manifest
        self._queue: queue.Queue[Item] = queue.Queue(AHEAD)
        self._ended = threading.Event()
        self.fetched = 0  # bytes that came over the wire

    def __iter__(self) -> Iterator[tuple[int, Chunk, bytes]]:
        thread = threading.Thread(target=self._download, name="download", daemon=True)
        thread.start()
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self._ended.set()

    def _put(self, item: Item) -> None:
        while not self._ended.is_set():
            try:
                return self._queue.put(item, timeout=0.5)
            except queue.Full:
                continue
        raise Stopped

    def _download(self) -> None:
        try:
            for item in self._chunks():
                self._put(item)
            self._put(None)
        except Stopped as stop:
            self._queue_last(stop)
        except Exception as fault:
            self._queue_last(fault)

    def _queue_last(self, fault: Exception) -> None:
        try:
            self._put(fault)
        except Stopped:
            return

    def _chunks(self) -> Iterator[tuple[int, Chunk, bytes]]:
        """Every chunk once. A broken connection goes on at the first chunk that is missing."""
        chunks, number, bad = self._manifest.chunks, 0, 0
        tries = self._link.tries("the image")
        while number < len(chunks) and not self._ended.is_set():
            next(tries)
            before = number
            try:
                for data in self._frames(number):
                    yield number, chunks[number], data
                    number += 1
                    bad = 0
            except PackError as fault:
                bad += 1
                if bad == BAD_TRIES:
                    raise self._damaged(number, fault) from fault
                self._link.broken(f"chunk {number} came damaged, it is fetched again")
            except (OSError, http.client.HTTPException) as fault:
                self._link.broken(
                    f"the image stream broke at chunk {number}: {fault or type(fault).__name__}"
                )
            if number > before:  # it moved: the patience begins anew
                tries = self._link.tries("the image")

    def _frames(self, first: int) -> Iterator[bytes]:
        """Raw bytes of the chunks from `first` on, over one connection."""
        chunks = self._manifest.chunks
        start = chunks[first].pack_offset
        connection = self._link.connect()
        try:
            connection.request("GET", self._url, headers={**self._link.headers, "Range": f"bytes={start}-"})
            answer = connection.getresponse()
            self._check(answer, start)
            for chunk in chunks[first:]:
                frame = answer.read(chunk.pack_length)
                self.fetched += len(frame)
                if len(frame) < chunk.pack_length:
                    raise http.client.IncompleteRead(frame, chunk.pack_length - len(frame))
                data = expand(frame, chunk)
                self._link.mended()
                yield data
        finally:
            connection.close()

    def _check(self, answer: http.client.HTTPResponse, start: int) -> None:
        if 400 <= answer.status < 500:
            raise UnreachableError(f"the service does not give the image ({answer.status})", code=330)
        given = answer.headers.get("Content-Range", "")
        if answer.status != http.client.PARTIAL_CONTENT or not given.startswith(f"bytes {start}-"):
            raise http.client.HTTPException(f"the service answers {answer.status} to a range")

    def _damaged(self, number: int, fault: PackError) -> ProvisionError:
        total = len(self._manifest.chunks)
        return PackError(
            f"the image on the server is damaged: chunk {number} of {total}, {fault}",
            hint="provision image verify names the damage; add the image again, then provision retry",
            code=321,
        )
