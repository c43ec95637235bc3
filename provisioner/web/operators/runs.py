"""Runs: plan, order, show, follow, pause, cancel, report."""

from contextlib import suppress

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.runs import (
    RunAnswer,
    RunArmed,
    RunCancelled,
    RunEvents,
    RunList,
    RunOrder,
    RunPlan,
    RunQuery,
    RunReport,
    RunStatus,
    RunSummary,
)
from provisioner.deployment import admission, plan
from provisioner.deployment.order import make_id
from provisioner.deployment.record import cancel_run, try_record
from provisioner.deployment.runs import (
    NOBODY_FITS,
    arm_run,
    limits,
    preview_retry,
    preview_run,
    require_shown,
    select_hosts,
)
from provisioner.domain import plan_digest
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import RunPaused, RunResumed
from provisioner.domain.events.payload import Payload
from provisioner.domain.host import Host
from provisioner.domain.plan import LeftOut, Plan
from provisioner.domain.run import Run
from provisioner.domain.run_report import HostResult, host_result
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import InputError, RefusedError, TransitionError, UnreadableError
from provisioner.site.site import Site
from provisioner.system.units import counted, named
from provisioner.web.request import await_change, the_caller, the_site

MOST_EVENTS = 100_000  # of one deployment that are read


def order(body: RunOrder) -> RunPlan | RunArmed:
    """The plans of all hosts that are meant; and, with `arm` and the right count, the armed run."""
    site = the_site()
    plans, left_out = _preview_as_shown(site, body)
    run = _make_run(site, body)
    said = tuple(limits(run, len(plans), site.settings.orders.at_once))
    if not body.arm:
        digest = plan_digest.of_run(plans)
        return RunPlan(plans=tuple(plans), left_out=tuple(left_out), limits=said, digest=digest)
    if refusal := admission.other_servers(site):
        raise admission.error(refusal)
    require_shown(plans, body.shown)
    _check_count(body.expect_count, len(plans))
    chosen = [(each.host, plan.find_image(site, each.image.id)) for each in plans]
    arm_run(site, run, chosen, {each.host.name: each.digest for each in plans})
    return RunArmed(run=run, deployments=_deployments(site, run.id), left_out=tuple(left_out))


def _preview_as_shown(site: Site, body: RunOrder) -> tuple[list[Plan], list[LeftOut]]:
    """As `_preview`; where hosts were shown, and nobody fits any more, that is what is told (PV-146)."""
    try:
        return _preview(site, body)
    except InputError as fault:
        if fault.code == NOBODY_FITS and body.arm:
            require_shown([], body.shown)
        raise


def _preview(site: Site, body: RunOrder) -> tuple[list[Plan], list[LeftOut]]:
    if not body.retry:
        hosts = select_hosts(site, body.select, everything=body.all, names=body.hosts)
        return preview_run(site, hosts, body.image, body.terms)
    if body.select or body.all or body.hosts or body.image:
        raise InputError("a run is retried as it was: no selection and no image goes with it", code=103)
    return preview_retry(site, body.retry, body.terms)


def _check_count(expected: int, count: int) -> None:
    if expected != count:
        raise RefusedError(
            f"{counted(count, 'host')} would be erased, not {max(expected, 0)}: nothing was ordered",
            hint="look at the list, then give the count",
            code=134,
        )


def _make_run(site: Site, body: RunOrder) -> Run:
    now = site.clock()
    return Run(
        id=make_id(now).replace("d-", "r-", 1),
        created=now,
        by=the_caller().name,
        select=body.select or named(dict.fromkeys(body.hosts)),
        max_parallel=body.max_parallel,
        stop_after=body.stop_after,
        until=body.until,
        terms=body.terms,
        canary=body.canary,
        retries=body.retry,
    )


def list_newest(query: RunQuery) -> RunList:
    """The newest runs, newest first, each with how many of its hosts are how."""
    site = the_site()
    found = site.database.runs.newest(query.limit)
    counts = site.database.deployments.counts_of_runs([run.id for run in found])
    rows = tuple(RunSummary(run=run, counts=counts[run.id]) for run in found)
    return RunList(runs=rows, total=site.database.runs.count(), now=site.clock())


def show(ident: str) -> RunAnswer:
    """A run and its deployments."""
    site = the_site()
    return RunAnswer(run=site.database.runs.get(ident), deployments=_deployments(site, ident))


def events(ident: str, query: EventQuery) -> RunEvents:
    """Events of all its deployments with an id above `after`; waits where there are none."""
    site = the_site()
    database = site.database
    run = database.runs.get(ident)
    new = await_change(
        lambda: database.events.of_run(ident, query.after),
        lambda new: bool(new) or all(row.stage in RESTING for row in database.deployments.of_run(ident)),
        query.wait,
    )
    return RunEvents(run=run, events=tuple(new), deployments=_deployments(site, ident), now=site.clock())


def report(ident: str) -> RunReport:
    """How each host of a run ended: result, stage, code, seconds, image, disk, serial."""
    site = the_site()
    run = site.database.runs.get(ident)
    rows = site.database.deployments.of_run(ident)
    hosts = site.database.hosts.known({row.host for row in rows if not row.of_former_host})
    return RunReport(run=run, hosts=tuple(_result(site, row, hosts.get(row.host)) for row in rows))


def _result(site: Site, row: Deployment, host: Host | None) -> HostResult:
    """`host` is None where another machine has its name now, or none."""
    hardware = host and site.database.hosts.hardware(host.name)
    events = site.database.events.of(row.id, limit=MOST_EVENTS)
    return host_result(row, events, hardware.serial if hardware else "", host.rack if host else "")


def pause(ident: str) -> RunStatus:
    """Let no further host of a run begin; what is under way goes on, and no order expires later for it."""
    _tell_queued(
        ident, RunPaused(by=the_caller().name), f"no host of {ident} waits that is not paused already"
    )
    return RunStatus(deployments=_deployments(the_site(), ident))


def resume(ident: str) -> RunStatus:
    """Let a paused run go on."""
    _tell_queued(
        ident, RunResumed(by=the_caller().name), f"no host of {ident} is paused by a pause of the run"
    )
    return RunStatus(deployments=_deployments(the_site(), ident))


def _tell_queued(ident: str, event: Payload, otherwise: str) -> None:
    """Raises TransitionError, with this sentence, where no deployment takes the event."""
    site = the_site()
    site.database.runs.get(ident)  # raises NotFoundError
    rows = site.database.deployments.of_run(ident)
    queued = [row for row in rows if row.stage == Stage.QUEUED and not row.is_unreadable]
    if not any([try_record(site, row.id, event, source="operator") for row in queued]):
        raise TransitionError(otherwise, hint=f"provision status {ident}")


def cancel(ident: str) -> RunCancelled:
    """End every deployment of a run that is not at rest."""
    site = the_site()
    with suppress(UnreadableError):  # what it has ordered can be ended all the same
        site.database.runs.get(ident)  # raises NotFoundError
    cancel_run(site, ident, by=the_caller().name)
    return RunCancelled(deployments=_deployments(site, ident))


def _deployments(site: Site, run: str) -> tuple[DeploymentStatus, ...]:
    return tuple(DeploymentStatus.model_validate(row) for row in site.database.deployments.of_run(run))
