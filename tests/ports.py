"""Ports of 127.0.0.1 that nobody else takes before what a test starts listens there."""

import os
import socket
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

HERE = "127.0.0.1"
EACH = 1000  # of one of pytest's processes
FIRST = 20_000 + EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")  # what the kernel gives to whoever asks for any
_ports = cycle(range(FIRST, FIRST + EACH))


def free_port() -> int:
    """The next one of this process' own at which nobody listens, by UDP or TCP.

    The kernel's own choice (port 0) is a lottery once it is given back: any connection of another process
    may get it next, and a port that is free for UDP may be taken for TCP.
    """
    assert int(EPHEMERAL.read_text().split()[0]) >= FIRST + EACH, "these are the kernel's to give"
    return next(port for _, port in zip(range(EACH), _ports, strict=False) if _is_free(port))


def _is_free(port: int) -> bool:
    with ExitStack() as stack:
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                stack.enter_context(socket.socket(socket.AF_INET, kind)).bind((HERE, port))
        except OSError:
            return False
        return True
