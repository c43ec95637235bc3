"""Deployments: plan, order, show, follow, cancel."""

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import (
    DeploymentAnswer,
    DeploymentCancelled,
    DeploymentDetails,
    DeploymentEvents,
    DeploymentList,
    DeploymentOrder,
    DeploymentResumed,
    DeploymentStatus,
    OrderAnswer,
    PlanAnswer,
)
from provisioner.deployment import admission, plan
from provisioner.deployment.order import arm
from provisioner.deployment.record import record, set_aside
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import OrderCancelled, OrderResumed
from provisioner.domain.events.payload import Failure
from provisioner.domain.stage import RESTING
from provisioner.errors import NotFoundError, TransitionError, UnreadableError
from provisioner.site.site import Site
from provisioner.web.request import await_change, the_site


def order(body: DeploymentOrder) -> PlanAnswer | OrderAnswer:
    """The plan of one host; and, with `arm` and the confirmation, the armed deployment."""
    site = the_site()
    host = plan.find_host(site, body.host)
    image = plan.choose_image(site, host, body.image)
    proposal = plan.make(site, host, image, body.terms)
    if not body.arm:
        return PlanAnswer(plan=proposal)
    admission.raise_first(proposal.refusals)
    plan.confirm(proposal, body.confirmation, yes=body.yes)
    row = arm(
        site,
        host,
        image,
        by=body.by,
        stop_after=body.stop_after,
        iso=proposal.installer,
        terms=body.terms,
    )
    return OrderAnswer(plan=proposal, deployment=DeploymentStatus.model_validate(row))


def list_newest() -> DeploymentList:
    """The newest hundred, newest first.

    `unreadable` says of each row of any table that lists leave out why that is so.
    """
    database = the_site().database
    rows = tuple(DeploymentStatus.model_validate(row) for row in database.deployments.newest())
    unreadable = (f"{fault} (PV-{fault.code}): {fault.hint}" for fault in database.unreadable())
    return DeploymentList(deployments=rows, unreadable=tuple(unreadable))


def show(ident: str) -> DeploymentAnswer:
    """One deployment by id, or the last one of a host by name, serial or MAC."""
    site = the_site()
    return DeploymentAnswer(deployment=_details(site, find(site, ident)), now=site.clock())


def events(ident: str, query: EventQuery) -> DeploymentEvents:
    """Its events with an id above `after`; waits where there are none."""
    site = the_site()
    database, row = site.database, find(site, ident)
    new = await_change(
        lambda: database.events.of(row.id, query.after),
        lambda new: bool(new) or database.deployments.get(row.id).stage in RESTING,
        query.wait,
    )
    deployment = _details(site, database.deployments.get(row.id))
    return DeploymentEvents(events=tuple(new), deployment=deployment, now=site.clock())


def cancel(ident: str) -> DeploymentCancelled:
    """End a deployment. The agent stops writing at its next word with us; the host is not powered off.

    One that cannot be read is set aside, with what can be read of it.
    """
    site = the_site()
    try:
        row = find(site, ident)
    except UnreadableError as fault:
        if not ident.startswith("d-"):
            raise
        return DeploymentCancelled(deployment=DeploymentStatus.model_validate(set_aside(site, ident, fault)))
    try:
        row = record(site, row.id, OrderCancelled(by="operator"), source="operator")
    except TransitionError as late:
        ended = site.database.deployments.get(row.id)
        raise TransitionError(
            f"{row.id} of {row.host} is {ended.stage} already", hint=f"again: provision retry {row.host}"
        ) from late
    return DeploymentCancelled(deployment=DeploymentStatus.model_validate(row))


def resume(ident: str) -> DeploymentResumed:
    """Let a paused deployment go on, after somebody has looked at why it was paused."""
    site = the_site()
    row = find(site, ident)
    try:
        row = record(site, row.id, OrderResumed(by="operator"), source="operator")
    except TransitionError as refused:
        raise TransitionError(
            f"{row.id} of {row.host} is not paused, it is {row.stage}", hint=f"provision status {row.host}"
        ) from refused
    return DeploymentResumed(deployment=DeploymentStatus.model_validate(row))


def find(site: Site, text: str) -> Deployment:
    """A deployment by id, or a host's last one. Raises NotFoundError."""
    if text.startswith("d-"):
        return site.database.deployments.get(text)
    host = plan.find_host(site, text)
    row = site.database.deployments.last_of(host.name)
    if row is None:
        raise NotFoundError(f"{host.name} was never deployed", hint=f"provision deploy {host.name}", code=123)
    return row


def _details(site: Site, row: Deployment) -> DeploymentDetails:
    """For people; where it has failed, with the last words of its console."""
    last = site.database.events.last_of(row.id) if row.stage in RESTING else None
    details = DeploymentDetails.model_validate(row)
    console = tuple(last.data.console) if last and isinstance(last.data, Failure) else ()
    return details.model_copy(update={"console": console})
