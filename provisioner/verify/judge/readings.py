"""Readings that no hardware can have: a broken sensor's, or all bits set. They are no measurement."""

from collections.abc import Callable, Mapping

WARMEST = 150  # °C; GPUs switch themselves off far below
WIDTHS = (1, 2, 4, 8, 12, 16, 32)  # lanes (PCI Express Base Specification); Linux reads 63 of what is gone
GENERATIONS = range(1, 9)
MOST_MEMORY = 1 << 44  # bytes; far above any GPU of today
MOST_RATE = {"GB/s": 1e5, "TFLOPS": 1e6}  # likewise; what nobody waited for ends in a nanosecond


def _is_warm(value: float) -> bool:
    return 0 < value <= WARMEST


# by the names of NvmlGpu, PcieFunction and LoadWatch
POSSIBLE: Mapping[str, Callable[[float], bool]] = {
    "temperature": _is_warm,
    "temperature_slowdown": _is_warm,
    "temperature_max": _is_warm,
    "memory": lambda value: value <= MOST_MEMORY,
    "width": WIDTHS.__contains__,
    "pcie_width_min": WIDTHS.__contains__,
    "pcie_generation_min_under_load": GENERATIONS.__contains__,
}


def is_possible(field: str, value: object) -> bool:
    """Whether a value of this name can be; what is not told, and what is no number, can."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return field not in POSSIBLE or POSSIBLE[field](value)


def is_possible_rate(value: float | None, unit: str) -> bool:
    """Whether anything can be so fast, or so slow; what was not measured can."""
    return value is None or unit not in MOST_RATE or 0 < value <= MOST_RATE[unit]
