"""Verifies this very machine: the scripts that Ansible runs elsewhere, the burn-in, the same judge.

There is no service and no network: what an order knows, and what a report of before says, is not at hand.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from provisioner import run as programs
from provisioner.domain.requirements import SiteCheck
from provisioner.errors import ProgramError
from provisioner.system import shipped
from provisioner.system.text import clean
from provisioner.verify import before_after, burnin
from provisioner.verify.evidence import read_evidence, read_facts, unreadable
from provisioner.verify.evidence_burnin import SiteCheckReport, read_site_check
from provisioner.verify.judge import sanity_failure
from provisioner.verify.model import Evidence, Expected, TaskResult, Verdict
from provisioner.verify.verification import AGAIN, CHECKS, conclude

PYTHON = "/usr/bin/python3"  # the scripts are the standard library's; the product's own Python is elsewhere
SCRIPTS = {
    "facts": "facts.py",
    "nvml": "gpus.py",
    "pcie": "pcie.py",
    "kernel_log": "kernel_log.py",
    "firmware": "firmware.py",
    "container": "containers.py",
}
LIMIT = 300  # seconds for a script; that of the containers is the slowest
UNORDERED = "no order is known here, so nobody knows what it should be"


def run(
    expected: Expected,
    *,
    on_task: Callable[[TaskResult], None],
    on_progress: burnin.OnProgress = lambda progress: None,
    options: Sequence[str] = (),
) -> Verdict:
    """Compare this machine with what was expected; `on_task` is called with each check.

    As `verification.run` does it with a host. `options` are further arguments of the burn-in. `passed`,
    `rejected`, `incomplete`, or `failed`: a script cannot be run, or says something that cannot be read.
    """
    try:
        printed = _printed(tuple(SCRIPTS) if expected.gpu_driver else ("facts",))
        facts = read_facts(printed["facts"])
        assert facts  # noqa: S101  _printed has looked
        seen = Evidence(facts, read_evidence(printed))
        if not sanity_failure(seen, expected):
            seen = replace(seen, site_checks=tuple(_site_checks(expected)))
            if expected.gpu_driver and expected.acceptance.burns_in:
                seen = _burnt(seen, expected, on_progress, options)
    except ProgramError as fault:
        return Verdict("failed", (str(fault),))
    return conclude(seen, expected, on_task)


def _burnt(
    seen: Evidence, expected: Expected, on_progress: burnin.OnProgress, options: Sequence[str]
) -> Evidence:
    """With the burn-in, and what a load may have changed, read once more."""
    wanted = expected.acceptance
    outcome = burnin.burn_in_here(
        wanted.level, on_progress=on_progress, seconds=wanted.soaked, options=options
    )
    gpu = before_after.merge(seen.gpu, read_evidence(_printed(AGAIN)))
    return replace(seen, gpu=gpu, burnin=before_after.burnin_report(outcome), idle=seen.gpu.nvml)


def _printed(names: Iterable[str]) -> dict[str, str]:
    """What the scripts of this evidence print. Raises ProgramError where one cannot be read."""
    printed = {name: _ask(SCRIPTS[name]) for name in names}
    for name in unreadable(printed):
        raise ProgramError(f"what {SCRIPTS[name]} printed of this machine cannot be read")
    return printed


def _ask(script: str) -> str:
    """What one of the shipped scripts prints. Raises ProgramError with its last words where it fails."""
    source = shipped.file("ansible", f"files/{script}").read_bytes()
    done = programs.run([PYTHON, "-"], stdin=source, timeout=LIMIT, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        words = clean(said[-1], 300) if said else "it said nothing"
        raise ProgramError(f"{script} ended with code {done.returncode}: {words}")
    return done.stdout.decode(errors="replace")


def _site_checks(expected: Expected) -> list[SiteCheckReport]:
    return [_site_check(check) for check in expected.acceptance.checks]


def _site_check(check: SiteCheck) -> SiteCheckReport:
    """One of the site's own checks; whatever goes wrong with it is an error of the check."""
    limits: Mapping[str, int] = {"--seconds": check.seconds, "--memory": check.memory}
    words = [word for name, value in limits.items() for word in (name, str(value))]
    source = shipped.file("ansible", "files/site_check.py").read_bytes()
    argv: list[str | Path] = [PYTHON, "-", CHECKS / check.program, check.sha256, *words]
    try:
        done = programs.run(argv, stdin=source, timeout=check.seconds + 60, check=False)
    except ProgramError as fault:
        return SiteCheckReport(name=check.name, status="error", reason=str(fault))
    report = read_site_check(check.name, done.stdout.decode(errors="replace"))
    return report or SiteCheckReport(name=check.name, status="error", reason="it cannot be run here")
