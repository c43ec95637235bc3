"""`provision bmc console` and the last words of a failure, from a host whose BMC has a serial console."""

from __future__ import annotations

import itertools
import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.state.recording import Recording

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, Puppet, World

PROGRAMS = Path(__file__).with_name("programs")


class Spoken:
    """A host of the test's own; what it says on its serial port."""

    def __init__(self, world: World, puppet: Puppet, bmc: str, holder: Any) -> None:
        self.world, self.puppet, self.name, self.bmc = world, puppet, puppet.name, bmc
        self._holder = holder

    def says(self, words: bytes) -> None:
        self._holder.stdin.write(words.hex().encode() + b"\n")
        self._holder.stdin.flush()

    def power_on(self) -> str:
        """From the order until the BMC has been told; the deployment's id."""
        ident: str = self.world.client.arm(self.name, yes=True).id
        self.world.await_event(ident, "power.on")
        return ident

    def recorded(self, ident: str, words: bytes) -> bytes:
        """The recording, once it has these words."""
        found, until = Recording(self.world.state, ident), time.monotonic() + 30
        while words not in (data := found.read(0, 1 << 20)):
            assert time.monotonic() < until, data
            time.sleep(0.05)  # a file has no event to wait for
        return data


@pytest.fixture(scope="module")
def speaking(world: World, held: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes hosts, each with a BMC at an address of its own, with or without a serial console."""
    numbers = itertools.count(21)

    @contextmanager
    def make(kind: str = "sol") -> Iterator[Spoken]:
        address = f"10.77.1.{next(numbers)}"
        world.client.put_secret("spoken", "provision", "lab-secret")
        world.lan.add_address(f"{address}/32", "lo")
        folder = tmp_path_factory.mktemp("bmc")
        bmc = {"driver": "ipmi", "address": address, "secret": "spoken"}
        with (
            held(
                world.lan.argv(
                    sys.executable,
                    PROGRAMS / "console_bmc.py",
                    folder,
                    address,
                    kind,
                )
            ) as holder,
            world.machine(bmc=bmc) as puppet,
        ):
            yield Spoken(world, puppet, address, holder)

    return make


@pytest.fixture
def host(speaking: Any) -> Iterator[Spoken]:
    with speaking() as made:
        yield made


def check(said: CommandResult, code: int, number: int, *words: str) -> None:
    """An error for people on stderr, nothing on stdout, the documented exit code."""
    assert (said.code, said.out) == (code, ""), said.err
    assert f"(PV-{number})" in said.err and "Traceback" not in said.err, said.err
    for word in words:
        assert word in said.err


def test_a_console_is_recorded_before_the_power_on_and_followed_until_it_rests(
    world: World, host: Spoken
) -> None:
    ident = host.power_on()
    began = Recording(world.state, ident).marks()[0]
    told = next(e for e in world.client.events(ident).events if e.kind == "power.began")
    assert began.mark == "began" and began.time < told.time
    host.says(b"\x1b[2J\x1b[1;1HPOST\x1b[0m ok\r\n\x1b]0;title\x07")
    with world.lines("bmc", "console", host.name, "--follow") as seen:
        seen.await_text("POST ok\n")
        host.says(b"iPXE initialising devices")
        seen.await_text("iPXE initialising devices")
        world.client.cancel(ident)
        assert seen.end() == 0
        assert "\x1b" not in seen.seen and "title" not in seen.seen
    marks = [mark.mark for mark in Recording(world.state, ident).marks()]
    assert marks == ["began", "ended"]


def test_the_last_lines_and_the_very_bytes_can_be_had_afterwards(world: World, host: Spoken) -> None:
    ident, words = host.power_on(), b"one\r\n\x1b[1mtwo\x1b[0m\r\nthree\r\n"
    host.says(words)
    host.recorded(ident, words)
    world.client.cancel(ident)
    assert world.provision("bmc", "console", host.name, "--follow").out == "one\ntwo\nthree\n"
    assert world.provision("bmc", "console", ident, "-n", "2").out == "two\nthree\n"
    raw = world.lan.run(
        *("env", f"PROVISION_STATE={world.state}", world.python, "-m", "provisioner"),
        *("bmc", "console", host.name, "--raw"),
    )
    assert raw.out.encode() == words


def test_control_c_ends_the_following_and_nothing_else(world: World, host: Spoken) -> None:
    ident = host.power_on()
    with world.lines("bmc", "console", host.name, "-f") as seen:
        host.says(b"still here\r\n")
        seen.await_text("still here")
        seen.signal(signal.SIGINT)
        assert seen.end() == 130
        assert f"provision bmc console {host.name} --follow" in seen.seen
    host.says(b"and later\r\n")
    assert host.recorded(ident, b"and later\r\n") == b"still here\r\nand later\r\n"


def test_a_failure_carries_the_consoles_last_words_without_its_secrets(world: World, host: Spoken) -> None:
    ident = host.power_on()
    nonce = host.puppet.row.nonce
    lines = "".join(f"line {number}\r\n" for number in range(30))
    host.says(f"{lines}Command line: pv.nonce={nonce} quiet\r\nseed /{nonce}/\r\n".encode())
    host.says(b"\x1b[31mKernel panic\x1b[0m - not syncing\r\n\r\n")
    host.recorded(ident, b"syncing\r\n")
    host.puppet.hello()
    host.puppet.tell("failed")
    wanted = [f"line {number}" for number in range(18, 30)]
    wanted += ["Command line: pv.nonce=… quiet", "seed /…/", "Kernel panic - not syncing"]
    shown = world.provision("status", host.name)
    assert "Its serial console said last" in shown.out and f"provision bmc console {host.name}" in shown.out
    assert [line[4:] for line in shown.out.splitlines() if line.startswith("  │ ")] == wanted
    assert (
        json.loads(world.provision("status", host.name, "-o", "json").out)["deployment"]["console"] == wanted
    )
    watched = world.provision("watch", ident)
    assert watched.code == 3 and "  │ Kernel panic - not syncing" in watched.err
    event = world.client.events(ident).events[-1]
    assert event.kind == "agent.failed" and list(event.data.console) == wanted
    assert nonce not in world.client.events(ident).model_dump_json()


def test_a_killed_worker_leaves_no_recorder_and_the_recording_goes_on(world: World, host: Spoken) -> None:
    ident = host.power_on()
    host.says(b"before ")
    host.recorded(ident, b"before ")
    world.service.kill("worker")  # and waits until every process of the service has ended, recorders too
    found, until = Recording(world.state, ident), time.monotonic() + 30
    while found.is_running() and len(found.marks()) < 2:  # unless the next worker's has begun already
        assert time.monotonic() < until, "the recorder of the killed one goes on"
        time.sleep(0.05)
    world.service.ensure()
    while [mark.mark for mark in found.marks()] != ["began", "again"]:
        assert time.monotonic() < until, found.marks()
        time.sleep(0.05)
    host.says(b"after")
    assert host.recorded(ident, b"after") == b"before after"


def test_a_bmc_without_a_console_is_said_once_and_the_deployment_goes_on(world: World, speaking: Any) -> None:
    with speaking("no sol") as host:
        ident = host.power_on()
        journal = Recording(world.state, ident)
        until = time.monotonic() + 30
        while len(journal.marks()) < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert {mark.mark for mark in journal.marks()} == {"lost"}, "it is tried again"
        lost = [e for e in world.client.events(ident).events if e.kind == "console.lost"]
        assert [event.data.code for event in lost] == [209]
        assert f"{host.bmc} gives no serial console" in lost[0].data.sentence
        assert world.client.deployment(ident).stage == "powering"
        world.client.cancel(ident)
        check(world.provision("bmc", "console", host.name), 5, 209, f"{host.bmc} gives no serial console")


def test_a_silent_console_is_told_from_one_that_was_not_recorded(world: World, host: Spoken) -> None:
    ident = host.power_on()
    said = world.provision("bmc", "console", host.name)
    assert (said.code, said.out) == (0, "") and "nothing was said yet" in said.err
    world.client.cancel(ident)
    said = world.provision("bmc", "console", host.name, "--follow")
    check(said, 2, 138, f"the console of {host.name} said nothing", "console redirection")


@pytest.mark.parametrize(
    ("bmc", "sentence"),
    [
        ({}, "has no BMC, so its console cannot be recorded"),
        ({"driver": "redfish", "address": "10.77.1.9"}, "driven by Redfish, which has no serial console"),
        ({"driver": "ipmi", "address": "10.77.1.8", "console": "none"}, "is not recorded"),
    ],
)
def test_why_there_is_no_recording_is_said(world: World, bmc: dict[str, str], sentence: str) -> None:
    with world.machine(bmc=bmc or {"driver": "manual"}) as puppet:
        check(world.provision("bmc", "console", puppet.name), 2, 123, "was never deployed")
        world.client.arm(puppet.name, yes=True)
        check(world.provision("bmc", "console", puppet.name), 2, 138, sentence)


def test_a_redfish_bmc_that_speaks_ipmi_too_has_a_console(world: World, speaking: Any) -> None:
    with speaking() as host:
        bmc = {"driver": "redfish", "address": host.bmc, "secret": "spoken", "console": "ipmi"}
        world.apply([{"name": host.name, "macs": [host.puppet.mac], "profile": "cube", "bmc": bmc}], [])
        ident: str = world.client.arm(host.name, yes=True).id
        until = time.monotonic() + 30
        while not Recording(world.state, ident).marks():
            assert time.monotonic() < until
            time.sleep(0.05)
        host.says(b"hello by ipmi\r\n")
        assert host.recorded(ident, b"by ipmi\r\n") == b"hello by ipmi\r\n"


def test_no_recording_is_readable_by_others(world: World, host: Spoken) -> None:
    ident = host.power_on()
    host.says(b"secret")
    host.recorded(ident, b"secret")
    files = [path for path in Path(world.state, "logs").iterdir() if re.match(f"{ident}.console", path.name)]
    assert len(files) == 2 and {path.stat().st_mode & 0o777 for path in files} == {0o600}
