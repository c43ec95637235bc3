"""One request to a program that is not ours: bounded in time whatever it does, and followed nowhere."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 5.0  # seconds for the connection, and for each sign of an answer
LIMIT = 15.0  # seconds for all of it


def post(url: str, headers: Mapping[str, str], body: bytes, ca_file: Path | None = None) -> int:
    """The status of the answer, whose body nobody reads. Raises OSError, http.client.HTTPException.

    No proxy of the environment is used, and no redirect is followed: it goes where the settings say.
    """
    parts = urlsplit(url)
    host, is_secret = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_secret else 80)
    plain = socket.create_connection((host, port), PATIENCE)
    with contextlib.closing(_wrapped(plain, host, ca_file) if is_secret else plain) as sock:
        is_over = threading.Event()
        end = threading.Timer(LIMIT, _shut, [sock, is_over])
        end.daemon = True
        end.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            status = _asked(sock, host, port, parts.netloc, url, headers, body)
        finally:
            end.cancel()
        if is_over.is_set():  # http.client takes the end of a connection for the end of the headers
            raise TimeoutError(f"its answer was not whole after {LIMIT:g} s")
        return status


def _asked(
    sock: socket.socket,
    host: str,
    port: int,
    name: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    connection.sock = sock
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, body, {"Host": name, "Connection": "close", **headers})
    return connection.getresponse().status


def _wrapped(plain: socket.socket, host: str, ca_file: Path | None) -> ssl.SSLSocket:
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise


def _shut(sock: socket.socket, is_over: threading.Event) -> None:
    """From another thread: whoever waits for a byte wakes up."""
    is_over.set()
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
