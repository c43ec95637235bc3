"""The screen of a run: whatever its hosts do and however small it is, the totals stand and nothing is cut."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.api.deployments import DeploymentStatus
from provisioner.cli import layout, run_frame
from provisioner.cli.run_frame import HostStory, Screen
from provisioner.domain import run_totals
from provisioner.domain.deployment import stop_reason
from provisioner.domain.progress import Progress
from provisioner.domain.stage import RESTING, Stage
from provisioner.domain.timeline import Timeline

NOW = 1_800_000_000.0
REQUEST = "Power {} on, or restart it, and choose network boot: F12 on most boards, F11 on Supermicro"


def story(number: int, stage: Stage, *, asked: bool = False, **other: Any) -> HostStory:
    name, timeline = f"vc-{number:04}", Timeline()
    timeline.stage, timeline.began = stage, NOW - 100
    if asked:
        timeline.request = REQUEST.format(name)
    if stage == Stage.WRITING:
        timeline.progress = Progress(phase="writing", done=1 << 29, total=1 << 30, rate=1e7)
    if stage in RESTING and stage != Stage.READY:
        other = {"code": 200 + number % 5, "reason": f"{name} is wrong in way {number % 3}", **other}
        other = {"hint": f"ping 10.20.0.{number}; provision bmc test {name}", **other}
    row = DeploymentStatus(
        **{"id": f"d-{number}", "host": name, "mac": "", "image": "os@1", "stage": stage, "stage_since": NOW},
        **{"deadline": 0, "created": NOW, "expires": 0, **other},
    )
    return HostStory(row, timeline)


def drawn(stories: list[HostStory], width: int = 79, height: int = 24, warning: str = "") -> list[str]:
    return [line.plain for line in run_frame.frame("r-1", stories, Screen(width, height, NOW), warning)]


def flat(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


HOSTS = st.lists(st.tuples(st.sampled_from(Stage), st.booleans()), min_size=1, max_size=60)


@given(HOSTS, st.integers(39, 120), st.integers(6, 60))
def test_no_screen_is_too_small_for_the_totals(
    hosts: list[tuple[Stage, bool]], width: int, height: int
) -> None:
    stories = [
        story(number, stage, asked=asked and stage == Stage.POWERING)
        for number, (stage, asked) in enumerate(hosts)
    ]
    lines = drawn(stories, width, height)
    assert len(lines) <= height and all(layout.cells(line) <= width for line in lines)
    assert run_totals.describe(run_totals.counts([each.row for each in stories])) in flat(lines)
    assert "…" not in flat(lines)


@given(HOSTS, st.integers(39, 120))
def test_each_host_is_shown_or_counted(hosts: list[tuple[Stage, bool]], width: int) -> None:
    stories = [story(number, stage) for number, (stage, _) in enumerate(hosts)]
    text = flat(drawn(stories, width, 24)[1:])
    for kind in run_totals.KINDS:
        count = sum(run_totals.kind(each.row) == kind for each in stories)
        more = re.search(rf"[✗✓▸·] (\d+) (more )?{kind}", text)
        named = {
            each.row.host for each in stories if run_totals.kind(each.row) == kind and each.row.host in text
        }
        beyond = sum(
            int(words) for words in re.findall(rf"{kind} \(PV-\d+\): [^✗▸·✓]*? and (\d+) more", text)
        )
        assert len(named) + beyond + (int(more[1]) if more else 0) == count, text


def test_what_failed_or_moves_stands_before_what_waits_or_is_ready() -> None:
    stages = itertools.cycle((Stage.READY, Stage.QUEUED, Stage.WRITING, Stage.FAILED, Stage.REJECTED))
    lines = drawn([story(number, next(stages)) for number in range(20)], height=60)
    marks = [line[0] for line in lines if line[:1] in "✗▸·✓" and line[:1]]
    assert marks == sorted(marks, key="✗▸·✓".index) and set(marks) == set("✗▸·✓")
    assert lines[-2:] == ["· 4 waiting", "✓ 4 ready"]


@pytest.mark.parametrize("width", [39, 79])
def test_what_a_person_must_do_stays_whole_whatever_else_there_is(width: int) -> None:
    others = [story(number, stage) for number in range(60) for stage in (Stage.FAILED, Stage.WRITING)]
    asked = story(20, Stage.POWERING, asked=True)
    assert REQUEST.format("vc-0020") in flat(drawn([*others, asked], width))
    paused = story(
        21, Stage.WRITING, paused=NOW, reason="paused: another machine", hint="provision resume vc-0021"
    )
    text = flat(drawn([*others, asked, paused], width))
    assert REQUEST.format("vc-0020") in text and "paused: another machine; provision resume vc-0021" in text


def test_what_failed_alike_is_told_once_with_all_that_have_it() -> None:
    stories = [
        story(
            number,
            Stage.FAILED,
            code=201,
            reason=f"10.20.0.{number} is silent",
            hint=f"ping 10.20.0.{number}",
        )
        for number in range(1, 8)
    ]
    assert drawn(stories)[2:] == [
        "✗ failed (PV-201): vc-0001, vc-0002, vc-0003, vc-0004, vc-0005, vc-0006,",
        "  vc-0007",
        "    10.20.0.1 is silent (and 6 alike)",
        "  → ping 10.20.0.1",
    ]


def test_what_ended_as_it_was_ordered_to_is_no_failure() -> None:
    held = story(1, Stage.CANCELLED, stop_after="writing", reason=stop_reason("writing"))
    assert drawn([held])[1:] == ["1 ended as ordered", "✓ 1 ended as ordered"]


def test_why_hosts_wait_is_said_once() -> None:
    waiting = [story(number, Stage.QUEUED, reason="its run is paused by ann") for number in range(3)]
    assert drawn(waiting)[-1] == "· 3 waiting: its run is paused by ann"


def test_that_the_service_is_away_is_said_below_the_totals() -> None:
    lines = drawn([story(1, Stage.WRITING)], warning="no service answers; trying again")
    assert lines[1:3] == ["1 moving", "  no service answers; trying again"]
