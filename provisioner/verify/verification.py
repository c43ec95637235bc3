"""Verifies one host: Ansible fetches what it shows, GPUs are burned in, judge/ judges all of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from provisioner.domain.acceptance import Status
from provisioner.domain.requirements import AROUND_BURN_IN
from provisioner.system import outputs
from provisioner.system.units import and_more, first
from provisioner.verify import ansible, before_after, ssh
from provisioner.verify.burnin import BurnInProgress, OnProgress, burn_in
from provisioner.verify.evidence import GpuEvidence, read_evidence, read_facts, unreadable
from provisioner.verify.evidence_burnin import LONGEST, BurninReport, SiteCheckReport
from provisioner.verify.judge import judge, sanity_failure, tasks
from provisioner.verify.model import Evidence, Expected, SshTarget, TaskResult, Verdict
from provisioner.verify.site_checks import run_site_check

TASKS = {  # evidence -> the task of ansible/verify.yml that prints it
    "facts": "read facts",
    "nvml": "read GPUs",
    "pcie": "read PCIe",
    "kernel_log": "read the kernel log",
    "firmware": "read firmware",
    "container": "read GPUs in a container",
}
AGAIN = ("nvml", "pcie", "kernel_log")  # what a load may have changed
CHECKS = Path("/etc/provisioner/checks")
LEAST = 600  # seconds in which a host tells its facts, however little time there is
MOST_SENTENCES = 50  # of a verdict; the report has each with its check
MOST_TOLD = 400  # checks of one run that are told as they are made: those of 16 GPUs are fewer
CANCELLED = "the verification was cancelled"


def _ignore(progress: BurnInProgress) -> None:
    """Nobody wants to know."""


def _never() -> bool:
    return False


class _EndError(Exception):
    """The host cannot be judged; the verdict says why."""

    def __init__(self, result: Literal["unreachable", "failed"], sentence: str) -> None:
        super().__init__(sentence)
        self.verdict = Verdict(result, (sentence,))


def run(
    target: SshTarget,
    expected: Expected,
    *,
    on_task: Callable[[TaskResult], None],
    work: Path,
    seconds: int,
    on_progress: OnProgress = _ignore,
    is_cancelled: Callable[[], bool] = _never,
    checks: Path = CHECKS,
    options: Sequence[str] = (),
) -> Verdict:
    """Compare the host with what was expected, at the level of its acceptance: read its facts; unless sanity
    failed, make the site's own checks and the burn-in, and read what a load may have changed once more.

    Changes nothing on the host. `on_task` is called with each check, `on_progress` every few seconds of the
    burn-in. All of it is ended after so many `seconds`, and soon after `is_cancelled`, which is asked about
    once a second. The programs of the site's checks lie in `checks`; what the host printed is kept in
    `work/evidence`. `options` are further arguments of the burn-in.

    `passed`, `rejected` (sentences: the deviations), `incomplete` (what could not be checked), `unreachable`
    (SSH; may be tried again) or `failed`.
    What the callbacks raise ends the run. Raises ServiceError where the host told no usable host key.
    """
    host = _Host(target, expected, work, seconds, is_cancelled)
    try:
        seen = host.read()
        if not sanity_failure(seen, expected):
            seen = replace(seen, site_checks=host.check(checks))
            if expected.gpu_driver and expected.acceptance.burns_in:
                seen = host.burn_in(seen, on_progress, options)
    except _EndError as end:
        return end.verdict
    return conclude(seen, expected, on_task)


class _Host:
    """The host, as far as it was read; each step raises _EndError where nothing can be said of the host."""

    def __init__(
        self,
        target: SshTarget,
        expected: Expected,
        work: Path,
        seconds: int,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._target, self._expected, self._work = target, expected, work
        self._until = time.monotonic() + seconds
        # what burn-in and site checks need is not spent on a host that hangs before them
        self._reading = max(min(seconds, LEAST), seconds - expected.acceptance.seconds)
        self._is_cancelled = is_cancelled
        self._evidence = work / "evidence"
        self._boot = work / "burnin.boot"  # the boot in which a burn-in has begun that nobody saw end
        self._evidence.mkdir(mode=0o700, parents=True, exist_ok=True)
        work.chmod(0o700)
        for old in self._evidence.glob("*.json"):
            old.unlink()

    def read(self) -> Evidence:
        """Its facts, and what there is of GPUs."""
        printed = self._printed(tuple(TASKS), self._reading)
        facts, gpu = read_facts(printed.get("facts", "")), self._gpus(printed)
        if facts is None:
            raise _EndError("failed", self._illegible())
        return Evidence(facts, gpu)

    def check(self, folder: Path) -> tuple[SiteCheckReport, ...]:
        """The site's own checks, one after the other."""
        found, wanted = list[SiteCheckReport](), self._expected.acceptance.checks
        if not wanted:
            return ()
        with ssh.route(self._target, self._work) as route:
            for check in wanted:
                outcome = run_site_check(
                    route, check, folder=folder, work=self._work, is_cancelled=self._is_cancelled
                )
                self._keep(f"site-check-{check.name}", outcome.printed or outcome.report.model_dump_json())
                self._go_on()
                if outcome.unreachable:
                    raise _EndError("unreachable", outcome.unreachable)
                found.append(outcome.report)
        return tuple(found)

    def burn_in(self, seen: Evidence, on_progress: OnProgress, options: Sequence[str]) -> Evidence:
        """The evidence with that of the burn-in; as it was read after it."""
        if self._has_restarted(seen.gpu):
            self._boot.unlink()
            return replace(seen, burnin=_restarted())
        report = self._burnt(seen, on_progress, options)
        after = self._gpus(self._printed(AGAIN, LEAST), *AGAIN)
        if self._has_restarted(after):
            report = _restarted()
        self._boot.unlink(missing_ok=True)
        gpu = before_after.merge(seen.gpu, after)
        return replace(seen, gpu=gpu, burnin=report, idle=seen.gpu.nvml)

    def _burnt(self, seen: Evidence, on_progress: OnProgress, options: Sequence[str]) -> BurninReport:
        wanted = self._expected.acceptance
        left = self._until - time.monotonic() - AROUND_BURN_IN / 2
        if left < wanted.usual:
            words = f"it takes {wanted.usual} s, and its stage has {max(0, left):.0f} s left"
            return BurninReport(state="error", reason=f"{words}: does deadlines.verifying allow for it?")
        if seen.gpu.kernel_log:
            outputs.write(self._boot, seen.gpu.kernel_log.boot, mode=0o600)
        outcome = burn_in(
            self._target,
            wanted.level,
            work=self._work,
            on_progress=on_progress,
            is_cancelled=self._is_cancelled,
            seconds=wanted.soaked,
            limit=left,
            options=options,
        )
        self._keep("burnin", outcome.report)
        if outcome.result in ("unreachable", "cancelled"):
            self._go_on()
            raise _EndError("unreachable", outcome.sentence)
        return before_after.burnin_report(outcome)

    def _has_restarted(self, gpu: GpuEvidence) -> bool:
        """Whether it fell over while it was burned in: in this run, or in one whose end nobody saw."""
        boot = self._boot.read_text() if self._boot.exists() else ""
        return before_after.has_restarted(boot, gpu)

    def _printed(self, wanted: Sequence[str], seconds: int) -> dict[str, str]:
        """What each script printed, by its evidence; kept as it is, too."""
        again = "" if "facts" in wanted else "-after"
        with ssh.route(self._target, self._work) as route:
            play = ansible.run_playbook(
                "verify",
                route,
                folder=self._work,
                seconds=seconds,
                is_cancelled=self._is_cancelled,
                variables={"gpus": bool(self._expected.gpu_driver), "again": bool(again)},
            )
        printed = {name: play.outputs[TASKS[name]] for name in wanted if play.outputs.get(TASKS[name])}
        for name, text in printed.items():
            self._keep(f"{name}{again}", text)
        self._go_on()
        if play.result != "ok":
            raise _EndError(play.result, play.sentence)
        return printed

    def _gpus(self, printed: Mapping[str, str], *wanted: str) -> GpuEvidence:
        found = read_evidence(printed)
        needs = wanted or ("nvml",) * bool(self._expected.gpu_driver)
        if unreadable(printed) or any(getattr(found, name) is None for name in needs):
            raise _EndError("failed", self._illegible())
        return found

    def _illegible(self) -> str:
        return f"{self._target.name} printed no facts that can be read"

    def _keep(self, name: str, text: str) -> None:
        """What the host printed, as it is, a file each."""
        if text:
            outputs.write(self._evidence / f"{name}.json", text[:LONGEST], mode=0o600)

    def _go_on(self) -> None:
        if self._is_cancelled():
            raise _EndError("failed", CANCELLED)


def _restarted() -> BurninReport:
    return BurninReport(state="error", reason=before_after.RESTARTED)


def conclude(evidence: Evidence, expected: Expected, on_task: Callable[[TaskResult], None]) -> Verdict:
    """The verdict of what a host has shown; `on_task` is called with each check that is told."""
    checks = judge(evidence, expected)
    told = tuple(tasks(checks))
    for task in told[:MOST_TOLD]:
        on_task(task)
    if rest := and_more(len(told), MOST_TOLD):
        on_task(TaskResult("others", "warning", f"{rest}: the report has them"))
    blocking = [check for check in checks if check.is_blocking]
    rejected = [check.reason for check in blocking if check.status is Status.FAIL]
    if rejected:
        return Verdict("rejected", tuple(first(rejected, MOST_SENTENCES)), evidence, checks)
    unproved = tuple(first([check.reason for check in blocking], MOST_SENTENCES))
    return Verdict("incomplete" if unproved else "passed", unproved, evidence, checks)
