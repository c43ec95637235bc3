"""The JSON API of runs, one order for many hosts; below /api/v1 like all that operators ask."""

from typing import Any

from flask import Response
from pydantic import Field

from provisioner.deployment import admission, plan
from provisioner.deployment.order import make_id
from provisioner.deployment.record import record
from provisioner.deployment.runs import arm_run, preview_run, select_hosts
from provisioner.domain.deployment import Terms
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.run import Run
from provisioner.domain.stage import RESTING
from provisioner.domain.values import FrozenModel
from provisioner.errors import RefusedError, TransitionError
from provisioner.web.operators import api
from provisioner.web.operators.api import public
from provisioner.web.request import after, answer, await_news, read, routes_for_operators, the_site

routes = routes_for_operators("runs", "/runs")


class NewRun(FrozenModel):
    """An order for many hosts. Without `arm` only the plans are answered."""

    select: str = Field("", max_length=500)
    all: bool = False
    image: str = ""
    max_parallel: int = Field(0, ge=0, le=1000)
    stop_after: int = Field(0, ge=0, le=1000)
    until: str = Field("", pattern=api.STAGE_PATTERN)
    by: str = Field("operator", max_length=80, pattern=r"^[\w.@ -]+$")
    arm: bool = False
    expect_count: int = -1
    terms: Terms = Terms()


@routes.post("")
def order() -> Response:
    """The plans of all hosts that are meant; and, with `arm` and the right count, the armed run."""
    site, body = the_site(), read(NewRun)
    hosts = select_hosts(site, body.select, everything=body.all)
    plans, others = preview_run(site, hosts, body.image, body.terms)
    left_out = [host.model_dump(mode="json") for host in others]
    if not body.arm:
        return answer(plans=plans, left_out=left_out)
    if refusal := admission.other_servers(site):
        raise admission.error(refusal)
    if body.expect_count != len(plans):
        raise RefusedError(
            f"{len(plans)} hosts would be erased, not {max(body.expect_count, 0)}: nothing was ordered",
            hint="look at the list, then give the count",
            code=134,
        )
    now = site.clock()
    run = Run(
        id=make_id(now).replace("d-", "r-", 1),
        created=now,
        by=body.by,
        select=body.select,
        max_parallel=body.max_parallel,
        stop_after=body.stop_after,
        until=body.until,
        terms=body.terms,
    )
    names = [(one["host"]["name"], one["image"]["id"]) for one in plans]
    chosen = [(site.database.hosts.get(host), plan.find_image(site, image)) for host, image in names]
    rows = arm_run(site, run, chosen)
    return answer(run=_public(run), deployments=[public(row) for row in rows], left_out=left_out)


@routes.get("/<ident>")
def show(ident: str) -> Response:
    """A run and its deployments."""
    database = the_site().database
    run = database.runs.get(ident)
    return answer(run=_public(run), deployments=[public(row) for row in database.deployments.of_run(ident)])


@routes.get("/<ident>/events")
def events(ident: str) -> Response:
    """Events of all its deployments above `after`, at once or as soon as there are some."""
    database = the_site().database
    database.runs.get(ident)  # raises NotFoundError
    last = after()
    found = await_news(
        lambda: database.events.of_run(ident, last),
        lambda news: bool(news) or all(row.stage in RESTING for row in database.deployments.of_run(ident)),
    )
    return answer(
        events=[event.model_dump(mode="json") for event in found],
        deployments=[public(row) for row in database.deployments.of_run(ident)],
        now=the_site().clock(),
    )


@routes.post("/<ident>/cancel")
def cancel(ident: str) -> Response:
    """End every deployment of it that is not at rest."""
    site = the_site()
    site.database.runs.get(ident)
    for row in site.database.deployments.of_run(ident):
        if row.stage not in RESTING:
            try:
                record(site, row.id, OrderCancelled(by="operator"), source="operator")
            except TransitionError:
                continue  # it came to rest meanwhile
    return answer(deployments=[public(row) for row in site.database.deployments.of_run(ident)])


def _public(run: Run) -> dict[str, Any]:
    return run.model_dump(mode="json")
