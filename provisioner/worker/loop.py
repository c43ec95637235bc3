"""The worker's one loop: woken by a notification or the next deadline; it keeps nothing that matters."""

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from provisioner.deployment import diagnose
from provisioner.deployment.record import record
from provisioner.deployment.runs import next_in_line, reason_to_stop
from provisioner.domain.deployment import Deployment
from provisioner.domain.lifecycle import INSTALLER_SILENCE, MOST_ATTEMPTS, ROWS
from provisioner.domain.stage import Stage
from provisioner.errors import ProvisionError, TransitionError
from provisioner.site import lan
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.worker import acts
from provisioner.worker.consoles import Consoles

log = logging.getLogger(__name__)
LONGEST_NAP = 2.0  # seconds; also how often the sign of our own life is renewed
GAP = 10.0  # seconds without our own sign of life: the machine slept, or the service was down
RETRY = 5.0  # seconds between two tries to reach a host by SSH
THREADS = 16
FAILURES = {
    Stage.POWERING: "power.failed",
    Stage.VERIFYING: "verify.failed",
    Stage.SEALING: "seal.failed",
}
# the last events of `powering` after which the BMC has not been told yet, or may not have been
BEFORE_POWER = frozenset({"slot.given", "power.began", "agent.silent", "netboot.again"})


def serve(site: Site, ready: Callable[[str], None]) -> None:
    """Work until the process is ended."""
    with Listener(site.settings.state, "worker") as listener, ThreadPoolExecutor(THREADS) as pool:
        loop = Loop(site, listener, pool)
        ready("worker: watching deployments")
        while True:
            count = listener.count
            loop.step()
            listener.wait(count, loop.nap())


class Loop:
    """One pass over the rows at a time; `step` never raises for a deployment's fault."""

    def __init__(self, site: Site, listener: Listener, pool: ThreadPoolExecutor) -> None:
        self._site = site
        self._listener = listener
        self._pool = pool
        self._consoles = Consoles(site, listener.notify)
        self._at_work: dict[tuple[Any, ...], Future[None]] = {}
        self._slot_given = 0.0
        self._alive = site.settings.state / "worker.alive"

    def step(self) -> None:
        """Look at every request and every deployment once."""
        now = self._site.clock()
        self._note_gap(now)
        for request in self._site.database.requests.open():
            self._submit(("request", request.id), acts.answer_request, request)
        self._guarded("the runs", self._stop_runs)
        self._guarded("the queue", lambda: self._give_slot(self._site.database.deployments.under_way(), now))
        rows = self._site.database.deployments.under_way()
        self._guarded("the consoles", partial(self._consoles.look, rows))
        for row in rows:
            self._guarded(row.id, partial(self._look, row, now))

    def _guarded(self, what: str, look: Callable[[], None]) -> None:
        """One deployment's fault must not keep the loop from the others."""
        try:
            look()
        except TransitionError as late:
            log.info("%s", late)
        except Exception:
            log.exception("%s could not be looked at", what)

    def nap(self) -> float:
        """Seconds until something must be looked at again."""
        now = self._site.clock()
        ends = [row.deadline - now for row in self._site.database.deployments.under_way()]
        return max(0.05, min([LONGEST_NAP, *ends]))

    def _give_slot(self, rows: list[Deployment], now: float) -> None:
        """One at a time, so that a rack's machines do not draw their inrush current together."""
        orders = self._site.settings.orders
        if now - self._slot_given < orders.stagger_seconds or not lan.is_sole_server(self._site):
            return
        runs = {ident: self._site.database.runs.get(ident) for ident in {row.run for row in rows if row.run}}
        if (row := next_in_line(rows, runs, orders.at_once)) is not None:
            self._slot_given = now
            self._record(row, "slot.given")

    def _stop_runs(self) -> None:
        """What is queued in a run whose hosts fail alike is not begun."""
        rows = [
            row
            for row in self._site.database.deployments.under_way()
            if row.run and row.stage == Stage.QUEUED
        ]
        for ident in {row.run for row in rows}:
            run = self._site.database.runs.get(ident)
            if reason := reason_to_stop(run, self._site.database.deployments.of_run(ident)):
                for row in rows:
                    if row.run == ident:
                        self._record(row, "run.stopped", sentence=reason, hint=f"provision status {ident}")

    def _look(self, row: Deployment, now: float) -> None:
        if now > min(row.deadline, row.expires):
            code, sentence, hint = diagnose.overdue(self._site, row)
            self._record(row, "deadline.passed", code=code, sentence=sentence, hint=hint)
        elif row.stage == Stage.WRITING and now - row.last_sign > _silence(row):
            self._lost(row, now)
        elif act := self._act(row, now):
            self._submit((row.id, row.stage), act, row)

    def _act(self, row: Deployment, now: float) -> Callable[..., None] | None:
        if row.stage == Stage.POWERING and row.sign in BEFORE_POWER:
            return acts.power_on if self._consoles.is_settled(row) else None
        if row.stage == Stage.RESTARTING and not row.reboot:
            return acts.choose_disk
        waits = row.sign in ("verify.unreachable", "seal.task") and now - row.last_sign < RETRY
        if row.stage == Stage.VERIFYING:
            return None if waits else acts.verify
        if row.stage == Stage.SEALING:
            return None if waits else acts.seal
        return None

    def _lost(self, row: Deployment, now: float) -> None:
        """Who writes the disk fell silent: power it again, unless that was tried often enough."""
        seconds, who = round(now - row.last_sign), "installer" if row.is_installed else "agent"
        if row.attempt < MOST_ATTEMPTS:
            self._record(row, "agent.silent", seconds=seconds, who=who)
            return
        sentence = f"the {who} fell silent in each of {row.attempt} attempts, the last time for {seconds} s"
        self._record(
            row, "deadline.passed", code=341, sentence=sentence, hint="look at the host's power and cable"
        )

    def _record(self, row: Deployment, kind: str, **data: Any) -> None:
        record(self._site, row.id, kind, source="worker", **data)

    def _submit(self, key: tuple[Any, ...], act: Callable[..., None], subject: Any) -> None:
        if key in self._at_work and not self._at_work[key].done():
            return
        self._at_work[key] = self._pool.submit(self._do, act, subject)

    def _do(self, act: Callable[..., None], subject: Any) -> None:
        try:
            if isinstance(subject, Deployment):
                # the row was read before its last act had ended, perhaps: look again, or it is done twice
                subject = self._site.database.deployments.get(subject.id)
                if self._act(subject, self._site.clock()) is not act:
                    return
            elif self._site.database.requests.get(subject.id).state != "open":
                return
            act(self._site, subject)
        except TransitionError as late:
            log.info("%s", late)
        except Exception as fault:
            log.exception("%s failed", act.__name__)
            if isinstance(subject, Deployment):
                self._give_up(subject, fault)
        finally:
            self._listener.notify()

    def _give_up(self, row: Deployment, fault: Exception) -> None:
        """An act ended by an error that it did not expect: the deployment fails, with what is known."""
        known = isinstance(fault, ProvisionError)
        data = {
            "code": fault.code if isinstance(fault, ProvisionError) else 600,
            "sentence": str(fault) if known else f"the service met an error of its own: {fault!r}",
            "hint": fault.hint if isinstance(fault, ProvisionError) else "the worker's log has the details",
        }
        try:
            self._record(row, FAILURES.get(row.stage, "deadline.passed"), **data)
        except TransitionError as late:
            log.info("%s", late)

    def _note_gap(self, now: float) -> None:
        """Time in which we did not look does not count against anybody's deadline."""
        last = self._alive.stat().st_mtime if self._alive.exists() else now
        if now - last > GAP:
            log.warning("nobody watched for %.0f s: all deadlines move by as much", now - last)
            for row in self._site.database.deployments.under_way():
                self._record(row, "clock.gap", seconds=now - last)
        self._alive.touch()
        os.utime(self._alive, (now, now))


def _silence(row: Deployment) -> int:
    """Seconds without a word after which who writes the disk counts as lost."""
    return INSTALLER_SILENCE if row.is_installed else ROWS[Stage.WRITING].silence
