"""The metrics of the TFTP service."""

from provisioner.services.tftp.packet import TransferRequest
from provisioner.state.counters import MetricsRegistry


class TftpMetrics:
    """The series of the loop; those of its hot path are looked up once."""

    def __init__(self, registry: MetricsRegistry | None = None) -> None:
        self.registry = registry or MetricsRegistry("tftp")
        self.bad_packets = self.registry.scalar("provision_bad_packets_total")
        self.sessions = self.registry.scalar("provision_sessions")
        self._kinds = {
            write: self.registry.scalar("provision_requests_total", kind="write" if write else "read")
            for write in (False, True)
        }
        self._answers = self.registry.scalar("provision_answers_total", kind="transfer")
        self._latency = self.registry.histogram("provision_latency_seconds")
        self._seconds = self.registry.histogram("provision_transfer_seconds")
        self._bytes = self.registry.scalar("provision_sent_bytes_total")
        self._retransmits = self.registry.scalar("provision_retransmits_total")

    def requested(self, request: TransferRequest) -> None:
        """Count a request that could be read."""
        self._kinds[request.write].inc()

    def refused(self, reason: str) -> None:
        """By one of the few reasons of policy and loop."""
        self.registry.scalar("provision_refusals_total", reason=reason).inc()

    def answered(self, seconds: float) -> None:
        """Count a transfer whose first packet was sent."""
        self._answers.inc()
        self._latency.observe(seconds)

    def ended(self, result: str, seconds: float, acknowledged_bytes: int, retransmits: int) -> None:
        """A transfer is over; `result` as the loop tells it."""
        self.registry.scalar("provision_transfers_total", result=result.partition(":")[0]).inc()
        self._seconds.observe(seconds)
        self._bytes.inc(acknowledged_bytes)
        self._retransmits.inc(retransmits)
