"""The worker forgets what the settings say, in small parts, by a clock that it trusts."""

import os
from pathlib import Path

import pytest

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import OrderCancelled
from provisioner.errors import NotFoundError, SettingsError
from provisioner.settings import check
from provisioner.site.site import Site
from provisioner.state.verifications import Verification
from provisioner.worker import retention
from provisioner.worker.retention import DAY, EVERY, Retention
from tests.unit.conftest import Clock


class Monotonic:
    now = 500.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def keeper(site: Site, clock: Clock, monotonic: Monotonic) -> Retention:
    return Retention(site, monotonic, clock)


def pass_time(clock: Clock, monotonic: Monotonic, seconds: float) -> None:
    clock.now += seconds
    monotonic.now += seconds


def ended(site: Site) -> Deployment:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    return record(site, row.id, OrderCancelled(by="ann"), source="operator")


def leave(site: Site, name: str, when: float) -> Path:
    path = site.settings.state / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith("/"):
        path.mkdir()
        (path / "verify.log").touch()
    else:
        path.touch()
    os.utime(path, (when, when))
    return path


def test_a_verification_that_lasts_longer_than_logs_are_kept_keeps_its_row_and_its_folder(
    site: Site, clock: Clock, monotonic: Monotonic, keeper: Retention
) -> None:
    """A soak may take a week, and logs be kept for a day."""
    row = ended(site)
    going_on = Verification(id="v-1", host="vc-1", deployment=row.id, created=clock.now, user="ann", by="ann")
    over = going_on.model_copy(update={"id": "v-2"}).ended(result="passed")
    with site.database.writing():
        for one in (going_on, over):
            site.database.verifications.add(one)
    folders = [leave(site, f"runs/{one.folder}/", clock.now) for one in (going_on, over)]
    pass_time(clock, monotonic, 100 * DAY)
    keeper.step()
    assert [folder.exists() for folder in folders] == [True, False]
    assert [one.id for one in site.database.verifications.open()] == ["v-1"]
    with pytest.raises(NotFoundError):
        site.database.verifications.get("v-2")


def test_what_old_deployments_have_left_goes_and_no_more(
    site: Site, clock: Clock, monotonic: Monotonic, keeper: Retention
) -> None:
    old = ended(site)
    began = clock.now
    pass_time(clock, monotonic, 91 * DAY)
    new = ended(site)
    active = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    names = (".1.agent.log", ".console.log", ".console.jsonl")
    gone = [leave(site, f"logs/{old.id}{name}", began) for name in names]
    gone += [leave(site, f"runs/{old.id}.verify/", began), leave(site, "logs/d-unknown.1.agent.log", began)]
    kept = [
        leave(site, f"logs/{old.id}.2.agent.log", clock.now),
        leave(site, f"logs/{new.id}.1.agent.log", clock.now),
        leave(site, f"logs/{active.id}.1.agent.log", began),
        leave(site, "images/vault-os-1/pack", began),
    ]
    keeper.step()
    assert not any(path.exists() for path in gone) and all(path.exists() for path in kept)
    assert site.database.deployments.get(old.id).reason == "cancelled by ann"
    assert [event.kind for event in site.database.events.of(old.id)] == ["order.armed", "order.cancelled"]


def test_it_looks_once_an_hour_and_goes_on_while_there_is_more(
    site: Site, clock: Clock, monotonic: Monotonic, keeper: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 10)
    for number in range(25):
        leave(site, f"logs/d-{number:02}.1.agent.log", clock.now - 1000 * DAY)
    left = lambda: len(list((site.settings.state / "logs").iterdir()))  # noqa: E731  shorter than a function
    keeper.step()
    assert left() == 25, "not before an hour has passed"
    pass_time(clock, monotonic, EVERY)
    seen = []
    for _ in range(4):
        keeper.step()
        seen.append(left())
    assert seen == [15, 5, 0, 0]
    leave(site, "logs/d-99.1.agent.log", clock.now - 1000 * DAY)
    keeper.step()
    assert left() == 1
    pass_time(clock, monotonic, EVERY)
    keeper.step()
    assert left() == 0


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumps_ages_nothing(
    site: Site, clock: Clock, monotonic: Monotonic, keeper: Retention, years: int
) -> None:
    row = ended(site)
    path = leave(site, f"logs/{row.id}.1.agent.log", clock.now)
    pass_time(clock, monotonic, EVERY / 2)
    keeper.step()
    clock.now += years * 365 * DAY
    for _ in range(10):
        pass_time(clock, monotonic, EVERY / 20)
        keeper.step()
    clock.now -= years * 365 * DAY  # it is set right again
    for _ in range(100):
        pass_time(clock, monotonic, EVERY / 20)
        keeper.step()
    assert path.exists()


def test_requests_to_bmcs_are_forgotten(
    site: Site, clock: Clock, monotonic: Monotonic, keeper: Retention
) -> None:
    for _ in range(3):
        site.database.requests.ask("vc-1", "test", "", clock.now)
    pass_time(clock, monotonic, 89 * DAY)
    last = site.database.requests.ask("vc-1", "test", "", clock.now)
    pass_time(clock, monotonic, 2 * DAY)
    keeper.step()
    assert [request.id for request in site.database.requests.open()] == [last]


@pytest.mark.parametrize("value", [0, -1, 99_999, "for ever"])
@pytest.mark.parametrize("name", ["logs_days", "events_days"])
def test_settings_that_would_keep_nothing_are_refused(name: str, value: int | str) -> None:
    plain = {"interface": "lan0", "address": "10.77.0.1/24"}
    with pytest.raises(SettingsError, match=rf"retention\.{name}: "):
        check({**plain, "retention": {name: value}}, source="test")


def test_two_clocks_that_differ_age_nothing(site: Site, clock: Clock, monotonic: Monotonic) -> None:
    """The machine's clock was wrong when the service began, and was set right since."""
    path = leave(site, "logs/d-1.1.agent.log", clock.now - 1000 * DAY)
    keeper = Retention(site, monotonic, lambda: clock.now - 3650 * DAY)
    for _ in range(50):
        pass_time(clock, monotonic, EVERY / 10)
        keeper.step()
    assert path.exists()


def test_old_deployments_go_where_that_is_set_and_the_last_of_each_host_stays(
    site: Site, clock: Clock, monotonic: Monotonic, keeper: Retention
) -> None:
    old, last = ended(site), ended(site)
    pass_time(clock, monotonic, 40 * DAY)
    keeper.step()
    assert site.database.deployments.has(old.id), "they are kept for ever unless that is set"
    kept = site.settings.retention.model_copy(update={"deployments_days": 30})
    site.settings = site.settings.model_copy(update={"retention": kept})
    pass_time(clock, monotonic, EVERY)
    keeper.step()
    assert not site.database.deployments.has(old.id)
    assert site.database.events.of(old.id) == []
    assert site.database.deployments.has(last.id)
    assert [event.kind for event in site.database.events.of(last.id)] == ["order.armed", "order.cancelled"]


def test_what_is_under_way_is_never_forgotten(
    site: Site, clock: Clock, monotonic: Monotonic, keeper: Retention
) -> None:
    kept = site.settings.retention.model_copy(update={"deployments_days": 1})
    site.settings = site.settings.model_copy(update={"retention": kept})
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    pass_time(clock, monotonic, 40 * DAY)
    keeper.step()
    assert site.database.deployments.has(row.id)
