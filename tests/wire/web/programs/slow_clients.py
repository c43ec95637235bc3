"""Clients that hold a server up: slow_clients.py KIND COUNT SERVER ADDRESS… until standard input closes.

KIND is idle (connects, and says nothing), head, body (sends a part of it, and then a byte now and then) or
reader (asks for a file and takes a byte now and then). What the server closes is opened again. Says `ready`
when all have been open once.
"""

import itertools
import selectors
import socket
import sys

REQUESTS = {
    "idle": b"",
    "head": b"GET /boot/52-54-00-77-01-fe/boot.ipxe HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "body": b"POST /agent/v1/hello HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100000\r\n\r\n{",
    "reader": b"GET /boot/files/initrd.img HTTP/1.1\r\nHost: x\r\n\r\n",
}
PAUSE = 1.0  # seconds between two bytes


def opened(server: str, source: str, request: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((source, 0))
    client.settimeout(10)
    client.connect((server, 80))
    client.sendall(request)
    client.setblocking(False)
    return client


def touch(client: socket.socket, kind: str) -> bool:
    """A byte more; whether the server still has it."""
    try:
        if kind in ("head", "body"):
            client.send(b"a")
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def main(kind: str, count: int, server: str, *sources: str) -> None:
    ends = selectors.DefaultSelector()
    ends.register(sys.stdin, selectors.EVENT_READ)
    turns, is_told = itertools.cycle(sources), False
    clients: list[socket.socket] = []
    while True:
        while len(clients) < count:
            try:
                clients.append(opened(server, next(turns), REQUESTS[kind]))
            except OSError:  # full for now: what is there goes on
                break
        if not is_told:
            print("ready", flush=True)
            is_told = True
        if ends.select(PAUSE):
            return
        gone = [client for client in clients if not touch(client, kind)]
        for client in gone:
            clients.remove(client)
            client.close()


main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
