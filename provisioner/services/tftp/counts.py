"""What TFTP counts."""

from provisioner.services.tftp.packet import Request
from provisioner.state.counters import Counters


class Counts:
    """The numbers of the loop; the series of its hot path are looked up once."""

    def __init__(self, counters: Counters | None = None) -> None:
        self.all = counters or Counters("tftp")
        self.bad = self.all.number("provision_bad_packets_total")
        self.sessions = self.all.number("provision_sessions")
        self._kinds = {
            write: self.all.number("provision_requests_total", kind="write" if write else "read")
            for write in (False, True)
        }
        self._answers = self.all.number("provision_answers_total", kind="transfer")
        self._latency = self.all.histogram("provision_latency_seconds")
        self._seconds = self.all.histogram("provision_transfer_seconds")
        self._bytes = self.all.number("provision_sent_bytes_total")
        self._resent = self.all.number("provision_retransmits_total")

    def asked(self, request: Request) -> None:
        """A request that could be read."""
        self._kinds[request.write].add()

    def refused(self, reason: str) -> None:
        """By one of the few reasons of policy and loop."""
        self.all.number("provision_refusals_total", reason=reason).add()

    def answered(self, seconds: float) -> None:
        """The first packet has left."""
        self._answers.add()
        self._latency.observe(seconds)

    def ended(self, result: str, seconds: float, arrived: int, resent: int) -> None:
        """A transfer is over; `result` as the loop tells it."""
        self.all.number("provision_transfers_total", result=result.partition(":")[0]).add()
        self._seconds.observe(seconds)
        self._bytes.add(arrived)
        self._resent.add(resent)
