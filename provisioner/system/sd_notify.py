"""Tells systemd how this process does: sd_notify(3), a datagram on the socket that systemd has named."""

import contextlib
import socket


class SystemdNotifier:
    """Where systemd listens, if it does: `address` is NOTIFY_SOCKET, a path or `@NAME`; empty for nobody."""

    def __init__(self, address: str = "") -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, *assignments: str) -> None:
        """Send `READY=1` and the like in one message. Nothing waits for it, and nothing fails by it."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender,
        ):
            sender.sendto("\n".join(assignments).encode(), self._address)
