"""A thousand TFTP clients in one process: `python -m bench.tftp_swarm HOST PORT NAME FILE --sessions 1000`.

Written for load, not for use: each checks every byte against FILE as it comes, acknowledges each window
(RFC 7440), and repeats its last packet after a second of silence. Prints JSON; the exit code is 1 where a
session was not right.
"""

import argparse
import json
import resource
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

SILENCE = 1.0  # seconds
COMPLAINT = 0.02  # seconds between two acknowledgements of the same window
LIMIT = 120.0  # seconds for all
DATA, ACK, OACK, ERROR = 3, 4, 6, 5


@dataclass(eq=False)
class Client:
    """One transfer."""

    link: socket.socket
    request: bytes
    server: tuple[str, int]
    content: bytes
    window: int
    block: int = 512
    agreed: int = 1  # blocks a window, as the server says
    peer: tuple[str, int] | None = None
    next: int = 1  # the block that is awaited
    unacknowledged: int = 0
    complained: float = 0.0
    last_packet: bytes = b""
    last_heard: float = field(default_factory=time.monotonic)
    result: str = ""

    def begin(self) -> None:
        """Ask."""
        self.send(self.request)

    def send(self, packet: bytes) -> None:
        """Send, and remember it for `retransmit`."""
        self.last_packet = packet
        self.link.sendto(packet, self.peer or self.server)

    def retransmit(self, now: float) -> None:
        """Send it again after a silence."""
        if now - self.last_heard > SILENCE:
            self.last_heard = now
            self.send(self.last_packet)

    def receive(self) -> None:
        """Everything that has come."""
        while not self.result:
            try:
                data, peer = self.link.recvfrom(66000)
            except OSError:
                return
            if self.peer is None:
                self.peer = peer
            if peer == self.peer:
                self.last_heard = time.monotonic()
                self.take(data)

    def take(self, data: bytes) -> None:
        """One packet."""
        code = data[1]
        if code == OACK:
            self._agree(data)
        elif code == DATA:
            self._store(int.from_bytes(data[2:4], "big"), data)
        elif code == ERROR:
            self.result = f"error {data[4:40]!r}"

    def _agree(self, data: bytes) -> None:
        words = data[2:].split(b"\0")
        options = dict(zip(words[::2], words[1::2], strict=False))
        self.block = int(options.get(b"blksize", b"512"))
        self.agreed = int(options.get(b"windowsize", b"1"))
        if self.next == 1:
            self.send(b"\0\4\0\0")

    def _store(self, number: int, data: bytes) -> None:
        if number != self.next & 0xFFFF:
            # a hole, or our acknowledgement was lost: say so, but not for each packet of a window
            if self.agreed == 1 or time.monotonic() - self.complained > COMPLAINT:
                self.complained = time.monotonic()
                self._acknowledge()
            return
        offset, length = (self.next - 1) * self.block, len(data) - 4
        if data[4:] != self.content[offset : offset + self.block]:
            self.result = f"wrong bytes at {offset}"
            return
        self.next += 1
        self.unacknowledged += 1
        ends = length < self.block
        if ends or self.unacknowledged >= self.agreed:
            self._acknowledge()
        if ends:
            self.result = "right" if offset + length == len(self.content) else "too short"

    def _acknowledge(self) -> None:
        self.unacknowledged = 0
        self.send(b"\0\4" + ((self.next - 1) & 0xFFFF).to_bytes(2, "big"))


def request(name: str, block: int, window: int) -> bytes:
    """Without options where they would be the standard's own."""
    options = {"blksize": block} if block != 512 else {}
    options |= {"windowsize": window} if window != 1 else {}
    words = "".join(f"{key}\0{value}\0" for key, value in options.items())
    return b"\0\1" + f"{name}\0octet\0{words}".encode()


def play(clients: list[Client]) -> float:
    """All at once, until the last has its file or the time is over; seconds."""
    poll = select.epoll()
    by_descriptor = {client.link.fileno(): client for client in clients}
    for number in by_descriptor:
        poll.register(number, select.EPOLLIN)
    began = swept = time.monotonic()
    for client in clients:
        client.begin()
    waiting = set(clients)
    while waiting and time.monotonic() - began < LIMIT:
        for number, _ in poll.poll(0.2):
            client = by_descriptor[number]
            client.receive()
            if client.result:
                waiting.discard(client)
        now = time.monotonic()
        if now - swept > 0.2:
            swept = now
            for client in waiting:
                client.retransmit(now)
    return time.monotonic() - began


def addresses(first: str, count: int) -> list[str]:
    """Where sessions come from: several addresses where `first` is on loopback, so that no cap is met."""
    if not first.startswith("127."):
        return [""] * count
    return [f"127.0.{1 + number // 200}.{1 + number % 200}" for number in range(count)]


def swarm(
    server: tuple[str, int], name: str, content: bytes, *, sessions: int, block: int, window: int
) -> list[Client]:
    """Clients that have not begun."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, sessions + 100)), hard))
    clients = []
    for source in addresses(server[0], sessions):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        link.bind((source, 0))
        clients.append(Client(link, request(name, block, window), server, content, window))
    return clients


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.tftp_swarm")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--block", type=int, default=1468)
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--times", type=int, default=1, help="one after the other")
    arguments = parser.parse_args()
    content, seconds, results = arguments.file.read_bytes(), 0.0, []
    for _ in range(arguments.times):
        server = (arguments.host, arguments.port)
        sizes = {"sessions": arguments.sessions, "block": arguments.block, "window": arguments.window}
        clients = swarm(server, arguments.name, content, **sizes)
        seconds += play(clients)
        results += [client.result or f"unfinished at block {client.next}" for client in clients]
        for client in clients:
            client.link.close()
    wrong = [result for result in results if result != "right"]
    print(json.dumps({"seconds": seconds, "right": len(results) - len(wrong), "wrong": wrong[:5]}))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
