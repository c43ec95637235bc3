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

from provisioner.deployment import acceptance
from provisioner.errors import ProvisionError
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
CODES = {"rejected": 501, "incomplete": 504, "unreachable": 502, "failed": 502}


class Verifications:
    """Begins each that is open with its key, and ends those whose key is lost."""

    def __init__(self, site: Site, box: KeyBox, pool: ThreadPoolExecutor, ring: Callable[[], None]) -> None:
        """`ring` is called, from any thread, when one has ended."""
        self._site, self._box, self._pool, self._ring = site, box, pool, ring
        self._at_work: dict[str, Future[None]] = {}

    def look(self) -> None:
        """Look at every open one once; the keys are asked for after the rows were read."""
        rows = self._site.database.verifications.open()
        self._at_work = {name: work for name, work in self._at_work.items() if not work.done()}
        self._box.collect()
        for row in rows:
            if row.id in self._at_work:
                continue
            key = self._box.take(row.id)
            if key is None:
                hint = f"give it once more: provision verify {row.host} --key FILE"
                self._end(row, result="failed", sentence=LOST, hint=hint, code=573)
            else:
                self._at_work[row.id] = self._pool.submit(self._do, row, key)

    def _do(self, row: Verification, key: int) -> None:
        story = _Story(self._site, row)
        try:
            _verify(self._site, story, key)
        except ProvisionError as fault:
            self._end(story.row, result="failed", sentence=str(fault), hint=fault.hint, code=fault.code)
        except Exception as fault:
            log.exception("verification of %s", row.host)
            words = f"the service met an error of its own: {fault!r}"
            self._end(story.row, result="failed", sentence=words, hint="its log has the details", code=600)
        finally:
            self._ring()

    def _end(self, row: Verification, **update: object) -> None:
        with self._site.database.writing():
            self._site.database.verifications.put(_ended(row, **update))


def _ended(row: Verification, **update: object) -> Verification:
    body = {**row.model_dump(), "state": "done", "burnin": BurnInStatus(), **update}
    return Verification.model_validate(body)


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

    def _put(self, row: Verification) -> None:
        self.row = row
        with self._site.database.writing():
            self._site.database.verifications.put(row)


def _verify(site: Site, story: _Story, key: int) -> None:
    """Look, judge, sign, and keep the report with the verification's end. The key is closed in between."""
    row, began = story.row, site.clock()
    with os.fdopen(key):
        deployed = site.database.deployments.get(row.deployment)
        expected = verification.expected_of(site, deployed, row.level, row.seconds)
        work = site.settings.state / "runs" / f"{deployed.id}.{row.id}"
        target = SshTarget(
            name=row.host,
            address=deployed.address,
            user=row.user,
            key=ssh_keys.path_of(key),
            host_keys=deployed.host_keys,
        )
        verdict = run_verification(
            target,
            expected,
            on_task=story.tell,
            on_progress=story.tell_progress,
            checks=site.settings.acceptance.checks,
            work=work,
            seconds=LIMIT + expected.acceptance.seconds,
        )
    report = acceptance.conclude(site, deployed, expected, verdict, began, work / "evidence", later_by=row.by)
    with site.database.writing():
        if report:
            site.database.acceptance_reports.add(report)
        site.database.verifications.put(_judged(story.row, verdict, report))


def _judged(row: Verification, verdict: Verdict, report: StoredReport | None) -> Verification:
    """How it ended, with what a technician does about what stands in the way."""
    action = next((check.action for check in verdict.checks if check.is_blocking), "")
    logs = "see runs/ in the state folder"
    usual = logs if verdict.result == "failed" else "is it powered on, does it take this key?"
    code = CODES.get(verdict.result, 0)
    return _ended(
        row,
        result=verdict.result,
        report=report.id if report else "",
        sentence="; ".join(verdict.sentences),
        hint=action or (usual if code else ""),
        code=code,
    )
