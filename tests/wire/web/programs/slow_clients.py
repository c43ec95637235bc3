"""Clients that hold a server up: slow_clients.py KIND COUNT SERVER ADDRESS… until standard input closes.

KIND is idle (connects, and says nothing), head, body (sends a part of it, and then a byte now and then) or
reader (asks for a file and takes a byte now and then). By TLS: tls-idle, tls-hello (half of the handshake's
first message, and then a byte now and then), tls-head (the whole handshake, then as head). What the server
closes is opened again. Says `ready` when all have been open once.
"""

import itertools
import selectors
import socket
import ssl
import sys

REQUESTS = {
    "idle": b"",
    "head": b"GET /boot/52-54-00-77-01-fe/boot.ipxe HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "body": b"POST /agent/v1/hello HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100000\r\n\r\n{",
    "reader": b"GET /boot/files/initrd.img HTTP/1.1\r\nHost: x\r\n\r\n",
}
PAUSE = 1.0  # seconds between two bytes
PARTS = ("head", "body", "tls-hello", "tls-head")


def opened(server: str, source: str, kind: str) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((source, 0))
    client.settimeout(10)
    client.connect((server, 443 if kind.startswith("tls") else 80))
    if kind == "tls-hello":
        hello = first_message()
        client.sendall(hello[: len(hello) // 2])
    elif kind == "tls-head":
        client = trusting().wrap_socket(client)
        client.sendall(REQUESTS["head"])
    else:
        client.sendall(REQUESTS.get(kind, b""))
    client.setblocking(False)
    return client


def trusting() -> ssl.SSLContext:
    """Whatever the certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def first_message() -> bytes:
    """What a client says first (RFC 8446, 4.1.2)."""
    said = ssl.MemoryBIO()
    try:
        trusting().wrap_bio(ssl.MemoryBIO(), said).do_handshake()
    except ssl.SSLWantReadError:
        return said.read()
    raise AssertionError("nobody has answered")


def touch(client: socket.socket, kind: str) -> bool:
    """A byte more; whether the server still has it."""
    try:
        if kind in PARTS:
            client.send(b"a")
        return client.recv(1) != b""
    except (BlockingIOError, ssl.SSLWantReadError):
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
                clients.append(opened(server, next(turns), kind))
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
