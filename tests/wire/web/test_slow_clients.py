"""Slow and greedy clients, and the machines and people who must be served beside them.

STRAIN_SECONDS is how long each kind of them holds on, STRAIN_CLIENTS how many they are.
"""

import os
import resource
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from provisioner.domain.person import Role
from tests.wire.conftest import Puppet, Reply, World, held

PROGRAM = Path(__file__).with_name("programs") / "slow_clients.py"
SECONDS = float(os.environ.get("STRAIN_SECONDS", "6"))
CLIENTS = int(os.environ.get("STRAIN_CLIENTS", "1000"))
pytestmark = [pytest.mark.alone, pytest.mark.timeout(120 + SECONDS)]
# seconds: of a boot script, an agent's report, what people ask; a short look says only that they are answered
SCRIPT, REPORT, ANSWER = (1.0, 1.0, 2.0) if SECONDS >= 60 else (5.0, 5.0, 5.0)


@pytest.fixture
def writing(world: World, puppet: Puppet) -> Puppet:
    """A host whose agent is at work; and a large file that everybody may fetch."""
    initrd = world.state / "ramdisk" / "initrd.img"
    if not initrd.exists():
        with initrd.open("wb") as file:
            file.truncate(64 << 20)
    puppet.arm()
    assert puppet.hello().status == 200
    return puppet


def seconds(act: object) -> float:
    began = time.monotonic()
    act()  # type: ignore[operator]
    return time.monotonic() - began


@pytest.mark.parametrize("addresses", [1, 50])
@pytest.mark.parametrize("kind", ["idle", "head", "body", "reader", "tls-idle", "tls-hello", "tls-head"])
def test_slow_clients_hold_up_nobody_but_themselves(
    world: World, writing: Puppet, kind: str, addresses: int
) -> None:
    sources = [f"10.77.0.{191 + number}" for number in range(1)] if addresses == 1 else []
    sources = sources or [f"10.77.1.{number + 1}" for number in range(addresses)]
    for source in sources:
        world.lan.add_address(f"{source}/16")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    argv = ["prlimit", f"--nofile={hard}", sys.executable, PROGRAM, kind, CLIENTS, "10.77.0.1", *sources]
    ident, token = writing.row.id, world.token(Role.VIEWER)
    waits, until = {"script": 0.0, "report": 0.0, "status": 0.0, "https": 0.0}, 0.0
    with held(world.lan.argv(*map(str, argv))):
        until, number = time.monotonic() + SECONDS, 0
        while time.monotonic() < until:
            number += 1
            script = seconds(lambda: writing.http("/boot/52-54-00-77-01-fe/boot.ipxe"))
            report = seconds(lambda n=number: writing.tell("progress", seq=n))
            status = seconds(lambda: world.client.deployment(ident))
            answer: list[Reply] = []
            asked = partial(world.lan.https, f"/api/v1/deployments/{ident}", token=token)
            https = seconds(lambda said=answer, ask=asked: said.append(ask(source=writing.address)))
            assert answer[0].status == 200 and answer[0].json["deployment"]["id"] == ident
            for name, value in zip(waits, (script, report, status, https), strict=True):
                waits[name] = max(waits[name], value)
        cancelled = seconds(lambda: world.client.cancel(ident))
    assert waits["script"] < SCRIPT and waits["report"] < REPORT, waits
    assert waits["status"] < ANSWER and waits["https"] < ANSWER and cancelled < ANSWER, waits
    assert "agent.silent" not in world.kinds(ident)
    assert number > SECONDS / 2
