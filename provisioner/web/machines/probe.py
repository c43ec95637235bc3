"""Fetches by HTTP what iPXE fetches, as a machine that nobody knows, and says in words what is wrong."""

import http.client
import urllib.parse
from dataclasses import dataclass

from provisioner.errors import UnreachableError
from provisioner.system.text import clean

PATIENCE = 10.0  # seconds for an answer to begin
AGENT = "iPXE/1.21"
SCRIPT = "/boot/check/boot.ipxe"  # `check` is no MAC: the answer is the disk, and nothing is noted
FIRST = 64 << 10  # bytes that are read of a file
HINT = "is a firewall between? Its port must be open; the log of the service has each request"


@dataclass(frozen=True)
class HttpProbe:
    """How a fetch went: what for, bytes as the server says, what is wrong (empty where all is well)."""

    path: str
    size: int = 0
    fault: str = ""


def probe_script(url: str) -> HttpProbe:
    """The boot script of a machine that nobody knows: it is one, and boots the machine's own disk.

    Raises UnreachableError (PV-620): nobody answers at `url`.
    """
    status, _, body = _fetch(url, SCRIPT)
    if status != http.client.OK:
        return HttpProbe(SCRIPT, fault=f"status {status}: {clean(body.decode('ascii', 'replace'), 80)}")
    if not body.startswith(b"#!ipxe\n"):
        return HttpProbe(SCRIPT, fault="what comes is no iPXE script: does another server answer there?")
    return HttpProbe(SCRIPT, len(body))


def probe_file(url: str, path: str) -> HttpProbe:
    """The first bytes of a boot file, by Range, as firmware and iPXE ask for large ones. Raises likewise."""
    status, size, body = _fetch(url, path, {"Range": f"bytes=0-{FIRST - 1}"})
    if status == http.client.NOT_FOUND:
        return HttpProbe(path, fault="it is not there")
    if status != http.client.PARTIAL_CONTENT or len(body) != min(FIRST, size):
        return HttpProbe(path, size, f"status {status}, {len(body)} of {size} bytes")
    return HttpProbe(path, size)


def _fetch(url: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, int, bytes]:
    """Status, size of the whole, and at most FIRST bytes."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"User-Agent": AGENT, **(headers or {})})
        response = connection.getresponse()
        body = response.read(FIRST)
    except (OSError, http.client.HTTPException) as fault:
        reason = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
        raise UnreachableError(f"nobody answers at {url}: {reason}", hint=HINT) from fault
    finally:
        connection.close()
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return response.status, int(total) if total.isdigit() else len(body), body
