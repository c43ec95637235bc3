"""The worker's loop: what it starts, when, and that it never starts it twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from provisioner.deployment import diagnose
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.deployment.runs import arm_run
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Host
from provisioner.domain.lifecycle import INSTALLER_SILENCE, MOST_ATTEMPTS, ROWS
from provisioner.domain.run import Run
from provisioner.domain.stage import Stage
from provisioner.domain.timeline import tell as tell_story
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.values import RogueServer
from provisioner.worker import acts
from provisioner.worker.consoles import Consoles
from provisioner.worker.loop import GAP, RETRY, Loop


class Later(Executor):
    """Keeps what is submitted; the test says when it has run."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Future[Any]]] = []
        self.jobs: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.asked.append((args[0], future))
        self.jobs.append(partial(fn, *args))
        return future

    def done(self) -> None:
        for _, future in self.asked:
            if not future.done():
                future.set_result(None)

    @property
    def acts(self) -> list[Any]:
        return [act for act, _ in self.asked]


@pytest.fixture
def pool() -> Later:
    return Later()


@pytest.fixture
def loop(site: Site, pool: Later) -> Iterator[Loop]:
    with Listener(site.settings.state, "worker") as bell:
        yield Loop(site, bell, pool)  # type: ignore[arg-type]  # any executor will do


def order(site: Site) -> Deployment:
    return arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")


def tell(site: Site, row: Deployment, *kinds: str, **data: Any) -> Deployment:
    for kind in kinds:
        row = record(site, row.id, kind, source="test", **data)
    return row


def test_a_host_is_not_powered_twice_while_it_is_being_powered(site: Site, loop: Loop, pool: Later) -> None:
    row = order(site)
    loop.step()
    loop.step()
    tell(site, row, "power.began", nonce="n")  # what the act does first: it opens attempt 1
    loop.step()
    assert pool.acts == [acts.power_on]


def test_an_act_that_was_asked_for_with_an_old_row_is_not_done(site: Site, loop: Loop, pool: Later) -> None:
    row = order(site)
    loop.step()
    tell(site, row, "power.began", nonce="n")
    tell(site, row, "power.asked")  # by the act before, which ended after the loop had read the row
    before = site.database.events.of(row.id)
    pool.jobs[0]()
    assert site.database.events.of(row.id) == before


def test_an_act_is_done_with_the_row_of_now(site: Site, loop: Loop, pool: Later) -> None:
    row = order(site)
    loop.step()
    pool.jobs[0]()
    assert [event.kind for event in site.database.events.of(row.id)][-2:] == ["power.began", "power.asked"]


def test_an_act_that_a_crash_cut_short_is_done_again(site: Site, loop: Loop, pool: Later) -> None:
    row = order(site)
    tell(site, row, "slot.given")
    tell(site, row, "power.began", nonce="n")
    loop.step()
    assert pool.acts == [acts.power_on]


def test_a_powered_host_is_left_to_boot(site: Site, loop: Loop, pool: Later) -> None:
    row = order(site)
    tell(site, row, "slot.given")
    tell(site, row, "power.began", nonce="n")
    tell(site, row, "power.on")
    loop.step()
    assert pool.acts == []


def test_no_more_deployments_run_than_the_settings_allow(site: Site, loop: Loop) -> None:
    names = [f"vc-{number}" for number in range(2, 8)]
    for number, name in enumerate(names, 2):
        host = Host(name=name, macs=(f"52:54:00:00:00:{number:02x}",), profile="cube")
        site.database.put_inventory([host], [], site.settings.hosts_range)
        arm(site, site.database.hosts.get(name), site.database.images.all()[0], by="ann")
    for _ in names:
        clock_forward(site, site.settings.orders.stagger_seconds)
        loop.step()
    stages = Counter(row.stage for row in site.database.deployments.under_way())
    assert stages == {Stage.POWERING: site.settings.orders.at_once, Stage.QUEUED: 2}


def test_two_hosts_are_not_powered_in_one_moment(site: Site, loop: Loop) -> None:
    host = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube")
    site.database.put_inventory([host], [], site.settings.hosts_range)
    order(site)
    arm(site, site.database.hosts.get("vc-2"), site.database.images.all()[0], by="ann")
    loop.step()
    loop.step()
    assert [row.stage for row in site.database.deployments.under_way()] == [Stage.POWERING, Stage.QUEUED]
    clock_forward(site, site.settings.orders.stagger_seconds)
    loop.step()
    assert [row.stage for row in site.database.deployments.under_way()] == [Stage.POWERING, Stage.POWERING]


def test_what_waits_in_a_run_is_not_begun_when_its_hosts_fail_alike(site: Site, loop: Loop) -> None:
    host = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube")
    site.database.put_inventory([host], [], site.settings.hosts_range)
    ordered = Run(id="r-1", created=0, by="ann", select="", max_parallel=1, stop_after=1)
    image = site.database.images.all()[0]
    first, second = arm_run(
        site, ordered, [(site.database.hosts.get(name), image) for name in ("vc-1", "vc-2")]
    )
    loop.step()
    tell(site, first, "power.failed", code=201, sentence="no answer", hint="")
    loop.step()
    row = site.database.deployments.get(second.id)
    assert row.stage == Stage.CANCELLED and "1 host of the run failed alike (PV-201)" in row.reason


def clock_forward(site: Site, seconds: float) -> None:
    clock: Any = site.clock
    clock.now += seconds


def writing(site: Site) -> Deployment:
    row = order(site)
    tell(site, row, "slot.given")
    tell(site, row, "power.began", nonce="n")
    return tell(site, row, "agent.hello", nonce="n", token_hash="t", phone_hash="p", boot_id="b", serial="S")


def test_a_silent_agent_is_powered_again_with_the_next_attempt(
    site: Site, loop: Loop, clock: Any, pool: Later
) -> None:
    row = writing(site)
    loop.step()
    for _ in range(8):  # the loop itself is awake all the while
        clock.now += GAP - 1
        loop.step()
    row = site.database.deployments.get(row.id)
    assert (row.stage, row.attempt) == (Stage.POWERING, 2)
    loop.step()
    assert pool.acts == [acts.power_on]


def test_a_host_that_falls_silent_in_every_attempt_fails(site: Site, loop: Loop, clock: Any) -> None:
    row = writing(site)
    for number in range(2, MOST_ATTEMPTS + 1):
        tell(site, row, "agent.silent", seconds=61)
        tell(site, row, "power.began", nonce=f"n{number}")
        hello = {"token_hash": "t", "phone_hash": "p", "boot_id": f"b{number}", "serial": "S"}
        tell(site, row, "agent.hello", nonce=f"n{number}", **hello)
    for _ in range(8):
        clock.now += GAP - 1
        loop.step()
    row = site.database.deployments.get(row.id)
    assert (row.stage, row.code) == (Stage.FAILED, 341)


def installing(site: Site) -> Deployment:
    image = site.database.images.all()[0].model_copy(update={"kind": "iso"})
    row = arm(site, site.database.hosts.get("vc-1"), image, by="ann", iso=image.id)
    tell(site, row, "slot.given")
    tell(site, row, "power.began", nonce="n")
    return tell(site, row, "installer.began", nonce="n", phone_hash="p")


def test_an_installer_may_be_silent_for_longer_than_an_agent(site: Site, loop: Loop, clock: Any) -> None:
    row = installing(site)
    loop.step()

    def wait(seconds: float) -> Deployment:
        for _ in range(int(seconds / (GAP - 1)) + 1):
            clock.now += GAP - 1
            loop.step()
        return site.database.deployments.get(row.id)

    assert wait(INSTALLER_SILENCE - 60).stage == Stage.WRITING
    row = wait(120)
    assert (row.stage, row.attempt, row.nonce, row.disk) == (Stage.POWERING, 2, "", {})
    last = site.database.events.of(row.id)[-1]
    assert tell_story(last.kind, last.data).startswith("no word from the installer for 30 m")


@pytest.mark.parametrize(
    ("kinds", "stage", "code", "sentence"),
    [
        ((), Stage.NETBOOTING, 220, "iPXE has its script but the installer never read its seed"),
        (("seed.served",), Stage.NETBOOTING, 220, "the installer has read its seed but never reported"),
        (("installer.began",), Stage.WRITING, 340, "the installer's last word was: curthooks"),
        (("installer.began", "installer.done"), Stage.RESTARTING, 410, "on the disk never reported"),
    ],
)
def test_an_installation_that_does_not_end_says_what_was_seen(
    site: Site, kinds: tuple[str, ...], stage: Stage, code: int, sentence: str
) -> None:
    image = site.database.images.all()[0].model_copy(update={"kind": "iso"})
    row = arm(site, site.database.hosts.get("vc-1"), image, by="ann", iso=image.id)
    tell(site, row, "slot.given")
    tell(site, row, "power.began", nonce="n")
    row = tell(site, row, "script.served", boots="installer")
    for kind in kinds:
        if kind == "installer.done":
            tell(site, row, "installer.progress", phase="late")
        row = tell(site, row, kind, nonce="n", phone_hash="p")
    if stage == Stage.WRITING:
        row = tell(site, row, "installer.progress", phase="curthooks")
    found, told, hint = diagnose.overdue(site, row)
    assert (row.stage, found) == (stage, code) and sentence in told and hint


def test_time_in_which_nobody_watched_does_not_count(site: Site, loop: Loop, clock: Any) -> None:
    row = writing(site)
    loop.step()
    before = site.database.deployments.get(row.id).deadline
    clock.now += 3600
    loop.step()
    row = site.database.deployments.get(row.id)
    assert (row.stage, row.attempt) == (Stage.WRITING, 1)
    assert row.deadline == pytest.approx(before + 3600)


def test_a_deadline_that_passes_is_a_failure_with_a_sentence(site: Site, loop: Loop, clock: Any) -> None:
    row = order(site)
    tell(site, row, "slot.given")
    tell(site, row, "power.began", nonce="n")
    tell(site, row, "power.on")
    loop.step()
    for _ in range(int(ROWS[Stage.POWERING].deadline / (GAP - 1)) + 2):
        clock.now += GAP - 1
        loop.step()
    row = site.database.deployments.get(row.id)
    assert (row.stage, row.code) == (Stage.FAILED, 210)
    assert "never asked for an address" in row.reason and row.hint


def verifying(site: Site) -> Deployment:
    row = writing(site)
    tell(site, row, "agent.written", disk={"name": "vda", "serial": "D"})
    tell(site, row, "disk.chosen")
    return tell(site, row, "os.phoned", host_keys=["ssh-ed25519 AAAA"], address="10.77.0.64")


def test_an_unreachable_host_is_tried_again_after_a_pause(
    site: Site, loop: Loop, clock: Any, pool: Later
) -> None:
    row = verifying(site)
    loop.step()
    tell(site, row, "verify.unreachable", sentence="refused")
    pool.done()
    loop.step()
    assert pool.acts == [acts.verify]
    clock.now += RETRY
    loop.step()
    assert pool.acts == [acts.verify, acts.verify]


def test_a_sealing_that_cannot_reach_its_host_pauses_too(
    site: Site, loop: Loop, clock: Any, pool: Later
) -> None:
    row = verifying(site)
    tell(site, row, "verify.passed")
    tell(site, row, "seal.task", result="unreachable", sentence="refused")
    loop.step()
    assert pool.acts == []
    clock.now += RETRY
    loop.step()
    assert pool.acts == [acts.seal]


def test_a_host_is_powered_on_only_when_its_console_is_settled(
    site: Site, loop: Loop, pool: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[bool] = []
    monkeypatch.setattr(Consoles, "is_settled", lambda self, row: bool(settled))
    order(site)
    loop.step()
    loop.step()
    assert pool.acts == []
    settled.append(True)
    loop.step()
    assert pool.acts == [acts.power_on]


def test_a_console_that_is_lost_changes_nothing_of_its_deployment(site: Site) -> None:
    row = tell(site, order(site), "slot.given")
    assert tell(site, row, "console.lost", sentence="no SOL", code=209) == row
    assert site.database.events.of(row.id)[-1].kind == "console.lost"
    assert tell_story("console.lost", {"sentence": "no SOL"}).endswith("is not recorded for now: no SOL")


def test_no_host_is_begun_while_another_dhcp_server_answers(site: Site, loop: Loop) -> None:
    row = order(site)
    other = RogueServer("10.77.0.9", "52:54:00:00:00:09", "lan0", offer="10.77.0.99")
    site.database.values.put_rogue_servers([other])
    loop.step()
    assert site.database.deployments.get(row.id).stage == Stage.QUEUED
    site.database.values.put_rogue_servers([])
    loop.step()
    assert site.database.deployments.get(row.id).stage == Stage.POWERING


def test_what_dhcp_has_against_a_boot_is_said(site: Site) -> None:
    row = tell(site, order(site), "slot.given")
    row = tell(site, row, "power.began", nonce="n")
    row = tell(site, row, "power.on")
    note = "there is no boot file for architecture 6 (x86 UEFI)"
    packet = ClientPacket(row.mac, note=note, boots=True)
    site.database.sightings.put([NewSighting(row.mac, site.clock(), 1, "10.77.0.64", packet)])
    assert note in diagnose.overdue(site, row)[1]
    other = RogueServer("10.77.0.9", "52:54:00:00:00:09", "lan0", offer="10.77.0.99")
    site.database.values.put_rogue_servers([replace(other, boots="pxelinux.0")])
    _, said, hint = diagnose.overdue(site, row)
    assert "another DHCP server answers there: 10.77.0.9 (52:54:00:00:00:09)" in said and "net check" in hint
