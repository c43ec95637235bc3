"""Compares a host's report with its last one, and with those of its siblings of the same profile. No I/O.

Identical machines measure alike: who does not is named, with the number and the siblings' median. How far
apart is much is told by the median absolute deviation (MAD), and never less than a share of the median, so
that siblings which agree to the digit make nobody an outlier.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from pydantic import JsonValue

from provisioner.domain.acceptance import AcceptanceReport, Baseline, CheckResult, GpuSubject, Status

FEWEST = 3  # siblings: fewer make no median that means anything
SCALE = 1.4826  # a MAD times this is the standard deviation, where values are normally distributed
FAR = 6.0  # such deviations
SLOWER = 0.10  # than the last time


@dataclass(frozen=True)
class Measure:
    """A kind of number: what is bad of it, and how much of a difference counts, as a share or in `unit`."""

    words: str
    unit: str
    bad: Literal["low", "high"]
    share: float = 0
    least: float = 0


MEASURES: Mapping[str, Measure] = {
    "h2d": Measure("copies from the host", "GB/s", "low", SLOWER),
    "d2h": Measure("copies to the host", "GB/s", "low", SLOWER),
    "d2d": Measure("copies within its memory", "GB/s", "low", SLOWER),
    "matmul-fp32": Measure("matrices in fp32", "TFLOPS", "low", SLOWER),
    "matmul-fp16": Measure("matrices in fp16", "TFLOPS", "low", SLOWER),
    "matmul-bf16": Measure("matrices in bf16", "TFLOPS", "low", SLOWER),
    "temperature_max": Measure("temperature under load", "°C", "high", least=8),
    "pcie_generation_min_under_load": Measure("PCIe generation under load", "", "low", least=0.5),
    "pcie_width_min": Measure("PCIe lanes under load", "", "low", least=0.5),
    "nccl": Measure("exchange between the GPUs", "GB/s", "low", SLOWER),
    "write": Measure("writing of the disk", "GB/s", "low", 0.15),
    "stage": Measure("stage", "s", "high", 0.5, 30),
}
COUNTERS = {
    "ecc_volatile_corrected": "corrected memory errors",
    "ecc_aggregate_uncorrected": "memory errors that ECC could not correct",
    "remapped_corrected": "rows remapped after corrected errors",
    "remapped_uncorrected": "rows remapped after errors that ECC could not correct",
    "retired_pages": "retired pages",
    "replays": "PCIe replays",
}


@dataclass(frozen=True)
class Twin:
    """A host as it is compared.

    `values` is (kind of MEASURES, of what) → number; `firmware` is part → the versions that it has.
    """

    name: str
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)
    firmware: Mapping[str, frozenset[str]] = field(default_factory=dict)


def twin_of(
    report: AcceptanceReport, *, write_rate: float | None = None, stages: Mapping[str, float] | None = None
) -> Twin:
    """What of a report is compared; its disk's rate in GB/s and its deployment's seconds are told beside."""
    values = {key: value for gpu in report.gpus for key, value in _of_gpu(gpu)}
    nccl = [check.observed for check in report.checks if check.id == "nccl.bandwidth"]
    if nccl and isinstance(nccl[0], int | float):
        values["nccl", ""] = float(nccl[0])
    if write_rate is not None:
        values["write", ""] = write_rate
    values |= {("stage", name): seconds for name, seconds in (stages or {}).items()}
    firmware: dict[str, frozenset[str]] = {}
    for one in report.host.firmware:
        place = _place(one.part, one.place)
        firmware[place] = firmware.get(place, frozenset()) | {one.version}
    return Twin(report.subject.name, values, firmware)


def _of_gpu(gpu: GpuSubject) -> Iterator[tuple[tuple[str, str], float]]:
    place = f"GPU {gpu.pci_bus_id}"
    for one in gpu.measured:
        if one.name in MEASURES:
            yield (one.name, place), one.value
    for name, value in gpu.after.items():
        if name in MEASURES and isinstance(value, int | float):
            yield (name, place), float(value)


def _place(part: str, place: str) -> str:
    """A disk's place is its serial, which no sibling has: its kind alone is compared."""
    return part if part == "nvme" else f"{part} {place}".strip()


def outliers(own: Twin, siblings: Sequence[Twin]) -> tuple[str, ...]:
    """What of a host is worse than of its siblings, a sentence each; of fewer than three nothing is said."""
    if len(siblings) < FEWEST:
        return ()
    return (*outlying(own, siblings).values(), *filter(None, _drifts(own, siblings)))


def outlying(own: Twin, siblings: Sequence[Twin]) -> dict[tuple[str, str], str]:
    """The numbers of a host that are worse than its siblings', by their keys, a sentence of each."""
    found = {key: _outlier(own, key, siblings) for key in own.values}
    return {key: sentence for key, sentence in found.items() if sentence}


def _outlier(own: Twin, key: tuple[str, str], siblings: Sequence[Twin]) -> str:
    """At the same place: a GPU at the back of a chassis is warmer than one at the front, in each of them."""
    others = [twin.values[key] for twin in siblings if key in twin.values]
    if len(others) < FEWEST:
        return ""
    kind, what = key
    measure, value, middle = MEASURES[kind], own.values[key], median(others)
    worse = middle - value if measure.bad == "low" else value - middle
    spread = SCALE * median(abs(other - middle) for other in others)
    if worse <= max(FAR * spread, measure.share * abs(middle), measure.least):
        return ""
    return (
        f"{_subject(own.name, what)}: {measure.words} {_number(value, measure)}, "
        f"its {len(others)} siblings {_number(middle, measure)}"
    )


def _subject(name: str, what: str) -> str:
    return f"{name}, {what}" if what else name


def _number(value: float, measure: Measure) -> str:
    return f"{value:.4g} {measure.unit}".rstrip()


def _drifts(own: Twin, siblings: Sequence[Twin]) -> Iterator[str]:
    """Firmware that none of the siblings has, where most of them agree."""
    for part, versions in own.firmware.items():
        others = [twin.firmware[part] for twin in siblings if part in twin.firmware]
        usual = max(set(others), key=lambda each: (others.count(each), sorted(each)), default=frozenset())
        if len(others) < FEWEST or others.count(usual) * 2 <= len(others):
            continue
        for version in sorted(versions.difference(*others)):
            words = " and ".join(sorted(usual))
            yield f"{own.name}: {part} has firmware {version}, its {len(others)} siblings {words}"


def regressions(now: AcceptanceReport, last: AcceptanceReport) -> tuple[str, ...]:
    """What is worse than in the host's last report, a sentence each."""
    before = {gpu.pci_bus_id: gpu for gpu in last.gpus}
    found = [*_worse_checks(now, last)]
    for gpu in now.gpus:
        if old := before.get(gpu.pci_bus_id):
            found += _worse_gpu(gpu, old)
    found += [f"GPU {bus} is gone" for bus in before if bus not in {gpu.pci_bus_id for gpu in now.gpus}]
    return (*found, *_changed_firmware(now, last))


def _worst(checks: Sequence[CheckResult]) -> dict[str, CheckResult]:
    """Of each check the first result that is no pass, else a pass."""
    found: dict[str, CheckResult] = {}
    for check in checks:
        if check.id not in found or found[check.id].status is Status.PASS:
            found[check.id] = check
    return found


def _worse_checks(now: AcceptanceReport, last: AcceptanceReport) -> Iterator[str]:
    before = _worst(last.checks)
    for name, check in _worst(now.checks).items():
        was_good = name in before and before[name].status is Status.PASS
        if was_good and check.status in (Status.WARN, Status.FAIL, Status.ERROR):
            yield f"{name} passed the last time: {check.reason}"


def _worse_gpu(gpu: GpuSubject, old: GpuSubject) -> Iterator[str]:
    place = f"GPU {gpu.pci_bus_id}"
    for word, was, is_now in (("serial", old.serial, gpu.serial), ("VBIOS", old.vbios, gpu.vbios)):
        if was and is_now and was != is_now:
            yield f"{place}: its {word} was {was}, it is {is_now}"
    if old.serial and gpu.serial and old.serial != gpu.serial:
        return  # another GPU: its numbers are no history of this one
    for name, words in COUNTERS.items():
        was_count, count = _count(old, name), _count(gpu, name)
        if isinstance(was_count, int) and isinstance(count, int) and count > was_count:
            yield f"{place}: {count} {words}, {was_count} the last time"
    yield from _slower(place, dict(_of_gpu(gpu)), dict(_of_gpu(old)))


def _count(gpu: GpuSubject, name: str) -> JsonValue:
    """The counter as it was read last; under load replays are those of the burn-in alone."""
    return gpu.before.get(name) if name == "replays" else gpu.after.get(name, gpu.before.get(name))


def _slower(
    place: str, now: Mapping[tuple[str, str], float], old: Mapping[tuple[str, str], float]
) -> Iterator[str]:
    for key, value in now.items():
        measure, was = MEASURES[key[0]], old.get(key)
        if was is None:
            continue
        worse = was - value if measure.bad == "low" else value - was
        if worse > max(measure.share * abs(was), measure.least):
            yield f"{place}: {measure.words} {_number(value, measure)}, {_number(was, measure)} the last time"


def _changed_firmware(now: AcceptanceReport, last: AcceptanceReport) -> Iterator[str]:
    before = {(one.part, one.place): one.version for one in last.host.firmware}
    for one in now.host.firmware:
        if one.part == "vbios":
            continue  # it is told of its GPU
        was = before.get((one.part, one.place), one.version)
        if was != one.version:
            yield f"{f'{one.part} {one.place}'.strip()}: its firmware was {was}, it is {one.version}"


def compare(
    now: AcceptanceReport, last: AcceptanceReport | None, own: Twin, siblings: Sequence[Twin]
) -> Baseline:
    """Both comparisons as a report has them; `own` is the host itself, as `twin_of` gives it."""
    return Baseline(
        report_id=last.report_id if last else "",
        regressions=regressions(now, last) if last else (),
        siblings=len(siblings),
        outliers=outliers(own, siblings),
    )
