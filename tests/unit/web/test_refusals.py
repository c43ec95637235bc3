"""What is refused is in a log: of the deployment or of the host, counted, and bounded whatever comes."""

import math
import threading

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.events.request import RequestRefused
from provisioner.site.site import Site
from provisioner.state.events import MOST_OF_A_KIND
from provisioner.web.machines import refusals as module
from provisioner.web.machines.boot_loops import WINDOW, BootLoops
from provisioner.web.machines.refusals import MOST, Refusals
from tests.unit.conftest import Clock

KIND = RequestRefused.kind


@pytest.fixture
def refusals(site: Site, monkeypatch: pytest.MonkeyPatch) -> Refusals:
    """Written when the test says so."""
    monkeypatch.setattr(module, "LOOK", 3600.0)
    return Refusals(site)


def hello(address: str = "10.77.0.9", sentence: str = "the nonce is wrong or was used") -> RequestRefused:
    return RequestRefused(what="a hello", address=address, sentence=sentence)


def kept(site: Site) -> list[RequestRefused]:
    found = [event.data for event in reversed(site.database.events.of_host("vc-1", 1000))]
    return [data for data in found if isinstance(data, RequestRefused)]


def test_a_flood_costs_one_transaction_and_is_one_line(site: Site, refusals: Refusals, clock: Clock) -> None:
    first = clock.now
    for _ in range(40):
        refusals.add("vc-1", hello())
    assert kept(site) == []
    clock.now += 2
    refusals.write()
    assert [(data.count, data.first) for data in kept(site)] == [(40, first)]
    [event] = site.database.events.of_host("vc-1", 10)
    assert event.time == clock.now and event.describe().endswith("(40 times)")
    refusals.add("vc-1", hello())
    refusals.write()
    assert [(data.count, data.first) for data in kept(site)] == [(41, first)]


def test_what_has_gathered_is_written_though_nobody_asks_again(site: Site) -> None:
    written = threading.Event()

    class Told(Refusals):
        def write(self, due: float = math.inf) -> None:
            before = len(self._gathered)
            super().write(due)
            if len(self._gathered) < before:
                written.set()

    refusals = Told(site)
    refusals.add("vc-1", hello())
    refusals.add("vc-1", hello())
    assert written.wait(30)
    assert [data.count for data in kept(site)] == [2]


def test_it_is_in_the_deployments_log_while_one_is_under_way(site: Site, refusals: Refusals) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    refusals.add("vc-1", hello())
    refusals.write()
    [event] = [one for one in site.database.events.of(row.id) if one.kind == "request.refused"]
    assert event.describe() == "refused to 10.77.0.9: a hello: the nonce is wrong or was used"
    assert site.database.deployments.get(row.id) == row, "it changes nothing"
    record(site, row.id, OrderCancelled(by="ann"), source="test")
    refusals.add("vc-1", hello())
    refusals.write()
    assert len(kept(site)) == 1 and site.database.events.notes(10) == []


def test_what_was_refused_during_one_order_is_not_said_of_the_next(site: Site, refusals: Refusals) -> None:
    host, image = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    first = arm(site, host, image, by="ann")
    refusals.add("vc-1", hello())
    refusals.add("vc-1", hello())
    record(site, first.id, OrderCancelled(by="ann"), source="test")
    second = arm(site, host, image, by="ann")
    refusals.write()
    found = {
        row.id: [
            event.data.model_dump()["count"]
            for event in site.database.events.of(row.id)
            if event.kind == KIND
        ]
        for row in (first, second)
    }
    assert found == {first.id: [2], second.id: []}


def test_who_asks_otherwise_is_another_line(site: Site, refusals: Refusals) -> None:
    for event in (hello(), hello("10.77.0.8"), hello(sentence="it is paused"), hello()):
        refusals.add("vc-1", event)
    refusals.write()
    assert sorted(data.count for data in kept(site)) == [1, 1, 2]


def test_a_flood_of_forged_ones_fills_neither_memory_nor_disk(site: Site, refusals: Refusals) -> None:
    for number in range(3000):
        refusals.add("vc-1", hello(sentence=f"forged {number}"))
        assert len(refusals._gathered) <= MOST + 1
        if number % 40 == 0:
            refusals.write()
    refusals.write()
    found = kept(site)
    assert len(found) <= MOST_OF_A_KIND
    assert sum(data.count for data in found) == 3000, "each is counted"


def test_a_host_that_nobody_knows_and_a_full_disk_hold_up_nobody(
    site: Site, refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    from provisioner.errors import ServiceError

    def full(*_: object, **__: object) -> int:
        raise ServiceError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(site.database.events, "add", full)
        refusals.add("vc-1", hello())
        refusals.write()
    refusals.add("vc-1", hello())
    refusals.write()
    assert [data.count for data in kept(site)] == [1]


def test_a_host_that_is_started_now_and_then_is_in_no_loop() -> None:
    loops = BootLoops()
    assert not any(loops.is_loop("a", WINDOW / 3 * number) for number in range(100))
    assert not any(loops.is_loop("b", 0.1 * number) for number in range(40)), "one boot asks often"


def test_the_fourth_boot_in_an_hour_is_a_loop() -> None:
    loops = BootLoops()
    assert [loops.is_loop("a", 60.0 * number) for number in range(6)] == [False] * 3 + [True] * 3
    assert not loops.is_loop("b", 300.0)
    assert not loops.is_loop("a", 10 * WINDOW)
