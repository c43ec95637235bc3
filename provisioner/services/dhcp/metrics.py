"""The metrics of the DHCP service: counted in a plain dictionary, which costs the hot path least."""

from collections import Counter
from collections.abc import Callable

from provisioner.state.counters import MetricsRegistry

# what is counted here → the metric, and its label; None where there is one series only
FAMILY_LABELS = {
    "request": ("provision_requests_total", "kind"),
    "answer": ("provision_answers_total", "kind"),
    "refusal": ("provision_refusals_total", "reason"),
    "bad": ("provision_bad_packets_total", None),
}


class DhcpMetrics:
    """`tally[family, what]` is how often; whoever adds is the loop's own thread."""

    def __init__(self, servers: Callable[[], int]) -> None:
        """`servers()` are the other DHCP servers that are heard now."""
        self.registry = MetricsRegistry("dhcp")
        self.tally: Counter[tuple[str, str]] = Counter()
        self.latency = self.registry.histogram("provision_latency_seconds")
        self._servers = servers

    def count(self, family: str, what: str) -> None:
        """Count one thing that has happened; `family` is one of FAMILY_LABELS."""
        self.tally[family, what] += 1

    def update(self) -> None:
        """Bring the metrics up to date; called before they are written."""
        totals: Counter[tuple[str, str]] = Counter()
        for (family, what), number in list(self.tally.items()):
            name, label = FAMILY_LABELS[family]
            totals[name, what if label else ""] += number
            if label:
                self.registry.scalar(name, **{label: what}).set(number)
        self.registry.scalar("provision_bad_packets_total").set(totals["provision_bad_packets_total", ""])
        self.registry.scalar("provision_foreign_dhcp_servers").set(self._servers())
