"""What a watch comes to: extremes, bits that were set, counters that grew; and when it says stop."""

import time
from dataclasses import dataclass, field
from typing import Any

RAMP = 3.0  # seconds of work until a link that saved power has its generation back
FRESH = 1.0  # seconds for which a sign of work counts
HARDWARE_HEAT = 0x40  # nvmlClocksEventReasonHwThermalSlowdown


@dataclass
class Watch:
    """Takes one GPU's samples, and signs that it is at work."""

    bus: str
    temperature: int | None = None
    power: float | None = None
    throttle: int | None = None
    generation: int | None = None
    width: int | None = None
    threshold: int | None = None
    samples: int = 0
    heard: float = field(default_factory=time.monotonic)
    _begun: float | None = None  # the first sign of work, and the last
    _worked: float = 0
    _counters: dict[str, tuple[int, int]] = field(default_factory=dict)  # first, last

    def work(self) -> None:
        """Its process has just had a result of it; called often, while it is loaded."""
        self._worked = time.monotonic()
        self._begun = self._begun or self._worked

    @property
    def is_loaded(self) -> bool:
        now = time.monotonic()
        return self._begun is not None and now - self._begun > RAMP and now - self._worked <= FRESH

    def take(self, message: dict[str, Any]) -> str:
        """Take a line of the watching process; not empty: why everything has to stop."""
        self.heard = time.monotonic()
        if "threshold" in message:
            self.threshold = message["threshold"]
            return ""
        sample = message.get("sample") or {}
        if "lost" in sample:
            return f"GPU {self.bus} is lost ({sample['lost']})"
        if "fault" in sample and self.samples:
            return f"GPU {self.bus} no longer answers NVML ({sample['fault']})"
        self.samples += "fault" not in sample
        self._extremes(sample)
        return self._heat(sample)

    def _extremes(self, sample: dict[str, Any]) -> None:
        for name, kept, better in (
            ("temperature", self.temperature, max),
            ("power", self.power, max),
            ("width", self.width, min),
        ):
            if sample.get(name) is not None:
                setattr(self, name, sample[name] if kept is None else better(kept, sample[name]))
        if sample.get("throttle") is not None:
            self.throttle = (self.throttle or 0) | sample["throttle"]
        for name in ("ecc", "replays"):
            if sample.get(name) is not None:
                first = self._counters.get(name, (sample[name], 0))[0]
                self._counters[name] = (first, sample[name])
        if self.is_loaded and sample.get("generation") is not None:
            known = self.generation
            self.generation = sample["generation"] if known is None else min(known, sample["generation"])

    def _heat(self, sample: dict[str, Any]) -> str:
        heat = sample.get("temperature")
        if self.threshold and heat is not None and heat >= self.threshold:
            return f"GPU {self.bus} has {heat} °C, it slows itself down at {self.threshold} °C"
        if not self.threshold and (sample.get("throttle") or 0) & HARDWARE_HEAT:
            return f"GPU {self.bus} is so hot that its hardware slows it down"
        return ""

    def _grown(self, name: str) -> int | None:
        first, last = self._counters.get(name, (None, None))
        return None if first is None or last is None else last - first

    def as_data(self) -> dict[str, Any]:
        """`watch` of the report; None is what was not told."""
        return {
            "temperature_max": self.temperature,
            "power_max": self.power,
            "throttle": self.throttle,
            "ecc_uncorrected": self._grown("ecc"),
            "replays": self._grown("replays"),
            "pcie_generation_min_under_load": self.generation,
            "pcie_width_min": self.width,
            "samples": self.samples,
        }
