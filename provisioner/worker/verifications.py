"""Verifies hosts after their deployment, by SSH keys that were given for one time; no deployment changes.

It is the worker that does so: it alone talks to hosts, its state folder has the site's signing key, and it
goes on when whoever asked is gone. A key is in this process's memory only: where the worker was started again
in between, it is lost, and the verification ends with a sentence that asks for it once more.
"""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from provisioner.deployment import acceptance
from provisioner.errors import NotNowError, ProvisionError
from provisioner.site.site import Site
from provisioner.state import ssh_keys
from provisioner.state.acceptance_reports import StoredReport
from provisioner.state.ssh_keys import KeyBox
from provisioner.state.verifications import BurnInStatus, Verification, VerificationTask
from provisioner.verify import SshTarget, TaskResult, Verdict
from provisioner.verify import run as run_verification
from provisioner.verify.burnin import BurnInProgress
from provisioner.worker import verification

log = logging.getLogger(__name__)
AT_ONCE = 16  # hosts; the others wait, with their keys in memory
LIMIT = 1800  # seconds for what is read of a host, beside its burn-in and the site's own checks
INTERVAL = 5.0  # seconds between two looks of a burn-in that are written down
LOST = "the worker was started again, and the SSH key was in its memory alone"
AWAY = "is it powered on, does it take this key, has it another address by now (--address IP)?"
CODES = {"rejected": 501, "incomplete": 504, "unreachable": 502, "failed": 502}


@dataclass(frozen=True)
class _Outcome:
    """How one ended, and the report that was signed of it; neither is in the database yet."""

    row: Verification
    report: StoredReport | None = None


class Verifications:
    """Begins each that is open with its key, and ends those whose key is lost."""

    def __init__(self, site: Site, box: KeyBox, pool: ThreadPoolExecutor, ring: Callable[[], None]) -> None:
        """`ring` is called, from any thread, when one has ended."""
        self._site, self._box, self._pool, self._ring = site, box, pool, ring
        self._at_work: dict[str, Future[_Outcome]] = {}

    def look(self) -> None:
        """Look at every open one once; the keys are asked for after the rows were read.

        Raises NotNowError where it cannot be written down how one ended: at the next look it is tried again.
        """
        self._keep_what_ended()
        rows = self._site.database.verifications.open()
        self._box.collect()
        for row in rows:
            if row.id in self._at_work:
                continue
            key = self._box.take(row.id)
            if key is None:
                hint = f"give it once more: provision verify {row.host} --key FILE"
                self._keep(_Outcome(row.ended(result="failed", sentence=LOST, hint=hint, code=573)))
            else:
                work = self._at_work[row.id] = self._pool.submit(self._do, row, key)
                work.add_done_callback(lambda _: self._ring())

    def _keep_what_ended(self) -> None:
        for name, work in [(name, work) for name, work in self._at_work.items() if work.done()]:
            try:
                self._keep(work.result())
            except NotNowError:
                raise  # what took hours is not lost for a disk that is full for a minute
            except BaseException:
                del self._at_work[name]
                raise
            del self._at_work[name]

    def _keep(self, outcome: _Outcome) -> None:
        """Its end with its report; neither of one that was cancelled meanwhile."""
        with self._site.database.writing():
            if self._site.database.verifications.put(outcome.row) and outcome.report:
                self._site.database.acceptance_reports.add(outcome.report)

    def _do(self, row: Verification, key: int) -> _Outcome:
        story = _Story(self._site, row)
        try:
            return _verify(self._site, story, key)
        except ProvisionError as fault:
            words, hint, code = str(fault), fault.hint, fault.code
        except Exception as fault:
            log.exception("verification of %s", row.host)
            words, hint, code = f"the service met an error of its own: {fault!r}", "see its log", 600
        return _Outcome(story.row.ended(result="failed", sentence=words, hint=hint, code=code))


class _Story:
    """What is told of one while it goes on, as others read it in the database."""

    def __init__(self, site: Site, row: Verification) -> None:
        self.row = row
        self._site, self._next, self._test = site, 0.0, ""

    def tell(self, task: TaskResult) -> None:
        """One check."""
        told = VerificationTask(
            time=self._site.clock(),
            name=task.name,
            result=task.result,
            sentence=task.sentence,
            action=task.action,
        )
        self._put(self.row.model_copy(update={"tasks": (*self.row.tasks, told)}))

    def tell_progress(self, one: BurnInProgress) -> None:
        """The burn-in, now and then: it reports several times a second."""
        now = time.monotonic()
        if one.test == self._test and now < self._next:
            return
        self._next, self._test = now + INTERVAL, one.test
        status = BurnInStatus(
            test=one.test, gpu=one.gpu, done=one.done, of=one.of, seconds_left=one.seconds_left
        )
        self._put(self.row.model_copy(update={"burnin": status}))

    def is_over(self) -> bool:
        """Whether nobody waits for its verdict any more: it was cancelled."""
        return not self._site.database.verifications.is_open(self.row.id)

    def _put(self, row: Verification) -> None:
        """Where it cannot be kept now, the verification goes on without it; the next one has it, too."""
        self.row = row
        with suppress(NotNowError), self._site.database.writing():
            self._site.database.verifications.put(row)


def _verify(site: Site, story: _Story, key: int) -> _Outcome:
    """Look, judge, sign. The key is closed in between."""
    row, began = story.row, site.clock()
    with os.fdopen(key):
        deployed = site.database.deployments.get(row.deployment)
        expected = verification.expected_of(site, deployed, row.level, row.seconds)
        work = site.settings.state / "runs" / row.folder
        target = SshTarget(
            name=row.host,
            address=row.address or deployed.address,
            user=row.user,
            key=ssh_keys.path_of(key),
            host_keys=deployed.host_keys,
        )
        verdict = run_verification(
            target,
            expected,
            on_task=story.tell,
            on_progress=story.tell_progress,
            is_cancelled=story.is_over,
            checks=site.settings.acceptance.checks,
            work=work,
            seconds=LIMIT + expected.acceptance.seconds,
        )
    report = acceptance.conclude(site, deployed, expected, verdict, began, work / "evidence", later_by=row.by)
    return _Outcome(_judged(story.row, verdict, report), report)


def _judged(row: Verification, verdict: Verdict, report: StoredReport | None) -> Verification:
    """How it ended, with what a technician does about what stands in the way."""
    action = next((check.action for check in verdict.checks if check.is_blocking), "")
    logs = "see runs/ in the state folder"
    usual = logs if verdict.result == "failed" else AWAY
    code = CODES.get(verdict.result, 0)
    return row.ended(
        result=verdict.result,
        report=report.id if report else "",
        sentence="; ".join(verdict.sentences),
        hint=action or (usual if code else ""),
        code=code,
    )
