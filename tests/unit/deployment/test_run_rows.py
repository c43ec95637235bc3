"""A run as a whole: armed and cancelled in one piece, and never without one of its rows."""

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import cancel_run, record
from provisioner.deployment.runs import arm_run, next_in_line, preview_retry, waiting
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import OrderCancelled, RunPaused, SlotGiven
from provisioner.domain.host import Host
from provisioner.domain.run import Run
from provisioner.domain.run_report import host_result
from provisioner.domain.stage import Stage
from provisioner.errors import RefusedError
from provisioner.site.site import Site
from provisioner.state import notify

DAMAGES = [("progress", "{"), ("stage", "teleporting"), ("verdict", "[["), ("attempt", "two")]


@pytest.fixture
def rows(site: Site) -> list[Deployment]:
    """The deployments of r-1: three hosts, of which the first is the canary and under way."""
    armed = arm_run(site, run(), [(host, site.database.images.all()[0]) for host in hosts(site)])
    record(site, armed[0].id, SlotGiven(), source="worker")
    return site.database.deployments.of_run("r-1")


def run(**values: int) -> Run:
    return Run(id="r-1", created=0, by="ann", select="", canary=values.get("canary", 1))


def hosts(site: Site) -> list[Host]:
    first = site.database.hosts.get("vc-1")
    more = [
        first.model_copy(update={"name": f"vc-{number}", "macs": (f"52:54:00:00:00:0{number}",)})
        for number in (2, 3)
    ]
    site.database.put_inventory(more, [], site.settings.hosts_range)
    return [first, *more]


def damage(site: Site, row: Deployment, column: str = "progress", value: str = "{") -> None:
    site.database.db.conn.execute(f"UPDATE deployments SET {column} = ? WHERE id = ?", [value, row.id])


def begins(site: Site) -> Deployment | None:
    return next_in_line(site.database.deployments.under_way(), waiting(site), at_once=9)


@pytest.mark.parametrize(("column", "value"), DAMAGES)
def test_nothing_of_a_run_begins_while_one_of_its_rows_cannot_be_read(
    site: Site, rows: list[Deployment], column: str, value: str
) -> None:
    damage(site, rows[0], column, value)
    assert begins(site) is None
    progress = waiting(site)["r-1"]
    assert [row.host for row in progress.rows] == ["vc-1", "vc-2", "vc-3"], "the canary keeps its place"
    assert [row.id for row in progress.unreadable] == [rows[0].id]
    assert progress.reason_to_stop() == "", "what nobody knows ends no order"


def test_a_run_without_limits_begins_nothing_either(site: Site, rows: list[Deployment]) -> None:
    with site.database.writing():
        site.database.runs.put(run(canary=0))
    assert begins(site) is not None
    damage(site, rows[2])
    assert begins(site) is None


@pytest.mark.parametrize(("column", "value"), DAMAGES)
def test_a_row_that_cannot_be_read_is_in_its_runs_report(
    site: Site, rows: list[Deployment], column: str, value: str
) -> None:
    damage(site, rows[0], column, value)
    results = [host_result(row, [], "") for row in site.database.deployments.of_run("r-1")]
    assert [(row.host, row.result, row.code) for row in results] == [
        ("vc-1", "unreadable", 612),
        ("vc-2", "open", 0),
        ("vc-3", "open", 0),
    ]
    assert "cannot be read" in results[0].reason and rows[0].id in results[0].hint


@pytest.mark.parametrize(("column", "value"), DAMAGES)
def test_to_cancel_a_run_sets_aside_what_cannot_be_read(
    site: Site, rows: list[Deployment], column: str, value: str
) -> None:
    damage(site, rows[0], column, value)
    cancel_run(site, "r-1", by="bob")
    ended = [site.database.deployments.get(row.id) for row in rows]
    assert [row.stage for row in ended] == [Stage.CANCELLED] * 3
    assert "cannot be read" in ended[0].reason
    assert site.database.deployments.open_of_run("r-1") == set()


def test_one_that_has_ended_stays_as_it_is_though_it_cannot_be_read(
    site: Site, rows: list[Deployment]
) -> None:
    with site.database.writing():
        site.database.deployments.put(rows[1].changed(stage=Stage.READY))
    damage(site, rows[1])
    cancel_run(site, "r-1", by="bob")
    kept = site.database.deployments.of_run("r-1")[1]
    assert kept.stage == Stage.READY and kept.is_unreadable


def test_a_run_is_cancelled_in_one_transaction_and_by_a_person(
    site: Site, rows: list[Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker hears of it once, when there is nothing left that could begin."""
    seen: list[set[str]] = []
    monkeypatch.setattr(notify, "notify", lambda _: seen.append(site.database.deployments.open_of_run("r-1")))
    cancel_run(site, "r-1", by="bob")
    assert seen == [set()]
    ended = site.database.deployments.of_run("r-1")
    assert {row.reason for row in ended} == {"cancelled by bob"}


def test_what_was_paused_and_is_cancelled_is_not_paused_any_more(site: Site, rows: list[Deployment]) -> None:
    record(site, rows[1].id, RunPaused(by="ann"), source="operator")
    cancel_run(site, "r-1", by="bob")
    ended = site.database.deployments.get(rows[1].id)
    assert (ended.paused, ended.hint) == (0, "")


def test_a_run_is_armed_as_a_whole_or_not_at_all(site: Site) -> None:
    image, chosen = site.database.images.all()[0], hosts(site)
    since = arm(site, chosen[2], image, by="eve")
    with pytest.raises(
        RefusedError, match="vc-3 cannot be deployed any more, so nothing was ordered"
    ) as caught:
        arm_run(site, run(), [(host, image) for host in chosen])
    assert caught.value.code == 134 and "PV-" in str(caught.value)
    assert [row.id for row in site.database.deployments.under_way()] == [since.id]
    assert site.database.runs.known(["r-1"]) == {}


def test_a_run_of_nobody_is_refused(site: Site) -> None:
    with pytest.raises(RefusedError, match="no host can be deployed") as caught:
        arm_run(site, run(), [])
    assert caught.value.code == 134 and site.database.runs.known(["r-1"]) == {}


@pytest.mark.parametrize("end", [Stage.CANCELLED, Stage.FAILED])
def test_what_was_deployed_since_is_not_retried_whatever_came_later(
    site: Site, rows: list[Deployment], end: Stage
) -> None:
    cancel_run(site, "r-1", by="bob")
    host, image = site.database.hosts.get("vc-2"), site.database.images.all()[0]
    since = arm(site, host, image, by="ann")
    with site.database.writing():
        site.database.deployments.put(since.changed(stage=Stage.READY))
    later = arm(site, host, image, by="ann")
    with site.database.writing():
        site.database.deployments.put(later.changed(stage=end))
    plans, [left] = preview_retry(site, "r-1")
    assert [plan.host.name for plan in plans] == ["vc-1", "vc-3"]
    assert left.host == "vc-2" and since.id in left.why and left.refusals[0].code == 143


def test_what_was_tried_since_and_failed_is_retried(site: Site, rows: list[Deployment]) -> None:
    cancel_run(site, "r-1", by="bob")
    later = arm(site, site.database.hosts.get("vc-2"), site.database.images.all()[0], by="ann")
    record(site, later.id, OrderCancelled(by="ann"), source="operator")
    plans, left = preview_retry(site, "r-1")
    assert len(plans) == 3 and left == []


def test_what_cannot_be_read_is_not_retried(site: Site, rows: list[Deployment]) -> None:
    cancel_run(site, "r-1", by="bob")
    damage(site, rows[0])
    plans, [left] = preview_retry(site, "r-1")
    assert [plan.host.name for plan in plans] == ["vc-2", "vc-3"]
    assert left.host == "vc-1" and left.refusals[0].code == 612
