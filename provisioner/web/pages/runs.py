"""Runs: one order for many hosts, how each of them is, and how it ended."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from flask import Response, request

from provisioner.api.deployments import DeploymentStatus
from provisioner.api.runs import RunArmed, RunOrder, RunPlan, RunQuery
from provisioner.domain import run_csv, run_totals
from provisioner.domain.deployment import Deployment
from provisioner.domain.failures import of_rows
from provisioner.domain.person import Role
from provisioner.domain.run import Run
from provisioner.domain.stage import ACTIVE, Stage
from provisioner.errors import ProvisionError, TransitionError
from provisioner.web.operators import runs
from provisioner.web.pages import moving, run_view, submitted
from provisioner.web.pages.page import Page, Shown, go
from provisioner.web.request import the_caller, the_site

MOST = 200  # runs of the list
VIEWS = ("grid", "list")


def list_all() -> Shown:
    """The newest first, each with how many of its hosts are how."""
    found = runs.list_newest(RunQuery(limit=MOST))
    stuck = _stuck([each.run.id for each in found.runs if run_totals.MOVING in each.counts])
    rows = []
    for each in found.runs:
        totals = run_totals.with_stuck(each.counts, stuck[each.run.id])
        rows.append(
            {
                "run": each.run,
                "total": sum(totals.values()),
                "told": run_totals.describe(totals),
                "shares": run_view.shares(totals),
                "title": run_view.title(each.run),
                "look": run_view.standing(totals),
            }
        )
    return Shown(
        "runs.html", {"rows": rows, "total": found.total, "hosts": the_site().database.hosts.count()}
    )


def _stuck(idents: Sequence[str]) -> Counter[str]:
    """How many hosts of each of these runs wait for somebody."""
    database = the_site().database
    rows = [row for ident in idents for row in database.deployments.of_run(ident)]
    return Counter(each.row.run for each in moving.active(rows).values() if each.is_stuck)


def show(ident: str) -> Shown:
    """One run: the grid of its hosts, its gate, what hinders it and what can be done."""
    found, now = runs.show(ident), the_site().clock()
    rows = found.deployments
    queued = [row for row in rows if row.stage == Stage.QUEUED and not row.is_unreadable]
    view = request.args.get("view", "")
    values = {
        "seen": run_view.of(found.run, rows, now),
        "view": view if view in VIEWS else "grid",
        "order": _words(found.run),
        "is_open": any(row.stage in ACTIVE or row in queued for row in rows),
        "can_pause": any(not row.paused for row in queued),
        "can_resume": any(row.paused for row in queued),
        "paused": _paused(rows),
        "can_retry": bool(of_rows(rows)),
        "may_pause": the_caller().role.covers(Role.TECHNICIAN),
        "may_order": the_caller().role.covers(Role.OPERATOR),
        "expires": min((row.expires for row in queued if row.paused), default=0.0),
    }
    return Shown("run.html", values)


def _paused(rows: Sequence[DeploymentStatus]) -> float:
    """Since when it is paused; 0 where no host of it waits for that."""
    waiting = (row for row in rows if row.stage == Stage.QUEUED and not row.is_unreadable)
    return max((row.paused for row in waiting), default=0.0)


def _words(run: Run) -> list[str]:
    """Limits and terms of the order, as far as they are not as usual."""
    terms = run.terms
    said = {
        f"at most {run.max_parallel} at one time": run.max_parallel,
        f"stops after {run.stop_after} that fail alike": run.stop_after,
        f"each ends after {run.until}": run.until,
        {"full": "writes everything again", "wipe": "wipes each disk first"}.get(
            terms.write_mode, ""
        ): terms.write_mode != "delta",
        "data that are not ours may be erased": terms.erase_foreign,
        "an older version is allowed": terms.allow_downgrade,
    }
    return [words for words, holds in said.items() if holds]


def pause(ident: str) -> Response:
    """Let no further host begin. Where none is left for that, the run's page says how it is."""
    with suppress(TransitionError):
        runs.pause(ident)
    return go(f"/runs/{ident}")


def resume(ident: str) -> Response:
    """Let it go on; likewise."""
    submitted.require_pause(_paused(runs.show(ident).deployments), ident)
    with suppress(TransitionError):
        runs.resume(ident)
    return go(f"/runs/{ident}")


def ask_cancel(ident: str) -> Shown:
    """What would end, and whose it is."""
    found = runs.show(ident)
    moving = run_view.moving_hosts(found.deployments)
    waiting = sum(row.stage == Stage.QUEUED for row in found.deployments)
    values = {"run": found.run, "moving": moving, "waiting": waiting, "total": len(found.deployments)}
    return Shown("run_cancel.html", values)


def cancel(ident: str) -> Response:
    """End all that is not at rest."""
    runs.cancel(ident)
    return go(f"/runs/{ident}")


def ask_retry(ident: str) -> Shown:
    """What failed or was cancelled, as plans; it is ordered once their number was typed."""
    return _retry_page(ident, None)


def retry(ident: str) -> Response | Shown:
    """The new run, or why it was not ordered."""
    count = request.form.get("expect_count", "").strip()
    wanted = _again(ident).model_copy(
        update={
            "arm": True,
            "expect_count": submitted.whole(count, -1),
            "shown": submitted.digest(),
        }
    )
    armed, fault = submitted.attempt(lambda: runs.order(wanted))
    if armed is None or isinstance(armed, RunPlan):
        return _retry_page(ident, fault)
    return go(f"/runs/{armed.run.id}")


def _again(ident: str) -> RunOrder:
    """With the terms and limits of the run before."""
    old = runs.show(ident).run
    return RunOrder(
        retry=ident,
        max_parallel=old.max_parallel,
        canary=old.canary,
        stop_after=old.stop_after,
        until=old.until,
        terms=old.terms,
    )


def _retry_page(ident: str, fault: ProvisionError | None) -> Shown:
    wanted = _again(ident)
    try:
        plan = runs.order(wanted)
    except ProvisionError as refused:
        if fault is None:
            raise
        raise fault from refused
    values: dict[str, object] = {
        "ident": ident,
        "plan": plan,
        "fault": fault,
        "run": _ordered_before(plan) if fault else "",
        "order": _words(runs.show(ident).run),
    }
    return Shown("run_retry.html", values, submitted.status_with(fault))


def _ordered_before(plan: RunPlan | RunArmed) -> str:
    """The run by which they are under way already, where nobody is left to deploy."""
    if not isinstance(plan, RunPlan) or plan.plans:
        return ""
    return run_view.under_way_by(each.host for each in plan.left_out)


def report(ident: str) -> Shown:
    """How each host ended: a table that is printed or taken along."""
    found = runs.report(ident)
    rows: list[Deployment] = the_site().database.deployments.of_run(ident)
    return Shown("run_report.html", {"report": found, "told": run_totals.describe(run_totals.counts(rows))})


def report_csv(ident: str) -> Response:
    """Likewise for a spreadsheet."""
    found = runs.report(ident)
    reply = Response(run_csv.render(found.hosts), content_type="text/csv; charset=utf-8")
    reply.headers["Content-Disposition"] = f'attachment; filename="{found.run.id}.csv"'
    return reply


PAGES = (
    Page("GET", "/runs", list_all, Role.VIEWER),
    Page("GET", "/runs/<ident>", show, Role.VIEWER),
    Page("POST", "/runs/<ident>/pause", pause, Role.TECHNICIAN),
    Page("POST", "/runs/<ident>/resume", resume, Role.OPERATOR),
    Page("GET", "/runs/<ident>/cancel", ask_cancel, Role.OPERATOR),
    Page("POST", "/runs/<ident>/cancel", cancel, Role.OPERATOR),
    Page("GET", "/runs/<ident>/retry", ask_retry, Role.OPERATOR),
    Page("POST", "/runs/<ident>/retry", retry, Role.OPERATOR),
    Page("GET", "/runs/<ident>/report", report, Role.VIEWER),
    Page("GET", "/runs/<ident>/report.csv", report_csv, Role.VIEWER),
)
