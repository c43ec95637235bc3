"""One deployment: how it stands, why it waits or has failed, how long its stages took, what can be done."""

from flask import Response, request

from provisioner.api.deployments import DeploymentDetails, DeploymentOrder
from provisioner.diagnosis import usual
from provisioner.domain import retry as again
from provisioner.domain.event import Event
from provisioner.domain.person import Role
from provisioner.domain.plan import Plan
from provisioner.domain.progress import BURN_IN_REPORTS_END, REPORTS_END, Progress
from provisioner.domain.run import RunProgress
from provisioner.domain.stage import RESTING, Stage
from provisioner.errors import ProvisionError, TransitionError
from provisioner.state.throughput import ThroughputFile
from provisioner.web.operators import deployments, runs
from provisioner.web.pages import story, submitted
from provisioner.web.pages.moving import Moving
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_caller, the_site

MOST_EVENTS = 20_000  # that are read of one
LONGEST_TEXT = 80  # characters that are looked for in a log
MODES = {"full": "everything is written again", "wipe": "the whole disk is filled with zeros first"}


def show(ident: str) -> Shown:
    """All that is known of one, by its id, or of a host's last one."""
    site, answer = the_site(), deployments.show(ident)
    row, now = answer.deployment, answer.now
    events, seen = _events(row), Moving(row, answer.deployment, now)
    standing = seen.look
    text = request.args.get("text", "").strip()[:LONGEST_TEXT]
    known = usual.of_profile(site.database, site.database.deployments.get(row.id))
    samples = ThroughputFile(site.settings.state, row.id).read()
    values: dict[str, object] = {
        "row": row,
        "seen": seen,
        "is_over": row.stage in RESTING,
        "standing": standing,
        "stages": story.stages(row, events, known, now, standing),
        "log": story.log(events, text, row.created),
        "text": text,
        "throughput": story.throughput(samples),
        "writing": seen.progress if row.progress.is_of(row.stage) else None,
        "left": 0.0 if seen.is_stuck else seen.progress.seconds_left,
        "is_silent": seen.is_stuck or _is_silent(row.progress, now),
        "disk": row.disk if row.disk.name else row.target,
        "is_written": bool(row.disk.name),
        "is_host": site.database.hosts.known({row.host}),
        "way": MODES.get(row.write_mode, ""),
        **_actions(row),
    }
    return Shown("deployment.html", values)


def _events(row: DeploymentDetails) -> list[Event]:
    return the_site().database.events.of(row.id, limit=MOST_EVENTS)


def _is_silent(moved: Progress, now: float) -> bool:
    """Whether its last report is so old that its rate holds no longer."""
    limit = BURN_IN_REPORTS_END if moved.test else REPORTS_END
    return bool(moved.reported) and now - moved.reported >= limit


def _actions(row: DeploymentDetails) -> dict[str, bool]:
    is_over, may_act = row.stage in RESTING, the_caller().role.covers(Role.TECHNICIAN)
    return {
        "may_act": may_act,
        "can_cancel": may_act and not is_over,
        "can_resume": may_act and not is_over and bool(row.paused) and row.stage != Stage.QUEUED,
        "can_retry": may_act and is_over and not row.ended_as_ordered and not row.is_verification,
    }


def ask_cancel(ident: str) -> Shown:
    """What would end, and what would not begin because of it."""
    row = deployments.show(ident).deployment
    followers: tuple[str, ...] = ()
    if row.run:
        found = runs.show(row.run)
        waiting = RunProgress(found.run, found.deployments).followers_of(row.id)
        followers = tuple(each.host for each in waiting)
    values = {"row": row, "is_over": row.stage in RESTING, "followers": followers}
    return Shown("deployment_cancel.html", values)


def cancel(ident: str) -> Response:
    """End it; of a host that is verified by an SSH key, that. Who presses twice is shown how it has ended."""
    try:
        deployments.cancel(ident)
    except TransitionError:
        if deployments.show(ident).deployment.stage not in RESTING:
            raise
    return go(f"/deployments/{ident}")


def resume(ident: str) -> Response:
    """Let it go on, after somebody has looked at why it was paused; likewise."""
    row = deployments.show(ident).deployment
    submitted.require_pause(row.paused, f"{row.id} of {row.host}")
    try:
        deployments.resume(ident)
    except TransitionError:
        if deployments.show(ident).deployment.paused:
            raise
    return go(f"/deployments/{ident}")


def ask_retry(ident: str) -> Shown:
    """The same order once more, as a plan."""
    return _retry_page(ident, None)


def retry(ident: str) -> Response | Shown:
    """The new deployment, or why it was not ordered."""
    row = _last(ident)
    order = _again(row).model_copy(
        update={
            "arm": True,
            "confirmation": request.form.get("confirmation", ""),
            "shown": submitted.digest(),
        }
    )
    _plan(row)
    answer, fault = submitted.attempt(lambda: deployments.order(order))
    if answer is None:
        return _retry_page(ident, fault)
    armed = getattr(answer, "deployment", None)
    return go(f"/deployments/{armed.id}") if armed else _retry_page(ident, None)


def _last(ident: str) -> DeploymentDetails:
    row = deployments.show(ident).deployment
    again.require_deployment(row)
    return row


def _again(row: DeploymentDetails) -> DeploymentOrder:
    """With the image, the terms and the end of the order before."""
    terms = again.terms_of(row, _events(row))
    return DeploymentOrder(host=row.host, image=row.image, terms=terms, stop_after=row.stop_after)


def _plan(row: DeploymentDetails) -> Plan:
    """What it would do now. Raises RefusedError (PV-142) where the host is another machine by now."""
    plan = deployments.order(_again(row)).plan
    again.require_same_machine(row, plan.host)
    return plan


def _retry_page(ident: str, fault: ProvisionError | None) -> Shown:
    row = _last(ident)
    values = {"row": row, "plan": _plan(row), "way": MODES.get(row.write_mode, ""), "fault": fault}
    return Shown("deployment_retry.html", values, submitted.status_with(fault))


PAGES = (
    Page("GET", "/deployments/<path:ident>", show, Role.VIEWER),
    Page("GET", "/deployments/<path:ident>/cancel", ask_cancel, Role.TECHNICIAN),
    Page("POST", "/deployments/<path:ident>/cancel", cancel, Role.TECHNICIAN),
    Page("POST", "/deployments/<path:ident>/resume", resume, Role.TECHNICIAN),
    Page("GET", "/deployments/<path:ident>/retry", ask_retry, Role.TECHNICIAN),
    Page("POST", "/deployments/<path:ident>/retry", retry, Role.TECHNICIAN),
)
