"""The JSON API of runs, one order for many hosts; below /api/v1 like all that operators ask."""

from typing import Any

from flask import Response
from pydantic import Field

from provisioner import deploy, fleet, lan, plan
from provisioner.errors import RefusedError, TransitionError
from provisioner.lifecycle import RESTING
from provisioner.model import Data, Run, Terms
from provisioner.web import api
from provisioner.web.api import public
from provisioner.web.door import after, answer, await_news, read, routes_for_operators, the_site

routes = routes_for_operators("runs", "/runs")


class NewRun(Data):
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
    hosts = fleet.select(site, body.select, everything=body.all)
    plans, left_out = fleet.preview(site, hosts, body.image, body.terms)
    if not body.arm:
        return answer(plans=plans, left_out=left_out)
    if body.expect_count != len(plans):
        raise RefusedError(
            f"{len(plans)} hosts would be erased, not {max(body.expect_count, 0)}: nothing was ordered",
            hint="look at the list, then give the count",
            code=134,
        )
    lan.check_alone(site)
    now = site.clock()
    run = Run(
        id=deploy.make_id(now).replace("d-", "r-", 1),
        created=now,
        by=body.by,
        select=body.select,
        max_parallel=body.max_parallel,
        stop_after=body.stop_after,
        until=body.until,
        terms=body.terms,
    )
    names = [(one["host"]["name"], one["image"]["id"]) for one in plans]
    chosen = [(site.store.host(host), plan.find_image(site, image)) for host, image in names]
    rows = fleet.arm(site, run, chosen)
    return answer(run=_public(run), deployments=[public(row) for row in rows], left_out=left_out)


@routes.get("/<ident>")
def show(ident: str) -> Response:
    """A run and its deployments."""
    store = the_site().store
    run = store.run(ident)
    return answer(run=_public(run), deployments=[public(row) for row in store.run_rows(ident)])


@routes.get("/<ident>/events")
def events(ident: str) -> Response:
    """Events of all its deployments above `after`, at once or as soon as there are some."""
    store = the_site().store
    store.run(ident)  # raises NotFoundError
    last = after()
    found = await_news(
        lambda: store.run_events(ident, last),
        lambda news: bool(news) or all(row.stage in RESTING for row in store.run_rows(ident)),
    )
    return answer(
        events=[event.model_dump(mode="json") for event in found],
        deployments=[public(row) for row in store.run_rows(ident)],
        now=the_site().clock(),
    )


@routes.post("/<ident>/cancel")
def cancel(ident: str) -> Response:
    """End every deployment of it that is not at rest."""
    site = the_site()
    site.store.run(ident)
    for row in site.store.run_rows(ident):
        if row.stage not in RESTING:
            try:
                deploy.record(site, row.id, "order.cancelled", source="operator", by="operator")
            except TransitionError:
                continue  # it came to rest meanwhile
    return answer(deployments=[public(row) for row in site.store.run_rows(ident)])


def _public(run: Run) -> dict[str, Any]:
    return run.model_dump(mode="json")
