"""The recorder of a serial console against a BMC that we did not write, and the line behind it."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner import run
from provisioner.lab.chassis import Chassis
from provisioner.lab.ipmi_simulator import IpmiSimulator
from provisioner.lab.serial_line import SerialLine
from provisioner.power import console, registry
from provisioner.power.console import RecorderRequest
from provisioner.power.protocol import BmcAddress
from provisioner.state import recording
from provisioner.state.recording import Recording
from tests.ports import free_port

HERE = "127.0.0.1"
RECORDER = registry.DRIVERS["ipmi"].recorder
LIMIT = 30.0  # seconds for what takes two


class Line:
    """A BMC with a serial line, a machine that says what the test wants, and a recorder's order."""

    def __init__(self, address: BmcAddress, serial: SerialLine, state: Path) -> None:
        self.request = RecorderRequest(address, state, "d-1")
        self.serial = serial
        self.place = state.parent / "bmc"
        self.machine = (self.place / "serial.out").open("wb", buffering=0)
        self.recording = Recording(state, "d-1")

    def says(self, words: bytes) -> None:
        self.machine.write(words)

    def restarts(self) -> None:
        """Another machine on the same line, as after a reset."""
        self.machine.close()
        self.machine = (self.place / "serial.out").open("wb", buffering=0)

    def recorded(self, size: int) -> bytes:
        """The recording, once it has as many bytes."""
        until = time.monotonic() + LIMIT
        while self.recording.size() < size and time.monotonic() < until:
            time.sleep(0.02)  # a file has no event to wait for
        return self.recording.read(0, size + 1)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    port = free_port()
    address = BmcAddress("ipmi", HERE, port, "provision", "lab-secret", "vc-1")
    (tmp_path / "state" / "logs").mkdir(parents=True)
    (tmp_path / "bmc").mkdir()
    chassis = Chassis(lambda act: None, lambda: True)
    with (
        SerialLine(tmp_path / "bmc") as serial,
        IpmiSimulator(chassis, address, tmp_path / "bmc", serial_port=serial.port),
    ):
        made = Line(address, serial, tmp_path / "state")
        yield made
        made.machine.close()


def said(recorder: run.Process) -> bytes:
    assert recorder.stdout
    return recorder.stdout.readline()


@pytest.fixture
def recorder(line: Line) -> Iterator[run.Process]:
    started = console.start(RECORDER, line.request)
    assert console.error_in(said(started)) is None
    yield started
    end(started)


def end(recorder: run.Process) -> int:
    """As the worker ends it."""
    assert recorder.stdin and recorder.stdout
    recorder.stdin.close()
    try:
        return recorder.wait(LIMIT)
    finally:
        recorder.kill()
        recorder.stdout.close()


def test_every_byte_is_recorded_in_its_order(line: Line, recorder: run.Process) -> None:
    data = random.Random(5).randbytes(300_000)  # every value of a byte, carriage returns too
    line.says(data)
    assert line.recorded(len(data)) == data


def test_nothing_is_lost_between_two_lives_of_a_machine(line: Line, recorder: run.Process) -> None:
    words = b""
    for life in range(5):
        part = b"life %d\r\n" % life * 500
        line.says(part)
        line.restarts()
        words += part
    assert line.recorded(len(words)) == words


def test_what_was_said_before_it_was_told_to_end_is_still_recorded(line: Line, recorder: run.Process) -> None:
    data = b"0123456789abcdef" * 4000
    line.says(data)
    assert end(recorder) == 0
    assert line.recording.read(0, len(data) + 1) == data
    assert [mark.mark for mark in line.recording.marks()] == ["began", "ended"]


def test_only_its_owner_may_read_a_recording(line: Line, recorder: run.Process) -> None:
    line.says(b"Command line: pv.nonce=x\r\n")
    line.recorded(26)
    assert {path.stat().st_mode & 0o777 for path in line.request.state.glob("logs/*")} == {0o600}


def test_one_recorder_takes_the_console_from_another_that_was_killed(line: Line) -> None:
    first = console.start(RECORDER, line.request)
    assert console.error_in(said(first)) is None
    line.says(b"one ")
    assert line.recorded(4) == b"one "
    os.kill(first.pid, signal.SIGKILL)
    end(first)
    second = console.start(RECORDER, line.request)
    assert console.error_in(said(second)) is None
    line.says(b"two")
    assert line.recorded(7) == b"one two"
    assert end(second) == 0
    marks = [(mark.mark, mark.offset) for mark in line.recording.marks()]
    assert marks == [("began", 0), ("again", 4), ("ended", 7)]


def test_a_recorder_dies_with_the_thread_that_started_it(line: Line) -> None:
    started: list[run.Process] = []
    thread = threading.Thread(target=lambda: started.append(console.start(RECORDER, line.request)))
    thread.start()
    thread.join()
    assert started[0].wait(LIMIT) == -signal.SIGKILL
    assert not line.recording.is_running()


def test_a_recording_is_known_to_run_until_its_recorder_ends(line: Line, recorder: run.Process) -> None:
    assert line.recording.is_running()
    end(recorder)
    assert not line.recording.is_running()


def test_a_wrong_password_is_202_and_not_told(line: Line) -> None:
    wrong = replace(line.request, bmc=replace(line.request.bmc, password="guessed"))
    started = console.start(RECORDER, wrong)
    fault = console.error_in(said(started))
    assert end(started) == 1
    assert fault is not None and fault.code == 202 and "guessed" not in f"{fault} {fault.hint}"


def test_a_bmc_without_serial_over_lan_is_209_with_its_words(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "logs").mkdir()
    address = BmcAddress("ipmi", HERE, port, "provision", "lab-secret", "vc-1")
    with IpmiSimulator(Chassis(lambda act: None, lambda: True), address, tmp_path):
        started = console.start(RECORDER, RecorderRequest(address, tmp_path, "d-1"))
        fault = console.error_in(said(started))
        assert end(started) == 1
    assert fault is not None and fault.code == 209
    assert str(fault).startswith("BMC 127.0.0.1 gives no serial console: ")


def test_a_silent_bmc_is_201(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HERE, 0))
        address = BmcAddress("ipmi", HERE, silent.getsockname()[1], "provision", "lab-secret", "vc-1")
        started = console.start(RECORDER, RecorderRequest(address, tmp_path, "d-1"))
        fault = console.error_in(said(started))
        assert end(started) == 1
    assert fault is not None and fault.code == 201


def test_ipmitool_hears_the_same_console(line: Line) -> None:
    """The lab's wiring, by a client that is not pyghmi."""
    bmc = line.request.bmc
    where = ["-C", "3", "-H", bmc.address, "-p", str(bmc.port), "-U", bmc.user, "-E"]
    argv = ["ipmitool", "-I", "lanplus", *where, "sol", "activate"]
    log = line.request.state / "ipmitool.log"
    argv = ["script", "-qec", " ".join(argv), "/dev/null"]  # it wants a terminal
    talking = run.start(argv, log=log, stdin=run.PIPE, env={"IPMI_PASSWORD": bmc.password})
    try:
        until = time.monotonic() + LIMIT
        while b"operational" not in log.read_bytes() and time.monotonic() < until:
            time.sleep(0.05)
        line.says(b"Linux version 6.1")
        while b"version 6.1" not in log.read_bytes() and time.monotonic() < until:
            time.sleep(0.05)
        assert b"Linux version 6.1" in log.read_bytes()
    finally:
        run.stop(talking)


def test_what_is_typed_reaches_the_machine(line: Line) -> None:
    line.serial.type(b"root\r")
    with (line.place / "serial.in").open("rb", buffering=0) as keyboard:
        assert keyboard.read(5) == b"root\r"


def test_a_chatty_console_ends_at_the_limit_and_its_newest_words_are_kept(
    line: Line, recorder: run.Process
) -> None:
    start, chatter = recording.LIMIT, b"panic " * 20_000
    line.says(bytes(start) + chatter + b"\r\nat last\r\n")
    until = time.monotonic() + LIMIT
    while line.recording.last_words()[-1:] != ["at last"] and time.monotonic() < until:
        time.sleep(0.05)
    assert line.recording.size() == recording.LIMIT
    assert len(line.recording.newest()) == recording.NEWEST
    assert line.recording.last_words()[-2].endswith("panic…")
    assert [mark.mark for mark in line.recording.marks()] == ["began", "full"]
