"""One TCP connection of DNS: messages with their length in front (RFC 7766), with limits on all of it."""

import socket
import time

from provisioner.services.eventloop.reactor import READ, WRITE

IDLE = 10.0  # seconds from one whole message to the next; half a message is no sign of life
MAX_QUERY = 4096
MAX_OUTPUT = 1 << 16  # bytes that the client has not taken yet; then we stop reading
CHUNK = 4096


class TcpConnection:
    """Reads whole messages, sends whole replies; the loop decides what they are."""

    def __init__(self, link: socket.socket, address: str, idle: float = IDLE) -> None:
        link.setblocking(False)
        self._idle = idle
        self.link = link
        self.address = address
        self.deadline = time.monotonic() + self._idle
        self.closed = False
        self.ended = False  # the client has sent its last message
        self.pending_replies = 0  # messages that were read and are not answered yet
        self._input = bytearray()
        self._output = bytearray()

    @property
    def events(self) -> int:
        """The epoll events to wait for now; 0 while another server owes a reply and the client has ended."""
        events = WRITE if self._output else 0
        if not self.ended and len(self._output) < MAX_OUTPUT:
            events |= READ
        return events

    @property
    def finished(self) -> bool:
        """Whether the client has ended and every reply was sent."""
        return self.ended and not self._output and not self.pending_replies

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
        self._input += data
        return self._whole()

    def _whole(self) -> list[bytes]:
        messages = []
        while len(self._input) >= 2:
            length = int.from_bytes(self._input[:2], "big")
            if not 0 < length <= MAX_QUERY:
                raise ConnectionError(f"a message of {length} bytes")
            if len(self._input) < 2 + length:
                break
            messages.append(bytes(self._input[2 : 2 + length]))
            del self._input[: 2 + length]
        if messages:
            self.deadline = time.monotonic() + self._idle
        return messages

    def send(self, message: bytes) -> None:
        """Queue a reply and send what the line takes. Raises ConnectionError."""
        self._output += len(message).to_bytes(2, "big") + message
        self.flush()

    def flush(self) -> None:
        """Send what waits. Raises ConnectionError."""
        if not self._output:
            return
        try:
            sent = self.link.send(self._output)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as fault:
            raise ConnectionError(str(fault)) from fault
        del self._output[:sent]
