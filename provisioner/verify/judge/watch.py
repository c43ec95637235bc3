"""Checks of what was watched while the burn-in worked: heat, clocks, memory errors, the PCIe link."""

from collections.abc import Callable, Iterator

from provisioner.domain.acceptance import CheckStage, Level
from provisioner.verify.evidence import NvmlGpu
from provisioner.verify.judge.burnin import NOT_RUN, each
from provisioner.verify.judge.finding import Check, Finding, good, left_out, miss, needless, unproved
from provisioner.verify.judge.health import cure, slowed
from provisioner.verify.judge.readings import is_possible
from provisioner.verify.judge.seen import Seen, listed
from provisioner.verify.model import GpuKind


def watched(
    field: str, words: str, fault: Callable[[Seen, NvmlGpu, GpuKind, float], Finding | None], fine: str
) -> Callable[[Seen], Iterator[Finding]]:
    """A check of what was watched while GPUs worked; what was not watched is not passed over."""

    def findings(seen: Seen) -> Iterator[Finding]:
        found = [(gpu, kind, getattr(burnt.watch, field)) for gpu, kind, burnt in each(seen)]
        if not found:
            yield left_out(NOT_RUN)
            return
        faults = list(impossible(seen, field, words))
        faults += [
            one
            for gpu, kind, value in found
            if value is not None and is_possible(field, value) and (one := fault(seen, gpu, kind, value))
        ]
        yield from faults
        if silent := [seen.place(gpu) for gpu, _, value in found if value is None]:
            yield unproved(f"{listed(silent)}: {words} was not watched under load")
        elif not faults:
            yield good(fine, {gpu.bus: value for gpu, _, value in found})

    return findings


def impossible(seen: Seen, field: str, words: str) -> Iterator[Finding]:
    """What was watched and cannot be, whether or not the profile has a limit."""
    for gpu, _, burnt in each(seen):
        value = getattr(burnt.watch, field)
        if not is_possible(field, value):
            yield unproved(f"{seen.place(gpu)}: {words} under load was {value:g}, which cannot be", gpu.bus)


def _throttled(seen: Seen, gpu: NvmlGpu, kind: GpuKind, mask: float) -> Finding | None:
    if not (words := slowed(int(mask))):
        return None
    return miss(f"{seen.place(gpu)} was slowed under load: {words}", gpu.bus, mask, action=cure(int(mask)))


def _uncorrected(seen: Seen, gpu: NvmlGpu, kind: GpuKind, count: float) -> Finding | None:
    if not count:
        return None
    words = f"{seen.place(gpu)}: {count:g} errors of memory under load that ECC could not correct"
    return miss(words, gpu.bus, count, 0, "<=")


def _narrow(seen: Seen, gpu: NvmlGpu, kind: GpuKind, width: float) -> Finding | None:
    if width >= kind.link_width:
        return None
    words = (
        f"{seen.place(gpu)} had a PCIe link of x{width:g} under load, the profile wants x{kind.link_width}"
    )
    return miss(f"{words}: reseat it", gpu.bus, width, kind.link_width, ">=")


def _slow_link(seen: Seen, gpu: NvmlGpu, kind: GpuKind, generation: float) -> Finding | None:
    if generation >= kind.link_generation:
        return None
    words = f"{seen.place(gpu)} had a PCIe link of generation {generation:g} under load, the profile wants"
    return miss(f"{words} {kind.link_generation}: reseat it", gpu.bus, generation, kind.link_generation, ">=")


throttle = watched(
    "throttle", "why clocks were slowed", _throttled, "nothing slowed a GPU under load that should not"
)
ecc = watched(
    "ecc_uncorrected",
    "memory errors",
    _uncorrected,
    "no GPU had a memory error under load that ECC could not correct",
)
_width = watched("pcie_width_min", "PCIe width", _narrow, "every GPU kept its PCIe lanes under load")
_generation = watched(
    "pcie_generation_min_under_load",
    "PCIe generation",
    _slow_link,
    "every GPU kept its PCIe generation under load",
)


def width(seen: Seen) -> Iterator[Finding]:
    """The lanes of a GPU's link while it works."""
    if any(kind.link_width for kind in seen.expected.gpus):
        yield from _width(seen)
    else:
        yield needless("the profile names no PCIe lanes")


def generation(seen: Seen) -> Iterator[Finding]:
    """The PCIe generation while a GPU works: it falls while it idles, so it is judged here alone."""
    if any(kind.link_generation for kind in seen.expected.gpus):
        yield from _generation(seen)
    else:
        yield needless("the profile names no PCIe generation")


def temperature(seen: Seen) -> Iterator[Finding]:
    """The highest temperature under load, where the profile has a limit."""
    limit = seen.expected.acceptance.limits.temperature_max
    if limit is None:
        told = {gpu.bus: burnt.watch.temperature_max for gpu, _, burnt in each(seen)}
        unlimited = needless("the profile has no temperature_max: measured and not judged", told)
        yield from list(impossible(seen, "temperature_max", "temperature")) or [unlimited]
        return

    def hot(seen: Seen, gpu: NvmlGpu, kind: GpuKind, degrees: float) -> Finding | None:
        if degrees <= limit:
            return None
        words = f"{seen.place(gpu)} reached {degrees:g} °C under load, the profile allows {limit:g}"
        return miss(words, gpu.bus, degrees, limit, "<=")

    yield from watched("temperature_max", "temperature", hot, f"no GPU was hotter than {limit:g} °C")(seen)


def replays(seen: Seen) -> Iterator[Finding]:
    """PCIe replays while GPUs worked, where the profile has a limit."""
    limit = seen.expected.acceptance.limits.replays_max
    if limit is None:
        told = {gpu.bus: burnt.watch.replays for gpu, _, burnt in each(seen)}
        yield needless("the profile has no replays_max: counted and not judged", told)
        return

    def many(seen: Seen, gpu: NvmlGpu, kind: GpuKind, count: float) -> Finding | None:
        if count <= limit:
            return None
        words = f"{seen.place(gpu)} had {count:g} PCIe replays under load, the profile allows {limit}"
        return miss(f"{words}: reseat it", gpu.bus, count, limit, "<=")

    yield from watched("replays", "PCIe replays", many, f"no GPU had more than {limit} replays")(seen)


CHECKS = (
    Check(
        "pcie.generation",
        "The PCIe generation under load is the profile's",
        "pcie generation",
        CheckStage.PERFORMANCE,
        "NVML under load",
        "reseat the GPU and its riser; is a slower generation set in the firmware?",
        generation,
        "`link_generation`",
        level=Level.STANDARD,
    ),
    Check(
        "pcie.width-load",
        "The PCIe lanes stay under load",
        "pcie width",
        CheckStage.PERFORMANCE,
        "NVML under load",
        "reseat the GPU and its riser",
        width,
        "`link_width`",
        unit="lanes",
        level=Level.STANDARD,
    ),
    Check(
        "gpu.throttle-load",
        "Heat and power slow no GPU under load",
        "gpu throttle under load",
        CheckStage.STRESS,
        "NVML under load",
        "look at fans, air baffles, power cables",
        throttle,
        "no hardware slowdown, no heat, no power brake",
        level=Level.STANDARD,
    ),
    Check(
        "gpu.ecc-load",
        "No memory error under load that ECC could not correct",
        "gpu ecc under load",
        CheckStage.STRESS,
        "NVML under load",
        "replace the GPU",
        ecc,
        "0",
        unit="errors",
        level=Level.STANDARD,
    ),
    Check(
        "gpu.temperature",
        "No GPU is too hot under load",
        "gpu temperature",
        CheckStage.STRESS,
        "NVML under load",
        "look at fans, air baffles and the heat sink",
        temperature,
        "`temperature_max`",
        unit="°C",
        level=Level.STANDARD,
    ),
    Check(
        "pcie.replays-load",
        "Few packets were sent again under load",
        "pcie replays under load",
        CheckStage.STRESS,
        "NVML under load",
        "reseat the GPU and its riser",
        replays,
        "`replays_max`",
        unit="packets",
        level=Level.STANDARD,
    ),
)
