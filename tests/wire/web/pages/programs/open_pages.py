"""Hold pages open: ADDRESS HOW_MANY SECONDS COOKIE... Says `open`, and at its end how many messages came."""

import json
import selectors
import socket
import ssl
import sys
import time


def main() -> None:
    """The least and the most messages of a page are the last line."""
    address, many, seconds, cookies = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    asked = f"GET / HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nCookie: "
    chosen, got = selectors.DefaultSelector(), [0] * many
    for number in range(many):
        plain = socket.create_connection((address, 443))
        stream = context.wrap_socket(plain)
        stream.sendall(f"{asked}{cookies[number % len(cookies)]}\r\n\r\n".encode())
        stream.setblocking(False)
        chosen.register(stream, selectors.EVENT_READ, number)
    print("open", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in chosen.select(0.5):
            assert isinstance(key.fileobj, ssl.SSLSocket)
            got[key.data] += _read(key.fileobj).count(b"\nid: ")
    print(json.dumps([min(got), max(got)]), flush=True)


def _read(stream: ssl.SSLSocket) -> bytes:
    """What has come by now."""
    parts = [b""]
    try:
        while part := stream.recv(1 << 16):
            parts.append(part)
    except ssl.SSLWantReadError:
        return b"".join(parts)
    raise SystemExit("the service has closed a page")


if __name__ == "__main__":
    main()
