"""Runs of many hosts: who is meant, whose turn it is, when the rest is left alone."""

from typing import Any

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.runs import arm_run, next_in_line, preview_run, reason_to_stop, select_hosts
from provisioner.domain import selection
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.domain.run import Run
from provisioner.domain.selection import Candidate
from provisioner.domain.stage import Stage
from provisioner.errors import InputError
from provisioner.site.site import Site


def deployment(
    name: str, stage: Stage = Stage.QUEUED, *, run: str = "", created: float = 0, code: int = 0
) -> Any:
    return Deployment(
        id=f"d-{name}",
        host=name,
        mac="52:54:00:00:00:01",
        image="os@1",
        stage=stage,
        stage_since=0,
        deadline=0,
        created=created,
        expires=0,
        run=run,
        code=code,
    )


def candidate(name: str, rack: str = "B3", stage: Stage | None = None) -> Candidate:
    host = Host(name=name, macs=("52:54:00:00:00:01",), profile="cube", rack=rack)
    return Candidate(host, deployment(name, stage) if stage else None)


FLEET = [
    candidate("vc-1", "B3", Stage.READY),
    candidate("vc-2", "B3", Stage.FAILED),
    candidate("vc-3", "B4"),
    candidate("lab-1", "", Stage.REJECTED),
]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("rack=B3", ["vc-1", "vc-2"]),
        ("name=vc-*", ["vc-1", "vc-2", "vc-3"]),
        ("name=vc-*, rack!=B4", ["vc-1", "vc-2"]),
        ("state=failed|rejected", ["vc-2", "lab-1"]),
        ("state=never", ["vc-3"]),
        ("state!=ready|never", ["vc-2", "lab-1"]),
        ("image=os@*", ["vc-1", "vc-2", "lab-1"]),
        ("profile=cube", ["vc-1", "vc-2", "vc-3", "lab-1"]),
        ("rack=", []),
    ],
)
def test_every_term_must_hold(text: str, names: list[str]) -> None:
    if text == "rack=":
        with pytest.raises(InputError):
            selection.parse(text)
        return
    chosen = selection.choose(selection.parse(text), FLEET)
    assert [one.host.name for one in chosen] == names


@pytest.mark.parametrize("text", ["", "rack", "rack>B3", "colour=red", "rack=B3,,", "=B3", "rack==B3,x"])
def test_what_is_no_selection_is_named(text: str) -> None:
    with pytest.raises(InputError) as caught:
        selection.parse(text)
    assert caught.value.code == 103 and caught.value.hint


def run(ident: str, **values: int) -> Run:
    return Run(id=ident, created=0, by="ann", select="", **values)


def test_the_oldest_is_next() -> None:
    """They come in the order in which they were armed, whatever a clock said then."""
    rows = [deployment("a", created=2), deployment("b", created=1)]
    assert next_in_line(rows, {}, at_once=4) == rows[0]


def test_nobody_is_next_when_all_slots_are_taken() -> None:
    rows = [deployment("a", Stage.WRITING), deployment("b")]
    assert next_in_line(rows, {}, at_once=1) is None


def test_a_run_has_no_more_under_way_than_it_may() -> None:
    rows = [deployment(n, Stage.WRITING, run="r-1") for n in "ab"] + [deployment("c", run="r-1")]
    assert next_in_line(rows, {"r-1": run("r-1", max_parallel=2)}, at_once=9) is None
    assert next_in_line(rows, {"r-1": run("r-1", max_parallel=3)}, at_once=9) == rows[2]


def test_a_large_run_does_not_starve_a_small_one() -> None:
    large = [deployment(n, Stage.WRITING, run="r-1") for n in "ab"]
    large += [deployment(n, run="r-1", created=1) for n in "cd"]
    small = [deployment("e", run="r-2", created=2)]
    runs = {"r-1": run("r-1"), "r-2": run("r-2")}
    assert next_in_line([*large, *small], runs, at_once=4) == small[0]
    single = deployment("f", created=9)
    assert next_in_line([*large, single], runs, at_once=4) == single


def test_the_rest_is_stopped_when_so_many_failed_alike() -> None:
    alike = [deployment("a", Stage.FAILED, code=210), deployment("b", Stage.FAILED, code=210)]
    other = [deployment("c", Stage.FAILED, code=313), deployment("d")]
    assert "2 hosts of the run failed alike (PV-210)" in reason_to_stop(
        run("r-1", stop_after=2), [*alike, *other]
    )
    assert reason_to_stop(run("r-1", stop_after=3), [*alike, *other]) == ""
    assert reason_to_stop(run("r-1"), alike) == ""


def test_a_locked_host_and_one_under_way_are_left_out_with_the_reason(site: Site) -> None:
    locked = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube", locked=True)
    site.database.put_inventory([locked], [], site.settings.hosts_range)
    arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    plans, left_out = preview_run(site, select_hosts(site, "", everything=True), "")
    assert plans == []
    assert [(one.host, one.why.split()[2]) for one in left_out] == [
        ("vc-1", "being"),
        ("vc-2", "locked"),
    ]


def test_an_armed_run_is_remembered_with_its_hosts(site: Site) -> None:
    ordered = run("r-1", max_parallel=1)
    rows = arm_run(site, ordered, [(site.database.hosts.get("vc-1"), site.database.images.all()[0])])
    assert site.database.runs.get("r-1") == ordered
    assert site.database.deployments.of_run("r-1") == rows and rows[0].run == "r-1"
    assert [event.kind for event in site.database.events.of_run("r-1")] == ["order.armed"]


@pytest.mark.parametrize(("text", "everything"), [("", False), ("rack=B3", True)])
def test_it_must_be_said_which_hosts(site: Site, text: str, everything: bool) -> None:
    with pytest.raises(InputError, match="which hosts"):
        select_hosts(site, text, everything=everything)


def test_a_selection_that_nobody_fits_is_an_error(site: Site) -> None:
    with pytest.raises(InputError, match="no host fits") as caught:
        select_hosts(site, "rack=Z9", everything=False)
    assert caught.value.code == 104
