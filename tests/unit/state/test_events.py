"""What a machine can repeat for ever leaves the first, the last and how many."""

import json
from collections import Counter

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentProgress, AgentSilent, AgentWritten
from provisioner.domain.events.netboot import DhcpServerSeen, ScriptServed
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.payload import Payload
from provisioner.domain.events.power import PowerBegan, PowerDelayed
from provisioner.domain.events.registry import KINDS, LASTING
from provisioner.domain.events.service import ServiceReplaced
from provisioner.domain.timeline import read
from provisioner.site.site import Site
from provisioner.state import events as table
from tests.unit.conftest import Clock, hello_of


@pytest.fixture
def row(site: Site) -> Deployment:
    """One that waits for its machine."""
    made = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, made.id, SlotGiven(), source="worker")
    return record(site, made.id, PowerBegan(nonce="n-1"), source="worker")


def tell(site: Site, row: Deployment, data: Payload) -> None:
    record(site, row.id, data, source="machine")


def kinds(site: Site, row: Deployment) -> list[str]:
    return [event.kind for event in site.database.events.of(row.id)]


def test_a_thousand_reports_are_a_row_for_each_phase_with_the_first_and_the_last(
    site: Site, clock: Clock, row: Deployment
) -> None:
    tell(site, row, hello_of("n-1"))
    began = clock.now
    for number in range(1000):
        clock.now += 2
        phase = "writing" if number < 700 else "reading back"
        tell(site, row, AgentProgress(seq=number, phase=phase, done=number, total=1000, disk="vda"))
    reports = [event for event in site.database.events.of(row.id) if event.kind == "agent.progress"]
    assert [(event.data.phase, event.data.count, event.data.done) for event in reports] == [
        ("writing", 700, 699),
        ("reading back", 300, 999),
    ]
    assert (reports[0].data.first, reports[0].time) == (began + 2, began + 1400)
    assert site.database.deployments.get(row.id).progress.done == 999


def test_whoever_follows_the_log_sees_each_report(site: Site, row: Deployment) -> None:
    tell(site, row, hello_of("n-1"))
    after, seen = site.database.events.of(row.id)[-1].id, []
    for number in range(20):
        tell(site, row, AgentProgress(seq=number, phase="writing", done=number))
        [event] = site.database.events.of(row.id, after)
        assert event.id > after
        after = event.id
        seen.append(event.data.done)
    assert seen == list(range(20))


def test_what_leads_to_another_stage_is_kept_for_itself(site: Site, clock: Clock, row: Deployment) -> None:
    for _ in range(50):
        clock.now += 1
        tell(site, row, ScriptServed(address="10.77.0.64"))
    for _ in range(50):
        clock.now += 1
        tell(site, row, hello_of("n-1"))
    counted = Counter(kinds(site, row))
    assert (counted["script.served"], counted["agent.hello"]) == (2, 2), "the step, and what came after it"
    events = site.database.events.of(row.id)
    [first, later] = [event for event in events if event.kind == "agent.hello"]
    assert later.data.count == 49 and later.describe().endswith("says hello (49 times)")
    timeline = read(events)
    assert timeline.stages["writing"].began == first.time == 1_800_000_000.0 + 51


def test_a_script_for_another_address_is_another_thing(site: Site, row: Deployment) -> None:
    for number in range(3):
        for _ in range(4):
            tell(site, row, ScriptServed(address=f"10.77.0.{number}", serial="S1"))
    served = [event.data for event in site.database.events.of(row.id) if event.kind == "script.served"]
    assert [(data.address, data.count) for data in served] == [
        ("10.77.0.0", 1),
        ("10.77.0.0", 3),
        ("10.77.0.1", 4),
        ("10.77.0.2", 4),
    ]


def test_a_machine_that_says_something_else_each_time_is_bounded_too(
    site: Site, row: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MOST_OF_A_KIND", 40)
    tell(site, row, ScriptServed())
    for number in range(300):
        tell(site, row, ScriptServed(serial=f"S{number}"))
    served = [event.data for event in site.database.events.of(row.id) if event.kind == "script.served"]
    assert len(served) == 40 and served[-1].serial == "S299"
    assert sum(data.count for data in served) == 301


def test_another_attempt_begins_to_count_anew(site: Site, row: Deployment) -> None:
    for attempt in (1, 2):
        tell(site, row, hello_of("n-1"))
        for number in range(5):
            tell(site, row, AgentProgress(seq=number, phase="writing"))
        if attempt == 1:
            tell(site, row, AgentSilent(seconds=60))
            tell(site, row, PowerBegan(nonce="n-1"))
    reports = [event for event in site.database.events.of(row.id) if event.kind == "agent.progress"]
    assert [(event.attempt, event.data.count) for event in reports] == [(1, 5), (2, 5)]


def test_a_server_that_comes_and_goes_is_one_line(site: Site, clock: Clock) -> None:
    for number in range(30):
        clock.now += 60
        seen = DhcpServerSeen(address=f"10.77.0.{number % 2}", mac="52:54:00:00:00:09", heard=clock.now)
        site.database.events.note(Event.of_network(seen, source="dhcp", now=clock.now))
    newest, other = site.database.events.notes(100)
    assert (newest.data.address, newest.data.count, other.data.count) == ("10.77.0.1", 15, 15)
    assert newest.time == clock.now


def test_secrets_of_what_is_repeated_are_taken_out_too(site: Site, row: Deployment) -> None:
    for _ in range(3):
        tell(site, row, hello_of("n-1"))
    stored = "".join(str(text) for (text,) in site.database.tuples("SELECT data FROM events"))
    assert "n-1" not in stored


# what is forgotten


def test_old_evidence_goes_and_the_order_its_verdict_and_its_way_stay(
    site: Site, clock: Clock, row: Deployment
) -> None:
    tell(site, row, ScriptServed())
    tell(site, row, ScriptServed())
    tell(site, row, hello_of("n-1"))
    tell(site, row, AgentProgress(seq=1, phase="writing"))
    disk = {"name": "vda", "size": 1, "serial": "d"}
    tell(site, row, AgentWritten.model_validate({"disk": disk}))
    tell(site, row, OrderCancelled(by="ann"))
    before = kinds(site, row)
    assert site.database.events.prune(clock.now, 1000) == 0, "nothing is old"
    clock.now += 1000
    assert site.database.events.prune(clock.now - 1, 1000) == len(before) - 6
    assert kinds(site, row) == [
        *("order.armed", "slot.given", "script.served", "agent.hello", "agent.written", "order.cancelled")
    ]
    assert site.database.deployments.get(row.id).reason == "cancelled by ann"


def test_nothing_of_a_deployment_that_is_under_way_goes_however_old(
    site: Site, clock: Clock, row: Deployment
) -> None:
    tell(site, row, ScriptServed())
    before = kinds(site, row)
    clock.now += 1e9
    assert site.database.events.prune(clock.now, 1000) == 0 and kinds(site, row) == before


def test_it_goes_in_small_parts(site: Site, clock: Clock) -> None:
    for number in range(25):
        seen = DhcpServerSeen(address=f"10.77.1.{number}", mac="52:54:00:00:00:09")
        site.database.events.note(Event.of_network(seen, source="dhcp", now=clock.now))
    assert [site.database.events.prune(clock.now + 1, 10) for _ in range(4)] == [10, 10, 5, 0]


def test_every_order_and_verdict_is_among_what_lasts() -> None:
    verdicts = {"verify.passed", "verify.rejected", "verify.failed", "seal.done", "seal.failed", "os.phoned"}
    assert {"order.armed", "order.cancelled", "run.stopped", "stage.held", *verdicts} <= set(LASTING)
    assert {"agent.progress", "verify.task", "clock.gap", "dhcp.foreign"}.isdisjoint(LASTING)
    assert set(LASTING) <= set(KINDS)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("time", "noon"),
        ("kind", b"\xff"),
        ("host", b"\xfe"),
        ("attempt", "x"),
        ("source", b"\xff"),
        ("version", "v"),
    ],
)
def test_an_event_with_a_damaged_column_is_shown_as_far_as_it_can_be(
    site: Site, row: Deployment, column: str, value: str | bytes
) -> None:
    before = site.database.events.of(row.id)
    first = before[0]
    sql = f"UPDATE events SET {column} = ? WHERE id = ?"
    site.database.db.conn.execute(sql, [value, first.id])
    shown = site.database.events.of(row.id)
    assert [event.id for event in shown] == [event.id for event in before]
    assert json.loads(shown[0].model_dump_json())["id"] == first.id


def test_the_newest_of_a_kind_is_found_behind_any_number_of_others(site: Site, row: Deployment) -> None:
    tell(site, row, PowerDelayed(sentence="it is busy", pause=9))
    tell(site, row, PowerDelayed(sentence="it is starting", pause=20))
    tell(site, row, ScriptServed(boots="ramdisk", address="10.77.0.64"))
    delay = site.database.events.last_of(row.id, PowerDelayed.kind)
    assert delay and isinstance(delay.data, PowerDelayed) and delay.data.pause == 20
    newest = site.database.events.last_of(row.id)
    assert newest and newest.kind == ScriptServed.kind
    assert site.database.events.last_of(row.id, OrderCancelled.kind) is None


def test_a_sign_of_two_halves_is_read_as_it_was_written(site: Site) -> None:
    """Outside of Unicode's first plane a sign is stored as two escapes, each of which would be half a one."""
    event = Event.of_network(ServiceReplaced(service="dns", sentence="it is \U0001f600"), source="t", now=1.0)
    site.database.events.note(event)
    [found] = site.database.events.after(0, 10)
    assert isinstance(found.data, ServiceReplaced) and found.data.sentence == "it is \U0001f600"
