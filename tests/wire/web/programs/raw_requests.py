"""Sends raw bytes to a TCP port, a connection for each, and prints what comes back.

raw_requests ADDRESS PORT: reads a JSON list of requests (Latin-1) from standard input, prints one of answers.
"""

import json
import socket
import sys
from contextlib import suppress


def answered(address: str, port: int, request: bytes) -> bytes:
    """All that comes until the other end closes."""
    received = b""
    with socket.create_connection((address, port), timeout=20) as client:
        client.sendall(request)
        with suppress(ConnectionResetError):  # it did not read all of ours
            while data := client.recv(1 << 16):
                received += data
    return received


address, port = sys.argv[1], int(sys.argv[2])
requests = [request.encode("latin-1") for request in json.load(sys.stdin)]
print(json.dumps([answered(address, port, request).decode("latin-1") for request in requests]))
