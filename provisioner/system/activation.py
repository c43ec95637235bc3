"""Sockets that systemd has opened for us before we were started: sd_listen_fds(3).

So the process that answers strangers needs no privilege for its port, and who connects while it is started
again waits rather than being refused.
"""

import os
import socket
from collections.abc import Sequence

from provisioner.errors import ServiceError

FIRST = 3  # SD_LISTEN_FDS_START


def is_activated() -> bool:
    """Whether systemd has opened sockets for this very process."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0"


def check(places: Sequence[str]) -> None:
    """Raises ServiceError (PV-618) where they are others than those of the settings, `ADDRESS:PORT` each."""
    found = sorted(map(_place, range(FIRST, FIRST + int(os.environ["LISTEN_FDS"]))))
    if found != sorted(places):
        raise ServiceError(
            f"systemd listens at {', '.join(found)}, and the settings say {', '.join(places)}",
            hint="systemctl daemon-reload; systemctl restart provisioner-web.socket provisioner-web",
            code=618,
        )


def _place(descriptor: int) -> str:
    """Where one of them listens; a Unix socket has a path."""
    with socket.socket(fileno=os.dup(descriptor)) as opened:
        name = opened.getsockname()
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name)
