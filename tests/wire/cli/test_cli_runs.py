"""Many hosts by one command: the question, the watching, the exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from provisioner.deployment.record import record
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.events.power import PowerFailed
from provisioner.domain.events.verification import SealDone, VerifyPassed

if TYPE_CHECKING:
    from provisioner.domain.events.payload import Payload
    from tests.wire.conftest import Puppet, World


@pytest.fixture
def rack(world: World, request: pytest.FixtureRequest) -> list[Puppet]:
    """Three hosts of a rack that no other test knows."""
    name = f"R{abs(hash(request.node.name)) % 10**8}"
    return [world.add_host(rack=name) for _ in range(3)]


def select(rack: list[Puppet]) -> str:
    host = rack[0].world.client.host(rack[0].name).host
    return f"rack={host.rack}"


def order(rack: list[Puppet], *words: str) -> str:
    count = str(len(rack))
    how = ("--yes", "--expect-count", count, "--no-wait", *words)
    said = rack[0].world.provision("deploy", "--select", select(rack), *how)
    assert said.code == 0, said.err
    return said.out.strip()


def end(puppet: Puppet, event: Payload) -> None:
    """Let the deployment of a host end so."""
    record(puppet.world.site, puppet.row.id, event, source="test")


def test_the_hosts_are_shown_and_a_script_must_give_their_number(world: World, rack: list[Puppet]) -> None:
    said = world.provision("deploy", "--select", select(rack), "--yes")
    assert said.code == 6 and "(PV-134)" in said.err and "3 hosts would be erased" in said.err
    assert all(puppet.name in said.err for puppet in rack)
    said = world.provision("deploy", "--select", select(rack), "--yes", "--expect-count", "2")
    assert said.code == 6 and "3 hosts would be erased, not 2" in said.err
    assert all(puppet.row is None for puppet in rack)


def test_without_a_terminal_and_without_yes_nothing_is_ordered(world: World, rack: list[Puppet]) -> None:
    said = world.provision("deploy", "--select", select(rack))
    assert said.code == 6 and "(PV-133)" in said.err
    assert all(puppet.row is None for puppet in rack)


def test_on_a_terminal_the_number_is_asked(world: World, rack: list[Puppet]) -> None:
    with world.terminal("deploy", "--select", select(rack), "--no-wait") as terminal:
        terminal.await_text("Type the number of hosts")
        terminal.type("3\n")
        assert terminal.end() == 0
    assert all(puppet.row is not None for puppet in rack)


def test_a_dry_run_orders_nothing(world: World, rack: list[Puppet]) -> None:
    said = world.provision("deploy", "--select", select(rack), "--dry-run")
    assert said.code == 0 and rack[2].name in said.out
    assert all(puppet.row is None for puppet in rack)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("--select", "colour=red"), 103),
        (("--select", "rack=nowhere"), 104),
        (("vc-1", "--all"), 100),
        (("vc-1", "--max-parallel", "2"), 100),
        (("--select", "rack=B3", "--all"), 103),
    ],
)
def test_a_selection_that_cannot_be_used_is_a_usage_error(
    world: World, words: tuple[str, ...], number: int
) -> None:
    said = world.provision("deploy", *words, "--yes", "--expect-count", "1")
    assert said.code == 2 and f"(PV-{number})" in said.err


def test_no_more_hosts_are_powered_than_may_be_at_one_time(world: World, rack: list[Puppet]) -> None:
    order(rack, "--max-parallel", "2")
    for puppet in rack[:2]:
        world.await_event(puppet.row.id, "power.asked")
    assert "slot.given" not in world.kinds(rack[2].row.id)
    end(rack[0], OrderCancelled(by="test"))
    world.await_event(rack[2].row.id, "power.asked")


def test_a_run_whose_hosts_end_differently_says_why_in_groups(world: World, rack: list[Puppet]) -> None:
    ident = order(rack)
    for puppet in rack:
        world.await_event(puppet.row.id, "power.asked")
    dead, wrong, good = rack
    end(dead, PowerFailed(code=201, sentence="the BMC at 10.1.1.1 does not answer", hint="check its cable"))
    for puppet in (wrong, good):
        assert puppet.hello().status == 200
    assert wrong.tell("failed", code=312, sentence="no disk fits the hints").status == 200
    good.tell("written")
    world.await_event(good.row.id, "disk.chosen")
    assert good.phone().status == 200
    end(good, VerifyPassed())
    end(good, SealDone(mode="full"))
    said = world.provision("watch", ident)
    assert said.code == 4, said.err
    assert "1 of 3 hosts are ready" in said.err
    assert f"failed (PV-201): {dead.name}" in said.err and "does not answer" in said.err
    assert f"failed (PV-312): {wrong.name}" in said.err and "no disk fits" in said.err


def test_a_run_with_no_host_ready_has_failed(world: World, rack: list[Puppet]) -> None:
    ident = order(rack)
    said = world.provision("cancel", ident)
    assert said.code == 0 and "3 deployments" in said.err
    assert world.provision("watch", ident).code == 3


def test_the_rest_is_not_begun_when_hosts_fail_alike(world: World, rack: list[Puppet]) -> None:
    ident = order(rack, "--max-parallel", "1", "--stop-after", "1")
    world.await_event(rack[0].row.id, "power.asked")
    end(rack[0], PowerFailed(code=201, sentence="the BMC does not answer", hint=""))
    stopped = world.await_event(rack[1].row.id, "run.stopped")
    assert "1 host of the run failed alike (PV-201)" in stopped.data.sentence
    world.await_event(rack[2].row.id, "run.stopped")
    assert "slot.given" not in world.kinds(rack[1].row.id)
    assert world.provision("watch", ident).code == 3


def test_a_run_is_shown_as_data(world: World, rack: list[Puppet]) -> None:
    ident = order(rack)
    said = world.provision("status", ident, "-o", "json")
    rows = json.loads(said.out)["deployments"]
    assert [row["host"] for row in rows] == sorted(puppet.name for puppet in rack)
    assert {row["run"] for row in rows} == {ident}
    assert world.provision("watch", ident, "--timeout", "1").code == 7
    assert world.provision("status", "r-NOBODY").code == 2
