"""The worker's loop: what it starts, when, and that it never starts it twice."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Interface
from typing import Any

import pytest

from provisioner.deployment.downtime import GAP
from provisioner.deployment.order import arm
from provisioner.deployment.record import record, suspect
from provisioner.deployment.runs import arm_run
from provisioner.diagnosis.overdue import overdue
from provisioner.domain.deployment import MOST_ATTEMPTS, Deployment, WrittenDisk
from provisioner.domain.events.agent import AgentProgress, AgentSilent, AgentWritten
from provisioner.domain.events.installer import InstallerDone, InstallerProgress, SeedServed
from provisioner.domain.events.netboot import DhcpSeen, ScriptServed
from provisioner.domain.events.order import (
    HostSuspect,
    OrderCancelled,
    RunPaused,
    RunResumed,
    SlotGiven,
)
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import (
    ConsoleLost,
    PowerAsked,
    PowerBegan,
    PowerDelayed,
    PowerFailed,
    PowerOn,
)
from provisioner.domain.events.system import DiskChosen, OsPhoned
from provisioner.domain.events.verification import SealTask, VerifyPassed, VerifyUnreachable
from provisioner.domain.host import Host
from provisioner.domain.lifecycle import INSTALLER_SILENCE, ROWS
from provisioner.domain.run import Run
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.state.sightings import ClientPacket, NewSighting
from provisioner.state.values import RogueServer
from provisioner.worker import bmc_requests, power, verification
from provisioner.worker.consoles import Consoles
from provisioner.worker.hearing import Hearing
from provisioner.worker.loop import BMC_THREADS, RETRY, THREADS, Loop
from tests.unit.conftest import Clock, began_of, hello_of, put_installer


class Later(Executor):
    """Keeps what is submitted; the test says when it has run."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Future[Any]]] = []
        self.jobs: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.asked.append((fn.args[0], future))  # type: ignore[attr-defined]  # a partial of work and id
        self.jobs.append(partial(fn, *args))
        return future

    def done(self) -> None:
        for _, future in self.asked:
            if not future.done():
                future.set_result(None)

    @property
    def work(self) -> list[Any]:
        return [work for work, _ in self.asked]


@pytest.fixture
def pool() -> Later:
    return Later()


@pytest.fixture
def loop(site: Site, pool: Later) -> Iterator[Loop]:
    with Listener(site.settings.state, "worker") as bell:
        yield Loop(site, bell, pool, Hearing(site))  # type: ignore[arg-type]  # any executor will do


def order(site: Site) -> Deployment:
    return arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")


def tell(site: Site, row: Deployment, event: Payload) -> Deployment:
    return record(site, row.id, event, source="test")


def test_the_bmcs_of_a_rack_are_asked_at_the_same_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of them are dead: none waits for another one's silence."""
    together = threading.Barrier(40, timeout=30)
    monkeypatch.setattr(bmc_requests, "answer", lambda site, ident: together.wait())
    for _ in range(40):
        site.database.requests.ask("vc-1", "test", "quick", site.clock())
    with (
        Listener(site.settings.state, "worker") as bell,
        ThreadPoolExecutor(THREADS) as others,
        ThreadPoolExecutor(BMC_THREADS) as bmcs,
    ):
        Loop(site, bell, others, Hearing(site), bmc_pool=bmcs).step()
    assert not together.broken


def test_a_host_is_not_powered_twice_while_it_is_being_powered(site: Site, loop: Loop, pool: Later) -> None:
    row = order(site)
    loop.step()
    loop.step()
    tell(site, row, PowerBegan(nonce="n"))  # what the act does first: it opens attempt 1
    loop.step()
    assert pool.work == [power.power_on]


def test_an_act_that_was_asked_for_with_an_old_row_is_not_done(site: Site, loop: Loop, pool: Later) -> None:
    row = order(site)
    loop.step()
    tell(site, row, PowerBegan(nonce="n"))
    tell(site, row, PowerAsked())  # by the act before, which ended after the loop had read the row
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
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce="n"))
    loop.step()
    assert pool.work == [power.power_on]


def test_a_powered_host_is_left_to_boot(site: Site, loop: Loop, pool: Later) -> None:
    row = order(site)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce="n"))
    tell(site, row, PowerOn())
    loop.step()
    assert pool.work == []


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
    tell(site, first, PowerFailed(code=201, sentence="no answer", hint=""))
    loop.step()
    row = site.database.deployments.get(second.id)
    assert row.stage == Stage.CANCELLED and "1 host of the run failed (PV-201)" in row.reason


def test_a_run_that_is_paused_begins_nothing_until_it_is_resumed(site: Site, loop: Loop) -> None:
    host = site.database.hosts.get("vc-1")
    [row] = arm_run(
        site, Run(id="r-1", created=0, by="ann", select=""), [(host, site.database.images.all()[0])]
    )
    tell(site, row, RunPaused(by="ann"))
    loop.step()
    paused = site.database.deployments.get(row.id)
    assert paused.stage == Stage.QUEUED and paused.reason == "its run is paused by ann"
    tell(site, row, RunResumed(by="bob"))
    loop.step()
    assert site.database.deployments.get(row.id).stage == Stage.POWERING


def test_the_order_of_a_paused_run_expires_all_the_same(site: Site, loop: Loop) -> None:
    host = site.database.hosts.get("vc-1")
    [row] = arm_run(
        site, Run(id="r-1", created=0, by="ann", select=""), [(host, site.database.images.all()[0])]
    )
    tell(site, row, RunPaused(by="ann"))
    clock_forward(site, row.expires - row.created + 1)
    loop.step()
    ended = site.database.deployments.get(row.id)
    assert ended.stage == Stage.FAILED and "the order has expired" in ended.reason
    assert "paused by ann" in ended.reason and ended.hint == "what of it is still wanted: provision retry r-1"


def asked(site: Site, step: Callable[[], None]) -> Counter[str]:
    """How often each table of the inventory is read in one pass."""
    said: list[str] = []
    site.database.db.conn.set_trace_callback(said.append)
    step()
    site.database.db.conn.set_trace_callback(None)
    tables = ("hosts", "profiles")
    return Counter(table for sql in said for table in tables if f"FROM {table} " in f"{sql} ")


def test_the_inventory_is_read_once_a_pass_however_many_wait(site: Site, loop: Loop) -> None:
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    counts = []
    for number in range(2, 8):
        macs = (f"52:54:00:77:02:{number:02x}",)
        new = host.model_copy(update={"name": f"vc-{number}", "macs": macs, "serial": "", "uuid": ""})
        site.database.put_inventory([new], [], site.settings.hosts_range)
        arm(site, site.database.hosts.get(new.name), image, by="ann")
        loop.step()  # a slot is given at one pass
        counts.append(asked(site, loop.step))
    assert counts[1:] == counts[:-1] and 0 < counts[0]["profiles"] <= 1, counts


@pytest.mark.parametrize("what", ["hosts", "profiles"])
def test_a_row_that_cannot_be_read_holds_up_no_other_order(site: Site, loop: Loop, what: str) -> None:
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    other = host.model_copy(
        update={"name": "vc-2", "macs": ("52:54:00:77:02:02",), "serial": "", "uuid": "", "profile": "odd"}
    )
    odd = site.database.profiles.get(host.profile).model_copy(update={"name": "odd"})
    site.database.put_inventory([other], [odd], site.settings.hosts_range)
    row = arm(site, host, image, by="ann")
    arm(site, site.database.hosts.get("vc-2"), image, by="ann")
    name = {"hosts": "vc-2", "profiles": "odd"}[what]
    with site.database.writing() as db:
        db.execute(f"UPDATE {what} SET body = '{{' WHERE name = ?", [name])
    site.database.hosts.put(host.model_copy(update={"locked": True}))
    loop.step()
    assert site.database.deployments.get(row.id).code == 131


def test_an_order_is_not_ended_by_what_is_over_again(
    site: Site, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host was locked when the pass began, and is not any more when its turn comes."""
    host, row = site.database.hosts.get("vc-1"), order(site)
    site.database.hosts.put(host.model_copy(update={"locked": True}))
    look = loop._look

    def late(*of: Any) -> None:
        site.database.hosts.put(host)
        look(*of)

    monkeypatch.setattr(loop, "_look", late)
    loop.step()
    assert site.database.deployments.get(row.id).stage in (Stage.QUEUED, Stage.POWERING)


def clock_forward(site: Site, seconds: float) -> None:
    clock: Any = site.clock
    clock.now += seconds


def writing(site: Site) -> Deployment:
    row = order(site)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce="n"))
    return tell(site, row, hello_of("n", serial="S"))


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
    assert pool.work == [power.power_on]


def test_a_disk_that_flushes_slowly_is_given_the_time(site: Site, loop: Loop, clock: Any) -> None:
    """At 8 MB/s it has up to a minute of what it was given before it: its machine may say nothing then."""
    row = writing(site)
    tell(site, row, AgentProgress(seq=1, phase="writing", done=400_000_000, total=24 << 30, rate=8e6))
    for _ in range(int(90 / (GAP - 1))):
        clock.now += GAP - 1
        loop.step()
    assert site.database.deployments.get(row.id).stage == Stage.WRITING
    for _ in range(3):
        clock.now += GAP - 1
        loop.step()
    assert site.database.deployments.get(row.id).stage == Stage.POWERING


def test_silence_is_not_counted_while_our_own_web_service_answers_nobody(
    site: Site, loop: Loop, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its deafness would be taken for the agent's death, and a host that writes be powered again."""
    row, deaf = writing(site), "timed out"
    monkeypatch.setattr("provisioner.worker.hearing._ask", lambda address, port: deaf)
    loop.step()

    def wait(seconds: float) -> int:
        for _ in range(int(seconds / (GAP - 1))):
            clock.now += GAP - 1
            loop._hearing.look()
            loop.step()
        return site.database.deployments.get(row.id).attempt

    assert wait(600) == 1
    deaf = ""
    assert wait(ROWS[Stage.WRITING].silence - GAP) == 1, "it is given its time from the beginning"
    assert wait(2 * GAP) == 2
    assert "no word from the agent for 1 m" in site.database.events.of(row.id)[-1].describe()


def test_hearing_asks_as_a_machine_does(site: Site) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    site.settings = site.settings.model_copy(update={"address": IPv4Interface("127.0.0.1/8"), "http_port": 1})
    hearing = Hearing(site)
    hearing.look()
    assert hearing.since == site.clock(), "nobody listens there"
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        site.settings = site.settings.model_copy(update={"http_port": server.server_port})
        threading.Thread(target=server.handle_request, daemon=True).start()
        hearing.since = 0.0
        hearing.look()
    assert hearing.since == 0.0, "501 is an answer"


def test_a_host_that_falls_silent_in_every_attempt_fails(site: Site, loop: Loop, clock: Any) -> None:
    row = writing(site)
    for number in range(2, MOST_ATTEMPTS + 1):
        tell(site, row, AgentSilent(seconds=61))
        tell(site, row, PowerBegan(nonce=f"n{number}"))
        tell(site, row, hello_of(f"n{number}", boot_id=f"b{number}", serial="S"))
    for _ in range(8):
        clock.now += GAP - 1
        loop.step()
    row = site.database.deployments.get(row.id)
    assert (row.stage, row.code) == (Stage.FAILED, 341)


def order_installer(site: Site) -> Deployment:
    image = put_installer(site)
    return arm(site, site.database.hosts.get("vc-1"), image, by="ann", iso=image.id)


def installing(site: Site) -> Deployment:
    row = order_installer(site)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce="n"))
    return tell(site, row, began_of("n"))


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
    assert (row.stage, row.attempt, row.nonce, row.disk) == (Stage.POWERING, 2, "", WrittenDisk())
    last = site.database.events.of(row.id)[-1]
    assert last.describe().startswith("no word from the installer for 30 m")


BEGAN = began_of("n")


@pytest.mark.parametrize(
    ("events", "stage", "code", "sentence"),
    [
        ((), Stage.NETBOOTING, 229, "iPXE has its script but the installer never read its seed"),
        ((SeedServed(),), Stage.NETBOOTING, 230, "the installer has read its seed but never reported"),
        (
            (BEGAN, InstallerProgress(phase="curthooks")),
            Stage.WRITING,
            340,
            "the installer's last word was: curthooks",
        ),
        (
            (BEGAN, InstallerProgress(phase="late"), InstallerDone()),
            Stage.RESTARTING,
            410,
            "on the disk never reported",
        ),
    ],
)
def test_an_installation_that_does_not_end_says_what_was_seen(
    site: Site, events: tuple[Payload, ...], stage: Stage, code: int, sentence: str
) -> None:
    row = order_installer(site)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce="n"))
    for event in (ScriptServed(boots="installer"), *events):
        row = tell(site, row, event)
    passed = overdue(site, row)
    assert (row.stage, passed.code) == (stage, code) and sentence in passed.sentence and passed.hint


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
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce="n"))
    tell(site, row, PowerOn())
    loop.step()
    for _ in range(int(ROWS[Stage.POWERING].deadline / (GAP - 1)) + 2):
        clock.now += GAP - 1
        loop.step()
    row = site.database.deployments.get(row.id)
    assert (row.stage, row.code) == (Stage.FAILED, 210)
    assert "never asked for an address" in row.reason and row.hint


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_host_whose_boot_device_was_not_set_has_most_likely_booted_another(
    site: Site, clock: Any, is_seen: bool
) -> None:
    note = "BMC 10.0.0.9 refuses the boot device: read-only"
    row = tell(site, order(site), SlotGiven())
    row = tell(site, row, PowerBegan(nonce="n"))
    row = tell(site, row, PowerOn(boot="unknown", note=note))
    if is_seen:  # its old system asks for an address, too
        row = tell(site, row, DhcpSeen())
    passed = overdue(site, row)
    assert passed.code == 218
    assert f"its BMC did not set the boot device to network ({note})" in passed.sentence
    retry = f"put the network first in its firmware's own boot order, then: provision retry {row.host}"
    assert passed.hint.startswith(retry)


def test_a_boot_device_that_was_set_is_no_cause(site: Site) -> None:
    row = tell(site, order(site), SlotGiven())
    row = tell(site, row, PowerBegan(nonce="n"))
    row = tell(site, row, PowerOn(boot="network", note="asked for network once, it holds for every start"))
    row = tell(site, row, DhcpSeen())
    assert "boot device" not in overdue(site, row).sentence


def test_a_pause_makes_no_old_order_young(site: Site, loop: Loop, clock: Any) -> None:
    """Nobody looked until the order had expired: it ends, its slot is free, and it says why it stood."""
    row = order(site)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce="n"))
    tell(site, row, suspect(row.host, "two machines", "10.77.0.9"))
    loop.step()
    while clock.now + GAP - 1 < row.expires:
        clock.now += GAP - 1
        loop.step()
    assert site.database.deployments.get(row.id).paused, "a stage's deadline does not run in a pause"
    clock.now = row.expires + 1
    loop.step()
    row = site.database.deployments.get(row.id)
    assert row.stage == Stage.FAILED
    assert "look at 10.77.0.9" in row.hint and "provision retry vc-1" in row.hint and "resume" not in row.hint
    assert "the order has expired" in row.reason and "two machines" in row.reason


def test_what_writes_is_paused_for_as_long_as_it_takes(site: Site, loop: Loop, clock: Any) -> None:
    row = writing(site)
    tell(site, row, HostSuspect(sentence="two machines"))
    loop.step()
    while clock.now <= row.expires:
        clock.now += GAP - 1
        loop.step()
    assert site.database.deployments.get(row.id).stage == Stage.WRITING


def verifying(site: Site) -> Deployment:
    row = writing(site)
    tell(site, row, AgentWritten(disk=WrittenDisk(name="vda", serial="D")))
    tell(site, row, DiskChosen())
    return tell(site, row, OsPhoned(host_keys=["ssh-ed25519 AAAA"], address="10.77.0.64"))


def test_an_unreachable_host_is_tried_again_after_a_pause(
    site: Site, loop: Loop, clock: Any, pool: Later
) -> None:
    row = verifying(site)
    loop.step()
    tell(site, row, VerifyUnreachable(sentence="refused"))
    pool.done()
    loop.step()
    assert pool.work == [verification.verify]
    clock.now += RETRY
    loop.step()
    assert pool.work == [verification.verify, verification.verify]


def test_a_sealing_that_cannot_reach_its_host_pauses_too(
    site: Site, loop: Loop, clock: Any, pool: Later
) -> None:
    row = verifying(site)
    tell(site, row, VerifyPassed())
    tell(site, row, SealTask(result="unreachable", sentence="refused"))
    loop.step()
    assert pool.work == []
    clock.now += RETRY
    loop.step()
    assert pool.work == [verification.seal]


def delayed(site: Site, pause: float = 20.0) -> Deployment:
    row = order(site)
    tell(site, row, SlotGiven())
    tell(site, row, PowerBegan(nonce="n"))
    tell(site, row, PowerDelayed(code=211, sentence="BMC 10.0.0.9 is busy", hint="wait", pause=pause))
    return site.database.deployments.get(row.id)


def test_a_bmc_that_cannot_do_it_now_is_asked_again_after_its_pause(
    site: Site, clock: Clock, loop: Loop, pool: Later
) -> None:
    delayed(site, pause=9)
    loop.step()
    clock.now += 8
    loop.step()
    assert pool.work == []
    clock.now += 2
    loop.step()
    assert pool.work == [power.power_on]


def test_a_bmc_that_never_can_ends_the_deployment_at_the_deadline_with_its_own_words(
    site: Site, clock: Clock, loop: Loop
) -> None:
    row = delayed(site)
    deadline = row.deadline
    clock.now += 60
    tell(
        site,
        row,
        PowerDelayed(code=201, sentence="BMC 10.0.0.9 does not answer", hint="is it cabled", pause=9),
    )
    assert site.database.deployments.get(row.id).deadline == deadline, "asking again wins no time"
    clock.now = deadline + 1
    loop.step()
    row = site.database.deployments.get(row.id)
    assert (row.stage, row.code) == (Stage.FAILED, 201)
    assert row.hint == "is it cabled; provision bmc test vc-1"
    assert row.reason.endswith("BMC 10.0.0.9 does not answer")


def test_a_host_is_powered_on_only_when_its_console_is_settled(
    site: Site, loop: Loop, pool: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[bool] = []
    monkeypatch.setattr(Consoles, "is_settled", lambda self, row: bool(settled))
    order(site)
    loop.step()
    loop.step()
    assert pool.work == []
    settled.append(True)
    loop.step()
    assert pool.work == [power.power_on]


def test_a_console_that_is_lost_changes_nothing_of_its_deployment(site: Site) -> None:
    row = tell(site, order(site), SlotGiven())
    assert tell(site, row, ConsoleLost(sentence="no SOL", code=209)) == row
    last = site.database.events.of(row.id)[-1]
    assert last.kind == "console.lost" and last.describe().endswith("is not recorded for now: no SOL")


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
    row = tell(site, order(site), SlotGiven())
    row = tell(site, row, PowerBegan(nonce="n"))
    row = tell(site, row, PowerOn())
    note = "there is no boot file for architecture 6 (x86 UEFI)"
    packet = ClientPacket(row.mac, note=note, boots=True)
    site.database.sightings.put([NewSighting(row.mac, site.clock(), 1, "10.77.0.64", packet)])
    assert note in overdue(site, row).sentence
    other = RogueServer("10.77.0.9", "52:54:00:00:00:09", "lan0", offer="10.77.0.99")
    site.database.values.put_rogue_servers([replace(other, boots="pxelinux.0")])
    passed = overdue(site, row)
    assert "another DHCP server answers there: 10.77.0.9 (52:54:00:00:00:09)" in passed.sentence
    assert "net check" in passed.hint


def test_a_gap_moves_the_deadlines_of_others_though_a_deployment_ended_meanwhile(
    site: Site, loop: Loop, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = order(site)
    loop.step()
    under_way = site.database.deployments.under_way()
    tell(site, row, OrderCancelled(by="ann"))
    monkeypatch.setattr(site.database.deployments, "under_way", lambda: under_way)
    clock.now += 10 * GAP
    loop.step()
    assert site.database.deployments.get(row.id).stage == Stage.CANCELLED
