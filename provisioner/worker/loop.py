"""The worker's one loop: woken by each commit or the next deadline; it keeps nothing that matters."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from provisioner.deployment import boot_proof, guard
from provisioner.deployment.downtime import GAP
from provisioner.deployment.guard import Standing
from provisioner.deployment.record import record, refused, standing, standings, try_record
from provisioner.deployment.runs import waiting
from provisioner.diagnosis.overdue import overdue
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentSilent, NetbootAgain
from provisioner.domain.events.clock import ClockGap, ClockStep, DeadlinePassed
from provisioner.domain.events.order import RunStopped, SlotGiven
from provisioner.domain.events.payload import Failure
from provisioner.domain.events.power import PowerBegan, PowerDelayed, PowerFailed
from provisioner.domain.events.verification import SealFailed, SealTask, VerifyFailed, VerifyUnreachable
from provisioner.domain.refusal import Refusal
from provisioner.domain.run import RunProgress
from provisioner.domain.stage import Stage
from provisioner.errors import NotNowError, ProvisionError, TransitionError
from provisioner.setting_sections import MOST_WEBHOOKS
from provisioner.site.site import Site
from provisioner.state.alive import alive_file, mark_alive
from provisioner.state.counters import MetricsWriter
from provisioner.state.lock import exclusive
from provisioner.state.notify import Listener
from provisioner.state.ssh_keys import KeyBox
from provisioner.system.json_lines import about
from provisioner.system.pulse import Pulse
from provisioner.worker import bmc_requests, examination, power, verification
from provisioner.worker.audit_signing import AuditSigning
from provisioner.worker.consoles import Consoles
from provisioner.worker.hearing import Hearing, fell_silent, silence_limit
from provisioner.worker.metrics import WorkerMetrics
from provisioner.worker.retention import Retention
from provisioner.worker.slots import Slots
from provisioner.worker.verifications import AT_ONCE, Verifications
from provisioner.worker.webhooks import Webhooks

log = logging.getLogger(__name__)
LONGEST_NAP = 2.0  # seconds; also how often the sign of our own life is renewed
STEP = 1.0  # seconds by which real time differs at once: it was set, for it is slewed by less (adjtime(3))
RETRY = 5.0  # seconds between two tries to reach a host by SSH
THREADS = 16
BMC_THREADS = (
    40  # requests of `provision bmc`, mostly waiting: a rack is asked at once, however many are dead
)
# how a stage fails when its work ends by an error that nobody expected
FAILURES: dict[Stage, type[Failure]] = {
    Stage.POWERING: PowerFailed,
    Stage.VERIFYING: VerifyFailed,
    Stage.SEALING: SealFailed,
}
# the last events of `powering` after which the BMC has not been told yet, or may not have been
BEFORE_POWER = frozenset(
    event.kind for event in (SlotGiven, PowerBegan, PowerDelayed, AgentSilent, NetbootAgain)
)
# minutes of each host, for which no other one may wait that is to be powered or restarted
BY_SSH = {Stage.VERIFYING, Stage.SEALING}
BEFORE_WRITING = guard.ARMED | {Stage.QUEUED}
UNREACHABLE = frozenset(event.kind for event in (VerifyUnreachable, SealTask))  # SSH may have failed
Work = Callable[[Site, Deployment], None]


def serve(site: Site, pulse: Pulse) -> None:
    """Work until the process is ended. Raises ServiceError (PV-606): two would each tell the same BMC."""
    state = site.settings.state
    with (
        exclusive(state, "worker", "worker.lock"),
        Listener(state, "worker") as listener,
        ThreadPoolExecutor(THREADS) as pool,
        ThreadPoolExecutor(BMC_THREADS) as bmc_pool,
        ThreadPoolExecutor(THREADS) as ssh_pool,
        ThreadPoolExecutor(AT_ONCE) as host_pool,
        ThreadPoolExecutor(AT_ONCE) as proof_pool,
        ThreadPoolExecutor(MOST_WEBHOOKS) as webhook_pool,
        KeyBox(state) as keys,
    ):
        hearing = Hearing(site)
        if "web" in site.settings.services:
            hearing.start()
        loop = Loop(site, listener, pool, hearing, pulse, bmc_pool, ssh_pool)
        loop.verifications = Verifications(site, keys, host_pool, listener.notify)
        loop.proof_pool = proof_pool
        metrics = WorkerMetrics(site)
        loop.webhooks = Webhooks(site, webhook_pool, metrics.registry)
        MetricsWriter(metrics.registry, state, metrics.update).start()
        pulse.ready("worker: watching deployments")
        while True:
            seen = listener.count
            nap = loop.round()
            listener.wait(seen, nap)


class Loop:
    """One pass over the rows at a time; `step` never raises for a deployment's fault."""

    def __init__(
        self,
        site: Site,
        listener: Listener,
        pool: ThreadPoolExecutor,
        hearing: Hearing,
        pulse: Pulse | None = None,
        bmc_pool: ThreadPoolExecutor | None = None,
        ssh_pool: ThreadPoolExecutor | None = None,
    ) -> None:
        self._site = site
        self._hearing = hearing
        self._listener = listener
        self._pool, self._bmc_pool, self._ssh_pool = pool, bmc_pool or pool, ssh_pool or pool
        self.proof_pool = self._bmc_pool  # each takes minutes, for which nobody else shall wait
        self._pulse = pulse or Pulse()
        self._retention = Retention(site)
        self._audit_signing = AuditSigning(site)
        self._complaint = ""
        self.verifications: Verifications | None = None  # those that were asked for after a deployment
        self.webhooks: Webhooks | None = None
        self._consoles = Consoles(site, listener.notify)
        self._at_work: dict[tuple[str | int, ...], Future[None]] = {}
        self._slots = Slots(site)
        anchor = site.database.clock.anchor()
        self._ahead = anchor.steps if anchor else 0.0  # seconds by which real time was set forward until now

    def round(self) -> float:
        """One step, whatever comes of it; seconds until the next.

        Where nothing can be written (a full disk, a database that somebody holds) nothing is decided either.
        """
        self._pulse.beat()
        try:
            self.step()
            return self.nap()
        except Exception as fault:
            self._complain("nothing can be looked at", fault)
            return LONGEST_NAP

    def step(self) -> None:
        """Look at every request and every deployment once."""
        now = self._site.clock()
        self._note_gap(now)
        self._guarded("the clock", partial(self._note_step, now))
        for request in self._site.database.requests.open():
            pool = self.proof_pool if request.action == boot_proof.ACTION else self._bmc_pool
            self._submit(("request", request.id), partial(self._answer, request.id), pool)
        if self.verifications:
            self._guarded("the verifications", self.verifications.look)
        if self.webhooks:
            self._guarded("the webhooks", self.webhooks.step)
        self._guarded("the queue", partial(self._look_at_queue, now))
        rows = self._site.database.deployments.under_way()
        self._guarded("the consoles", partial(self._consoles.look, rows))
        waiting = [row for row in rows if row.stage in BEFORE_WRITING and not row.paused]
        known = standings(self._site, waiting, now)
        for row in rows:
            self._guarded(row.id, partial(self._look, row, known.get(row.id), now))
        self._guarded("what is kept", self._retention.step)
        self._guarded("the audit", self._audit_signing.step)

    def _guarded(self, what: str, look: Callable[[], None]) -> None:
        """One deployment's fault must not keep the loop from the others."""
        self._pulse.beat()
        try:
            look()
        except TransitionError as late:
            log.info("%s", late)
        except Exception as fault:
            self._complain(f"{what} could not be looked at", fault)

    def _complain(self, what: str, fault: Exception) -> None:
        """Errors of ours in words, and not again until another comes; what nobody expected with its place."""
        if not isinstance(fault, ProvisionError):
            log.error("%s", what, exc_info=fault)
        elif self._complaint != f"{what}: {fault}":
            self._complaint = f"{what}: {fault}"
            log.warning("%s (PV-%d)", self._complaint, fault.code)

    def nap(self) -> float:
        """Seconds until something must be looked at again."""
        now = self._site.clock()
        rows = self._site.database.deployments.under_way()
        ends = [row.deadline - now for row in rows if not row.paused]
        return max(0.05, min([LONGEST_NAP, *ends]))

    def _look_at_queue(self, now: float) -> None:
        """What of a run shall not begin any more ends; the next in line begins."""
        runs = waiting(self._site)
        self._guarded("the runs", partial(self._stop_runs, runs))
        self._slots.give(self._site.database.deployments.under_way(), runs, now)

    def _stop_runs(self, runs: dict[str, RunProgress]) -> None:
        """What is queued in a run whose hosts fail alike, or whose canary failed, is not begun."""
        for ident, progress in runs.items():
            if reason := progress.reason_to_stop():
                stopped = RunStopped(sentence=reason, hint=f"provision status {ident}")
                for row in progress.rows:
                    if row.stage == Stage.QUEUED and not row.is_unreadable:
                        try_record(self._site, row.id, stopped, source="worker")

    def _look(self, row: Deployment, known: Standing | None, now: float) -> None:
        is_expired = not row.consumed and now > row.expires
        if row.paused and not is_expired:  # until a person says how it goes on
            return
        if now > row.deadline or is_expired:
            record(self._site, row.id, overdue(self._site, row), source="worker")
        elif withdrawn := self._withdrawal(row, known, now):
            record(self._site, row.id, refused(withdrawn), source="worker")
        elif row.stage == Stage.WRITING and (seconds := self._unheard(row, now)) > silence_limit(row):
            record(self._site, row.id, fell_silent(row, seconds), source="worker")
        elif examination.is_silent(row, self._unheard(row, now)):
            examination.release(self._site, row)
        elif work := self._work(row, now):
            pool = self._ssh_pool if row.stage in BY_SSH else self._pool
            self._submit((row.id, row.stage), partial(self._do, work, row.id), pool)

    def _unheard(self, row: Deployment, now: float) -> float:
        """Seconds for which it could have been heard, and was not."""
        return now - max(row.last_event_at, self._hearing.since)

    def _withdrawal(self, row: Deployment, known: Standing | None, now: float) -> Refusal | None:
        """Why an order of which nothing is being written does not hold any more.

        What was `known` when this pass began is enough to let it stand, not to end it.
        """
        if row.stage not in BEFORE_WRITING or (known and not guard.withdrawal(known)):
            return None
        return guard.withdrawal(standing(self._site, row, now))

    def _work(self, row: Deployment, now: float) -> Work | None:
        """What is to be done at the row's stage now; None where only a sign of life is waited for."""
        if row.paused:
            return None
        if row.stage == Stage.POWERING and row.last_event in BEFORE_POWER:
            return power.power_on if self._consoles.is_settled(row) and not self._pauses(row, now) else None
        if row.stage == Stage.RESTARTING and not row.reboot:
            return power.choose_disk
        waits = row.last_event in UNREACHABLE and now - row.last_event_at < RETRY
        if row.stage == Stage.VERIFYING and row.is_verification:
            return examination.judge
        if row.stage == Stage.VERIFYING:
            return None if waits else verification.verify
        if row.stage == Stage.SEALING:
            return None if waits else verification.seal
        return None

    def _pauses(self, row: Deployment, now: float) -> bool:
        """Whether its BMC asked for time that is not over."""
        if row.last_event != PowerDelayed.kind:
            return False
        return now - row.last_event_at < power.pause(self._site, row)

    def _submit(self, key: tuple[str | int, ...], work: Callable[[], None], pool: ThreadPoolExecutor) -> None:
        if key in self._at_work and not self._at_work[key].done():
            return
        self._at_work[key] = pool.submit(work)

    def _answer(self, ident: int) -> None:
        """Answer a request of `provision bmc`."""
        try:
            bmc_requests.answer(self._site, ident)
        except ProvisionError as fault:
            self._complain(f"request {ident} failed", fault)
        except Exception:
            log.exception("request %d failed", ident)
        finally:
            self._listener.notify()

    def _do(self, work: Work, ident: str) -> None:
        """Do a stage's work, unless it was done since it was asked for."""
        try:
            row = self._site.database.deployments.get(ident)
            if self._work(row, self._site.clock()) is work:
                with about(row.host, row.id):
                    self._try(work, row)
        except ProvisionError as fault:
            self._complain(f"{work.__name__} of {ident} could not be begun", fault)
        except Exception:
            log.exception("%s of %s could not be begun", work.__name__, ident)
        finally:
            self._listener.notify()

    def _try(self, work: Work, row: Deployment) -> None:
        """An error that the work did not expect fails the deployment, with what is known."""
        try:
            work(self._site, row)
        except TransitionError as late:
            log.info("%s", late)
        except NotNowError as fault:  # it says nothing of the deployment, which goes on when there is room
            self._complain(f"{work.__name__} of {row.id} waits", fault)
        except Exception as fault:
            log.exception("%s failed", work.__name__)
            failure = FAILURES.get(row.stage, DeadlinePassed)
            try_record(self._site, row.id, _failed(failure, fault), source="worker")

    def _note_gap(self, now: float) -> None:
        """Time in which we did not look does not count against anybody's deadline."""
        alive = alive_file(self._site.settings.state)
        last = alive.stat().st_mtime if alive.exists() else now
        if now - last > GAP:
            log.warning("nobody watched for %.0f s: all deadlines move by as much", now - last)
            for row in self._site.database.deployments.under_way():
                try_record(self._site, row.id, ClockGap(seconds=now - last), source="worker")
        mark_alive(self._site.settings.state, now)

    def _note_step(self, now: float) -> None:
        """That somebody set the clock is told; it moves nothing, for nothing is compared with that clock."""
        step = self._site.real_time() - now - self._ahead
        if abs(step) < STEP:
            return
        self._ahead += step
        event = ClockStep(seconds=step)
        log.warning("%s", event.describe())
        site = self._site
        site.database.events.note(Event.of_network(event, source="clock", now=now))
        with site.database.writing():
            if anchor := site.database.clock.anchor():
                site.database.clock.put(replace(anchor, steps=self._ahead))
        for row in site.database.deployments.under_way():
            try_record(site, row.id, event, source="clock")


def _failed(kind: type[Failure], fault: Exception) -> Failure:
    if isinstance(fault, ProvisionError):
        return kind(code=fault.code, sentence=str(fault), hint=fault.hint)
    sentence = f"the service met an error of its own: {fault!r}"
    return kind(code=600, sentence=sentence, hint="the worker's log has the details")
