"""The audit is written with what it tells of, grows by no stranger's will, and forgets without a gap."""

import json

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.audit import NOTHING, Entry, Kind, Line, hash_of
from provisioner.domain.audit_chain import Chain
from provisioner.domain.event import Event
from provisioner.domain.events.netboot import ScriptServed
from provisioner.domain.events.order import OrderCancelled, SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.events.request import RequestRefused
from provisioner.errors import AuditError, ServiceError
from provisioner.site.site import Site
from provisioner.state import audit
from provisioner.state.audit import Filter
from tests.unit.conftest import Clock


def lines(site: Site) -> list[Line]:
    return [Line.model_validate_json(raw) for raw in site.database.audit.lines(0, 10_000)]


def kinds(site: Site) -> list[str]:
    return [line.kind.value for line in lines(site)]


def note(site: Site, kind: Kind = Kind.LOGIN, **fields: object) -> None:
    with site.database.writing():
        audit.record(site.database, Entry(kind=kind, time=site.clock(), **fields))


def chain_of(site: Site) -> Chain:
    chain = Chain()
    for raw in site.database.audit.lines(0, 100_000):
        chain.add(raw)
    chain.end()
    return chain


def test_each_line_has_the_hash_of_the_one_before(site: Site) -> None:
    for name in ("ann", "ben", "cem"):
        note(site, by=name)
    raw = site.database.audit.lines(0, 10)
    assert [line.by for line in lines(site)] == ["service", "ann", "ben", "cem"]
    assert [line.previous for line in lines(site)] == [NOTHING, *map(hash_of, raw[:-1])]
    assert audit.tip(site.database) == (4, hash_of(raw[-1]))


def test_a_line_outside_of_a_transaction_is_refused(site: Site) -> None:
    with pytest.raises(ServiceError, match="only within a transaction"):
        audit.record(site.database, Entry(kind=Kind.LOGIN, time=1))
    assert lines(site) == []


def test_an_order_and_its_line_are_one(site: Site) -> None:
    made = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    with pytest.raises(RuntimeError), site.database.writing():
        event = Event.of(made, OrderCancelled(by="ben"), source="operator", now=site.clock())
        site.database.events.add(event)
        raise RuntimeError
    record(site, made.id, OrderCancelled(by="cem"), source="operator")
    told = [(line.kind, line.by, line.host, line.deployment) for line in lines(site)[1:]]
    assert told == [
        (Kind.ORDER_GIVEN, "ann", "vc-1", made.id),
        (Kind.ORDER_ENDED, "cem", "vc-1", made.id),
    ]


def test_who_read_a_hosts_script_is_a_line(site: Site) -> None:
    made = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, made.id, SlotGiven(), source="worker")
    record(site, made.id, PowerBegan(nonce="n-1"), source="worker")
    for _ in range(3):
        record(site, made.id, ScriptServed(address="10.77.0.64"), source="machine")
    read = [line for line in lines(site) if line.kind is Kind.CONFIG_READ]
    assert [(line.address, line.what) for line in read] == [("10.77.0.64", "script.served")]
    assert Kind.POWER in [line.kind for line in lines(site)]


def test_what_is_repeated_is_a_line_and_a_count(site: Site, clock: Clock) -> None:
    for _ in range(1000):
        note(site, Kind.REQUEST_REFUSED, address="10.77.0.9", result="refused")
        clock.now += 1
    assert kinds(site) == ["audit.began", "request.refused"]
    assert audit.flush(site.database, clock.now) == 0, "it is not over yet"
    clock.now += audit.WINDOW
    assert audit.flush(site.database, clock.now) == 1
    first, last = lines(site)[1:]
    assert (first.count, last.count) == (1, 999)
    assert (last.first, last.time) == (first.time, first.time + 999)
    assert audit.flush(site.database, clock.now) == 0
    chain_of(site)


def test_what_was_counted_is_told_before_it_begins_anew(site: Site, clock: Clock) -> None:
    for _ in range(3):
        note(site, Kind.LOGIN_REFUSED, by="mallory")
    clock.now += audit.WINDOW + 1
    note(site, Kind.LOGIN_REFUSED, by="mallory")
    assert [line.count for line in lines(site)[1:]] == [1, 2, 1]


def test_a_flood_of_a_week_is_bounded_whatever_it_varies(site: Site, clock: Clock) -> None:
    number = 0
    for _ in range(7 * 24):
        with site.database.writing():
            for _ in range(200):
                number += 1
                entry = Entry(kind=Kind.REQUEST_REFUSED, time=clock.now, address=f"mac {number}")
                audit.record(site.database, entry)
        audit.flush(site.database, clock.now)
        clock.now += 3600
    assert number == 33_600
    assert len(lines(site)) < 7 * 4 * 2 * (audit.MOST_APART + 2)
    told = [line for line in lines(site) if line.sentence == audit.OTHERS]
    clock.now += audit.WINDOW
    audit.flush(site.database, clock.now)
    assert sum(line.count for line in lines(site)[1:]) == number, "each one is counted"
    assert told


def test_each_host_of_a_rack_that_is_refused_to_somebody_is_named(site: Site) -> None:
    names = {f"vc-{number}" for number in range(3 * audit.MOST_APART)}
    for name in sorted(names):
        note(site, Kind.ORDER_REFUSED, by="mia", host=name, result="refused")
        note(site, Kind.ORDER_REFUSED, host=f"made-up-{name}", result="refused")
    told = {line.host for line in lines(site)[1:]}
    assert names <= told and len(told - names) <= audit.MOST_APART + 1


def test_a_gathered_refusal_counts_as_many(site: Site, clock: Clock) -> None:
    refused = RequestRefused(what="its seed", address="10.77.0.9", first=clock.now, count=40)
    site.database.events.note(Event.of_host("vc-1", refused, source="guard", now=clock.now))
    clock.now += audit.WINDOW
    audit.flush(site.database, clock.now)
    assert [line.count for line in lines(site)[1:]] == [1, 39]


def test_secrets_in_words_are_taken_out(site: Site) -> None:
    note(site, sentence="it sent password=hunter2hunter2", what="/autoinstall/52:54:00:00:00:01/abcdefgh/x")
    [line] = lines(site)[1:]
    assert "hunter2" not in line.sentence and "abcdefgh" not in line.what


def test_old_lines_are_forgotten_and_the_chain_says_so(site: Site, clock: Clock) -> None:
    for number in range(50):
        note(site, by=f"p{number}")
        clock.now += 10
    raw = site.database.audit.lines(0, 100)
    assert site.database.audit.prune(clock.now - 300, 1000, clock.now) == 21
    chain = chain_of(site)
    assert (chain.first, chain.previous) == (22, hash_of(raw[20]))
    assert lines(site)[-1].kind is Kind.CHECKPOINT
    clock.now += 1000
    while site.database.audit.prune(clock.now, 7, clock.now):
        chain_of(site)
    assert {line.kind for line in lines(site)} == {Kind.CHECKPOINT}


def test_lines_that_were_taken_from_the_beginning_are_missed(site: Site, clock: Clock) -> None:
    for number in range(10):
        note(site, by=f"p{number}")
    site.database.db.execute("DELETE FROM audit WHERE number < 4")
    with pytest.raises(AuditError, match="before number 4 are missing"):
        chain_of(site)


def test_lines_are_found_by_kind_host_person_and_time(site: Site, clock: Clock) -> None:
    began = clock.now
    note(site, by="ann", host="vc-1")
    note(site, Kind.LOGIN_REFUSED, by="ben")
    clock.now += 60
    note(site, Kind.POWER, by="ann", host="vc-2")

    def found(**wanted: object) -> list[int]:
        rows = site.database.audit.find(Filter(**wanted), 10)  # type: ignore[arg-type]  by their names
        return [json.loads(raw)["number"] for raw in rows]

    assert found() == [4, 3, 2, 1]
    assert found(kind="login") == [3, 2] and found(kind="log") == []
    assert found(host="vc-1") == [2] and found(by="ann") == [4, 2]
    assert found(since=began + 1) == [4] and found(until=began + 1) == [3, 2, 1]
    assert [json.loads(raw)["number"] for raw in site.database.audit.find(Filter(), 10, before=3)] == [2, 1]


def test_a_damaged_line_hides_no_other(site: Site) -> None:
    for name in ("ann", "ben", "cem"):
        note(site, by=name)
    site.database.db.execute("UPDATE audit SET body = x'ff00fe' WHERE number = 3")
    note(site, by="dee")
    assert [json.loads(raw)["by"] for raw in site.database.audit.find(Filter(), 10)] == [
        "dee",
        "cem",
        "ann",
        "service",
    ]
    with pytest.raises(AuditError, match="line 3 "):
        chain_of(site)
