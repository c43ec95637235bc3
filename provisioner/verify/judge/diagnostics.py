"""Checks by other people's programs: NCCL between the GPUs, and DCGM's own diagnosis."""

from collections.abc import Iterator

from provisioner.domain.acceptance import CheckStage, Level, Severity
from provisioner.verify.evidence_burnin import DcgmTest, Nccl
from provisioner.verify.judge.burnin import NOT_RUN
from provisioner.verify.judge.finding import Check, Finding, absent, good, left_out, miss, needless, unproved
from provisioner.verify.judge.readings import is_possible_rate
from provisioner.verify.judge.seen import Seen, listed

PASSED, WARNED, FAILED, ERRED = TOLD = ("pass", "warn", "fail", "error")


def nccl(seen: Seen) -> Iterator[Finding]:
    """All GPUs took part in an all-reduce, and its sums were right."""
    report = seen.evidence.burnin
    wanted = len(list(seen.cards.pairs()))
    if wanted == 1:
        yield absent("the host has one GPU")
        return
    if report is None or report.nccl is None:
        yield left_out(NOT_RUN if report is None else "NCCL was not run")
        return
    if report.nccl.errors:
        yield miss(f"NCCL counted {report.nccl.errors} wrong results", "host", report.nccl.errors, 0, "<=")
    elif fault := _unconvincing(report.nccl, wanted):
        yield unproved(fault)
    else:
        yield good(f"NCCL's sums over {wanted} GPUs are right", report.nccl.gpus, wanted)


def _unconvincing(nccl: Nccl, wanted: int) -> str:
    """Why it is no success: whatever it ends with but `ok` is none, "insufficient resources" too."""
    if nccl.state != "ok":
        return f"NCCL ended with {nccl.state!a}: {nccl.reason or 'no reason given'}"
    if nccl.gpus < wanted:
        return f"NCCL ran over {nccl.gpus} of {wanted} GPUs"
    if not nccl.bus_gbps:
        return "NCCL says that it went well, and has measured nothing"
    is_odd = not is_possible_rate(nccl.bus_gbps, "GB/s")
    return f"NCCL has measured {nccl.bus_gbps:g} GB/s, which cannot be" if is_odd else ""


def nccl_bandwidth(seen: Seen) -> Iterator[Finding]:
    """The bus bandwidth of NCCL, where the profile has a limit."""
    limit, report = seen.expected.acceptance.limits.nccl_gbps, seen.evidence.burnin
    rate = report.nccl.bus_gbps if report and report.nccl and report.nccl.state == "ok" else None
    if limit is None:
        yield needless("the profile has no nccl_gbps: measured and not judged", rate)
    elif rate is None:
        yield left_out("NCCL has measured nothing: see nccl.run")
    elif rate < limit:
        words = f"NCCL moves {rate:g} GB/s between the GPUs, the profile wants {limit:g}"
        yield miss(words, "host", rate, limit, ">=")
    else:
        yield good(f"NCCL moves {rate:g} GB/s between the GPUs", rate, limit)


def _dcgm(seen: Seen) -> Finding | tuple[DcgmTest, ...]:
    """Its tests; or why there are none."""
    report = seen.evidence.burnin
    if report is None:
        return left_out(NOT_RUN)
    dcgm = report.dcgm
    if dcgm is None:
        return absent("DCGM was not asked")
    reason = f": {dcgm.reason}" if dcgm.reason else ""
    if dcgm.state in ("missing", "unsupported"):
        return absent(
            f"DCGM is {'not installed' if dcgm.state == 'missing' else 'not for these GPUs'}{reason}"
        )
    if dcgm.state == "error":
        return unproved(f"DCGM's diagnosis failed{reason}")
    return dcgm.tests or unproved("DCGM says that it went well, and names no test")


def _is(test: DcgmTest, status: str) -> bool:
    return test.status.strip().lower() == status


def dcgm(seen: Seen) -> Iterator[Finding]:
    """Each of its tests was made and passed: it leaves tests out in silence on GPUs that it does not know."""
    tests = _dcgm(seen)
    if isinstance(tests, Finding):
        yield tests
        return
    for test in tests:
        if _is(test, FAILED):
            words = f"DCGM's test {test.name} failed: {test.words or 'no reason given'}"
            yield miss(words, "host", test.status, "Pass", "==")
        if _is(test, ERRED):
            yield unproved(f"DCGM's test {test.name} could not be made: {test.words or 'no reason given'}")
    left = [test.name for test in tests if not any(_is(test, word) for word in TOLD)]
    if left:
        yield left_out(f"DCGM left out {listed(left)}")
    elif not any(_is(test, word) for test in tests for word in (FAILED, ERRED)):
        yield good(f"DCGM's {len(tests)} tests were made", [test.name for test in tests])


def dcgm_warnings(seen: Seen) -> Iterator[Finding]:
    """None of its tests warns."""
    tests = _dcgm(seen)
    if isinstance(tests, Finding):
        yield tests
        return
    warned = [test for test in tests if _is(test, WARNED)]
    for test in warned:
        yield miss(f"DCGM's test {test.name} warns: {test.words or 'no reason given'}", "host", test.status)
    if not warned:
        yield good("no test of DCGM warns")


CHECKS = (
    Check(
        "nccl.run",
        "Sums over all GPUs are right",
        "nccl",
        CheckStage.STRESS,
        "NCCL",
        "look at the NVLinks and at the fabric manager",
        nccl,
        "every GPU takes part, 0 errors",
        level=Level.STANDARD,
        is_conditional=True,
    ),
    Check(
        "nccl.bandwidth",
        "GPUs exchange data fast",
        "nccl bandwidth",
        CheckStage.STRESS,
        "NCCL",
        "look at the NVLinks and at the fabric manager",
        nccl_bandwidth,
        "`nccl_gbps`",
        unit="GB/s",
        level=Level.STANDARD,
    ),
    Check(
        "dcgm.tests",
        "DCGM's diagnosis passes, and leaves nothing out",
        "dcgm",
        CheckStage.STRESS,
        "DCGM",
        "dcgmi diag on the host says more",
        dcgm,
        "every test passes",
        is_conditional=True,
        level=Level.STANDARD,
    ),
    Check(
        "dcgm.warnings",
        "DCGM's diagnosis warns of nothing",
        "dcgm warnings",
        CheckStage.STRESS,
        "DCGM",
        "dcgmi diag on the host says more",
        dcgm_warnings,
        "no test warns",
        severity=Severity.ADVISORY,
        is_conditional=True,
        level=Level.STANDARD,
    ),
)
