"""Where the bytes come from: Debian's nginx, on loopback or behind a link of so many bits a second."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner import run

CONF = """
daemon off; user root; worker_processes auto; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile on; tcp_nopush on;
    server {{ listen {address}:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Line:
    """`url` is where the files lie; `prefix` are the words before a command that uses the line."""

    url: str
    prefix: tuple[str, ...]
    port: str = "veth"


@contextmanager
def loopback(root: Path, folder: Path) -> Iterator[Line]:
    """nginx on 127.0.0.1."""
    with socket.socket() as probe:  # a port that nobody has, so that nobody else can answer for nginx
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with _nginx(root, folder, "127.0.0.1", port, ()):
        yield Line(f"http://127.0.0.1:{port}", ())


@contextmanager
def pair() -> Iterator[tuple[str, str]]:
    """Two network namespaces, 10.78.0.1 (bv0) and 10.78.0.2 (bv1), a veth pair between; their names."""
    names = [f"bench{os.getpid()}{end}" for end in "sc"]
    with ExitStack() as stack:
        for name in names:
            run.run(["ip", "netns", "add", name])
            stack.callback(run.run, ["ip", "netns", "delete", name], check=False)
        run.run(
            ["ip", "link", "add", "bv0", "netns", names[0], "type", "veth", "peer", "bv1", "netns", names[1]]
        )
        for number, name in enumerate(names):
            device, within = f"bv{number}", [*inside(name)]
            run.run([*within, "ip", "address", "add", f"10.78.0.{number + 1}/16", "dev", device])
            run.run([*within, "ip", "link", "set", device, "up"])
            run.run([*within, "ip", "link", "set", "lo", "up"])
        yield names[0], names[1]


def inside(name: str) -> tuple[str, ...]:
    """The words before a command in a namespace."""
    return ("ip", "netns", "exec", name)


@contextmanager
def limited(root: Path, folder: Path, rate: str) -> Iterator[Line]:
    """nginx and the client in two namespaces, a token bucket on each end."""
    with pair() as names:
        for number, name in enumerate(names):
            bucket = ["tbf", "rate", rate, "burst", "256kb", "latency", "50ms"]
            run.run([*inside(name), "tc", "qdisc", "add", "dev", f"bv{number}", "root", *bucket])
        with _nginx(root, folder, "10.78.0.1", 8077, inside(names[0])):
            yield Line("http://10.78.0.1:8077", inside(names[1]))


@contextmanager
def _nginx(root: Path, folder: Path, address: str, port: int, prefix: tuple[str, ...]) -> Iterator[None]:
    conf = folder / "nginx.conf"
    conf.write_text(CONF.format(folder=folder, address=address, port=port, root=root))
    argv: list[str | Path] = [*prefix, run.find("nginx", "nginx-light"), "-p", folder, "-c", conf]
    process = run.start(argv, log=folder / "nginx.log")
    try:
        probe = [*prefix, "curl", "-s", "-o", "/dev/null", f"http://{address}:{port}/"]
        until = time.monotonic() + 10
        while run.run(probe, check=False).returncode:
            assert time.monotonic() < until, (folder / "nginx.log").read_text()
        yield
    finally:
        run.stop(process)
