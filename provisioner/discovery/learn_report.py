"""Makes of an accepted report what a profile demands of GPUs: what they are, and with a margin how they do.

What a machine *is* must be so again: ids, counts, lanes, modes, NVLinks, VBIOS, firmware. What was *measured*
becomes a limit by the margins below, which docs/gpu-acceptance.md names: they are those by which a report is
compared with the host's last one, so that what is told as a regression there is a fault here.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from provisioner.domain.acceptance import AcceptanceReport, GpuSubject
from provisioner.domain.profile import Profile
from provisioner.errors import RefusedError

ACCEPTED = ("accepted", "accepted_with_warnings")
RATE_SHARE = 0.9  # of the slowest GPU's rate
DEGREES = 8.0  # °C above the warmest GPU
COUNT_FACTOR, LEAST_COUNT = 2, 10  # of counters: twice the highest, and that much is nothing at all
DIGITS = 3  # of a limit that is a rate; it is rounded down
RATES = ("h2d", "d2h", "d2d")
MATMULS = ("fp32", "fp16", "bf16")
COUNTERS = {"replays_max": "replays", "ecc_corrected_max": "ecc_volatile_corrected"}  # limit → what is told
PARTS = ("bios", "bmc", "nic", "nvme")


def profile(report: AcceptanceReport, base: Profile) -> Profile:
    """`base` with what the report tells of GPUs, firmware and limits in place of its own.

    What a report does not tell is left out, and so not checked. A GPU kind's name is kept where it is in
    `base`. Raises RefusedError (PV-574): the report was not accepted, or has no GPU that can be named.
    """
    if report.verdict.status not in ACCEPTED:
        verdict = report.verdict.status.replace("_", " ")
        raise RefusedError(
            f"the report {report.report_id} of {report.subject.name} is {verdict}: it teaches nothing",
            hint=f"provision certificate list {report.subject.name} shows others",
            code=574,
        )
    kinds: dict[str, list[GpuSubject]] = defaultdict(list)
    for gpu in report.gpus:
        kinds[gpu.pci_id].append(gpu)
    if not teaches(report):
        raise RefusedError(
            f"the report {report.report_id} names no GPUs by their PCI ids, or no driver",
            hint=f"verify it anew: provision verify {report.subject.name} --key FILE",
            code=574,
        )
    names = {gpu.id: gpu.name for gpu in base.gpus}
    learned = {
        "gpu_driver": _driver(report),
        "gpus": [_kind(ident, gpus, names.get(ident, "")) for ident, gpus in sorted(kinds.items())],
        "firmware": _firmware(report),
        "acceptance": {
            **base.acceptance.model_dump(exclude_unset=True),
            "level": report.level,
            "limits": _limits(report),
        },
    }
    return Profile.model_validate({**base.model_dump(exclude_unset=True), **learned})


def teaches(report: AcceptanceReport) -> bool:
    """Whether it names GPUs by their PCI ids, and the driver; an older release's does not."""
    return bool(report.gpus) and all(gpu.pci_id for gpu in report.gpus) and bool(_driver(report))


def _driver(report: AcceptanceReport) -> str:
    """The driver's branch, `580`; empty where it was not told."""
    return report.stack.get("driver", "").partition(".")[0]


def _kind(ident: str, gpus: Sequence[GpuSubject], name: str) -> dict[str, object]:
    """One kind of GPU, with what all of them share; a mode in which they differ is not demanded."""
    before = [gpu.before for gpu in gpus]
    found: dict[str, object] = {
        "id": ident,
        "count": len(gpus),
        "name": name,
        "memory_min": min((gpu.memory_bytes or 0) for gpu in gpus),
        "link_width": _least(one.get("width") for one in before),
        "link_generation": _least(gpu.after.get("pcie_generation_min_under_load") for gpu in gpus),
        "ecc": _shared(one.get("ecc") for one in before),
        "nvlinks": min(_active(one.get("nvlinks")) for one in before),
        "power_limit": _shared(one.get("power_limit") for one in before) or 0,
        "mig": _shared(one.get("mig") for one in before),
        "persistence": _shared(one.get("persistence") for one in before),
        "vbios": sorted({gpu.vbios for gpu in gpus if gpu.vbios}),
    }
    if not all(gpu.vbios for gpu in gpus):  # one that tells none would be at fault
        del found["vbios"]
    return found


def _numbers(values: Iterable[object]) -> Iterator[float]:
    """Those that are numbers; a truth value is none."""
    for value in values:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield value


def _least(values: Iterable[object]) -> int:
    """The lowest; 0, which demands nothing, where one of them was not told."""
    told = list(values)
    found = list(_numbers(told))
    return int(min(found)) if found and len(found) == len(told) else 0


def _shared(values: Iterable[object]) -> object:
    """What all of them have; None where they differ or one did not tell."""
    first, *others = values
    return first if all(other == first for other in others) else None


def _active(links: object) -> int:
    found = links if isinstance(links, list) else []
    return sum(isinstance(link, dict) and link.get("active") is True for link in found)


def _firmware(report: AcceptanceReport) -> dict[str, list[str]]:
    """Each part's versions; of GPUs the VBIOS is theirs."""
    told = {part: {one.version for one in report.host.firmware if one.part == part} for part in PARTS}
    return {part: sorted(versions) for part, versions in told.items() if versions}


def _limits(report: AcceptanceReport) -> dict[str, object]:
    """From what was measured; without a burn-in the counters alone."""
    limits: dict[str, object] = {}
    for name in RATES:
        if rate := _rate(report, name):
            limits[f"{name}_gbps"] = rate
    matmuls = {kind: rate for kind in MATMULS if (rate := _rate(report, f"matmul-{kind}"))}
    if matmuls:
        limits["matmul_tflops"] = matmuls
    nccl = list(_numbers(check.observed for check in report.checks if check.id == "nccl.bandwidth"))
    if nccl and (rate := _rounded(min(nccl) * RATE_SHARE)):
        limits["nccl_gbps"] = rate
    warmest = list(_numbers(gpu.after.get("temperature_max") for gpu in report.gpus))
    if warmest:
        limits["temperature_max"] = float(math.ceil(max(warmest) + DEGREES))
    for name, field in COUNTERS.items():
        if (most := _most(report.gpus, field)) is not None:
            limits[name] = most
    return limits


def _most(gpus: Sequence[GpuSubject], field: str) -> int | None:
    """The limit of a counter; None where no GPU tells it."""
    told = list(_numbers(side.get(field) for gpu in gpus for side in (gpu.before, gpu.after)))
    return max(LEAST_COUNT, COUNT_FACTOR * int(max(told))) if told else None


def _rate(report: AcceptanceReport, name: str) -> float:
    """The limit of a rate; 0 where a GPU has none."""
    measured = [one.value for gpu in report.gpus for one in gpu.measured if one.name == name]
    found = [value for value in _numbers(measured) if value > 0]
    return _rounded(min(found) * RATE_SHARE) if len(found) >= len(report.gpus) else 0


def _rounded(rate: float) -> float:
    """Down to so many digits, so that a limit is never more than its margin allows."""
    if rate <= 0:
        return 0
    unit = 10.0 ** (math.floor(math.log10(rate)) - DIGITS + 1)
    return float(f"{math.floor(rate / unit) * unit:.{DIGITS}g}")
