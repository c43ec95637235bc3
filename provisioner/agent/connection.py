"""An HTTP connection that ends in time, whatever comes: silence, a byte now and then, headers without end."""

import http.client
import math
import socket
import time


class TooSlow(http.client.HTTPException):
    """The other side sends, but so little that the deadline has passed."""


class LimitedSocket(socket.socket):
    """Waits at most `silence` seconds for the next bytes, and reads nothing after `deadline`.

    The deadline is a time of the monotonic clock. It is asked before each read, so that no loop of the
    library below us (header lines, answers 100 Continue, a buffer to fill) can last longer.
    """

    silence = 0.0
    deadline = math.inf
    _has_read = False

    def recv_into(  # type: ignore[override]  # buffers have no name before Python 3.12
        self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0
    ) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TooSlow("it comes too slowly")
        self.settimeout(min(self.silence, left))
        try:
            length = super().recv_into(buffer, nbytes, flags)
        except TimeoutError as fault:
            if self._has_read and left <= self.silence:
                raise TooSlow("it comes too slowly") from fault
            raise
        self._has_read = self._has_read or length > 0
        return length


class DeadlineConnection(http.client.HTTPConnection):
    """HTTP/1.1 by a LimitedSocket. Requests and answers raise OSError and HTTPException."""

    def __init__(self, host: str, port: int, *, silence: float, deadline: float) -> None:
        super().__init__(host, port, timeout=silence)
        self._silence = silence
        self._deadline = deadline
        self._socket: LimitedSocket | None = None

    def connect(self) -> None:
        """Open it. Raises OSError."""
        left = max(0.001, min(self._silence, self._deadline - time.monotonic()))
        made = socket.create_connection((self.host, self.port), left)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        limited = LimitedSocket(made.family, made.type, made.proto, fileno=made.detach())
        limited.settimeout(self._silence)
        limited.silence, limited.deadline = self._silence, self._deadline
        self.sock = self._socket = limited

    def extend(self, deadline: float) -> None:
        """Another deadline from now on (monotonic seconds): something whole has come."""
        self._deadline = deadline
        if self._socket:
            self._socket.deadline = deadline
