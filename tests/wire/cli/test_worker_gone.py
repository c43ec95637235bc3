"""What who asks a BMC is told while the worker is stopped, hangs, or is killed."""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from provisioner.errors import ServiceError
from tests.wire.conftest import World, held

PROGRAM = Path(__file__).parent / "programs" / "rack_bmcs.py"
PORT = 7101
SOON = 25.0  # seconds, of which a command on a busy machine takes some by itself


@pytest.fixture(scope="module")
def asked(fleet: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    fleet.client.put_secret("lab", "provision", "lab-secret")
    for port in (PORT, PORT + 1):
        bmc = {"driver": "ipmi", "address": "127.0.0.1", "port": port, "secret": "lab", "console": "none"}
        fleet.add_host(rack="A", bmc=bmc)
    argv = fleet.lan.argv(sys.executable, PROGRAM, tmp_path_factory.mktemp("b"), str(PORT), "2", "0", "0")
    with held(argv):
        yield fleet


@contextmanager
def stopped(world: World) -> Iterator[None]:
    """The worker, and each that its parent starts instead of it; none of them within a transaction.

    One that is stopped there locks the database for all the others, which is another fault.
    """
    over, pids = Event(), set()
    place = world.state / "provisioner.db"

    def stop() -> None:
        while not over.wait(0.05):
            try:
                pid = world.service.pid("worker")
                if pid in pids:
                    continue
                with closing(sqlite3.connect(place, timeout=30, isolation_level=None)) as database:
                    database.execute("BEGIN IMMEDIATE")  # while it is ours, it is not the worker's
                    os.kill(pid, signal.SIGSTOP)
                    database.execute("ROLLBACK")
                pids.add(pid)
            except (ServiceError, ProcessLookupError, FileNotFoundError):
                continue

    thread = Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for pid in pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGCONT)


def test_one_that_is_stopped_is_told_soon(asked: World) -> None:
    name = asked.client.hosts()[0].name
    with stopped(asked):
        for words in (("bmc", "test", name), ("bmc", "test", "--select", "rack=A"), ("bmc", "power", name)):
            began = time.monotonic()
            said = asked.provision(*words)
            seconds = time.monotonic() - began
            assert said.code == 5 and "PV-674" in said.err + said.out, said
            assert seconds < SOON, (words, seconds)
        many = ("deploy", "--select", "rack=A", "--yes", "--expect-count", "2", "--no-wait", "--preflight")
        said = asked.provision(*many)
        assert said.code == 6 and "(PV-145)" in said.err and "2 of 2 BMCs could not be asked" in said.err
    assert asked.client.deployments() == ()


def test_one_that_is_killed_answers_when_it_is_back(asked: World) -> None:
    asked.service.kill("worker")
    said = asked.provision("bmc", "test", "--select", "rack=A")
    assert said.code == 0 and "2 of 2 BMCs without a fault" in said.err, said
