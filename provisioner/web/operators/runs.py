"""Runs: plan, order, show, follow, cancel."""

from contextlib import suppress

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import DeploymentStatus
from provisioner.api.runs import RunAnswer, RunArmed, RunCancelled, RunEvents, RunOrder, RunPlan
from provisioner.deployment import admission, plan
from provisioner.deployment.order import make_id
from provisioner.deployment.record import record
from provisioner.deployment.runs import arm_run, preview_run, select_hosts
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.run import Run
from provisioner.domain.stage import RESTING
from provisioner.errors import RefusedError, TransitionError, UnreadableError
from provisioner.site.site import Site
from provisioner.web.request import await_change, the_site


def order(body: RunOrder) -> RunPlan | RunArmed:
    """The plans of all hosts that are meant; and, with `arm` and the right count, the armed run."""
    site = the_site()
    hosts = select_hosts(site, body.select, everything=body.all)
    plans, left_out = preview_run(site, hosts, body.image, body.terms)
    if not body.arm:
        return RunPlan(plans=tuple(plans), left_out=tuple(left_out))
    if refusal := admission.other_servers(site):
        raise admission.error(refusal)
    _check_count(body.expect_count, len(plans))
    run = _make_run(site, body)
    arm_run(site, run, [(each.host, plan.find_image(site, each.image.id)) for each in plans])
    return RunArmed(run=run, deployments=_deployments(site, run.id), left_out=tuple(left_out))


def _check_count(expected: int, count: int) -> None:
    if expected != count:
        raise RefusedError(
            f"{count} hosts would be erased, not {max(expected, 0)}: nothing was ordered",
            hint="look at the list, then give the count",
            code=134,
        )


def _make_run(site: Site, body: RunOrder) -> Run:
    now = site.clock()
    return Run(
        id=make_id(now).replace("d-", "r-", 1),
        created=now,
        by=body.by,
        select=body.select,
        max_parallel=body.max_parallel,
        stop_after=body.stop_after,
        until=body.until,
        terms=body.terms,
    )


def show(ident: str) -> RunAnswer:
    """A run and its deployments."""
    site = the_site()
    return RunAnswer(run=site.database.runs.get(ident), deployments=_deployments(site, ident))


def events(ident: str, query: EventQuery) -> RunEvents:
    """Events of all its deployments with an id above `after`; waits where there are none."""
    site = the_site()
    database = site.database
    database.runs.get(ident)  # raises NotFoundError
    new = await_change(
        lambda: database.events.of_run(ident, query.after),
        lambda new: bool(new) or all(row.stage in RESTING for row in database.deployments.of_run(ident)),
        query.wait,
    )
    return RunEvents(events=tuple(new), deployments=_deployments(site, ident), now=site.clock())


def cancel(ident: str) -> RunCancelled:
    """End every deployment of a run that is not at rest."""
    site = the_site()
    with suppress(UnreadableError):  # what it has ordered can be ended all the same
        site.database.runs.get(ident)  # raises NotFoundError
    for row in site.database.deployments.of_run(ident):
        if row.stage not in RESTING:
            try:
                record(site, row.id, OrderCancelled(by="operator"), source="operator")
            except TransitionError:
                continue  # it came to rest meanwhile
    return RunCancelled(deployments=_deployments(site, ident))


def _deployments(site: Site, run: str) -> tuple[DeploymentStatus, ...]:
    return tuple(DeploymentStatus.model_validate(row) for row in site.database.deployments.of_run(run))
