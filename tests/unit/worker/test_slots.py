"""How many begin in one pass of the worker's loop, and that its pools do not wait for one another."""

from collections import Counter
from collections.abc import Iterator

import pytest

from provisioner.deployment import runs
from provisioner.deployment.order import arm
from provisioner.deployment.runs import arm_run
from provisioner.domain.host import Host
from provisioner.domain.run import Run
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.worker import slots
from provisioner.worker.hearing import Hearing
from provisioner.worker.loop import Loop
from provisioner.worker.verification import verify
from tests.unit.worker.test_worker import Later, verifying

HOSTS = 6


@pytest.fixture
def pools() -> tuple[Later, Later]:
    """Of what is asked of BMCs, and of what is done by SSH."""
    return Later(), Later()


@pytest.fixture
def loop(site: Site, pools: tuple[Later, Later]) -> Iterator[Loop]:
    orders = site.settings.orders.model_copy(update={"stagger_seconds": 0, "at_once": HOSTS})
    site.settings = site.settings.model_copy(update={"orders": orders})
    with Listener(site.settings.state, "worker") as bell:
        yield Loop(site, bell, pools[0], Hearing(site), ssh_pool=pools[1])  # type: ignore[arg-type]


def new_hosts(site: Site) -> list[Host]:
    names = [f"n-{number}" for number in range(HOSTS)]
    hosts = [
        Host(name=name, macs=(f"52:54:00:00:07:{place:02x}",), profile="cube")
        for place, name in enumerate(names)
    ]
    site.database.put_inventory(hosts, [], site.settings.hosts_range)
    return hosts


def stages(site: Site) -> Counter[Stage]:
    return Counter(row.stage for row in site.database.deployments.under_way())


def test_all_that_may_begin_do_so_in_one_pass_where_nothing_keeps_them_apart(site: Site, loop: Loop) -> None:
    image = site.database.images.all()[0]
    for host in new_hosts(site):
        arm(site, host, image, by="ann")
    loop.step()
    assert stages(site) == {Stage.POWERING: HOSTS}


def test_one_pass_gives_no_more_than_the_settings_and_the_run_allow(site: Site, loop: Loop) -> None:
    image = site.database.images.all()[0]
    hosts = new_hosts(site)
    narrow = Run(id="r-1", created=0, by="ann", select="", max_parallel=2)
    arm_run(site, narrow, [(host, image) for host in hosts[:4]])
    loop.step()
    assert stages(site) == {Stage.POWERING: 2, Stage.QUEUED: 2}
    orders = site.settings.orders.model_copy(update={"at_once": 3})
    site.settings = site.settings.model_copy(update={"orders": orders})
    for host in hosts[4:]:
        arm(site, host, image, by="ann")
    loop.step()
    assert stages(site) == {Stage.POWERING: 3, Stage.QUEUED: 3}


def test_a_pass_ends_after_a_batch_so_that_deadlines_are_looked_at(
    site: Site, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "BATCH", 4)
    image = site.database.images.all()[0]
    for host in new_hosts(site):
        arm(site, host, image, by="ann")
    loop.step()
    assert stages(site) == {Stage.POWERING: 4, Stage.QUEUED: 2}
    loop.step()
    assert stages(site) == {Stage.POWERING: HOSTS}


def never(*_: object) -> None:
    pytest.fail("all rows are read again")


def test_the_rows_are_not_read_again_for_each_slot(
    site: Site, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = site.database.images.all()[0]
    whole = Run(id="r-1", created=0, by="ann", select="")
    arm_run(site, whole, [(host, image) for host in new_hosts(site)])
    table = site.database.deployments
    rows, waiting = table.under_way(), runs.waiting(site)
    monkeypatch.setattr(table, "under_way", never)
    monkeypatch.setattr(table, "of_run", never)
    slots.Slots(site).give(rows, waiting, site.clock())
    monkeypatch.undo()
    assert stages(site) == {Stage.POWERING: HOSTS}


def test_what_is_done_by_ssh_holds_no_thread_that_a_bmc_waits_for(
    site: Site, loop: Loop, pools: tuple[Later, Later]
) -> None:
    """A verification takes minutes: a rack of them would keep every other host from being powered."""
    verifying(site)
    loop.step()
    assert (pools[0].work, pools[1].work) == ([], [verify])
