"""Runs of many hosts: who is meant, whose turn it is, when the rest is left alone."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.deployment.removal import remove_host, rename_host
from provisioner.deployment.runs import (
    arm_run,
    limits,
    next_in_line,
    preview_retry,
    preview_run,
    require_shown,
    select_hosts,
)
from provisioner.domain import plan_digest, selection
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.host import Bmc, Host
from provisioner.domain.profile import Hints
from provisioner.domain.run import Run, RunProgress
from provisioner.domain.selection import Candidate
from provisioner.domain.stage import Stage
from provisioner.errors import InputError, RefusedError
from provisioner.site.site import Site

UUIDS = ("4c4c4544-0042-3510-8052-b4c04f4e3132", "4c4c4544-0042-3510-8052-b4c04f4e3133")


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
        ("rack=", ["lab-1"]),
        ("rack!=", ["vc-1", "vc-2", "vc-3"]),
        ("rack=B4|", ["vc-3", "lab-1"]),
        ("image=", ["vc-3"]),
        ("state=re*", ["vc-1", "lab-1"]),
    ],
)
def test_every_term_must_hold(text: str, names: list[str]) -> None:
    chosen = selection.choose(selection.parse(text), FLEET)
    assert [one.host.name for one in chosen] == names


@pytest.mark.parametrize(
    "text", ["", "rack", "rack>B3", "colour=red", "rack=B3,,", "=B3", "rack==B3,x", "name=", "state="]
)
def test_what_is_no_selection_is_named(text: str) -> None:
    with pytest.raises(InputError) as caught:
        selection.parse(text)
    assert caught.value.code == 103 and caught.value.hint


@pytest.mark.parametrize("text", ["state=redy", "state!=redy", "state=ready|faild", "state=READY"])
def test_a_state_that_there_is_not_is_refused_with_the_list(text: str) -> None:
    with pytest.raises(InputError, match="no state is called") as caught:
        selection.parse(text)
    assert "ready" in caught.value.hint and "never" in caught.value.hint


def run(ident: str, **values: int) -> Run:
    return Run(id=ident, created=0, by="ann", select="", **values)


def progress(rows: list[Deployment], **values: int) -> dict[str, RunProgress]:
    """The run r-1, of which these are all deployments."""
    return {"r-1": RunProgress(run("r-1", **values), tuple(rows))}


def of_run(*stages: Stage, codes: dict[int, int] | None = None) -> list[Deployment]:
    """Deployments of r-1 at these stages, `codes` by place."""
    return [
        deployment(f"{place}", stage, run="r-1", code=(codes or {}).get(place, 0))
        for place, stage in enumerate(stages)
    ]


Q, W, R, F = Stage.QUEUED, Stage.WRITING, Stage.READY, Stage.FAILED


def test_the_oldest_is_next() -> None:
    """They come in the order in which they were armed, whatever a clock said then."""
    rows = [deployment("a", created=2), deployment("b", created=1)]
    assert next_in_line(rows, {}, at_once=4) == rows[0]


def test_nobody_is_next_when_all_slots_are_taken() -> None:
    rows = [deployment("a", Stage.WRITING), deployment("b")]
    assert next_in_line(rows, {}, at_once=1) is None


def test_a_run_has_no_more_under_way_than_it_may() -> None:
    rows = of_run(W, W, Q)
    assert next_in_line(rows, progress(rows, max_parallel=2), at_once=9) is None
    assert next_in_line(rows, progress(rows, max_parallel=3), at_once=9) == rows[2]


def test_a_large_run_does_not_starve_a_small_one() -> None:
    large = of_run(W, W, Q, Q)
    small = [deployment("e", run="r-2", created=2)]
    runs = progress(large) | {"r-2": RunProgress(run("r-2"), tuple(small))}
    assert next_in_line([*large, *small], runs, at_once=4) == small[0]


@pytest.mark.parametrize("stages", [(Q, Q), (W, Q)])
def test_a_single_order_passes_a_run_that_was_there_before(stages: tuple[Stage, ...]) -> None:
    rows, urgent = of_run(*stages), deployment("urgent", created=9)
    assert next_in_line([*rows, urgent], progress(rows), at_once=4) == urgent


def test_nothing_of_a_run_that_nobody_can_read_begins() -> None:
    assert next_in_line(of_run(Q), {}, at_once=4) is None


def test_what_is_paused_is_not_next() -> None:
    rows = [row.changed(paused=1) for row in of_run(Q, Q)] + of_run(Q)
    assert next_in_line(rows, progress(rows), at_once=4) == rows[2]


@pytest.mark.parametrize(
    ("stages", "canary", "begins"),
    [
        ((Q, Q, Q, Q), 2, 0),
        ((W, Q, Q, Q), 2, 1),
        ((W, W, Q, Q), 2, None),
        ((R, W, Q, Q), 2, None),
        ((R, R, Q, Q), 2, 2),
        ((R, R, W, Q), 2, 3),
        ((W, Q), 5, 1),
        ((W, Q), 0, 1),
    ],
)
def test_the_rest_waits_for_the_canaries(stages: tuple[Stage, ...], canary: int, begins: int | None) -> None:
    rows = of_run(*stages)
    wanted = None if begins is None else rows[begins]
    assert next_in_line(rows, progress(rows, canary=canary), at_once=9) == wanted


def test_a_canary_that_ends_where_it_was_ordered_to_end_has_ended_well() -> None:
    held, rest = of_run(Stage.CANCELLED, Q)
    held = held.model_copy(update={"stop_after": "writing", "reason": "stopped after writing, as ordered"})
    rows = [held, rest]
    assert next_in_line(rows, progress(rows, canary=1), at_once=9) == rest
    assert progress(rows, canary=1)["r-1"].reason_to_stop() == ""


@pytest.mark.parametrize("end", [Stage.FAILED, Stage.REJECTED, Stage.CANCELLED])
def test_a_canary_that_fails_stops_the_rest(end: Stage) -> None:
    rows = of_run(R, end, Q, codes={1: 312 if end == Stage.FAILED else 0})
    words = f"the canary 1 is {end}" + (" (PV-312)" if end == Stage.FAILED else "")
    assert words in progress(rows, canary=2)["r-1"].reason_to_stop()
    assert progress(rows, canary=1)["r-1"].reason_to_stop() == ""


def test_the_rest_is_stopped_when_so_many_failed_alike() -> None:
    rows = of_run(F, F, F, Q, codes={0: 210, 1: 210, 2: 313})
    assert "2 hosts of the run failed alike (PV-210)" in progress(rows, stop_after=2)["r-1"].reason_to_stop()
    assert progress(rows, stop_after=3)["r-1"].reason_to_stop() == ""
    assert progress(rows)["r-1"].reason_to_stop() == ""


@pytest.mark.parametrize(
    ("stages", "failed", "begins"),
    [
        ((Q, Q, Q, Q), 0, True),
        ((W, W, Q, Q), 0, True),
        ((W, W, W, Q), 0, False),
        ((F, W, Q, Q), 1, True),
        ((F, W, W, Q), 1, False),
        ((F, F, W, Q), 2, False),
        ((R, R, W, Q), 0, True),
    ],
)
def test_no_more_can_fail_alike_than_stop_a_run(
    stages: tuple[Stage, ...], failed: int, *, begins: bool
) -> None:
    """Who is under way may yet fail like those before it."""
    rows = of_run(*stages, codes=dict.fromkeys(range(failed), 210))
    assert (next_in_line(rows, progress(rows, stop_after=3), at_once=9) is not None) is begins


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


def test_an_image_that_is_not_there_hides_no_other_reason(site: Site) -> None:
    bmc = Bmc(driver="ipmi", address=IPv4Address("10.20.0.2"), secret="never")
    wrong = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube", locked=True, bmc=bmc)
    site.database.put_inventory([wrong], [], site.settings.hosts_range)
    for image, codes in (("nothing-os", [125, 131, 205]), ("", [131, 205])):
        _, [left_out] = preview_run(site, [site.database.hosts.get("vc-2")], image)
        assert [refusal.code for refusal in left_out.refusals] == codes


def test_of_a_run_only_what_was_not_deployed_since_is_retried(site: Site) -> None:
    pair = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    [row] = arm_run(site, run("r-1"), [pair])
    with pytest.raises(InputError, match="no host of r-1 failed or was cancelled"):
        preview_retry(site, "r-1")
    with site.database.writing():
        site.database.deployments.put(row.model_copy(update={"stage": Stage.FAILED, "code": 201}))
    plans, left_out = preview_retry(site, "r-1")
    assert ([plan.host.name for plan in plans], left_out) == (["vc-1"], [])
    since = arm(site, *pair, by="ann")
    with site.database.writing():
        site.database.deployments.put(since.model_copy(update={"stage": Stage.READY}))
    plans, [left] = preview_retry(site, "r-1")
    assert plans == [] and [refusal.code for refusal in left.refusals] == [143]
    assert since.id in left.why and "provision deploy vc-1" in left.refusals[0].hint


def test_an_armed_run_is_remembered_with_its_hosts(site: Site) -> None:
    ordered = run("r-1", max_parallel=1)
    rows = arm_run(site, ordered, [(site.database.hosts.get("vc-1"), site.database.images.all()[0])])
    assert site.database.runs.get("r-1") == ordered
    assert site.database.deployments.of_run("r-1") == rows and rows[0].run == "r-1"
    assert [event.kind for event in site.database.events.of_run("r-1")] == ["order.armed"]


def test_the_limits_that_cut_each_other_are_said() -> None:
    assert limits(run("r-1", max_parallel=4, stop_after=9, canary=2), 40, at_once=4) == []
    [cut] = limits(run("r-1", max_parallel=20), 40, at_once=4)
    assert cut == "at most 4 are under way at one time, not 20: the setting orders.at_once says so"
    [cut] = limits(run("r-1", stop_after=3), 40, at_once=4)
    assert cut.startswith("at most 3 are under way at one time")
    [never] = limits(run("r-1", stop_after=5), 3, at_once=4)
    assert never == "--stop-after 5 never stops a run of 3"
    [all_of_it] = limits(run("r-1", canary=3), 3, at_once=4)
    assert all_of_it.startswith("all 3 are canaries")


def test_a_host_that_was_deployed_since_is_not_retried(site: Site) -> None:
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    [failed] = arm_run(site, run("r-1"), [(host, image)])
    record(site, failed.id, OrderCancelled(by="ann"), source="test")
    plans, left_out = preview_retry(site, "r-1")
    assert [plan.host.name for plan in plans] == ["vc-1"] and left_out == []
    since = arm(site, host, image, by="ann")
    with site.database.writing():
        site.database.deployments.put(since.changed(stage=Stage.READY))
    plans, [left] = preview_retry(site, "r-1")
    assert plans == [] and [reason.code for reason in left.refusals] == [143]
    assert since.id in left.why


def test_a_host_that_is_gone_is_not_retried_and_the_others_are(site: Site) -> None:
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    rows = arm_run(site, run("r-1"), [(host, image)])
    gone = rows[0].model_copy(update={"id": "d-GONE", "host": "vc-9", "stage": Stage.FAILED})
    with site.database.writing():
        site.database.deployments.put(gone)
        site.database.deployments.put(rows[0].changed(stage=Stage.FAILED))
    plans, [left] = preview_retry(site, "r-1")
    assert [plan.host.name for plan in plans] == ["vc-1"]
    assert left.host == "vc-9" and [reason.code for reason in left.refusals] == [121]


def test_a_run_of_which_nothing_failed_is_not_retried(site: Site) -> None:
    arm_run(site, run("r-1"), [(site.database.hosts.get("vc-1"), site.database.images.all()[0])])
    with pytest.raises(InputError) as caught:
        preview_retry(site, "r-1")
    assert caught.value.code == 104


@pytest.mark.parametrize(("text", "everything"), [("", False), ("rack=B3", True)])
def test_it_must_be_said_which_hosts(site: Site, text: str, everything: bool) -> None:
    with pytest.raises(InputError, match="which hosts"):
        select_hosts(site, text, everything=everything)


def test_a_selection_that_nobody_fits_is_an_error(site: Site) -> None:
    with pytest.raises(InputError, match="no host fits") as caught:
        select_hosts(site, "rack=Z9", everything=False)
    assert caught.value.code == 104


def test_a_run_that_is_otherwise_than_it_was_shown_is_refused(site: Site) -> None:
    second = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube")
    site.database.put_inventory([second], [], site.settings.hosts_range)
    hosts = select_hosts(site, "", everything=True)
    shown, _ = preview_run(site, hosts, "")
    digest = plan_digest.of_run(shown)
    require_shown(shown, digest)
    require_shown(shown[:1], "")
    image = site.database.images.all()[0]
    site.database.images.put(image.model_copy(update={"version": "2", "added": 9}))
    newer, _ = preview_run(site, hosts, "")
    for now in (shown[:1], newer):
        with pytest.raises(RefusedError, match=r"since they were shown.* now these .*vc-1") as caught:
            require_shown(now, digest)
        assert (caught.value.code, caught.value.exit) == (146, 6)
    with pytest.raises(RefusedError, match="none can be deployed now; nothing was ordered") as caught:
        require_shown([], digest)
    assert caught.value.code == 146


def test_a_host_of_a_run_that_is_otherwise_when_it_is_armed_lets_nothing_be_ordered(site: Site) -> None:
    second = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube")
    site.database.put_inventory([second], [], site.settings.hosts_range)
    shown, _ = preview_run(site, select_hosts(site, "", everything=True), "")
    image = site.database.images.all()[0]
    site.database.hosts.put(second.model_copy(update={"disk": Hints(serial="Z2")}))
    digests = {each.host.name: each.digest for each in shown}
    with pytest.raises(RefusedError, match="since it was shown") as caught:
        arm_run(site, run("r-1"), [(each.host, image) for each in shown], digests)
    assert caught.value.code == 146 and site.database.deployments.of_run("r-1") == []


def failed_run(site: Site, names: tuple[str, ...] = ("vc-1",)) -> list[Deployment]:
    """The deployments of the run r-1 over these hosts, all cancelled."""
    image = site.database.images.all()[0]
    rows = arm_run(site, run("r-1"), [(site.database.hosts.get(name), image) for name in names])
    for row in rows:
        record(site, row.id, OrderCancelled(by="ann"), source="test")
    return rows


def test_whoever_has_the_name_of_a_host_that_was_removed_is_not_retried(site: Site) -> None:
    second = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube")
    third = Host(name="vc-3", macs=("52:54:00:00:00:03",), profile="cube")
    site.database.put_inventory([second, third], [], site.settings.hosts_range)
    rows = failed_run(site, ("vc-1", "vc-2"))
    remove_host(site, "vc-1", by="ann")
    rename_host(site, "vc-3", "vc-1", by="ann")
    plans, [left] = preview_retry(site, "r-1")
    assert [each.host.name for each in plans] == ["vc-2"]
    assert [refusal.code for refusal in left.refusals] == [142]
    assert f"vc-1 is another machine than {rows[0].id} was ordered for" in left.why
    assert "its cards are 52:54:00:00:00:03, not 52:54:00:00:00:01" in left.why


@pytest.mark.parametrize(
    ("before", "change", "words"),
    [
        ({}, {"macs": ("52:54:00:00:00:09",)}, "its cards are 52:54:00:00:00:09, not 52:54:00:00:00:01"),
        ({"serial": "BOARD1"}, {"serial": "BOARD2"}, "its serial is BOARD2, not BOARD1"),
        ({"uuid": UUIDS[0]}, {"uuid": UUIDS[1]}, f"its system UUID is {UUIDS[1]}, not {UUIDS[0]}"),
    ],
)
def test_another_machine_under_the_same_name_is_not_retried(
    site: Site, before: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    host = site.database.hosts.get("vc-1").model_copy(update=before)
    site.database.put_inventory([host], [], site.settings.hosts_range)
    failed_run(site)
    changed = host.model_copy(update=change)
    site.database.put_inventory([changed], [], site.settings.hosts_range)
    plans, [left] = preview_retry(site, "r-1")
    assert plans == [] and [refusal.code for refusal in left.refusals] == [142] and words in left.why


@pytest.mark.parametrize(
    "change",
    [
        {"rack": "B4"},
        {"serial": "BOARD1"},
        {"macs": ("52:54:00:00:00:09", "52:54:00:00:00:01")},
    ],
)
def test_the_same_machine_is_retried_whatever_else_is_known_of_it(site: Site, change: dict[str, Any]) -> None:
    failed_run(site)
    changed = site.database.hosts.get("vc-1").model_copy(update=change)
    site.database.put_inventory([changed], [], site.settings.hosts_range)
    plans, left_out = preview_retry(site, "r-1")
    assert [each.host for each in plans] == [changed] and left_out == []


def test_a_renamed_host_is_retried_under_its_new_name(site: Site) -> None:
    failed_run(site)
    rename_host(site, "vc-1", "vc-9", by="ann")
    plans, left_out = preview_retry(site, "r-1")
    assert [each.host.name for each in plans] == ["vc-9"] and left_out == []


def test_a_selection_by_state_does_not_mean_the_machine_that_had_the_name(site: Site) -> None:
    host = site.database.hosts.get("vc-1")
    failed_run(site)
    assert select_hosts(site, "state=cancelled", everything=False) == [host]
    remove_host(site, "vc-1", by="ann")
    site.database.put_inventory([host], [], site.settings.hosts_range)
    assert select_hosts(site, "state=never", everything=False) == [host]
    with pytest.raises(InputError, match="no host fits"):
        select_hosts(site, "state=cancelled", everything=False)
