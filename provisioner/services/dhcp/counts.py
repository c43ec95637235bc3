"""The numbers of the DHCP service: counted in a plain dictionary, shown as every service's are."""

from collections import Counter
from collections.abc import Callable

from provisioner.state.counters import Counters

# what is counted here → the metric, and its label; None where there is one series only
METRICS = {
    "request": ("provision_requests_total", "kind"),
    "answer": ("provision_answers_total", "kind"),
    "refusal": ("provision_refusals_total", "reason"),
    "bad": ("provision_bad_packets_total", None),
}


class Counts:
    """`tally[family, what]` is how often; whoever adds is the loop's own thread."""

    def __init__(self, servers: Callable[[], int]) -> None:
        """`servers()` are the other DHCP servers that are heard now."""
        self.all = Counters("dhcp")
        self.tally: Counter[tuple[str, str]] = Counter()
        self.latency = self.all.histogram("provision_latency_seconds")
        self._servers = servers

    def add(self, family: str, what: str) -> None:
        """Count one thing that has happened; `family` is one of METRICS."""
        self.tally[family, what] += 1

    def show(self) -> None:
        """Bring the metrics up to date; called before they are written."""
        totals: Counter[tuple[str, str]] = Counter()
        for (family, what), count in list(self.tally.items()):
            name, label = METRICS[family]
            totals[name, what if label else ""] += count
            if label:
                self.all.number(name, **{label: what}).set(count)
        self.all.number("provision_bad_packets_total").set(totals["provision_bad_packets_total", ""])
        self.all.number("provision_foreign_dhcp_servers").set(self._servers())
