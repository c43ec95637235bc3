"""200 machines of which every tenth fails: the run stops at its number, and what is said of it is right."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.wire import racklab

if TYPE_CHECKING:
    from tests.wire.conftest import World
    from tests.wire.racklab import Rack

HOSTS, FAILING, BREAKER = 200, 20, 5
FAULT = "no disk fits the hints"
SETTINGS = """
[dhcp]
hosts = { first = "10.77.1.1", last = "10.77.1.250" }
discovery = { first = "10.77.2.1", last = "10.77.2.50" }
[orders]
at_once = 12
stagger_seconds = 0
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with racklab.service(tmp_path, SETTINGS, "10.77.0.1/22") as made:
        yield made


@pytest.fixture
def rack(world: World, tmp_path: Path) -> Iterator[Rack]:
    """Every tenth machine fails, by the order of their names."""
    bmcs = {f"vc-{number:03}": f"10.78.0.{number}" for number in range(1, HOSTS + 1)}
    assert (
        world.provision(
            "bmc", "secret", "lab", "--user", "provision", env={"PROVISION_BMC_PASSWORD": "lab-secret"}
        ).code
        == 0
    )
    hosts = [
        {
            "name": name,
            "macs": [f"52:54:00:77:03:{number:02x}"],
            "profile": "cube",
            "bmc": {"driver": "ipmi", "address": bmc, "secret": "lab", "console": "none"},
        }
        for number, (name, bmc) in enumerate(bmcs.items(), 1)
    ]
    world.apply(hosts, [])
    addresses = [str(host.address) for host in world.client.hosts()]
    with racklab.rack(world, tmp_path, list(bmcs.values()), addresses) as made:
        for number, (name, bmc) in enumerate(bmcs.items(), 1):
            made.add(name, bmc).fault = "" if number % 10 else FAULT
        yield made


def ordered(world: World, *words: str) -> str:
    said = world.provision(*words, "--yes", "--no-wait")
    assert said.code == 0, said
    return said.out.strip()


def results(world: World, ident: str) -> dict[str, str]:
    told = json.loads(world.provision("report", ident, "-o", "json").out)["hosts"]
    return {row["host"]: row["result"] for row in told}


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_the_run_stops_at_its_number_and_the_retry_outlives_the_worker(rack: Rack) -> None:
    world = rack.world
    many = ("--expect-count", str(HOSTS), "--stop-after", str(BREAKER), "--max-parallel", "12")
    first = ordered(world, "deploy", "--all", "--no-preflight", *many)
    rows = rack.until_over(first)
    stages = Counter(row.stage for row in rows)
    assert stages["failed"] == BREAKER, "not one more than was said"
    assert stages["cancelled"] == HOSTS - BREAKER - stages["ready"] > 0
    begun = {row.host for row in rows if row.attempt}
    assert not begun & {row.host for row in rows if row.stage == "cancelled"}, "the rest was not begun"
    told = world.provision("report", first)
    assert f"{HOSTS} hosts: " in told.out and f"{BREAKER} failed" in told.out
    assert told.err.count(FAULT) == 1, "like failures are told once"
    assert Counter(results(world, first).values()) == stages

    left = HOSTS - stages["ready"]
    again = ("--expect-count", str(left), "--stop-after", str(HOSTS), "--max-parallel", "12")
    second = ordered(world, "retry", first, "--no-preflight", *again)
    rack.until_run(second, lambda rows: sum(row.stage == "ready" for row in rows) >= left // 2, "its half")
    world.service.kill("worker")
    rows = rack.until_over(second)
    stages = Counter(row.stage for row in rows)
    assert stages == {"ready": left - FAILING, "failed": FAILING}
    found = results(world, second)
    assert {name for name, result in found.items() if result == "failed"} == {
        cube.name for cube in rack.cubes.values() if cube.fault
    }
    assert Counter(found.values()) == stages
    assert all(row.attempt == 1 for row in rows), "nobody was begun twice"
