"""One TFTP transfer as arithmetic: which packets leave now, and when to repeat them; no sockets."""

from provisioner.services.tftp.packet import build_ack, build_data, build_oack
from provisioner.services.tftp.policy import Content, NegotiatedOptions

INITIAL_RTO = 0.1  # seconds, before a round trip has been measured (RFC 6298, 2.1 says 1: a LAN is faster)
# the longest exceeds the 5 s of clients whose own timer starts anew with each retransmission of ours (atftp)
MIN_RTO, MAX_RTO = 0.02, 6.4
RESTART_AFTER = 2.0  # seconds without progress after which the same request means that the client begins anew
BACKOFF = 1.5  # of the timeout after each retransmission: more tries in the same time than by doubling
FIRST_REPEATS = 2  # of a packet that nobody has answered: the request may bear somebody else's address
PROGRESS_TIMEOUT = 20.0  # seconds without any progress after which the client is gone
MAX_PROGRESS_TIMEOUT = 60.0
MAX_PREFETCH_WINDOW = 1 << 16  # bytes: a larger window is not built before it is needed
PREFETCH_BYTES = 24 << 10  # that are built at once, where the windows are small


class Transfer:
    """Sends `content` block by block; block 0 is the OACK, if there is one.

    Times are seconds of a monotonic clock. Each method returns the packets to send now; `deadline` is when
    `retransmit` is due. The retransmission timeout follows RFC 6298: from the measured round trip, longer for
    each retransmission, and kept so until a packet that was sent once is answered (Karn). Else a busy machine
    would send everything twice for ever.
    """

    def __init__(self, content: Content, terms: NegotiatedOptions, now: float) -> None:
        self._content = content
        self._terms = terms
        self._last = content.size // terms.block + 1  # the last block is short, perhaps empty
        self._before_first = self._acknowledged = -1 if terms.accepted else 0
        self._first_repeats = 0  # how often our first packet was sent again by the timer
        self._sent = self._highest = self._acknowledged
        self.retransmits = 0  # packets that were sent more than once
        self._srtt = 0.0
        self._rttvar = 0.0
        self._rto = INITIAL_RTO
        self._retransmitted = False
        self._backed_off = False  # the wait was lengthened since the last measurement
        self._sent_at = self._progress_at = now
        self._progress_timeout = min(max(PROGRESS_TIMEOUT, 3.0 * terms.timeout), MAX_PROGRESS_TIMEOUT)
        self.deadline = now

    @property
    def done(self) -> bool:
        """Whether the last block has been acknowledged."""
        return self._acknowledged >= self._last

    @property
    def all_sent(self) -> bool:
        """Nothing but the last acknowledgement is missing; many clients leave without it."""
        return self._sent >= self._last

    @property
    def started(self) -> bool:
        """Whether the client has answered our first packet."""
        return self._acknowledged > self._before_first

    def is_fresh(self, now: float) -> bool:
        """Whether the request that began this may be under way a second time, and mean no other transfer."""
        return not self.started or now - self._progress_at < RESTART_AFTER

    @property
    def acknowledged_bytes(self) -> int:
        """Bytes that the client has acknowledged."""
        return min(max(self._acknowledged, 0) * self._terms.block, self._content.size)

    def begin(self, now: float) -> list[bytes]:
        """The first packets to send: the OACK (RFC 2347), else the first window (RFC 7440)."""
        return self._send(now)

    def acknowledge(self, block: int, now: float) -> list[bytes]:
        """The client has everything up to `block` (16 bits; read relative to what is under way)."""
        step = (block - self._acknowledged) & 0xFFFF
        if step > self._sent - self._acknowledged:
            return []  # of an earlier window
        if step == 0:
            # answering a repeated ACK doubles every later packet (RFC 1123, 4.2.3.1). In a window it says
            # that the first block is missing (RFC 7440, 4): answer that once.
            if self._terms.window == 1 or self._retransmitted:
                return []
            self._retransmitted = True
            return self._send(now)
        self._update_rto(now)
        self._acknowledged += step
        self._progress_at = now
        self._retransmitted = self._acknowledged < self._sent  # a hole: what follows is sent a second time
        return [] if self.done else self._send(now)

    def retransmit(self, now: float) -> list[bytes] | None:
        """The deadline has passed: the window again; None when the client is given up.

        Our first packet is sent again FIRST_REPEATS times only: whoever sent the request with a forged
        address would have us send much to that address for little.
        """
        if now >= self._progress_at + self._progress_timeout:  # as `deadline` has it, rounding included
            return None
        if not self.started:
            if self._first_repeats == FIRST_REPEATS:
                self.deadline = self._progress_at + self._progress_timeout
                return []
            self._first_repeats += 1
        self._rto = min(BACKOFF * self._rto, MAX_RTO)
        self._backed_off = True
        self._retransmitted = True
        return self._send(now)

    def answer_again(self, now: float) -> list[bytes]:
        """The request came once more: our first packet, where the timer sends it no more."""
        if self.started or self._first_repeats < FIRST_REPEATS:
            return []
        self._retransmitted = True
        return self._send(now)

    def _send(self, now: float) -> list[bytes]:
        first = self._acknowledged + 1
        is_new = self._acknowledged == self._highest
        self._sent = min(self._acknowledged + (self._terms.window if first else 1), self._last)
        self._sent_at = now
        if not is_new:
            self.retransmits += max(0, min(self._highest, self._sent) - self._acknowledged)
        self._highest = max(self._highest, self._sent)
        self.deadline = min(now + self._rto, self._progress_at + self._progress_timeout)
        return self._packets(first, self._sent)

    def prefetch(self) -> list[tuple[bytes, list[bytes]]]:
        """The ACKs that are expected next, as datagrams, each with the packets that answer it.

        So an answer can leave before anything is computed: it was read while the client was busy.
        """
        window, size = self._terms.window, self._terms.window * self._terms.block
        if self._sent != self._highest or size > MAX_PREFETCH_WINDOW:
            return []
        first = self._sent + 1
        last = min(self._sent + window * max(1, PREFETCH_BYTES // size), self._last)
        packets = self._packets(first, last)
        return [
            (build_ack(number - 1), packets[number - first : number - first + window])
            for number in range(first, last + 1, window)
        ]

    def acknowledge_expected(self, now: float, *, timed: bool) -> None:
        """The expected ACK has come and its prefetched packets have left; does what `acknowledge` does.

        `timed`: this ACK gives a sample of the round trip (RFC 6298, 3).
        """
        if timed or self._backed_off:
            self._update_rto(now)
        self._acknowledged = self._sent
        self._sent = self._highest = min(self._sent + self._terms.window, self._last)
        self._retransmitted = False
        self._sent_at = self._progress_at = now
        self.deadline = now + self._rto

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

    def _update_rto(self, now: float) -> None:
        """RFC 6298, 2; by Karn's rule (3) the answer to a packet that was sent twice is no sample."""
        if self._retransmitted:
            return
        self._backed_off = False
        sample = max(now - self._sent_at, 1e-6)
        if not self._srtt:
            self._srtt, self._rttvar = sample, sample / 2
        else:
            self._rttvar += (abs(self._srtt - sample) - self._rttvar) / 4
            self._srtt += (sample - self._srtt) / 8
        self._rto = min(max(MIN_RTO, self._srtt + 4 * self._rttvar), MAX_RTO)
