"""While nothing can be written down the worker decides nothing; afterwards all goes on."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.host import Bmc, Host
from provisioner.domain.stage import Stage
from provisioner.errors import BusyError, DiskFullError
from provisioner.site.site import Site
from provisioner.state.connection import Connection
from provisioner.state.notify import Listener
from provisioner.system.pulse import Pulse
from provisioner.worker import power
from provisioner.worker.consoles import Consoles
from provisioner.worker.hearing import Hearing
from provisioner.worker.loop import LONGEST_NAP, Loop


class Never(Executor):
    """Keeps what is submitted from being done."""

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
        return Future()


class Beats(Pulse):
    count = 0

    def beat(self) -> None:
        self.count += 1


@pytest.fixture
def beats() -> Beats:
    return Beats()


@pytest.fixture
def loop(site: Site, beats: Beats) -> Iterator[Loop]:
    with Listener(site.settings.state, "worker") as bell:
        yield Loop(site, bell, Never(), Hearing(site), beats)  # type: ignore[arg-type]  # any executor will do


def order(site: Site, name: str = "vc-1") -> Deployment:
    return arm(site, site.database.hosts.get(name), site.database.images.all()[0], by="ann")


@pytest.mark.parametrize("kind", [DiskFullError, BusyError])
def test_a_full_disk_ends_no_deployment_and_is_said_once(
    site: Site,
    loop: Loop,
    beats: Beats,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: type[DiskFullError],
) -> None:
    row = order(site)
    record(site, row.id, SlotGiven(), source="worker")

    def writing(_: Connection) -> None:
        raise kind("nothing can be written")

    with monkeypatch.context() as full:
        full.setattr(Connection, "writing", writing)
        for _ in range(5):
            assert 0 < loop.round() <= LONGEST_NAP
            loop._try(power.power_on, site.database.deployments.get(row.id))
    assert site.database.deployments.get(row.id).stage == Stage.POWERING
    assert "Traceback" not in caplog.text
    assert (
        sum(
            "power_on" in line.getMessage() and "nothing can be" in line.getMessage()
            for line in caplog.records
        )
        <= 5
    )
    assert beats.count >= 5
    loop._try(power.power_on, site.database.deployments.get(row.id))
    assert [event.kind for event in site.database.events.of(row.id)][-2:] == ["power.began", "power.asked"]


def test_a_step_that_fails_does_not_end_the_loop(
    site: Site, loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop, "step", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert loop.round() == LONGEST_NAP
    assert "nothing can be looked at" in caplog.text


def test_a_run_that_cannot_be_read_keeps_only_its_own_hosts_waiting(site: Site, loop: Loop) -> None:
    other = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube", bmc=Bmc(driver="manual"))
    site.database.put_inventory([other], [], site.settings.hosts_range)
    lost = order(site)
    with site.database.writing():
        site.database.deployments.put(lost.model_copy(update={"run": "r-1"}))
        site.database.db.execute("INSERT INTO runs (id, created, body) VALUES ('r-1', 1.0, '{')")
    single = order(site, "vc-2")
    loop.step()
    assert site.database.deployments.get(single.id).stage == Stage.POWERING
    assert site.database.deployments.get(lost.id).stage == Stage.QUEUED


def test_a_host_that_cannot_be_read_keeps_no_others_console_from_being_recorded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bmc = Bmc(driver="ipmi", address="10.77.1.1", secret="lab", port=623)
    other = Host(name="vc-2", macs=("52:54:00:00:00:02",), profile="cube", bmc=bmc)
    site.database.put_inventory([other], [], site.settings.hosts_range)
    rows = [record(site, order(site, name).id, SlotGiven(), source="worker") for name in ("vc-1", "vc-2")]
    site.database.db.conn.execute("UPDATE hosts SET body = '{' WHERE name = 'vc-1'")
    kept: list[str] = []
    monkeypatch.setattr("provisioner.worker.consoles.Keeper", lambda site, row, ring: kept.append(row.host))
    Consoles(site, lambda: None).look(rows)
    assert kept == ["vc-2"]
