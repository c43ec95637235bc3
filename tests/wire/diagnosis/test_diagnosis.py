"""Injected causes are named while the deployment waits; healthy deployments, however slow, name none.

`make test-diagnosis` prints the table and keeps the result; see `injections.py` for how each is injected.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.cause import Cause
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.host import Bmc
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state.notify import Listener
from provisioner.web.application import create_app
from provisioner.worker import power
from tests.logins import put_login
from tests.ports import free_port
from tests.unit.conftest import Clock, clock, site
from tests.wire.diagnosis.healthy import SEEDS, play
from tests.wire.diagnosis.injections import INJECTIONS, Injection
from tests.wire.diagnosis.lab import HERE, Lab, TftpServer, tftp_server
from tests.wire.diagnosis.odd_hosts import ODD_HOSTS, Odd, Watched
from tests.wire.power.forkslab import Forks, acts, forks
from tests.wire.power.test_ipmi_dialects import serving

__all__ = ["acts", "clock", "forks", "site"]
LIMIT = 60.0  # seconds from the evidence until the cause is named
STEP = 2.0  # seconds between two looks
MOST_LOOKS = 900
REPORT, COMMIT = os.environ.get("DIAGNOSIS_REPORT", ""), os.environ.get("DIAGNOSIS_COMMIT", "")


class Results:
    """What came of each, for the table and for the report."""

    def __init__(self) -> None:
        self.causes: list[dict[str, object]] = []
        self.healthy: list[dict[str, object]] = []

    def table(self) -> str:
        lines = [
            f"PV-{one['code']}  {one['named']!s:>8}  {one['seconds']!s:>6} s  {one['cause']} ({one['how']})"
            for one in self.causes
        ]
        lines += [
            f"healthy, seed {one['seed']}: {one['minutes']} min, {one['false_causes'] or 'no cause named'}"
            for one in self.healthy
        ]
        return "\n".join(lines)

    def keep(self) -> None:
        named = sum(one["named"] == one["code"] for one in self.causes)
        false = sum(bool(one["false_causes"]) for one in self.healthy)
        body = {
            "schema_version": 1,
            "commit": COMMIT,
            "injected": len(self.causes),
            "named_in_time": named,
            "healthy": len(self.healthy),
            "healthy_with_false_cause": false,
            "causes": self.causes,
            "healthy_deployments": self.healthy,
        }
        Path(REPORT).write_text(json.dumps(body, indent=1) + "\n")


@pytest.fixture(scope="module")
def results() -> Iterator[Results]:
    made = Results()
    yield made
    print("\n" + made.table())
    if REPORT:
        made.keep()


@pytest.fixture(scope="module")
def tftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TftpServer]:
    with tftp_server(tmp_path_factory.mktemp("tftp")) as made:
        yield made


@pytest.fixture
def http(site: Site) -> Iterator[FlaskClient]:
    with Listener(site.settings.state, "web") as listener:
        yield create_app(site, listener).test_client()


@pytest.fixture
def lab(
    site: Site,
    clock: Clock,
    http: FlaskClient,
    tftp: TftpServer,
    acts: Forks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab(site, clock, http, tftp, monkeypatch, powers(site, acts, tmp_path, stack))


def powers(
    site: Site, acts: Forks, folder: Path, stack: ExitStack
) -> Callable[[str, tuple[str, str]], Deployment]:
    """Orders the host behind a BMC of a dialect (empty: nobody is at its port), and tells that once."""

    def told(dialect: str, login: tuple[str, str]) -> Deployment:
        if dialect:
            port, _ = stack.enter_context(serving(acts, dialect, folder))
        else:
            port = free_port()
        put_login(site, "lab", *login)
        bmc = Bmc(driver="ipmi", address=HERE, port=port, console="none", secret="lab")  # type: ignore[arg-type]
        host = site.database.hosts.get("vc-1").model_copy(update={"bmc": bmc})
        site.database.hosts.put(host)
        row = arm(site, host, site.database.images.all()[0], by="ann")
        row = record(site, row.id, SlotGiven(), source="worker")
        power.power_on(site, row)
        return site.database.deployments.get(row.id)

    return told


def named(lab: Lab) -> tuple[Cause, ...]:
    """What is named first, as time goes on."""
    for _ in range(MOST_LOOKS):
        if causes := lab.causes():
            return causes
        lab.wait(STEP)
    return ()


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda one: one.name)
def test_an_injected_cause_is_named_in_time(lab: Lab, results: Results, injection: Injection) -> None:
    evident = injection.inject(lab)
    waited = lab.row
    causes = named(lab)
    late = lab.clock.now - evident
    codes = [cause.code for cause in causes]
    is_right = codes[:1] == [injection.code] and late <= LIMIT
    said = {"cause": injection.name, "code": injection.code, "how": injection.how}
    results.causes.append(
        {**said, "named": codes[0] if is_right else str(codes or "nothing"), "seconds": round(late, 1)}
    )
    assert codes == [injection.code], causes
    assert late <= LIMIT
    assert waited.stage in (Stage.FAILED, Stage.REJECTED) or lab.clock.now < waited.deadline, "while it waits"
    assert all(cause.evidence and cause.actions for cause in causes)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_deployment_names_no_cause_however_slow(lab: Lab, results: Results, seed: int) -> None:
    began = lab.clock.now
    false = play(lab, seed)
    minutes = round((lab.clock.now - began) / 60, 1)
    results.healthy.append({"seed": seed, "minutes": minutes, "false_causes": false})
    assert false == []
    assert lab.row.stage == Stage.READY


@pytest.mark.parametrize("odd", ODD_HOSTS, ids=lambda one: one.__name__)
def test_a_healthy_host_that_looks_odd_names_no_cause(lab: Lab, odd: Odd) -> None:
    one = Watched(lab)
    odd(one)
    assert one.false == []


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len({each.code for each in INJECTIONS}) >= 30 and len(SEEDS) >= 30
