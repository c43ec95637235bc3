"""A rack of 40 before it is ordered: two BMCs dead, a wrong password, a login never given, one by hand.

One more falls silent in the middle of each session.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.wire.conftest import Puppet, World

PROGRAM = Path(__file__).parent / "programs" / "rack_bmcs.py"
FIRST, GOOD, DEAD, MUTE = 7001, 34, 2, 1


class Rack:
    """The hosts by what is wrong with them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.good = [self._add(FIRST + number) for number in range(GOOD)]
        self.wrong = self._add(FIRST + GOOD, secret="wrong")
        self.dead = [self._add(FIRST + GOOD + 1 + number) for number in range(DEAD)]
        self.mute = self._add(FIRST + GOOD + 1 + DEAD)
        self.never = self._add(FIRST + GOOD + 1 + DEAD + MUTE, secret="never")
        self.manual = world.add_host(rack="B3")

    def _add(self, port: int, secret: str = "lab") -> Puppet:
        bmc = {"driver": "ipmi", "address": "127.0.0.1", "port": port, "secret": secret}
        return self.world.add_host(rack="B3", bmc=bmc)

    @property
    def faulty(self) -> list[str]:
        return [puppet.name for puppet in (*self.dead, self.wrong, self.never, self.mute)]

    def wrong_lines(self, text: str) -> list[str]:
        """The hosts that are marked, in their order."""
        return [line.split()[1] for line in text.splitlines() if line.startswith("✗ ") and "vc-" in line]


@pytest.fixture(scope="module")
def rack(
    fleet: World, tmp_path_factory: pytest.TempPathFactory, held: Callable[[list[str]], object]
) -> Iterator[Rack]:
    fleet.client.put_secret("lab", "provision", "lab-secret")
    fleet.client.put_secret("wrong", "provision", "guessed-77")
    numbers = map(str, (FIRST, GOOD + 1, DEAD, MUTE))
    argv = fleet.lan.argv(sys.executable, PROGRAM, tmp_path_factory.mktemp("bmcs"), *numbers)
    with held(argv):  # type: ignore[attr-defined]  # a context manager
        yield Rack(fleet)


def test_all_are_asked_and_the_red_ones_come_first(rack: Rack) -> None:
    said = rack.world.provision("bmc", "test", "--all")
    assert said.code == 4, said
    print(said.err)  # in which time
    marks = "".join(line[0] for line in said.out.splitlines() if re.match(r"[✗✓·] +vc-", line))
    assert marks.startswith("✗✗✗✗✗") and marks.count("✓") == GOOD and marks.count("·") == 1
    assert sorted(rack.wrong_lines(said.out)) == sorted(rack.faulty)
    assert "provision bmc secret never --user USER" in said.out
    assert "34 of 39 BMCs without a fault, 1 powered by hand" in said.err


def test_a_run_is_preceded_by_it_and_names_who_would_fail(rack: Rack) -> None:
    before = [puppet.row for puppet in rack.good]
    said = rack.world.provision("deploy", "--select", "rack=B3", "--yes", "--expect-count", "39")
    assert said.code == 6 and "40 hosts would be erased, not 39" in said.err, said.err
    assert "34 of 39 BMCs are ready" in said.err
    assert sorted(set(rack.wrong_lines(said.err))) == sorted(rack.faulty)
    assert "5 of 40 hosts would fail as they are" in said.err
    assert [puppet.row for puppet in rack.good] == before


def test_a_script_that_wants_it_is_refused(rack: Rack) -> None:
    names = f"name={rack.good[0].name}|{rack.wrong.name}"
    count = ("--yes", "--expect-count", "2", "--no-wait")
    said = rack.world.provision("deploy", "--select", names, *count, "--preflight")
    assert said.code == 6 and "(PV-145)" in said.err and f"name!={rack.wrong.name}" in said.err
    assert rack.good[0].row is None and rack.wrong.row is None
    one = rack.world.provision("deploy", rack.wrong.name, "--yes", "--no-wait", "--preflight")
    assert one.code == 6 and "(PV-145)" in one.err and rack.wrong.row is None


def test_what_is_known_is_said_without_asking_anybody(rack: Rack) -> None:
    """Before one host is confirmed, and before many: the login, with the command that mends it."""
    one = rack.world.provision("deploy", rack.never.name, stdin=b"")
    mend = "provision bmc secret never --user USER"
    assert one.code == 6 and mend in one.err and "would fail as it is" in one.err, one.err
    assert "BMCs are ready" not in one.err and rack.never.row is None
    names = f"name={rack.good[0].name}|{rack.never.name}"
    many = rack.world.provision("deploy", "--select", names, "--no-preflight")
    assert many.code == 6 and mend in many.err and "1 of 2 hosts would fail" in many.err, many.err
    assert "BMCs are ready" not in many.err
    for whose in (("--select", names), (rack.dead[0].name,)):
        dry = rack.world.provision("deploy", *whose, "--dry-run", "--no-preflight")
        assert dry.code == 0 and "BMC" not in dry.err.replace("BMC login", ""), dry.err


def test_each_red_line_has_the_command_that_mends_it(rack: Rack) -> None:
    said = rack.world.provision("bmc", "test", "--select", f"name={'|'.join(rack.faulty)}")
    assert said.code == 5, "nobody answered as it should"
    for command in (
        "provision bmc secret wrong --user provision",
        "provision bmc secret never --user USER",
        *(f"provision host edit {puppet.name} --bmc ADDRESS" for puppet in rack.dead),
    ):
        assert command in " ".join(said.out.split()), said.out


def test_without_it_nobody_is_asked(rack: Rack) -> None:
    said = rack.world.provision("deploy", "--all", "--no-preflight", "--yes", "--expect-count", "1")
    assert said.code == 6 and "BMCs are ready" not in said.err


def test_the_results_are_data(rack: Rack) -> None:
    names = f"name={rack.good[0].name}|{rack.never.name}|{rack.manual.name}"
    said = rack.world.provision("bmc", "test", "--select", names, "-o", "json")
    tests = {test["host"]: test for test in json.loads(said.out)["tests"]}
    assert said.code == 4
    assert tests[rack.good[0].name]["result"] == "ok" and tests[rack.good[0].name]["power"] == "off"
    assert tests[rack.never.name]["code"] == 205 and tests[rack.manual.name]["result"] == "manual"


@pytest.mark.parametrize("words", [(), ("vc-1", "--all"), ("--select", "rack=B3", "--all")])
def test_it_must_be_said_whose_bmc(rack: Rack, words: tuple[str, ...]) -> None:
    assert rack.world.provision("bmc", "test", *words).code == 2
