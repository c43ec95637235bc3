"""An operator's day with 44 hosts behind real BMCs, four of them wrong: from a bad inventory to a report."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.domain.stage import ACTIVE
from tests.wire import racklab
from tests.wire.crashlab import Machine

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, World
    from tests.wire.racklab import Rack

GOOD = 39  # behind BMCs that are right; with the one whose password is wrong there are 40
BAD_PASSWORD, DEAD, NEVER, MANUAL = "vc-40", ("vc-41", "vc-42"), "vc-43", "vc-44"
WRONG = (BAD_PASSWORD, *DEAD, NEVER)
COUNT = 44
SETTINGS = """
[orders]
at_once = 8
stagger_seconds = 0
"""
PROFILES = "cube: {image: vault-os}\n"
# what a person gets wrong in a table of 44 hosts: the host's line, what it is instead, what the answer says
MISTAKES = (
    (3, 'vc-03: {macs: ["52:54:00:77:02"]}', "52:54:00:77:02"),
    (5, 'vc-05: {macs: ["52:54:00:77:02:05"], colour: red}', "colour"),
    (7, 'vc-07: {macs: ["52:54:00:77:02:06"]}', "vc-06"),
    (9, 'vc-09: {macs: ["52:54:00:77:02:09"], bmc: {driver: ipm, address: 10.78.0.9}}', "ipm"),
    (11, 'vc_11: {macs: ["52:54:00:77:02:0b"]}', "vc_11"),
    (13, "vc-13: {rack: B3}", "macs"),
    (15, 'vc-15: {macs: ["52:54:00:77:02:0f"], profile: cub}', "cub"),
    (17, "vc-17: {macs: [52:54:00:12:34:56]}", "is a number to YAML"),
    (19, 'vc-19: {macs: ["52:54:00:77:02:13"], bmc: {driver: ipmi, address: 10.78.0.999}}', "10.78.0.999"),
    (21, 'vc-21: {macs: ["52:54:00:77:02:15"], disk: {wwn: "0000"}}', "wwn"),
    (23, 'vc-23: {macs: ["52:54:00:77:02:17"], rack: [B3]}', "rack"),
    (25, 'vc-25: {macs: ["52:54:00:77:02:19"], disk: {min_size: 2 parsecs}}', "parsecs"),
)


def name(number: int) -> str:
    return f"vc-{number:02}"


def bmc(number: int) -> str:
    return f"10.78.0.{number}"


def line(number: int) -> str:
    """A host of the inventory as it is right."""
    mac = f'macs: ["52:54:00:77:02:{number:02x}"]'
    if name(number) == MANUAL:
        return f"{name(number)}: {{{mac}, bmc: {{driver: manual}}}}"
    secret = {BAD_PASSWORD: "wrong", NEVER: "never"}.get(name(number), "lab")
    address = f"driver: ipmi, address: {bmc(number)}, secret: {secret}, console: none"
    return f"{name(number)}: {{{mac}, bmc: {{{address}}}}}"


def write_inventory(folder: Path, wrong: dict[int, str]) -> Path:
    """All hosts in one rack; `wrong` has other lines for some. The host `n` stands on line 5 + n."""
    head = ["all:", "  vars: {profile: cube, rack: B3}", "  hosts:", "    # of rack B3", ""]
    lines = [*head, *(f"    {wrong.get(number, line(number))}" for number in range(1, COUNT + 1))]
    folder.mkdir(exist_ok=True)
    (folder / "hosts.yml").write_text("\n".join(lines) + "\n")
    (folder / "profiles.yml").write_text(PROFILES)
    return folder


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with racklab.service(tmp_path, SETTINGS, "10.77.0.1/24") as made:
        yield made


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_day(world: World, tmp_path: Path) -> None:
    assert not world.client.hosts()
    twelve_mistakes_are_told_in_one_answer(world, tmp_path)
    said = world.provision("host", "apply", write_inventory(tmp_path / "inventory", {}))
    assert said.code == 0 and f"{COUNT} hosts and 1 profile are known now" in said.err, said
    for login, password in (("lab", "lab-secret"), ("wrong", "guessed-77")):
        secret = {"PROVISION_BMC_PASSWORD": password}
        assert world.provision("bmc", "secret", login, "--user", "provision", env=secret).code == 0
    addresses = [str(host.address) for host in world.client.hosts()]
    answering = [bmc(number) for number in range(1, GOOD + 2)]
    with racklab.rack(world, tmp_path, answering, addresses) as rack:
        for number in range(1, GOOD + 1):
            rack.add(name(number), bmc(number))
        the_four_are_named_before_anything_is_confirmed(world)
        first = a_run_with_canaries_a_pause_and_one_that_fails(rack)
        second = what_failed_is_retried(rack, first)
        the_report_is_right(world, first, second)


def twelve_mistakes_are_told_in_one_answer(world: World, folder: Path) -> None:
    wrong = write_inventory(folder / "wrong", {number: text for number, text, _ in MISTAKES})
    said = world.provision("host", "apply", wrong)
    assert said.code == 2, said
    told = [text for text in said.err.splitlines() if text.startswith("✗ ")]
    assert len(told) == len(MISTAKES), said.err
    for number, _, word in MISTAKES:
        [fault] = [text for text in told if f"hosts.yml: line {number + 5}:" in text]
        assert word in fault, fault
    assert not world.client.hosts(), "all of them, or none"


def marked(said: CommandResult) -> set[str]:
    """The hosts with a red line, in a table and in sentences."""
    return set(re.findall(r"^✗ +(vc-\d+)", said.out + said.err, re.MULTILINE))


def the_four_are_named_before_anything_is_confirmed(world: World) -> None:
    said = world.provision("bmc", "test", "--all")
    assert said.code == 4 and marked(said) == set(WRONG), said
    said = world.provision("deploy", "--select", "rack=B3", "--yes", "--expect-count", str(COUNT - 1))
    assert said.code == 6 and marked(said) == set(WRONG), said
    assert not world.client.deployments()


def a_run_with_canaries_a_pause_and_one_that_fails(rack: Rack) -> str:
    """39 hosts, two before the others; one has the wrong disks, one is cancelled. The run's id."""
    world, cubes = rack.world, list(rack.cubes.values())
    cubes[20].fault = "no disk fits the hints"
    select = f"rack=B3,name!={'|'.join((*WRONG, MANUAL))}"
    how = ("--canary", "2", "--max-parallel", "6", "--yes", "--expect-count", str(GOOD), "--no-wait")
    said = world.provision("deploy", "--select", select, *how)
    assert said.code == 0, said
    ident = said.out.strip()
    rack.until_run(ident, lambda rows: sum(row.stage == "ready" for row in rows) >= 8, "eight that are ready")
    said = world.provision("pause", ident)
    assert said.code == 0, said
    begun = {row.host for row in rack.run(ident) if row.stage != "queued"}
    last = max(rack.run(ident), key=lambda row: row.host)
    assert last.host not in begun and world.provision("cancel", last.host).code == 0
    rows = rack.until_run(ident, lambda rows: not any(row.stage in ACTIVE for row in rows), "rest")
    assert {row.host for row in rows if row.stage != "queued"} == {*begun, last.host}
    assert world.provision("resume", ident).code == 0
    rows = rack.until_over(ident)
    assert Counter(row.stage for row in rows) == {"ready": GOOD - 2, "failed": 1, "cancelled": 1}
    canaries_came_first(world, ident)
    return ident


def canaries_came_first(world: World, ident: str) -> None:
    """By the service's own log: no other's slot was given before both were ready."""
    times: list[tuple[float, float]] = []
    for row in world.client.run(ident).deployments:
        at = {event.kind: event.time for event in world.client.events(row.id).events}
        times.append((at.get("slot.given", math.inf), at.get("seal.done", 0)))
    assert max(ready for _, ready in times[:2]) <= min(slot for slot, _ in times[2:])


def what_failed_is_retried(rack: Rack, ident: str) -> str:
    """Its disks are right now; the retry's id."""
    for cube in rack.cubes.values():
        cube.fault = ""
    said = rack.world.provision("retry", ident, "--yes", "--expect-count", "2", "--no-wait")
    assert said.code == 0, said
    rows = rack.until_over(said.out.strip())
    assert [row.stage for row in rows] == ["ready", "ready"]
    return said.out.strip()


def the_report_is_right(world: World, first: str, second: str) -> None:
    """Text, table and data say the same, and what the disks hold is what they say."""
    told = world.provision("report", first)
    assert told.code == 0 and f"{GOOD} hosts:" in told.out and f"{GOOD - 2} ready" in told.out, told
    assert "no disk fits the hints" in told.err
    table = csv.DictReader(io.StringIO(world.provision("report", first, "-o", "csv").out))
    data = json.loads(world.provision("report", first, "-o", "json").out)["hosts"]
    results = {row["host"]: row["result"] for row in table}
    assert results == {row["host"]: row["result"] for row in data}
    assert Counter(results.values()) == {"ready": GOOD - 2, "failed": 1, "cancelled": 1}
    again = json.loads(world.provision("report", second, "-o", "json").out)["hosts"]
    assert {row["host"] for row in again} == {host for host, result in results.items() if result != "ready"}
    left = {host.name for host in world.client.hosts() if not host.deployment}
    assert left == {*WRONG, MANUAL}, "nobody else was ordered"
    for host in world.client.hosts():
        assert (host.name in left) or Machine.cubes.is_sealed(str(host.address)), host.name
