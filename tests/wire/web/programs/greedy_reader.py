"""Opens streams and reads none of them on: greedy_reader.py COUNT SERVER PORT ADDRESS PATH TOKEN.

Says how each was answered, as `206 206 503`, and holds them until standard input closes.
"""

import socket
import sys

PIPELINED = 4  # requests of one connection: the kernel would take a small file whole


def opened(server: tuple[str, int], source: str, request: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.bind((source, 0))
    client.settimeout(20)
    client.connect(server)
    client.sendall(request * PIPELINED)
    return client


def main(count: int, server: str, port: int, source: str, path: str, token: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\nAuthorization: Bearer {token}\r\n\r\n"
    clients = []
    for _ in range(count):
        client = opened((server, port), source, head.encode())
        clients.append((client, client.recv(12).decode().split()[-1]))
    print(*(status for _, status in clients), flush=True)
    sys.stdin.read()


main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
