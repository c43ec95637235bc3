"""Sends files to many sockets from few threads: a reader who takes his time costs a socket, and no thread."""

import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

log = logging.getLogger(__name__)
SLICE = 1 << 20  # bytes at a time, so that one fast reader does not keep the others waiting
STALL = 60.0  # seconds in which a reader takes nothing, after which he is given up
LOOK = 1.0  # seconds between two looks for such
MOST_THREADS = 4  # one for each processor; they share the interpreter between two calls of sendfile(2)
Sent = Callable[[bool], None]


@dataclass
class FileJob:
    """`remaining` bytes of an open file from `offset`; `sent` is told once whether all of it has left."""

    descriptor: int
    offset: int
    remaining: int
    sent: Sent = lambda is_whole: None
    moved: float = field(default_factory=time.monotonic)

    def close(self) -> None:
        """Give the file back."""
        os.close(self.descriptor)


class FileSender:
    """Threads that write files to sockets; each file goes to the one that has the fewest."""

    def __init__(self) -> None:
        count = min(MOST_THREADS, len(os.sched_getaffinity(0)))
        self._threads = [_SendingThread() for _ in range(count)]

    def put(self, sink: socket.socket, job: FileJob) -> None:
        """Send the job's bytes to a socket that does not block; its owner keeps away from it until `sent`."""
        min(self._threads, key=_SendingThread.count).put(sink, job)


class _SendingThread:
    """Writes files to sockets as they take it (sendfile(2), epoll(7))."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._lock = threading.Lock()
        self._given: list[tuple[socket.socket, FileJob]] = []
        self._at_work: dict[int, tuple[socket.socket, FileJob]] = {}
        threading.Thread(target=self._work, name="file-sender", daemon=True).start()

    def count(self) -> int:
        """How many files it has."""
        return len(self._given) + len(self._at_work)

    def put(self, sink: socket.socket, job: FileJob) -> None:
        """Take one more; from any thread."""
        with self._lock:
            self._given.append((sink, job))
        os.eventfd_write(self._wake, 1)

    def _work(self) -> None:
        looked = time.monotonic()
        while True:
            for descriptor, _ in self._epoll.poll(LOOK):
                if descriptor == self._wake:
                    self._take()
                else:
                    self._send(descriptor)
            if time.monotonic() - looked >= LOOK:
                looked = time.monotonic()
                self._give_up(looked)

    def _take(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        with self._lock:
            given, self._given = self._given, []
        for sink, job in given:
            self._at_work[sink.fileno()] = (sink, job)
            self._epoll.register(sink.fileno(), select.EPOLLOUT)

    def _send(self, descriptor: int) -> None:
        _, job = self._at_work[descriptor]
        try:
            count = os.sendfile(descriptor, job.descriptor, job.offset, min(SLICE, job.remaining))
        except BlockingIOError:
            return
        except OSError as fault:
            log.debug("a reader has gone: %s", fault)
            return self._end(descriptor, is_whole=False)
        if count == 0:  # the file is shorter than it was
            return self._end(descriptor, is_whole=False)
        job.offset, job.remaining, job.moved = job.offset + count, job.remaining - count, time.monotonic()
        if not job.remaining:
            self._end(descriptor, is_whole=True)

    def _give_up(self, now: float) -> None:
        stalled = [at for at, (_, job) in self._at_work.items() if now - job.moved > STALL]
        for descriptor in stalled:
            self._end(descriptor, is_whole=False)

    def _end(self, descriptor: int, *, is_whole: bool) -> None:
        _, job = self._at_work.pop(descriptor)
        self._epoll.unregister(descriptor)
        job.close()
        job.sent(is_whole)
