"""One TCP connection of DNS: messages with their length in front (RFC 7766), with limits on all of it."""

import socket
import time

from provisioner.services.eventloop.reactor import READ, WRITE

IDLE = 10.0  # seconds from one whole message to the next; half a message is no sign of life
LONGEST_QUERY = 4096
MOST_WAITING = 1 << 16  # bytes that the client has not taken yet; then we stop reading
CHUNK = 4096


class Stream:
    """Reads whole messages, sends whole replies; the loop decides what they are."""

    def __init__(self, link: socket.socket, address: str, idle: float = IDLE) -> None:
        link.setblocking(False)
        self._idle = idle
        self.link = link
        self.address = address
        self.deadline = time.monotonic() + self._idle
        self.closed = False
        self.ended = False  # the client has sent its last message
        self.under_way = 0  # replies that another server owes
        self._came = bytearray()
        self._waiting = bytearray()

    @property
    def interest(self) -> int:
        """What to wait for now; perhaps nothing, while another server owes a reply."""
        wanted = WRITE if self._waiting else 0
        if not self.ended and len(self._waiting) < MOST_WAITING:
            wanted |= READ
        return wanted

    @property
    def finished(self) -> bool:
        """Nothing will come, and nothing is owed."""
        return self.ended and not self._waiting and not self.under_way

    def receive(self) -> list[bytes]:
        """The messages that are whole now.

        Raises:
            ConnectionError: the client is gone, or sends what is no query.
        """
        try:
            data = self.link.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as fault:
            raise ConnectionError(str(fault)) from fault
        self.ended = not data
        self._came += data
        return self._whole()

    def _whole(self) -> list[bytes]:
        messages = []
        while len(self._came) >= 2:
            length = int.from_bytes(self._came[:2], "big")
            if not 0 < length <= LONGEST_QUERY:
                raise ConnectionError(f"a message of {length} bytes")
            if len(self._came) < 2 + length:
                break
            messages.append(bytes(self._came[2 : 2 + length]))
            del self._came[: 2 + length]
        if messages:
            self.deadline = time.monotonic() + self._idle
        return messages

    def send(self, message: bytes) -> None:
        """Queue a reply and send what the line takes. Raises ConnectionError."""
        self._waiting += len(message).to_bytes(2, "big") + message
        self.flush()

    def flush(self) -> None:
        """Send what waits. Raises ConnectionError."""
        if not self._waiting:
            return
        try:
            sent = self.link.send(self._waiting)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as fault:
            raise ConnectionError(str(fault)) from fault
        del self._waiting[:sent]
