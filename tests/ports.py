"""Ports of 127.0.0.1 that nobody else takes before what a test starts listens there."""

import itertools
import os
import socket
from contextlib import ExitStack
from pathlib import Path

HERE = "127.0.0.1"
LOWEST = 20_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")  # what the kernel gives to whoever asks for any
PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # of pytest; each has ports of its own
EACH = min(1000, (int(EPHEMERAL.read_text().split()[0]) - LOWEST) // PROCESSES)
FIRST = LOWEST + EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(range(FIRST, FIRST + EACH))


def free_port() -> int:
    """The next one of this process' own at which nobody listens, by UDP or TCP.

    The kernel's own choice (port 0) is a lottery once it is given back: any connection of another process
    may get it next, and a port that is free for UDP may be taken for TCP.
    """
    for port in itertools.islice(_ports, EACH):
        if _is_free(port):
            return port
    raise AssertionError(f"somebody listens at each of {EACH} ports from {FIRST}")


def _is_free(port: int) -> bool:
    with ExitStack() as stack:
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                stack.enter_context(socket.socket(socket.AF_INET, kind)).bind((HERE, port))
        except OSError:
            return False
        return True
