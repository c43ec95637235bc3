"""Checks of what GPUs have suffered: memory errors, remapped rows, retired pages, throttled clocks."""

from collections.abc import Iterator

from provisioner.domain.acceptance import CheckStage, Severity
from provisioner.verify.evidence import NvmlGpu
from provisioner.verify.judge.finding import Check, Finding, miss, needless
from provisioner.verify.judge.inventory import answered
from provisioner.verify.judge.readings import is_possible
from provisioner.verify.judge.seen import Seen
from provisioner.verify.judge.told import Question, ask
from provisioner.verify.model import GpuKind

# nvmlClocksEventReasons (nvml.h)
REASONS = {
    0x001: "GPU idle",
    0x002: "application clocks",
    0x004: "software power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "software thermal slowdown",
    0x040: "hardware thermal slowdown",
    0x080: "hardware power brake",
    0x100: "display clocks",
}
BAD_REASONS = 0x008 | 0x020 | 0x040 | 0x080
HOT = 0x020 | 0x040
MOST_RETIRED = 60  # pages: from there on NVIDIA replaces the board (Dynamic Page Retirement, RMA policy)


def reasons_of(mask: int) -> str:
    """A mask of NVML in words; bits that nvml.h does not name as a number."""
    names = [name for bit, name in REASONS.items() if mask & bit]
    rest = mask & ~sum(REASONS)
    return ", ".join([*names, *([hex(rest)] if rest else [])]) or "none"


def _volatile(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    if not (errors := gpu.ecc_volatile_uncorrected):
        return None
    words = f"{seen.place(gpu)} has {_errors(errors)} of memory that ECC could not correct"
    return miss(f"{words} since its driver was loaded", gpu.bus, errors, 0, "<=")


def _errors(count: int) -> str:
    return "1 error" if count == 1 else f"{count} errors"


ecc_errors = ask(
    Question(
        "uncorrected memory errors",
        ("ecc_volatile_uncorrected",),
        "no GPU has a memory error that ECC could not correct",
        lambda kind: kind.ecc is True,
    ),
    _volatile,
)


def _aggregate(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    if not (errors := gpu.ecc_aggregate_uncorrected):
        return None
    words = f"{seen.place(gpu)} had {_errors(errors)} of memory in its life that ECC could not correct"
    return miss(words, gpu.bus, errors, 0, "<=")


ecc_history = ask(
    Question(
        "uncorrected memory errors of its life",
        ("ecc_aggregate_uncorrected",),
        "no GPU ever had a memory error that ECC could not correct",
    ),
    _aggregate,
)


def ecc_corrected(seen: Seen) -> Iterator[Finding]:
    """Corrected errors since the driver was loaded, where the profile has a limit."""
    limit = seen.expected.acceptance.limits.ecc_corrected_max
    if limit is None:
        told = {gpu.bus: gpu.ecc_volatile_corrected for gpu, _ in seen.cards.pairs()}
        yield needless("the profile has no ecc_corrected_max: counted and not judged", told)
        return
    question = Question(
        "corrected memory errors",
        ("ecc_volatile_corrected",),
        f"no GPU has more than {limit} corrected memory errors",
        lambda kind: True,
    )
    yield from ask(question, _corrected)(seen)


def _corrected(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    errors, limit = gpu.ecc_volatile_corrected or 0, seen.expected.acceptance.limits.ecc_corrected_max or 0
    if errors <= limit:
        return None
    words = f"{seen.place(gpu)} has {_errors(errors)} of memory that ECC corrected since its driver was"
    return miss(f"{words} loaded, the profile allows {limit}", gpu.bus, errors, limit, "<=")


def _remapped(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    place, rows = seen.place(gpu), gpu.remapped_uncorrected or 0
    if gpu.remap_failed:
        words = f"{place}: a row of its memory could not be remapped, {rows} were: it has no spare rows left"
        return miss(words, gpu.bus, "failed", "none", "==", "replace the GPU: NVIDIA takes it back")
    if gpu.remap_pending:
        words = f"{place}: a row of its memory waits to be remapped, which the GPU's next reset does"
        return miss(words, gpu.bus, "pending", "none", "==")
    return None


row_remap = ask(
    Question(
        "remapped rows",
        ("remap_pending", "remap_failed"),
        "no GPU has a row that waits to be remapped",
    ),
    _remapped,
)


def _retired(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    place, pages = seen.place(gpu), gpu.retired_pages or 0
    if gpu.retired_pending:
        words = f"{place}: a page of its memory waits to be retired, which the GPU's next reset does"
        return miss(words, gpu.bus, "pending", "none", "==")
    if pages >= MOST_RETIRED:
        words = f"{place} has {pages} retired pages, it is replaced from {MOST_RETIRED} on"
        return miss(words, gpu.bus, pages, MOST_RETIRED - 1, "<=", "replace the GPU: NVIDIA takes it back")
    return None


retired_pages = ask(
    Question(
        "retired pages",
        ("retired_pages", "retired_pending"),
        "no GPU has a page that waits to be retired, or too many that are",
    ),
    _retired,
)


def slowed(mask: int) -> str:
    """What slows the clocks that should not, in words; empty where nothing does."""
    return reasons_of(mask & BAD_REASONS) if mask & BAD_REASONS else ""


def cure(mask: int) -> str:
    """What a technician looks at first."""
    if mask & HOT:
        return "look at fans, air baffles and the heat sink: it is too hot"
    return "look at the GPU's power cables and at the power supplies"


@answered
def throttle(seen: Seen) -> Iterator[Finding]:
    """Nothing slows a GPU but that it idles, or that it stays within its power limit."""
    yield from ask(
        Question("reasons of slowed clocks", ("throttle",), "nothing slows a GPU's clocks that should not"),
        _throttled,
    )(seen)


def _throttled(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    mask = gpu.throttle or 0
    if not (words := slowed(mask)):
        return None
    sentence = f"{seen.place(gpu)} is slowed while it idles: {words}"
    return miss(sentence, gpu.bus, mask, BAD_REASONS, "", cure(mask))


def _hot(seen: Seen, gpu: NvmlGpu, kind: GpuKind) -> Finding | None:
    degrees, most = gpu.temperature or 0, gpu.temperature_slowdown
    if most is None or not is_possible("temperature_slowdown", most) or degrees < most:
        return None
    words = f"{seen.place(gpu)} has {degrees:g} °C while it idles, and slows itself down at {most:g} °C"
    return miss(words, gpu.bus, degrees, most, "")


temperature = ask(
    Question("temperature", ("temperature",), "every GPU tells its temperature, and none is hot"), _hot
)


CHECKS = (
    Check(
        "gpu.ecc-errors",
        "No memory error that ECC could not correct",
        "gpu ecc errors",
        CheckStage.VALIDATION,
        "NVML",
        "reset the GPU or restart the host; if it comes back, replace the GPU",
        ecc_errors,
        "0 since the driver was loaded",
        unit="errors",
    ),
    Check(
        "gpu.ecc-history",
        "None in the GPU's life either",
        "gpu ecc history",
        CheckStage.VALIDATION,
        "NVML",
        "watch it: compare with its next report",
        ecc_history,
        "0 in its life",
        unit="errors",
        severity=Severity.ADVISORY,
    ),
    Check(
        "gpu.ecc-corrected",
        "Few memory errors that ECC corrected",
        "gpu ecc corrected",
        CheckStage.VALIDATION,
        "NVML",
        "run the burn-in; if it counts more, replace the GPU",
        ecc_corrected,
        "`ecc_corrected_max`",
        unit="errors",
    ),
    Check(
        "gpu.row-remap",
        "No row of memory waits to be remapped, none failed",
        "gpu row remap",
        CheckStage.VALIDATION,
        "NVML",
        "reset the GPU or restart the host; if it comes back, replace the GPU",
        row_remap,
        "none pending, none failed",
    ),
    Check(
        "gpu.retired-pages",
        "No page of memory waits to be retired, few are",
        "gpu retired pages",
        CheckStage.VALIDATION,
        "NVML",
        "reset the GPU or restart the host; if it comes back, replace the GPU",
        retired_pages,
        "none pending, fewer than 60",
        unit="pages",
    ),
    Check(
        "gpu.throttle",
        "Nothing slows an idle GPU",
        "gpu throttle",
        CheckStage.VALIDATION,
        "NVML",
        "look at fans, air baffles, power cables",
        throttle,
        "no hardware slowdown, no heat, no power brake",
    ),
    Check(
        "gpu.temperature-idle",
        "An idle GPU tells its temperature, and is not hot",
        "gpu temperature at rest",
        CheckStage.VALIDATION,
        "NVML",
        "look at fans, air baffles and the heat sink; a GPU whose sensor tells what cannot be is broken",
        temperature,
        "above 0 °C, below where it slows itself down",
        unit="°C",
    ),
)
