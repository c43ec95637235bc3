"""Checks of the burn-in: that it was made whole, counted no error, and reached what the profile wants."""

import math
from collections import Counter
from collections.abc import Callable, Iterator

from provisioner.domain.acceptance import CheckStage, Level
from provisioner.domain.requirements import Requirements
from provisioner.system.units import duration
from provisioner.verify.evidence import NvmlGpu
from provisioner.verify.evidence_burnin import BurninGpu, BurninReport, BurninTest, PeerCopy
from provisioner.verify.judge.finding import Check, Finding, good, left_out, miss, needless, unproved
from provisioner.verify.judge.readings import is_possible_rate
from provisioner.verify.judge.seen import Seen, listed
from provisioner.verify.model import GpuKind

STANDARD = ("matmul-fp32", "h2d", "d2h")
FULL = (*STANDARD, "memory-pattern", "d2d", "load")
TESTS = {Level.QUICK: (), Level.STANDARD: STANDARD, Level.FULL: FULL, Level.SOAK: FULL}
NOT_RUN = "the burn-in was not made: see burnin.run"
LEAST_OF_SOAK = 0.5  # its tests take what was asked for, and some more
MOST_NAMED = 4  # tests of one GPU in one sentence


def results(seen: Seen) -> dict[str, BurninGpu]:
    """Of each GPU that NVML shows, by its place, what the burn-in says."""
    report = seen.evidence.burnin
    if report is None or report.state != "ok" or report.device != "cuda":
        return {}
    told = {gpu.uuid: gpu for gpu in report.gpus if gpu.uuid}
    return {gpu.bus: told[gpu.uuid] for gpu in seen.cards.answering if gpu.uuid in told}


def each(seen: Seen) -> Iterator[tuple[NvmlGpu, GpuKind, BurninGpu]]:
    """Every GPU of the profile that the burn-in has worked on."""
    found = results(seen)
    return ((gpu, kind, found[gpu.bus]) for gpu, kind in seen.cards.pairs() if gpu.bus in found)


def ran(seen: Seen) -> Iterator[Finding]:
    """It ran on the GPUs that NVML shows, on each, to the end, and made every test of its level."""
    report = seen.evidence.burnin
    if report is None:
        yield left_out("the burn-in was not made, or printed nothing that can be read")
        return
    if fault := _not_made(report) or _too_little(report, seen.expected.acceptance):
        yield unproved(fault)
        return
    faults = [*_strangers(seen, report), *_doubled(report), *_unburnt(seen), *_uncopied(seen, report)]
    yield from faults
    if not faults and not any(each(seen)):
        yield unproved("the burn-in has no result of a GPU that the profile names")
    elif not faults:
        yield good(
            f"the burn-in worked on {len(results(seen))} GPUs for {report.seconds:.0f} s", report.seconds
        )


def _not_made(report: BurninReport) -> str:
    reason = f": {report.reason}" if report.reason else ""
    words = {
        "no torch": "the image has no torch, so the burn-in could not be made",
        "no gpu": "torch finds no GPU, so the burn-in could not be made",
        "cancelled": "the burn-in was ended before its time",
        "error": "the burn-in failed",
    }
    if report.state != "ok":
        return words[report.state] + reason
    if report.device != "cuda":
        return f"the burn-in ran on {report.device or 'nobody knows what'}, not on a GPU"
    return "" if report.gpus else "the burn-in says that it went well, and names no GPU"


def _too_little(report: BurninReport, wanted: Requirements) -> str:
    """Why it is less than was asked for, whatever its tests say; empty where it is not."""
    levels = [level.value for level in Level]
    if report.level not in levels[levels.index(wanted.level) :]:
        return f"the burn-in ran at level {report.level or 'unknown'}, and {wanted.level} was asked for"
    if report.seconds < LEAST_OF_SOAK * wanted.soaked:
        took, soak = duration(report.seconds), duration(wanted.soaked)
        return f"the burn-in took {took}, and a soak of {soak} was asked for"
    return ""


def _doubled(report: BurninReport) -> Iterator[Finding]:
    """Of two results one would not be looked at, and nobody can say which."""
    for uuid, count in Counter(gpu.uuid for gpu in report.gpus).items():
        if count > 1:
            yield unproved(f"the burn-in has {count} results of GPU {uuid}")
    for gpu in report.gpus:
        for name, count in Counter(test.name for test in gpu.tests).items():
            if count > 1:
                yield unproved(
                    f"the burn-in has {count} results of the test {name} of GPU {gpu.bus}", gpu.bus
                )
    for (source, target), count in Counter((copy.source, copy.target) for copy in report.peers).items():
        if count > 1:
            yield unproved(f"the burn-in has {count} results of copies from {source} to {target}")


def _strangers(seen: Seen, report: BurninReport) -> Iterator[Finding]:
    known = {gpu.uuid for gpu in seen.cards.answering}
    for gpu in report.gpus:
        if gpu.uuid not in known:
            name = gpu.uuid or gpu.bus or "a GPU without a UUID"
            yield unproved(f"the burn-in has results of {name}, which NVML does not show", gpu.bus)


def _unburnt(seen: Seen) -> Iterator[Finding]:
    found = results(seen)
    for gpu, _ in seen.cards.pairs():
        if gpu.bus not in found:
            yield left_out(f"{seen.place(gpu)} had no burn-in", gpu.bus)
        elif words := [word for name in _wanted(seen) if (word := _unmade(found[gpu.bus], name))]:
            yield left_out(f"{seen.place(gpu)}: {'; '.join(words[:MOST_NAMED])}", gpu.bus)


def _uncopied(seen: Seen, report: BurninReport) -> Iterator[Finding]:
    """The copies between GPUs that the level makes: round in a ring, or from each to each other."""
    known = {gpu.uuid: gpu for gpu in seen.cards.answering}
    uuids = list(dict.fromkeys(gpu.uuid for gpu in report.gpus if gpu.uuid in known))
    copies = {(copy.source, copy.target): copy for copy in report.peers}
    lacking: dict[str, list[str]] = {}
    for source, target in _pairs(uuids, seen.expected.acceptance.level):
        if word := _uncopied_as(copies.get((source, target))):
            lacking.setdefault(source, []).append(f"to {seen.place(known[target])} {word}")
    for source, words in lacking.items():
        more = f"; {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
        gpu = known[source]
        yield left_out(f"copies from {seen.place(gpu)}: {'; '.join(words[:MOST_NAMED])}{more}", gpu.bus)


def _pairs(uuids: list[str], level: Level) -> list[tuple[str, str]]:
    """From whom to whom, in the order in which the burn-in has them; a ring below level full."""
    if level is Level.QUICK or len(uuids) < 2:
        return []
    if level is Level.STANDARD:
        return list(zip(uuids, [*uuids[1:], uuids[0]], strict=True))
    return [(source, target) for source in uuids for target in uuids if source != target]


def _uncopied_as(copy: PeerCopy | None) -> str:
    """Why it says nothing; empty where it does, be it of errors, which another check tells."""
    if copy is None:
        return "none were made"
    if copy.state == "skipped":
        return f"they were left out ({copy.reason or 'no reason given'})"
    if copy.state == "error" or copy.errors:
        return ""
    if not copy.iterations or copy.value is None:
        return "nothing was measured"
    odd = not is_possible_rate(copy.value, "GB/s")
    return f"{copy.value:g} GB/s were measured, which cannot be" if odd else ""


def _wanted(seen: Seen) -> tuple[str, ...]:
    """The tests of the level, and those that the profile has a limit for."""
    limits = seen.expected.acceptance.limits
    also = [f"matmul-{dtype}" for dtype in limits.matmul_tflops]
    also += [name for name in ("h2d", "d2h", "d2d") if getattr(limits, f"{name}_gbps")]
    return tuple(dict.fromkeys([*TESTS[seen.expected.acceptance.level], *also]))


def _unmade(gpu: BurninGpu, name: str) -> str:
    """Why a test says nothing; empty where it does. One that did nothing was not made."""
    test = gpu.test(name)
    if test is None:
        return f"the test {name} was not made"
    if test.state == "skipped":
        return f"the test {name} was left out ({test.reason or 'no reason given'})"
    if test.state == "error":
        return ""
    if not test.iterations:
        return f"the test {name} did nothing"
    is_odd = not is_possible_rate(test.value, test.unit)
    return f"the test {name} measured {test.value:g} {test.unit}, which cannot be" if is_odd else ""


def errors(seen: Seen) -> Iterator[Finding]:
    """No test counted an error, whatever the exit code was; NCCL and DCGM have checks of their own."""
    found, report = list(each(seen)), seen.evidence.burnin
    if not found or report is None:
        yield left_out(NOT_RUN)
        return
    faults = [finding for gpu, _, burnt in found if (finding := _wrong(seen, gpu, burnt))]
    faults += [_misdelivered(copy) for copy in report.peers if copy.errors or copy.state == "error"]
    yield from faults
    if not faults and report.exit_errors > _told_elsewhere(report):
        words = f"the burn-in ended with {report.exit_errors} errors, and names no test of them"
        yield miss(words, "host", report.exit_errors, 0, "<=")
    elif not faults:
        yield good("no test of the burn-in counted an error", 0, 0)


def _misdelivered(copy: PeerCopy) -> Finding:
    words = copy.reason or f"{copy.errors} of its words arrived otherwise"
    return miss(f"from {copy.source or 'a GPU'} to {copy.target or 'another'}: {words}", "host", copy.errors)


def _told_elsewhere(report: BurninReport) -> int:
    """How many of its errors the checks of NCCL and DCGM tell of."""
    nccl = max(report.nccl.errors, int(report.nccl.state != "ok")) if report.nccl else 0
    tests = report.dcgm.tests if report.dcgm else ()
    return nccl + sum(test.status.strip().lower() in ("fail", "error") for test in tests)


def _wrong(seen: Seen, gpu: NvmlGpu, burnt: BurninGpu) -> Finding | None:
    wrong = [_fault(test) for test in burnt.tests]
    if not (words := [word for word in wrong if word]):
        return None
    count = sum(test.errors for test in burnt.tests)
    return miss(f"{seen.place(gpu)}: {'; '.join(words[:MOST_NAMED])}", gpu.bus, count, 0, "<=")


def _fault(test: BurninTest) -> str:
    if test.errors:
        return f"{test.name} counted {test.errors} errors in {test.iterations} rounds"
    if test.max_abs_error is not None and not math.isfinite(test.max_abs_error):
        return f"{test.name} gave a result that is no number"
    return f"{test.name} failed ({test.reason or 'no reason given'})" if test.state == "error" else ""


def measured(name: str, words: str) -> Callable[[Seen], Iterator[Finding]]:
    """The check of one bandwidth, `h2d_gbps` for the test `h2d`."""

    def findings(seen: Seen) -> Iterator[Finding]:
        limit = getattr(seen.expected.acceptance.limits, f"{name}_gbps")
        yield from _compared(seen, name, words, limit, "GB/s")

    return findings


def matmul(seen: Seen) -> Iterator[Finding]:
    """Each data type's rate of matrix products that the profile has a limit for."""
    limits = seen.expected.acceptance.limits.matmul_tflops
    if not limits:
        told = {
            gpu.bus: {t.name: t.value for t in burnt.tests if t.unit == "TFLOPS"}
            for gpu, _, burnt in each(seen)
        }
        yield needless("the profile has no matmul_tflops: measured and not judged", told)
    for dtype, limit in limits.items():
        words = f"multiplies {dtype} matrices at"
        yield from _compared(seen, f"matmul-{dtype}", words, limit, "TFLOPS")


def _compared(seen: Seen, name: str, words: str, limit: float | None, unit: str) -> Iterator[Finding]:
    found = [(gpu, burnt.test(name)) for gpu, _, burnt in each(seen)]
    told = {gpu.bus: test.value if test else None for gpu, test in found}
    if limit is None:
        yield needless(f"the profile has no {name}_gbps: measured and not judged", told)
        return
    if not found:
        yield left_out(NOT_RUN)
        return
    slow = [(gpu, value) for gpu, _ in found if (value := told[gpu.bus]) is not None and value < limit]
    for gpu, value in slow:
        sentence = f"{seen.place(gpu)} {words} {value:g} {unit}, the profile wants {limit:g}"
        yield miss(sentence, gpu.bus, value, limit, ">=")
    if silent := [seen.place(gpu) for gpu, _ in found if told[gpu.bus] is None]:
        yield unproved(f"{listed(silent)}: {name} was not measured")
    elif not slow:
        yield good(f"{name}: every GPU reaches {limit:g} {unit}", told, limit)


CHECKS = (
    Check(
        "burnin.run",
        "The burn-in was made, whole, on every GPU",
        "burn-in",
        CheckStage.PERFORMANCE,
        "burn-in",
        "look at what it says; does the image have torch for this driver?",
        ran,
        "the tests of the level, and its copies between GPUs",
        level=Level.STANDARD,
    ),
    Check(
        "bandwidth.h2d",
        "Copies from the host to a GPU are fast",
        "bandwidth h2d",
        CheckStage.PERFORMANCE,
        "burn-in",
        "reseat the GPU and its riser; look at its NUMA node",
        measured("h2d", "copies from the host at"),
        "`h2d_gbps`",
        unit="GB/s",
        level=Level.STANDARD,
    ),
    Check(
        "bandwidth.d2h",
        "Copies from a GPU to the host are fast",
        "bandwidth d2h",
        CheckStage.PERFORMANCE,
        "burn-in",
        "reseat the GPU and its riser; look at its NUMA node",
        measured("d2h", "copies to the host at"),
        "`d2h_gbps`",
        unit="GB/s",
        level=Level.STANDARD,
    ),
    Check(
        "bandwidth.d2d",
        "A GPU's own memory is fast",
        "bandwidth d2d",
        CheckStage.PERFORMANCE,
        "burn-in",
        "compare it with its siblings; if it stays slow, replace the GPU",
        measured("d2d", "copies within its memory at"),
        "`d2d_gbps`",
        unit="GB/s",
        level=Level.STANDARD,
    ),
    Check(
        "matmul.rate",
        "A GPU calculates fast",
        "matmul",
        CheckStage.PERFORMANCE,
        "burn-in",
        "look at heat and power limit; compare it with its siblings",
        matmul,
        "`matmul_tflops`",
        unit="TFLOPS",
        level=Level.STANDARD,
    ),
    Check(
        "burnin.errors",
        "The burn-in counted no error",
        "burn-in errors",
        CheckStage.STRESS,
        "burn-in",
        "replace the GPU: it calculates wrongly",
        errors,
        "0",
        unit="errors",
        level=Level.STANDARD,
    ),
)
