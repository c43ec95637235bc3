"""Checks of the way from the root ports to the GPUs: width of every hop, errors that were counted."""

from collections.abc import Iterator

from provisioner.domain.acceptance import CheckStage, Severity
from provisioner.verify.evidence import NvmlGpu, PcieFunction
from provisioner.verify.judge.finding import (
    Check,
    Finding,
    absent,
    good,
    left_out,
    miss,
    needless,
    unproved,
)
from provisioner.verify.judge.inventory import answered
from provisioner.verify.judge.readings import is_possible
from provisioner.verify.judge.seen import Seen, listed
from provisioner.verify.judge.told import Question, ask
from provisioner.verify.model import GpuKind

UNREAD = "the host's PCI functions were not read"


def path(seen: Seen) -> Iterator[Finding]:
    """Every hop has the lanes that it can have, or that the profile wants of the GPU, whichever is less.

    The GPU's own link is told by NVML where the profile names its lanes, and not told twice.
    """
    ways = {gpu.bus: seen.path(gpu.bus) for gpu, _ in seen.cards.pairs()}
    faults = [*_impossible(seen), *_narrow(seen)]
    yield from faults
    if unknown := [bus for bus, way in ways.items() if not way]:
        yield left_out(f"the way to GPU {listed(unknown)} was not read" if seen.functions else UNREAD)
    elif not ways:
        yield left_out("no GPU of the profile answers")
    elif not faults:
        widths = {hop.bus: hop.width for way in ways.values() for hop in way}
        yield good("every hop between GPUs and root ports has its lanes", widths)


def _impossible(seen: Seen) -> Iterator[Finding]:
    """Each hop whose lanes cannot be, once: of a device that is gone all bits are set."""
    pairs = list(seen.cards.pairs())
    hops = {hop.bus: hop.width for gpu, kind in pairs for hop, _ in _hops(seen, gpu, kind)}
    for bus, width in hops.items():
        if not is_possible("width", width):
            name = "GPU" if _is_gpu(seen, bus) else "PCI bridge"
            yield unproved(f"{name} {bus}{seen.slot(bus)} has a link of x{width}, which cannot be", bus)


def _narrow(seen: Seen) -> Iterator[Finding]:
    """A hop that several GPUs share is one fault, at the place where it is mended."""
    behind: dict[str, list[str]] = {}
    hops: dict[str, tuple[PcieFunction, int]] = {}
    for gpu, kind in seen.cards.pairs():
        for hop, wanted in _hops(seen, gpu, kind):
            if is_possible("width", hop.width) and (hop.width or 0) < wanted:
                behind.setdefault(hop.bus, []).append(seen.place(gpu))
                hops[hop.bus] = (hop, max(wanted, hops.get(hop.bus, (hop, 0))[1]))
    for bus, (hop, wanted) in hops.items():
        name = f"PCI bridge {bus}{seen.slot(bus)}" if not _is_gpu(seen, bus) else behind[bus][0]
        before = "" if _is_gpu(seen, bus) else f", on the way to {listed(behind[bus])},"
        words = f"{name}{before} has a link of x{hop.width}, it could have x{wanted}"
        yield miss(f"{words}: reseat what is below it", bus, hop.width, wanted, ">=")


def _is_gpu(seen: Seen, bus: str) -> bool:
    return any(gpu.bus == bus for gpu in seen.cards.answering)


def _hops(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Iterator[tuple[PcieFunction, int]]:
    """Each end of a link that tells its width, and the lanes that it should have.

    The two ends of a link tell the same width, so of each link the lower end is asked; the GPU's own only
    where NVML is not asked for it.
    """
    way = seen.path(gpu.bus)
    for place, hop in enumerate(way):
        is_upper_end = place % 2 == 1
        is_told = place == 0 and kind.link_width and gpu.width is not None
        if not hop.width or is_upper_end or is_told:
            continue
        able = [end.width_max for end in way[place : place + 2] if end.width_max]
        yield hop, min([*able, *([kind.link_width] if kind.link_width else [])], default=0)


def aer_fatal(seen: Seen) -> Iterator[Finding]:
    """No hop has counted a fatal error (PCIe Advanced Error Reporting)."""
    yield from _counted(seen, "aer_fatal", "fatal PCIe errors")


def aer_nonfatal(seen: Seen) -> Iterator[Finding]:
    """No hop has counted an error that was not corrected and not fatal."""
    yield from _counted(seen, "aer_nonfatal", "uncorrected PCIe errors that are not fatal")


def _counted(seen: Seen, name: str, words: str) -> Iterator[Finding]:
    if seen.evidence.gpu.pcie is None:
        yield left_out(UNREAD)
        return
    told = {hop.bus: count for hop in seen.functions.values() if (count := getattr(hop, name)) is not None}
    for bus, count in told.items():
        if count:
            kind = "GPU" if _is_gpu(seen, bus) else "PCI bridge"
            sentence = f"{kind} {bus}{seen.slot(bus)} has counted {count} {words}: reseat it and its riser"
            yield miss(sentence, bus, count, 0, "<=")
    if not told:
        yield absent(f"no hop counts {words}: the firmware keeps Advanced Error Reporting to itself")
    elif not any(told.values()):
        yield good(f"no hop has counted {words}", told)


@answered
def replays(seen: Seen) -> Iterator[Finding]:
    """Packets that had to be sent again, where the profile has a limit."""
    limit = seen.expected.acceptance.limits.replays_max
    if limit is None:
        told = {gpu.bus: gpu.replays for gpu, _ in seen.cards.pairs()}
        yield needless("the profile has no replays_max: counted and not judged", told)
        return
    question = Question(
        "PCIe replays",
        ("replays",),
        f"no GPU has more than {limit} PCIe replays",
        is_asked=lambda kind: True,
    )
    yield from ask(question, _replays)(seen)


def _replays(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    count, limit = gpu.replays or 0, seen.expected.acceptance.limits.replays_max or 0
    if count <= limit:
        return None
    words = f"{seen.place(gpu)} has {count} PCIe replays, the profile allows {limit}"
    return miss(f"{words}: reseat it", gpu.bus, count, limit, "<=")


CHECKS = (
    Check(
        "pcie.path",
        "Every hop to a GPU has its lanes",
        "pcie path",
        CheckStage.VALIDATION,
        "sysfs",
        "reseat the riser or the cable, and the GPUs behind it",
        path,
        "what both ends can do, and `link_width`",
        unit="lanes",
        is_in_ramdisk=True,
    ),
    Check(
        "pcie.aer-fatal",
        "No fatal PCIe error on the way",
        "pcie errors",
        CheckStage.VALIDATION,
        "sysfs (AER)",
        "reseat the GPU and its riser; if it comes back, replace them",
        aer_fatal,
        "0 since boot",
        unit="errors",
        is_in_ramdisk=True,
    ),
    Check(
        "pcie.aer-nonfatal",
        "No other uncorrected PCIe error on the way",
        "pcie errors that are not fatal",
        CheckStage.VALIDATION,
        "sysfs (AER)",
        "watch it; reseat the GPU and its riser",
        aer_nonfatal,
        "0 since boot",
        unit="errors",
        severity=Severity.ADVISORY,
        is_in_ramdisk=True,
    ),
    Check(
        "pcie.replays",
        "Few packets were sent again",
        "pcie replays",
        CheckStage.VALIDATION,
        "NVML",
        "reseat the GPU and its riser",
        replays,
        "`replays_max`",
        unit="packets",
    ),
)
