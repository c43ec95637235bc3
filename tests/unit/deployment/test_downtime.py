"""Clocks that are set and services that were down: every step at every stage, and what is right then."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import pytest

from provisioner.deployment import boot, downtime
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.boot_plan import Asker, Local, Ramdisk
from provisioner.domain.deployment import Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentWritten
from provisioner.domain.events.netboot import DhcpSeen
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.system import OsPhoned
from provisioner.domain.events.verification import VerifyPassed
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.alive import mark_alive
from provisioner.state.leases import LeaseRow
from provisioner.state.notify import Listener
from provisioner.system.clock import ClockAnchor, SteadyClock
from provisioner.worker.hearing import Hearing
from provisioner.worker.loop import Loop
from tests.unit.conftest import MAC, hello_of

YEAR = 365 * 86400.0
STEPS = [-40.0, 40.0, -7200.0, 7200.0, -10 * YEAR, 10 * YEAR]
NONCE = "n" * 32
WAY: list[tuple[Stage, tuple[Payload, ...]]] = [
    (Stage.QUEUED, ()),
    (Stage.POWERING, (SlotGiven(), PowerBegan(nonce=NONCE))),
    (Stage.NETBOOTING, (DhcpSeen(),)),
    (Stage.WRITING, (hello_of(NONCE, serial="S"),)),
    (Stage.RESTARTING, (AgentWritten(disk=WrittenDisk(name="vda", serial="D")),)),
    (Stage.VERIFYING, (OsPhoned(host_keys=("ssh-ed25519 A",), address="10.77.0.64"),)),
    (Stage.SEALING, (VerifyPassed(),)),
]
UNCONSUMED = (Stage.QUEUED, Stage.POWERING, Stage.NETBOOTING)
under_way = pytest.mark.parametrize("stage", [stage for stage, _ in WAY])
by_steps = pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step:+.0f}s")


class Never(Executor):
    """Takes work and does none of it."""

    def submit(self, *_: Any, **__: Any) -> Any:
        class Waiting:
            done = staticmethod(lambda: False)

        return Waiting()


def reach(site: Site, stage: Stage) -> Deployment:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    for at, events in WAY:
        for event in events:
            row = record(site, row.id, event, source="test")
        if at == stage:
            assert row.stage == stage
            return row
    raise AssertionError(stage)


def shown(site: Site) -> object:
    """What its firmware would boot."""
    row = site.database.macs.get(MAC)
    return boot.answer(site, Asker(mac=MAC, address=row.address if row else "")).plan


def left(site: Site, row: Deployment) -> tuple[float, float, float]:
    """Seconds that do not depend on what the clock says: to deadline and expiry, since it began."""
    now = site.clock()
    return row.deadline - now, row.expires - now, now - row.stage_since


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boot's clock stands still: what passes is what a test says."""
    monkeypatch.setattr("provisioner.system.clock._boottime", lambda: 1000.0)


@pytest.fixture
def loop(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setattr("provisioner.worker.consoles.Consoles.look", lambda self, rows: None)
    with Listener(site.settings.state, "worker") as listener:
        yield Loop(site, listener, Never(), Hearing(site))  # type: ignore[arg-type]  # a pool


@under_way
@by_steps
def test_a_clock_that_is_set_while_the_service_runs_changes_nothing_but_is_told(
    site: Site, loop: Loop, stage: Stage, step: float
) -> None:
    loop.step()
    row, plan = reach(site, stage), None
    plan = shown(site)
    loop.step()
    row = site.database.deployments.get(row.id)
    site.real_time = lambda: site.clock() + step
    for _ in range(3):
        site.clock.now += 1  # type: ignore[attr-defined]
        loop.step()
    after = site.database.deployments.get(row.id)
    assert after.model_copy(update={"last_event": row.last_event}) == row
    assert shown(site) == plan
    told = [event for event in site.database.events.of(row.id) if event.kind == "clock.step"]
    assert [event.data.seconds for event in told] == [pytest.approx(step, abs=2)]
    assert ("set forward" if step > 0 else "set back") in told[0].describe()
    assert [event.kind for event in site.database.events.notes(9)] == ["clock.step"]


def restart(site: Site, *, down: float, step: float = 0.0, other_boot: bool = False) -> Site:
    """The site as the next start of the service finds it; `step` is what the clock was set by meanwhile."""
    anchor = ClockAnchor.of_now()
    before = site.clock()
    mark_alive(site.settings.state, before)
    # the boot's clock counts on: what the anchor of before says of now is `down` after the last look
    with site.database.writing():
        former = replace(anchor, real=before + down)
        site.database.clock.put(replace(former, boot_id="another boot") if other_boot else former)
    now = replace(anchor, real=before + down + step)
    downtime.end(site.settings, site.database, now)
    return replace(site, clock=SteadyClock(now))


@under_way
@by_steps
def test_a_clock_that_was_set_while_the_service_was_down_for_a_moment_changes_nothing(
    site: Site, stage: Stage, step: float
) -> None:
    row = reach(site, stage)
    plan, before = type(shown(site)), left(site, row)
    lease = LeaseRow("52:54:00:00:00:99", "10.77.0.150", site.clock() + 600, bound=True)
    site.database.leases.put([lease])
    again = restart(site, down=3.0, step=step)
    after = again.database.deployments.get(row.id)
    assert after.stage == stage
    assert left(again, after) == pytest.approx((before[0] - 3, before[1] - 3, before[2] + 3), abs=1)
    assert type(shown(again)) is plan
    [kept] = again.database.leases.all()
    assert kept.expires - again.clock() == pytest.approx(597, abs=1)


@under_way
@pytest.mark.parametrize("step", [0.0, *STEPS], ids=lambda step: f"{step:+.0f}s")
@pytest.mark.parametrize("other_boot", [False, True])
def test_after_days_what_nobody_began_ends_in_words_and_what_was_begun_goes_on(
    site: Site, stage: Stage, step: float, other_boot: bool
) -> None:
    row, days = reach(site, stage), 3 * 86400.0
    again = restart(site, down=days, step=step, other_boot=other_boot)
    after = again.database.deployments.get(row.id)
    assert isinstance(shown(again), Local)
    if stage in UNCONSUMED:
        assert (after.stage, after.code) == (Stage.FAILED, 140)
        if step == 0 or not other_boot:
            assert after.reason == "the order expired while the service was down for 72 h 00 m"
        return
    assert after.stage == stage and after.deadline > again.clock()
    if step == 0 or not other_boot:
        assert after.deadline - again.clock() == pytest.approx(row.deadline - site.clock(), abs=1)


def test_a_clock_that_went_back_while_the_machine_was_off_makes_no_order_young(site: Site) -> None:
    """Its battery is empty: it says a time before the last that is known, so nobody knows what has passed."""
    row = reach(site, Stage.POWERING)
    again = restart(site, down=60.0, step=-10 * YEAR, other_boot=True)
    after = again.database.deployments.get(row.id)
    assert (after.stage, after.code) == (Stage.FAILED, 140)
    assert "nobody knows how old the order is" in after.reason and after.hint


def test_an_order_in_time_outlives_a_restart_of_the_machine(site: Site) -> None:
    row = reach(site, Stage.POWERING)
    again = restart(site, down=600.0, other_boot=True)
    after = again.database.deployments.get(row.id)
    assert after.stage == Stage.POWERING and isinstance(shown(again), Ramdisk)
    assert after.deadline == pytest.approx(row.deadline + 600, abs=1)
    assert after.expires == row.expires


def test_what_a_step_told_before_a_restart_of_the_machine_is_not_taken_for_downtime(site: Site) -> None:
    """Real time was set forward by a year while the service ran; then the machine was off for a minute."""
    row = reach(site, Stage.POWERING)
    anchor, looked = ClockAnchor.of_now(), site.clock()
    mark_alive(site.settings.state, looked)
    with site.database.writing():
        site.database.clock.put(replace(anchor, boot_id="another boot", steps=YEAR))
    now = replace(anchor, real=looked + YEAR + 60)
    downtime.end(site.settings, site.database, now)
    after = site.database.deployments.get(row.id)
    assert after.stage == Stage.POWERING
    assert after.expires == pytest.approx(row.expires + YEAR, abs=1)
    assert after.deadline == pytest.approx(row.deadline + YEAR + 60, abs=1)


def test_a_newer_order_is_the_newer_one_whatever_the_clock_said(site: Site, clock: Any) -> None:
    old = reach(site, Stage.QUEUED)
    record(site, old.id, OrderCancelled(by="ann"), source="test")
    clock.now -= 10 * YEAR
    new = reach(site, Stage.POWERING)
    assert site.database.deployments.last_of("vc-1") == new
    assert [row.id for row in site.database.deployments.newest()] == [new.id, old.id]
    assert isinstance(shown(site), Ramdisk)


def test_an_anchor_that_cannot_be_read_is_none(site: Site) -> None:
    assert site.database.clock.anchor() is None
    with site.database.writing() as db:
        db.execute("INSERT INTO service VALUES ('clock', '{\"boot_id\": 7}')")
    assert site.database.clock.anchor() is None
    first = downtime.steady_clock(site.settings, site.database)
    assert first() == pytest.approx(downtime.steady_clock(site.settings, site.database)(), abs=1)
    assert (anchor := site.database.clock.anchor()) and anchor.is_of_this_boot
