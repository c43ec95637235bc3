"""Each process without a parent, as systemd's units start it: ready, alive, alone, replaced and noted."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner import run
from provisioner.settings import SERVICES
from provisioner.state.database import Database
from provisioner.state.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from tests.wire.conftest import CommandResult, Namespace

PROCESSES = (*SERVICES, "api")
SETTINGS = 'interface = "lan0"\naddress = "10.77.0.1/24"\nstate = "{}"\n'


class Systemd:
    """What systemd does for one site: a file of settings, a socket on which it is told, processes."""

    def __init__(self, lan: Namespace, folder: Path) -> None:
        self.lan, self.folder, self.state = lan, folder, folder / "s"
        self.settings = folder / "provisioner.toml"
        self.settings.write_text(SETTINGS.format(self.state))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(40)

    def serve(self, *words: str) -> tuple[str | Path, ...]:
        """The command line of `provision serve` with these settings."""
        return (sys.executable, "-m", "provisioner", "serve", "--settings", self.settings, *words)

    def run(self, *words: str) -> CommandResult:
        return self.lan.run(*self.serve(*words))

    def await_told(self, word: str) -> str:
        """The rest of the next message in which it is."""
        while word not in (message := self._socket.recv(4096).decode()):
            pass
        return message

    @contextmanager
    def running(self, name: str) -> Iterator[run.Process]:
        """A process that has said that it is ready."""
        argv = self.lan.argv(*self.serve("--process", name))
        env = {"NOTIFY_SOCKET": str(self.folder / "notify")}
        process = run.start(argv, log=self.folder / f"{name}.log", env=env)
        try:
            assert "READY=1" in self.await_told("READY=1"), self.log(name)
            yield process
        finally:
            run.stop(process, grace=20)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def replaced(self) -> list[str]:
        database = Database(self.state)
        try:
            return [
                event.describe() for event in database.events.notes(50) if event.kind == "service.replaced"
            ]
        finally:
            database.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(lan: Namespace, tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(lan, tmp_path)
    yield made
    made.close()


@pytest.fixture
def prepared(systemd: Systemd) -> Systemd:
    said = systemd.run("--prepare")
    assert said.code == 0 and f"{systemd.state} is ready" in said.err, said.err
    return systemd


def ended(process: run.Process) -> int:
    descriptor = os.pidfd_open(process.pid)
    try:
        assert select.select([descriptor], [], [], 30)[0], "it does not end"
    finally:
        os.close(descriptor)
    return process.wait()


def await_free(lock: Path) -> None:
    """What a killed web server has forked ends a moment later."""
    until = time.monotonic() + 20
    with lock.open() as file:
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < until
                time.sleep(0.05)  # nothing tells when a lock is free but to wait for it without end


def test_an_interface_that_has_its_address_later_is_waited_for(systemd: Systemd, lan: Namespace) -> None:
    """At boot others give it; systemd would start none of the processes again that need what has failed."""
    text = systemd.settings.read_text()
    systemd.settings.write_text(text.replace("10.77.0.1/24", "10.99.0.1/24"))
    argv = lan.argv("sh", "-c", 'exec "$@" 2>&1', "sh", *systemd.serve("--prepare"))
    process = run.start(argv, stdout=run.PIPE)
    try:
        assert process.stdout
        first = process.stdout.readline().decode()
        assert first == "the interface lan0 has not the address 10.99.0.1: waiting for 60 s\n"
        lan.add_address("10.99.0.1/24")
        assert ended(process) == 0
    finally:
        run.stop(process)


def test_before_the_worker_has_made_its_key_no_secret_is_kept_and_the_api_says_why(
    prepared: Systemd, lan: Namespace
) -> None:
    words = ("bmc", "secret", "put", "lab", "--user", "admin", "--state", prepared.state)
    password = {"PROVISION_BMC_PASSWORD": "lab-pass-word"}
    with prepared.running("api") as process:
        refused = lan.provision(*words, env=password)
        assert refused.code == 6 and "so that no secret can be kept (PV-695)" in refused.err, refused.err
        assert "systemctl restart provisioner-worker" in refused.err
        with prepared.running("worker"):
            pass
        kept = lan.provision(*words, env=password)
        assert kept.code == 0, kept.err
        assert process.poll() is None and "Traceback" not in prepared.log("api")


@pytest.mark.parametrize("name", PROCESSES)
def test_each_serves_alone_says_so_beats_and_ends_when_it_is_told(prepared: Systemd, name: str) -> None:
    with prepared.running(name) as process:
        for _ in range(2):
            prepared.await_told("WATCHDOG=1")
        process.terminate()
        assert ended(process) in (0, -signal.SIGTERM), prepared.log(name)
    with prepared.running(name):
        assert prepared.replaced() == [], "who was told to end was not replaced"
    assert "Traceback" not in prepared.log(name)


@pytest.mark.parametrize("name", ["dns", "web", "worker"])
def test_one_that_was_killed_is_noted_by_the_next(prepared: Systemd, name: str) -> None:
    with prepared.running(name) as process:
        process.kill()
        ended(process)
    await_free(prepared.state / f"process-{name}.lock")
    with prepared.running(name):
        [sentence] = prepared.replaced()
    assert sentence.startswith(f"{name}: process ") and "did not end as it was told" in sentence


def test_two_of_one_service_and_a_parent_beside_any_are_refused(prepared: Systemd) -> None:
    with prepared.running("dns"):
        for words, who in (
            (("--process", "dns"), "process of dns"),
            ((), "service"),
            (("--prepare",), "service"),
        ):
            said = prepared.run(*words)
            assert said.code == 1 and "(PV-606)" in said.err, said.err
            assert f"another {who} works on {prepared.state} already" in said.err
    assert prepared.run("--prepare").code == 0


@pytest.mark.parametrize("state", ["new", "old"])
def test_a_folder_that_was_not_made_ready_is_left_alone(systemd: Systemd, state: str) -> None:
    systemd.state.mkdir(mode=0o700)
    database = Database(systemd.state)
    if state == "old":
        database.path.touch(mode=0o600)
        database.db.execute("CREATE TABLE hosts (name TEXT)")
        database.db.execute(f"PRAGMA user_version={SCHEMA_VERSION - 1}")
    said = systemd.run("--process", "dns")
    assert said.code == 1 and "was not made ready" in said.err and "(PV-617)" in said.err
    assert "systemctl restart provisioner-prepare" in said.err
    if state == "old":
        assert database.db.table_names() == ["hosts"], "no process but one brings it up to date"
    database.close()


def test_a_folder_of_a_newer_release_is_refused_by_each_process(prepared: Systemd) -> None:
    database = Database(prepared.state)
    database.db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    database.close()
    for words in (("--process", "dns"), ("--prepare",)):
        said = prepared.run(*words)
        assert said.code == 6 and "was written by a newer release" in said.err and "(PV-611)" in said.err


def test_one_that_the_settings_do_not_want_is_said_to_be_that(prepared: Systemd) -> None:
    prepared.settings.write_text(prepared.settings.read_text() + 'services = ["dhcp", "tftp"]\n')
    assert prepared.run("--process", "dhcp", "--is-wanted").code == 0
    assert prepared.run("--process", "dns", "--is-wanted").code == 1
    said = prepared.run("--process", "dns")
    assert said.code == 2 and "dns is not among the settings' services: dhcp, tftp" in said.err


def test_settings_are_looked_at_before_they_are_read_again(prepared: Systemd) -> None:
    said = prepared.run("--dry-run")
    assert said.code == 0 and "the settings can be used: dhcp, tftp, dns, web, worker, api" in said.err
    prepared.settings.write_text("interfaces = 1\n")
    said = prepared.run("--dry-run")
    assert said.code == 2 and "interfaces: is not a known key" in said.err


def test_the_web_service_answers_on_sockets_that_systemd_has_opened(
    prepared: Systemd, lan: Namespace
) -> None:
    """By systemd's own program, which starts it at the first connection."""
    activate = ("systemd-socket-activate", "-l", "10.77.0.1:80", "-E", "NOTIFY_SOCKET")
    argv = lan.argv(*activate, *prepared.serve("--process", "web"))
    env = {"NOTIFY_SOCKET": str(prepared.folder / "notify")}
    process = run.start(argv, log=prepared.folder / "web.log", env=env)
    try:
        until = time.monotonic() + 30
        while "Listening on" not in prepared.log("web"):
            assert time.monotonic() < until
            time.sleep(0.05)  # it says so nowhere else
        assert lan.http("/boot/52-54-00-00-00-01.ipxe").status in (200, 404)
        assert "READY=1" in prepared.await_told("READY=1")
    finally:
        run.stop(process, grace=20)


def test_other_sockets_than_those_of_the_settings_are_refused(prepared: Systemd, lan: Namespace) -> None:
    activate = ("systemd-socket-activate", "-l", "10.77.0.1:8080")
    argv = lan.argv(*activate, *prepared.serve("--process", "web"))
    process = run.start(argv, log=prepared.folder / "web.log")
    try:
        until = time.monotonic() + 30
        while "Listening on" not in prepared.log("web"):
            assert time.monotonic() < until
            time.sleep(0.05)  # it says so nowhere else
        lan.run("curl", "-s", "--max-time", "5", "http://10.77.0.1:8080/")
        assert ended(process) == 1
    finally:
        run.stop(process)
    assert "systemd listens at 10.77.0.1:8080, and the settings say 10.77.0.1:80 (PV-618)" in prepared.log(
        "web"
    )
