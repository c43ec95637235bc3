"""Deployments: plan, order, show, follow, cancel."""

from collections.abc import Iterator

from provisioner.api.answer import EventQuery
from provisioner.api.deployments import (
    DeploymentAnswer,
    DeploymentCancelled,
    DeploymentDetails,
    DeploymentEvents,
    DeploymentList,
    DeploymentOrder,
    DeploymentQuery,
    DeploymentResumed,
    DeploymentStatus,
    OrderAnswer,
    PlanAnswer,
)
from provisioner.api.verifications import OpenVerification, VerificationStatus
from provisioner.deployment import admission, plan
from provisioner.deployment.order import arm
from provisioner.deployment.record import record, set_aside
from provisioner.diagnosis.expectation import awaited
from provisioner.diagnosis.judges import judge
from provisioner.diagnosis.observations import observe
from provisioner.domain import selection
from provisioner.domain.deployment import Deployment, Terms
from provisioner.domain.events.order import OrderCancelled, OrderResumed
from provisioner.domain.events.payload import Failure
from provisioner.domain.person import Role
from provisioner.domain.selection import Candidate
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import NotFoundError, TransitionError, UnreadableError
from provisioner.site.site import Site
from provisioner.state.database import Database
from provisioner.state.verifications import Verification
from provisioner.web.request import await_change, require, the_caller, the_site

LOOKED_THROUGH = 10_000  # deployments among which those of some hosts are looked for


def order(body: DeploymentOrder) -> PlanAnswer | OrderAnswer:
    """The plan of one host; and, with `arm` and the confirmation, the armed deployment."""
    site = the_site()
    host = plan.find_host(site, body.host)
    image = plan.choose_image(site, host, body.image)
    proposal = plan.make(site, host, image, body.terms)
    if not body.arm:
        return PlanAnswer(plan=proposal)
    _require_terms(body.terms)
    admission.raise_first(proposal.refusals)
    plan.require_shown(proposal, body.shown)
    plan.confirm(proposal, body.confirmation, yes=body.yes)
    row = arm(
        site,
        host,
        image,
        by=the_caller().name,
        stop_after=body.stop_after,
        iso=proposal.installer,
        terms=body.terms,
        shown=proposal.digest,
    )
    return OrderAnswer(plan=proposal, deployment=DeploymentStatus.model_validate(row))


def _require_terms(terms: Terms) -> None:
    """What a technician cannot judge at the rack. Raises RefusedError (PV-701)."""
    if terms.erase_foreign:
        require(Role.OPERATOR, "allowing that somebody else's data are lost")
    if terms.allow_downgrade:
        require(Role.OPERATOR, "allowing an older version than the host has")


def list_newest(query: DeploymentQuery) -> DeploymentList:
    """The newest, newest first; of the hosts that `select` means, and not older than `since`.

    `unreadable` says of each row of any table that lists leave out why that is so.
    """
    database = the_site().database
    found = database.deployments.newest(LOOKED_THROUGH if query.select else query.limit, query.since)
    fitting = _selected(database, found, query.select)
    rows = tuple(DeploymentStatus.model_validate(row) for row in fitting[: query.limit])
    total = len(fitting) if query.select else database.deployments.count(query.since)
    unreadable = (f"{fault} (PV-{fault.code}): {fault.hint}" for fault in database.unreadable())
    return DeploymentList(
        deployments=rows,
        total=total,
        unreadable=tuple(unreadable),
        verifications=tuple(_verified(database, query.select)),
        now=the_site().clock(),
    )


def _verified(database: Database, select: str) -> Iterator[OpenVerification]:
    """What goes on by an SSH key with the hosts that `select` means, by their last deployments."""
    for row in database.verifications.open():
        last = database.deployments.last_readable(row.host)
        if not select or (last and _selected(database, [last], select)):
            yield OpenVerification.model_validate(row)


def _selected(database: Database, rows: list[Deployment], select: str) -> list[Deployment]:
    """Those that fit; `state` and `image` are those of the deployment itself, not of its host's last one.

    Those of a host that was removed fit nothing, whoever has its name now.
    """
    if not select:
        return rows
    terms, hosts = selection.parse(select), {host.name: host for host in database.hosts.all()}
    candidates = [
        Candidate(hosts[row.host], row) for row in rows if row.host in hosts and not row.of_former_host
    ]
    return [each.last for each in selection.choose(terms, candidates) if each.last]


def show(ident: str) -> DeploymentAnswer:
    """One deployment by id, or the last one of a host by name, serial or MAC."""
    site = the_site()
    return DeploymentAnswer(deployment=details(site, find(site, ident)), now=site.clock())


def events(ident: str, query: EventQuery) -> DeploymentEvents:
    """Its events with an id above `after`; waits where there are none."""
    site = the_site()
    database, row = site.database, find(site, ident)
    new = await_change(
        lambda: database.events.of(row.id, query.after),
        lambda new: bool(new) or database.deployments.get(row.id).stage in RESTING,
        query.wait,
    )
    deployment = details(site, database.deployments.get(row.id))
    return DeploymentEvents(events=tuple(new), deployment=deployment, now=site.clock())


def cancel(ident: str) -> DeploymentCancelled:
    """End a deployment. The agent stops writing at its next word with us; the host is not powered off.

    One that cannot be read is set aside, with what can be read of it. Of a host that is verified by an SSH
    key it is that which ends: its deployment is at rest.
    """
    site = the_site()
    if over := _cancel_verification(site, ident, by=the_caller().name):
        return DeploymentCancelled(verification=VerificationStatus.model_validate(over))
    try:
        row = find(site, ident)
    except UnreadableError as fault:
        if not ident.startswith("d-"):
            raise
        row = set_aside(site, ident, fault, by=the_caller().name)
        return DeploymentCancelled(deployment=DeploymentStatus.model_validate(row))
    try:
        row = record(site, row.id, OrderCancelled(by=the_caller().name), source="operator")
    except TransitionError as late:
        ended = site.database.deployments.get(row.id)
        raise TransitionError(
            f"{row.id} of {row.host} is {ended.stage} already", hint=_after_the_end(site, ended)
        ) from late
    return DeploymentCancelled(deployment=DeploymentStatus.model_validate(row))


def _cancel_verification(site: Site, ident: str, *, by: str) -> Verification | None:
    """What has ended of a host by name, serial or MAC; None where nothing goes on by an SSH key."""
    if ident.startswith("d-"):
        return None
    host = plan.find_host(site, ident).name
    with site.database.writing():
        row = site.database.verifications.open_of(host)
        ended = row.cancelled(by) if row else None
        if ended:
            site.database.verifications.put(ended)
    return ended


def _after_the_end(site: Site, row: Deployment) -> str:
    """What to do of one that has ended: again only what did not end well, and came last."""
    last = site.database.deployments.last_readable(row.host)
    if row.is_verification:
        return f"again: provision verify {row.host}"
    is_last = last is not None and last.id == row.id and site.database.hosts.known({row.host})
    if is_last and not row.ended_as_ordered:
        return f"again: provision retry {row.host}"
    return f"provision status {row.id}"


def resume(ident: str) -> DeploymentResumed:
    """Let a paused deployment go on, after somebody has looked at why it was paused."""
    site = the_site()
    row = find(site, ident)
    if row.stage == Stage.QUEUED and row.paused:
        raise TransitionError(
            f"{row.id} of {row.host} waits, for {row.reason}", hint=f"provision resume {row.run}"
        )
    try:
        row = record(site, row.id, OrderResumed(by=the_caller().name), source="operator")
    except TransitionError as refused:
        raise TransitionError(
            f"{row.id} of {row.host} is not paused, it is {row.stage}", hint=f"provision status {row.host}"
        ) from refused
    return DeploymentResumed(deployment=DeploymentStatus.model_validate(row))


def find(site: Site, text: str) -> Deployment:
    """A deployment by id; of a host the verification that is under way, else its last deployment.

    Raises NotFoundError.
    """
    if text.startswith("d-"):
        return site.database.deployments.get(text)
    host = plan.find_host(site, text)
    order = site.database.deployments.last_order_of(host.name)
    is_under_way = order is not None and order.stage not in RESTING
    row = order if is_under_way else site.database.deployments.last_of(host.name)
    if row is None:
        raise NotFoundError(f"{host.name} was never deployed", hint=f"provision deploy {host.name}", code=123)
    return row


def standing(site: Site, host: str) -> Deployment | None:
    """What tells how a host is: the verification that is under way, else its last deployment.

    What cannot be read is left out: this is for lists and pages, which decide nothing.
    """
    order = site.database.deployments.last_readable_order(host)
    is_under_way = order is not None and order.stage not in RESTING
    return order if is_under_way else site.database.deployments.last_readable(host)


def details(site: Site, row: Deployment) -> DeploymentDetails:
    """For people: why it waits or has failed; where it has failed, with the last words of its console."""
    last = site.database.events.last_of(row.id) if row.stage in RESTING else None
    seen = observe(site, row)
    details = DeploymentDetails.model_validate(row)
    verified = site.database.verifications.open_of(row.host)
    shown = OpenVerification.model_validate(verified) if verified else None
    console = tuple(last.data.console) if last and isinstance(last.data, Failure) else ()
    waits = {"awaits": awaited(seen), "usual": seen.usual.get(row.stage), "causes": judge(seen)}
    return details.model_copy(update={"console": console, "verification": shown, **waits})
