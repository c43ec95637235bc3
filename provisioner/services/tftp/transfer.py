"""One TFTP transfer as arithmetic: which packets leave now, and when to repeat them; no sockets."""

from provisioner.services.tftp.packet import build_ack, build_data, build_oack
from provisioner.services.tftp.policy import Content, Terms

FIRST_WAIT = 0.1  # seconds until the first repetition, before a round trip has been measured
# the longest wait exceeds the 5 s of clients whose own timer starts anew with each of our repetitions (atftp)
SHORTEST_WAIT, LONGEST_WAIT = 0.02, 6.4
STALLED = 2.0  # seconds without progress after which the same request means that the client begins anew
LONGER = 1.5  # the next wait after one that was in vain: more tries in the same time than by doubling
PATIENCE = 20.0  # seconds without any progress after which the client is gone
LONGEST_PATIENCE = 60.0
MOST_AHEAD = 1 << 16  # bytes of a window that is made before it is needed
AHEAD = 24 << 10  # bytes that are made ready at once, where the windows are small


class Transfer:
    """Sends `content` block by block; block 0 is the OACK, if there is one.

    Times are seconds of a monotonic clock. Each method returns the packets to send now; `deadline` is when
    `repeat` is due. Waits follow RFC 6298: measured round trip, longer for each repetition, and kept so long
    until a packet that was sent once is answered. Else a busy machine would send everything twice for ever.
    """

    def __init__(self, content: Content, terms: Terms, now: float) -> None:
        self._content = content
        self._terms = terms
        self._last = content.size // terms.block + 1  # the last block is short, perhaps empty
        self._acked = -1 if terms.accepted else 0
        self._sent = self._highest = self._acked
        self.resent = 0  # packets that were sent more than once
        self._round_trip = 0.0
        self._variation = 0.0
        self._wait = FIRST_WAIT
        self._repeated = False
        self._backed_off = False  # the wait was lengthened since the last measurement
        self._sent_at = self._progress_at = now
        self._patience = min(max(PATIENCE, 3.0 * terms.timeout), LONGEST_PATIENCE)
        self.deadline = now

    @property
    def done(self) -> bool:
        """The last block has been acknowledged."""
        return self._acked >= self._last

    @property
    def all_sent(self) -> bool:
        """Nothing but the last acknowledgement is missing; many clients leave without it."""
        return self._sent >= self._last

    @property
    def started(self) -> bool:
        """The client has answered our first packet."""
        return self._round_trip > 0 or self._acked > 0

    def is_fresh(self, now: float) -> bool:
        """Whether the request that began this may be under way a second time, and mean no other transfer."""
        return not self.started or now - self._progress_at < STALLED

    @property
    def arrived(self) -> int:
        """Bytes that the client has acknowledged."""
        return min(max(self._acked, 0) * self._terms.block, self._content.size)

    def begin(self, now: float) -> list[bytes]:
        """The OACK, else the first window."""
        return self._send(now)

    def acknowledge(self, block: int, now: float) -> list[bytes]:
        """The client has everything up to `block` (16 bits; read relative to what is under way)."""
        step = (block - self._acked) & 0xFFFF
        if step > self._sent - self._acked:
            return []  # of an earlier window
        if step == 0:
            # answering a repeated ACK doubles every later packet (RFC 1123, 4.2.3.1). In a window it says
            # that the first block is missing (RFC 7440, 4): answer that once.
            if self._terms.window == 1 or self._repeated:
                return []
            self._repeated = True
            return self._send(now)
        self._measure(now)
        self._acked += step
        self._progress_at = now
        self._repeated = self._acked < self._sent  # a hole: what follows is sent a second time
        return [] if self.done else self._send(now)

    def repeat(self, now: float) -> list[bytes] | None:
        """The deadline has passed: send the window again; None when the client is given up."""
        if now >= self._progress_at + self._patience:  # as `deadline` has it, rounding included
            return None
        self._wait = min(LONGER * self._wait, LONGEST_WAIT)
        self._backed_off = True
        self._repeated = True
        return self._send(now)

    def _send(self, now: float) -> list[bytes]:
        first = self._acked + 1
        is_new = self._acked == self._highest
        self._sent = min(self._acked + (self._terms.window if first else 1), self._last)
        self._sent_at = now
        if not is_new:
            self.resent += max(0, min(self._highest, self._sent) - self._acked)
        self._highest = max(self._highest, self._sent)
        self.deadline = min(now + self._wait, self._progress_at + self._patience)
        return self._packets(first, self._sent)

    def look_ahead(self) -> list[tuple[bytes, list[bytes]]]:
        """The acknowledgements that are hoped for, one after the other, and the packets that answer each.

        So an answer can leave before anything is computed: it was read while the client was busy.
        """
        window, size = self._terms.window, self._terms.window * self._terms.block
        if self._sent != self._highest or size > MOST_AHEAD:
            return []
        first = self._sent + 1
        last = min(self._sent + window * max(1, AHEAD // size), self._last)
        packets = self._packets(first, last)
        return [
            (build_ack(number - 1), packets[number - first : number - first + window])
            for number in range(first, last + 1, window)
        ]

    def went_on(self, now: float, *, measures: bool) -> None:
        """The first hoped-for acknowledgement has come and its packets left; as `acknowledge` does it."""
        if measures or self._backed_off:
            self._measure(now)
        self._acked = self._sent
        self._sent = self._highest = min(self._sent + self._terms.window, self._last)
        self._repeated = False
        self._sent_at = self._progress_at = now
        self.deadline = now + self._wait

    def _packets(self, first: int, last: int) -> list[bytes]:
        """Both included; all that they hold is read at once."""
        if first == 0:
            return [build_oack(self._terms.accepted)]
        block = self._terms.block
        data = self._content.read((first - 1) * block, (last - first + 1) * block)
        return [
            build_data(number, data[place : place + block])
            for number, place in zip(
                range(first, last + 1), range(0, (last - first + 1) * block, block), strict=True
            )
        ]

    def _measure(self, now: float) -> None:
        """Karn: the answer to a packet that was sent twice tells nothing."""
        if self._repeated:
            return
        self._backed_off = False
        sample = max(now - self._sent_at, 1e-6)
        if not self._round_trip:
            self._round_trip, self._variation = sample, sample / 2
        else:
            self._variation += (abs(self._round_trip - sample) - self._variation) / 4
            self._round_trip += (sample - self._round_trip) / 8
        self._wait = min(max(SHORTEST_WAIT, self._round_trip + 4 * self._variation), LONGEST_WAIT)
