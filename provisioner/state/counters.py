"""Metrics of the services: counted in memory, written every few seconds, joined for Prometheus to read.

A label's value is one of a few words of ours, never a name or an address that came in a packet: whoever is on
the LAN could otherwise fill our memory. The text is Prometheus'
format 0.0.4. Why prometheus_client does not do this: docs/decisions/2026-11-28-metrics.md.
"""

import contextlib
import logging
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

log = logging.getLogger(__name__)
PERIOD = 5.0  # seconds between two writings
STALE = 6 * PERIOD  # seconds after which a file is that of a service that has ended
MAX_FILE_BYTES = 1 << 20
LATENCY_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
TRANSFER_BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
LabelSet = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class MetricFamily:
    """A metric: what it counts, in words; `bounds` (seconds) where it is a histogram."""

    kind: str
    help: str
    bounds: tuple[float, ...] = ()


FAMILIES = {
    "provision_requests_total": MetricFamily("counter", "What clients asked, by kind."),
    "provision_answers_total": MetricFamily("counter", "What they were answered, by kind, refusals apart."),
    "provision_refusals_total": MetricFamily("counter", "What was refused or not answered, by reason."),
    "provision_bad_packets_total": MetricFamily("counter", "Datagrams and messages that could not be read."),
    "provision_retransmits_total": MetricFamily("counter", "Packets that were sent again."),
    "provision_sent_bytes_total": MetricFamily("counter", "Bytes of content that clients took."),
    "provision_sessions": MetricFamily("gauge", "Transfers or connections that are open now."),
    "provision_transfers_total": MetricFamily("counter", "Transfers that have ended, by result."),
    "provision_foreign_dhcp_servers": MetricFamily("gauge", "DHCP servers that are heard and are not ours."),
    "provision_latency_seconds": MetricFamily(
        "histogram", "From a request to its answer's first packet.", LATENCY_BOUNDS
    ),
    "provision_transfer_seconds": MetricFamily(
        "histogram", "From a request to the end of its transfer.", TRANSFER_BOUNDS
    ),
    "provision_settings_reloads_total": MetricFamily("counter", "Times that the settings were read again."),
    "provision_deployments": MetricFamily("gauge", "Deployments that are under way, by stage."),
    "provision_deployments_ended_total": MetricFamily("counter", "Deployments that have ended, by result."),
    "provision_webhook_tries_total": MetricFamily("counter", "What receivers were told, by result."),
    "provision_state_free_bytes": MetricFamily("gauge", "Room on the disk of the state folder."),
    "provision_written_timestamp_seconds": MetricFamily("gauge", "When the service last wrote its numbers."),
    "provision_service_up": MetricFamily(
        "gauge", "1 while the service goes on, 0 when it has stopped."
    ),
}  # fmt: skip


class ScalarMetric:
    """One series; any thread may add to it."""

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self.value: float = 0
        self._lock = threading.Lock()

    def inc(self, amount: float = 1) -> None:
        """Add to a counter or a gauge."""
        with self._lock:
            self.value += amount

    def set(self, value: float) -> None:
        """Set a gauge, or a counter that is counted elsewhere."""
        self.value = value


class Histogram:
    """Counts durations (seconds) by upper bound, as Prometheus histograms do."""

    __slots__ = ("_lock", "bounds", "buckets", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        with self._lock:
            self.buckets[bisect_left(self.bounds, seconds)] += 1
            self.sum += seconds

    @property
    def count(self) -> int:
        """How many durations were observed."""
        return sum(self.buckets)


class MetricsRegistry:
    """The numbers of one service. Ask for a series once and keep it: the hot path then only adds."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._series: dict[str, dict[LabelSet, ScalarMetric | Histogram]] = {}
        self._lock = threading.Lock()

    def scalar(self, name: str, **labels: str) -> ScalarMetric:
        """The counter or gauge of a name in FAMILIES (KeyError for others) with these labels."""
        if FAMILIES[name].kind == "histogram":
            raise TypeError(f"{name} is a histogram")
        return cast(ScalarMetric, self._find(name, labels, ScalarMetric))  # one family has one kind

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The same for durations in seconds."""
        family = FAMILIES[name]
        if family.kind != "histogram":
            raise TypeError(f"{name} is a {family.kind}")
        return cast(Histogram, self._find(name, labels, lambda: Histogram(family.bounds)))

    def _find(
        self, name: str, labels: dict[str, str], make: Callable[[], ScalarMetric | Histogram]
    ) -> ScalarMetric | Histogram:
        key = (("service", self.service), *sorted(labels.items()))
        with self._lock:
            family = self._series.setdefault(name, {})
            if key not in family:
                family[key] = make()
            return family[key]

    def exposition(self) -> str:
        """All series in Prometheus' text format 0.0.4; empty where nothing was counted."""
        with self._lock:
            shown = {name: dict(family) for name, family in self._series.items()}
        lines: list[str] = []
        for name, family in shown.items():
            lines += _header(name)
            for key, metric in family.items():
                lines += _samples(name, key, metric)
        return "\n".join(lines) + "\n" if lines else ""


def _header(name: str) -> list[str]:
    family = FAMILIES[name]
    return [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]


def _samples(name: str, key: LabelSet, metric: ScalarMetric | Histogram) -> list[str]:
    if isinstance(metric, ScalarMetric):
        return [f"{name}{_labels(key)} {_format_value(metric.value)}"]
    lines, total = [], 0
    buckets = list(metric.buckets)  # it may go on counting meanwhile; the sum of these is what holds
    for bound, count in zip((*map(str, metric.bounds), "+Inf"), buckets, strict=True):
        total += count
        lines.append(f"{name}_bucket{_labels((*key, ('le', bound)))} {total}")
    return [
        *lines,
        f"{name}_sum{_labels(key)} {_format_value(metric.sum)}",
        f"{name}_count{_labels(key)} {total}",
    ]


def _labels(key: LabelSet) -> str:
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in key) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _format_value(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def folder(state: Path) -> Path:
    """The folder of the services' metric files."""
    return state / "run"


class MetricsWriter:
    """Writes the numbers of one service every PERIOD seconds, from a thread of its own.

    `update()` is called first: the place to set gauges. A disk that is full is said once, and tried again.
    """

    def __init__(
        self,
        registry: MetricsRegistry,
        state: Path,
        update: Callable[[], None] = lambda: None,
        period: float = PERIOD,
    ) -> None:
        self._registry = registry
        self._path = folder(state) / f"{registry.service}.metrics"
        self._update = update
        self._period = period
        self._end = threading.Event()
        self._failed = ""
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> Self:
        """Write the file now, and then periodically from a thread."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Write a last time and end the thread."""
        self._end.set()
        self._thread.join(self._period)

    def _run(self) -> None:
        while True:
            self.write()
            if self._end.wait(self._period):
                self.write()
                return

    def write(self) -> None:
        """Write now; no error leaves this method. Without room the numbers of before stay."""
        fresh = self._path.with_suffix(".new")
        try:
            self._update()
            self._registry.scalar("provision_written_timestamp_seconds").set(round(time.time(), 1))
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            fresh.write_text(self._registry.exposition())
            os.replace(fresh, self._path)  # noqa: PTH105  whoever reads sees all of it or the one before
            self._failed = ""
        except Exception as fault:
            if self._failed != str(fault):
                log.warning("the numbers could not be written to %s: %s", self._path, fault)
            self._failed = str(fault)
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
                self._path.touch()  # we are up, and a time needs no room


def collect(state: Path, expected: Iterable[str], own: MetricsRegistry, now: float | None = None) -> str:
    """One text from all services' files and from `own`; who of the `expected` no longer writes is down."""
    now_seconds = time.time() if now is None else now
    texts, up = [own.exposition()], dict.fromkeys(expected, 0) | {own.service: 1}
    for path in sorted(folder(state).glob("*.metrics")):
        if path.stem == own.service:
            continue  # what we know of ourselves is newer
        with contextlib.suppress(OSError, UnicodeDecodeError):
            info = path.stat()
            if now_seconds - info.st_mtime <= STALE and info.st_size <= MAX_FILE_BYTES:
                texts.append(path.read_text())
                up[path.stem] = 1
    name = "provision_service_up"
    lines = [f"{name}{_labels((('service', service),))} {value}" for service, value in up.items()]
    return merge([*texts, "\n".join([*_header(name), *lines])])


def merge(texts: Iterable[str]) -> str:
    """The samples of one family stand together, as the format asks; unknown families are left out."""
    families: dict[str, list[str]] = {}
    for exposition in texts:
        lines: list[str] = []
        for line in exposition.splitlines():
            if line.startswith("# TYPE "):
                lines = families.setdefault(line.split()[2], [])
            elif line and not line.startswith("#"):
                lines.append(line)
    known = [name for name in FAMILIES if families.get(name)]
    return "".join("\n".join([*_header(name), *families[name]]) + "\n" for name in known)
